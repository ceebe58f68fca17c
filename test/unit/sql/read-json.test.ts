// What is a document and what its fields are, on DuckDB and in JavaScript.
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import { compileRowPath } from '../../../src/javascript/index.ts'
import { JsonSlice, jsonKind } from '../../../src/json/slice.ts'
import { compileTable, duckdb, literalSql } from '../../../src/sql/index.ts'
import { documentExamples, documents, exampleText, sameJson } from '../../generate/document-examples.ts'

type Read = { readonly value: string; readonly isDocument: unknown; readonly fields: readonly unknown[] }

const expected: readonly Read[] = documentExamples.map((example) => ({
  value: exampleText(example),
  isDocument: example.fields !== null,
  fields: (example.fields ?? [null, null]).map(sameJson),
}))

test('DuckDB reads documents as the examples say', async () => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const values = documentExamples.map(({ value }, place) => {
    return `(${place}, CAST(${literalSql(duckdb, 'binary', value)} AS BLOB))`
  })
  await connection.run(
    `CREATE TABLE given AS SELECT * FROM (VALUES ${values.join(',')}) AS rows(place, value)`,
  )
  const { sql } = compileTable(duckdb, documents.node)
  const rows = (await connection.runAndReadAll(`SELECT * FROM (${sql}) ORDER BY place`)).getRowObjectsJson()
  expect(Object.keys(rows[0]!)).toEqual(['place', 'value', 'is_document', 'field_a', 'field_b'])
  const found = rows.map(({ is_document, field_a, field_b }, place) => ({
    value: exampleText(documentExamples[place]!),
    isDocument: is_document,
    fields: [field_a, field_b].map(sameJson),
  }))
  expect(found).toEqual(expected)
  connection.closeSync()
  instance.closeSync()
})

test('JavaScript reads documents as the examples say', () => {
  const found: Read[] = []
  const path = compileRowPath({
    source: 'given',
    outputs: { found: { relation: documents, into: 'function' } },
  })
  const { add } = path.start({
    parameters: {},
    functions: {
      found: (place: number, _value: unknown, isDocument: unknown, ...fields: JsonSlice[]) => {
        found.push({
          value: exampleText(documentExamples[place]!),
          isDocument,
          fields: fields.map(textOf).map(sameJson),
        })
      },
    },
  })
  for (const [place, { value }] of documentExamples.entries()) {
    add({ place, value: typeof value === 'string' ? new TextEncoder().encode(value) : value })
  }
  expect(found).toEqual(expected)
})

function textOf(slice: JsonSlice): string | null {
  expect(slice).toBeInstanceOf(JsonSlice)
  if (slice.kind === jsonKind.absent) return null
  const text = Buffer.from(slice.bytes.subarray(slice.start, slice.end)).toString()
  return slice.kind === jsonKind.string ? `"${text}"` : text
}
