// Functions of the expression language that DuckDB has no SQL for: they run in this process.
import {
  DOUBLE,
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBScalarFunction,
  type DuckDBVector,
  INTEGER,
  VARCHAR,
} from '@duckdb/node-api'
import { evaluatorOf, type ModelEvaluator, modelHandleName, modelScoreName } from '../model/index.ts'

/** Gives them to the instance of the connection, and so to all of its connections. */
export function addFunctions(connection: DuckDBConnection): void {
  connection.registerScalarFunction(
    DuckDBScalarFunction.create({
      name: modelHandleName,
      parameterTypes: [VARCHAR],
      returnType: INTEGER,
      mainFunction: (_, rows, handles) => {
        const texts = rows.getColumnVector(0) as DuckDBVector<string>
        for (let row = 0; row < rows.rowCount; row++) handles.setItem(row, handleOf(texts.getItem(row)))
        handles.flush()
      },
    }),
  )
  connection.registerScalarFunction(
    DuckDBScalarFunction.create({
      name: modelScoreName,
      parameterTypes: [INTEGER],
      varArgsType: DOUBLE,
      returnType: DOUBLE,
      specialHandling: true, // A null feature is a missing one.
      mainFunction: (info, rows, scores) => {
        if (!scoreRows(rows, scores)) info.setError('the model of a statement is not known any more')
      },
    }),
  )
}

/** DuckDB computes the handle of a literal once for a statement; the text would be read for each row. */
const handles = new Map<string, number>()
const evaluators = new Map<number, ModelEvaluator>()
/** A run has one or two. */
const handlesMax = 1_000
let handleNext = 1

function handleOf(text: string | null): number | null {
  const known = text === null ? undefined : handles.get(text)
  if (text === null || known !== undefined) return known ?? null
  const evaluator = evaluatorOf(text)
  if (evaluator === null) return null
  if (handles.size >= handlesMax) {
    const [oldest, handle] = handles.entries().next().value!
    handles.delete(oldest)
    evaluators.delete(handle)
  }
  handles.set(text, handleNext)
  evaluators.set(handleNext, evaluator)
  return handleNext++
}

/** False where a handle is of no model. */
function scoreRows(rows: DuckDBDataChunk, scores: DuckDBVector): boolean {
  const models = rows.getColumnVector(0) as DuckDBVector<number>
  const features = Array.from({ length: rows.columnCount - 1 }, (_, index) => {
    return rows.getColumnVector(index + 1) as DuckDBVector<number>
  })
  const given = features.map((): number | null => null)
  for (let row = 0; row < rows.rowCount; row++) {
    const handle = models.getItem(row)
    const evaluator = handle === null ? null : evaluators.get(handle)
    if (evaluator === undefined) return false
    for (let index = 0; index < features.length; index++) given[index] = features[index]!.getItem(row)
    scores.setItem(row, evaluator === null ? null : evaluator.scoreOf(given))
  }
  scores.flush()
  return true
}
