// Random expressions give the same value on DuckDB, on Spark and in JavaScript, and the same type on both
// engines.
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addFunctions } from '../../../src/engines/duckdb-functions.ts'
import { type Expr, jsonBoolean, jsonIsAbsent, jsonNumber, jsonText } from '../../../src/expr/index.ts'
import { project } from '../../../src/plan/index.ts'
import { compileTable, duckdb, expressionSql, literalSql, spark } from '../../../src/sql/index.ts'
import { anyArms, armExpressions, armRows, armsOfPython } from '../../compare/arms.ts'
import { differencesOf, onDuckdb, onJavascript } from '../../compare/evaluators.ts'
import {
  expectedCells,
  nestedCells,
  nestedDocuments,
  nestedExamples,
} from '../../compare/nested-documents.ts'
import { documentExamples, documents, exampleText } from '../../generate/document-examples.ts'
import { anyExpression, anyRow } from '../../generate/expressions.ts'
import { jsonDocument } from '../../generate/json-documents.ts'
import { onSpark } from './evaluator.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const expressionCount = 150
const rowCount = 12

describe.skipIf(sparkAbsent !== null)(`on both engines (SEED=${seed})`, () => {
  let server: TestSpark
  beforeAll(async () => {
    server = await startTestSpark({ compilesStages: true })
  })
  afterAll(() => server?.close())

  test('random expressions have the same value and type', async () => {
    const expressions: readonly Expr[] = fc.sample(anyExpression, { seed, numRuns: expressionCount })
    const rows = fc.sample(anyRow, { seed, numRuns: rowCount })
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    addFunctions(connection)
    const given = await onDuckdb(connection, expressions, rows)
    connection.closeSync()
    instance.closeSync()
    const found = await onSpark(server.session, expressions, rows)
    const differences = differencesOf(expressions, rows, {
      duckdb: given.table,
      javascript: onJavascript(expressions, rows),
      spark: found.table,
    })
    expect(differences.slice(0, 3), `${differences.length} differences; repeat with SEED=${seed}`).toEqual([])
    expect(given.types).toEqual(expressions.map(({ type }) => duckdb.type(type)))
    expect(found.types).toEqual(expressions.map(({ type }) => spark.type(type)))
  })

  test("customers are in the arms that Python's hashlib gives", async () => {
    const cases = anyArms(seed, 50)
    const rows = armRows(cases)
    const found = await onSpark(server.session, armExpressions(cases), rows)
    const all = rows.flatMap((_, place) => cases.map((one) => ({ ...one, key: cases[place]!.key })))
    expect(found.table.flat(), `repeat with SEED=${seed}`).toEqual(armsOfPython(all))
  })

  test('documents are read as the examples say', async () => {
    const values = documentExamples.map(({ value }, place) => {
      return `SELECT ${place} AS place, CAST(${literalSql(spark, 'binary', value)} AS BINARY) AS value`
    })
    await server.session.run(`CREATE OR REPLACE TEMP VIEW given AS ${values.join(' UNION ALL ')}`, call)
    const { sql } = compileTable(spark, documents.node)
    const fields = ['field_a', 'field_b'].flatMap((name) => {
      const column = { kind: 'column', name, type: 'json' } as const
      return [jsonIsAbsent, jsonText, jsonNumber, jsonBoolean].map((of) => expressionSql(spark, of(column)))
    })
    const rows = await server.session.rows(
      `SELECT is_document, ${fields.map((one, index) => `${one} AS f${index}`).join(', ')} FROM (${sql}) ORDER BY place`,
      call,
    )
    const found = rows.map(({ is_document: isDocument, ...read }, place) => ({
      value: exampleText(documentExamples[place]!),
      isDocument,
      read: fields.map((_, index) => read[`f${index}`] ?? null),
    }))
    const expected = documentExamples.map((example) => ({
      value: exampleText(example),
      isDocument: example.fields !== null,
      read: (example.fields ?? [null, null]).flatMap((text) => {
        const value: unknown = text === null ? null : JSON.parse(text)
        const of = (type: string) => (typeof value === type ? value : null)
        return [value === null, of('string'), of('number'), of('boolean')]
      }),
    }))
    expect(found).toEqual(expected)
    // Where the plan asks a field for one thing only, it is read in another way.
    const typed = project(documents, ({ place, field_a: a, field_b: b }) => {
      return { place, number: jsonNumber(a), truth: jsonBoolean(b) }
    })
    const typedRows = await server.session.rows(
      `SELECT number, truth FROM (${compileTable(spark, typed.node).sql}) ORDER BY place`,
      call,
    )
    expect(typedRows.map(({ number, truth }) => [number ?? null, truth ?? null])).toEqual(
      expected.map(({ read }) => [read[2], read[7]]),
    )
  })

  test('random documents have the nested fields that a naive reading finds', async () => {
    const documents = [...nestedExamples, ...fc.sample(jsonDocument, { seed, numRuns: 3_000 })]
    const values = documents.map((value, place) => `(${place}, ${spark.bytes(value)})`)
    await server.session.run(
      `CREATE OR REPLACE TEMP VIEW given AS SELECT * FROM VALUES ${values.join(',')} AS t(place, value)`,
      call,
    )
    const { sql } = compileTable(spark, nestedDocuments.node)
    const rows = await server.session.rows(`SELECT * FROM (${sql}) ORDER BY place`, call)
    const wrong = documents.flatMap((document, place) => {
      const [found, expected] = [nestedCells(rows[place]!), expectedCells(document)]
      const isSame = JSON.stringify(found) === JSON.stringify(expected)
      return isSame ? [] : [{ document: Buffer.from(document).toString('latin1'), found, expected }]
    })
    expect(wrong.slice(0, 3), `${wrong.length} documents; repeat with SEED=${seed}`).toEqual([])
  })
})
