// Random expressions give the same value on DuckDB, on Spark and in JavaScript, and the same type on both
// engines.
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Expr } from '../../../src/expr/index.ts'
import { compileTable, duckdb, literalSql, spark } from '../../../src/sql/index.ts'
import { differencesOf, onDuckdb, onJavascript } from '../../compare/evaluators.ts'
import { documentExamples, documents, exampleText, sameJson } from '../../generate/document-examples.ts'
import { anyExpression, anyRow } from '../../generate/expressions.ts'
import { onSpark } from './evaluator.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const expressionCount = 150
const rowCount = 12

describe.skipIf(sparkAbsent !== null)(`on both engines (SEED=${seed})`, () => {
  let server: TestSpark
  beforeAll(async () => {
    server = await startTestSpark()
  })
  afterAll(() => server?.close())

  test('random expressions have the same value and type', async () => {
    const expressions: readonly Expr[] = fc.sample(anyExpression, { seed, numRuns: expressionCount })
    const rows = fc.sample(anyRow, { seed, numRuns: rowCount })
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
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

  test('documents are read as the examples say', async () => {
    const values = documentExamples.map(({ value }, place) => {
      return `SELECT ${place} AS place, CAST(${literalSql(spark, 'binary', value)} AS BINARY) AS value`
    })
    await server.session.run(`CREATE OR REPLACE TEMP VIEW given AS ${values.join(' UNION ALL ')}`, call)
    const { sql } = compileTable(spark, documents.node)
    const rows = await server.session.rows(
      `SELECT place, is_document, to_json(field_a) AS a, to_json(field_b) AS b FROM (${sql}) ORDER BY place`,
      call,
    )
    const found = rows.map(({ is_document: isDocument, a, b }, place) => ({
      value: exampleText(documentExamples[place]!),
      isDocument,
      fields: [a ?? null, b ?? null].map(sameJson),
    }))
    const expected = documentExamples.map((example) => ({
      value: exampleText(example),
      isDocument: example.fields !== null,
      fields: (example.fields ?? [null, null]).map(sameJson),
    }))
    expect(found).toEqual(expected)
  })
})
