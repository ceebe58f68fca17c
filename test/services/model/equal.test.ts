// Models that come from elsewhere give what the library that trained them gives, in JavaScript and on DuckDB.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addFunctions } from '../../../src/engines/duckdb-functions.ts'
import { compileRowPath } from '../../../src/javascript/index.ts'
import { input, project } from '../../../src/plan/index.ts'
import { duckdb, expressionSql } from '../../../src/sql/index.ts'
import { pythonAvailable } from '../tools.ts'
import { farthest, scoreOfModel } from './score.ts'
import { rowCount, type TrainedModels, trainedColumns, trainedModels } from './trained.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
/** XGBoost adds and answers in 32 bits. */
const distanceMax = { plain: 1e-9, zero: 1e-9, unused: 1e-9, large: 1e-9, xgboost: 1e-5 } as const
const names = Object.keys(distanceMax) as (keyof typeof distanceMax)[]

describe.skipIf(pythonAvailable !== null)(`models (SEED=${seed})`, () => {
  let trained: TrainedModels
  let connection: DuckDBConnection
  beforeAll(async () => {
    trained = await trainedModels(seed, names)
    connection = await (await DuckDBInstance.create(':memory:')).connect()
    addFunctions(connection)
    const types = Object.entries({ row: 'int', ...trainedColumns } as const)
    const columns = types.map(([name, type]) => `'${name}': '${duckdb.type(type)}'`).join(', ')
    await connection.run(
      `CREATE TABLE rows AS SELECT * FROM read_csv('${trained.rows}', header = true, columns = {${columns}})`,
    )
  })
  afterAll(async () => {
    connection?.closeSync()
    await trained?.close()
  })
  const modelOf = (name: string) => trained.models.find((model) => model.name === name)!

  test.each(names)('%s on DuckDB', async (name) => {
    const { text, predicted } = modelOf(name)
    const sql = `SELECT ${expressionSql(duckdb, scoreOfModel(text))} AS score FROM rows ORDER BY "row"`
    const reader = await connection.runAndReadAll(sql)
    const scores = Float64Array.from(reader.getRows(), ([score]) => Number(score))
    expect(scores).toHaveLength(rowCount)
    expect(farthest(scores, predicted)).toBeLessThan(distanceMax[name])
    // A model that says the same of all rows is equal to nothing.
    expect(new Set(predicted).size).toBeGreaterThan(1_000)
  })

  test.each(names)('%s in the row path', async (name) => {
    const { text, predicted } = modelOf(name)
    const relation = project(input('given', trainedColumns), () => ({ score: scoreOfModel(text) }))
    const path = compileRowPath({ source: 'given', outputs: { scores: { relation, into: 'columns' } } })
    const batch = path.start({ parameters: {} })
    const reader = await connection.runAndReadAll('SELECT * FROM rows ORDER BY "row"')
    for (const row of reader.getRowObjectsJS()) batch.add(row as never)
    const { columns } = batch.rows('scores')
    const scores = Float64Array.from({ length: rowCount }, (_, row) => Number(columns.score!.get(row)))
    expect(farthest(scores, predicted)).toBeLessThan(distanceMax[name])
  })

  test('a model of another row order, or of other texts, is told from it', async () => {
    const { text, predicted } = modelOf('plain')
    const swapped = text.replace('"crypto"', '"card 2"')
    expect(swapped).not.toBe(text)
    const sql = `SELECT ${expressionSql(duckdb, scoreOfModel(swapped))} FROM rows ORDER BY "row"`
    const rows = (await connection.runAndReadAll(sql)).getRows()
    expect(
      farthest(
        Float64Array.from(rows, ([score]) => Number(score)),
        predicted,
      ),
    ).toBeGreaterThan(0.01)
  })
})
