// Fields at nested paths: DuckDB and the compiled row path against a naive reading of the same bytes.
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { input, type JsonPath, readJson } from '../../../src/plan/index.ts'
import { compileTable, duckdb, literalSql } from '../../../src/sql/index.ts'
import {
  cellsInJavascript,
  expectedCells,
  nestedCells,
  nestedDocuments,
  nestedExamples,
} from '../../compare/nested-documents.ts'
import { jsonDocument } from '../../generate/json-documents.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

test(`random documents have the same nested fields on every evaluator (SEED=${seed})`, async () => {
  const documents = [...nestedExamples, ...fc.sample(jsonDocument, { seed, numRuns: 6_000 })]
  const expected = documents.map(expectedCells)
  const taken = expected.filter(({ isDocument }) => isDocument).length
  expect(Math.min(taken, documents.length - taken)).toBeGreaterThan(1_000)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run('CREATE TABLE given (place INTEGER, value BLOB)')
  for (let first = 0; first < documents.length; first += 1_000) {
    const values = documents.slice(first, first + 1_000).map((value, index) => {
      return `(${first + index}, CAST(${literalSql(duckdb, 'binary', value)} AS BLOB))`
    })
    await connection.run(`INSERT INTO given VALUES ${values.join(',')}`)
  }
  const { sql } = compileTable(duckdb, nestedDocuments.node)
  // The client leaves out a byte-order mark that a text begins with.
  const marked = Object.keys(nestedDocuments.schema).filter((name) => name.endsWith('_text'))
  const replaced = marked.map((name) => `'=' || ${name} AS ${name}`).join(', ')
  const reader = await connection.runAndReadAll(`SELECT * REPLACE (${replaced}) FROM (${sql}) ORDER BY place`)
  const rows = reader.getRowObjectsJS().map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, cell]) => {
        return [name, marked.includes(name) && typeof cell === 'string' ? cell.slice(1) : cell]
      }),
    ),
  )
  connection.closeSync()
  instance.closeSync()
  const evaluators = { duckdb: rows.map(nestedCells), javascript: cellsInJavascript(documents) }
  for (const [name, found] of Object.entries(evaluators)) {
    const wrong = documents.flatMap((document, place) =>
      JSON.stringify(found[place]) === JSON.stringify(expected[place])
        ? []
        : [
            {
              document: Buffer.from(document).toString('latin1'),
              found: found[place],
              expected: expected[place],
            },
          ],
    )
    expect(wrong.slice(0, 3), `${wrong.length} documents on ${name}; repeat with SEED=${seed}`).toEqual([])
  }
})

test.each(['', '*', ' a', '"', "it's", 'a?', 'a\\b', 'a\nb', '\ud83d'])(
  'the name %j, for which an engine has no path, is refused where the plan is made',
  (name) => {
    const given = input('given', { value: 'binary' })
    const read = (path: JsonPath) => () =>
      readJson(given, { from: 'value', fields: { a: path }, as: 'is_document' })
    expect(read([name])).toThrow('no path of JSON names')
    expect(read(['a', name])).toThrow('no path of JSON names')
    expect(read(['a', `x${name.trim()}`.replaceAll(/["'?\\\n*]|[^ -~]/g, '')])).not.toThrow()
  },
)
