// Fields at nested paths of documents, as every evaluator of the plan reads them and as naive-json.ts does.
import {
  type Expr,
  jsonBoolean,
  jsonIsAbsent,
  jsonNumber,
  jsonText,
  jsonWhole,
} from '../../src/expr/index.ts'
import { compileRowPath } from '../../src/javascript/index.ts'
import { input, type JsonPath, project, readJson } from '../../src/plan/index.ts'
import { type NaiveValue, naiveFields } from './naive-json.ts'

const paths: readonly JsonPath[] = [
  ['a'],
  ['a', 'b'],
  ['a', 'b', 'c'],
  ['customer', 'id'],
  ['customer', 'a', 'c'],
  ['b', 'é'],
  ['x.y', '0', 'z w'],
  ['a', 'b'],
]
const names = paths.map((_, index) => `field_${index}`)
const read = readJson(input('given', { place: 'int', value: 'binary' }), {
  from: 'value',
  fields: Object.fromEntries(paths.map((path, index) => [names[index]!, path])),
  as: 'is_document',
})

/** Of each document: `place`, `is_document`, and five columns of each field. */
export const nestedDocuments = project(read, (row) => {
  const columns: Record<string, Expr> = { place: row.place, is_document: row.is_document }
  for (const name of names) {
    const json: Expr<'json'> = { kind: 'column', name, type: 'json' }
    columns[`${name}_absent`] = jsonIsAbsent(json)
    columns[`${name}_text`] = jsonText(json)
    columns[`${name}_number`] = jsonNumber(json)
    columns[`${name}_truth`] = jsonBoolean(json)
    columns[`${name}_whole`] = jsonWhole(json)
  }
  return columns
})

export type NestedCells = { readonly isDocument: boolean; readonly cells: readonly unknown[] }

/** What a row of `nestedDocuments` has, however its client gives values. */
export function nestedCells(row: Readonly<Record<string, unknown>>): NestedCells {
  const cells = names.flatMap((name) =>
    ['absent', 'text', 'number', 'truth', 'whole'].map((what) => row[`${name}_${what}`] ?? null),
  )
  return { isDocument: row.is_document === true, cells: cells.map(plain) }
}

/** Zero has no sign in SQL, and JSON has neither infinity nor whole numbers of 64 bits. */
function plain(cell: unknown): unknown {
  if (typeof cell === 'number') return `${cell === 0 ? 0 : cell}`
  return typeof cell === 'bigint' ? String(cell) : cell
}

export function expectedCells(document: Uint8Array): NestedCells {
  const found = naiveFields(document, paths)
  const cells = (found ?? paths.map(() => null)).flatMap((field: NaiveValue | null) => {
    const value: unknown = field === null ? null : JSON.parse(field.text)
    const of = (type: string) => (typeof value === type ? value : null)
    const whole = typeof value === 'number' ? wholeOf(field!.text, value) : null
    return [value === null, of('string'), of('number'), of('boolean'), whole].map(plain)
  })
  return { isDocument: found !== null, cells }
}

/** Digits are what they say, any other notation is its double. */
function wholeOf(text: string, double: number): bigint | null {
  if (!/^-?[0-9]+$/.test(text)) return Number.isSafeInteger(double) ? BigInt(double) : null
  const value = BigInt(text)
  return value >= -(2n ** 63n) && value < 2n ** 63n ? value : null
}

export function cellsInJavascript(documents: readonly Uint8Array[]): NestedCells[] {
  const path = compileRowPath({
    source: 'given',
    outputs: { found: { relation: nestedDocuments, into: 'columns' } },
  })
  const batch = path.start({ parameters: {} })
  for (const [place, value] of documents.entries()) batch.add({ place, value })
  const { columns } = batch.rows('found')
  const entries = Object.entries(columns)
  return documents.map((_, place) =>
    nestedCells(Object.fromEntries(entries.map(([name, column]) => [name, column.get(place)]))),
  )
}

const of = (text: string): Uint8Array => Buffer.from(text)

/** Shapes that a random document hardly has. */
export const nestedExamples: readonly Uint8Array[] = [
  of('{"a":{"b":{"c":1}},"customer":{"id":"x","a":{"c":true}},"b":{"é":2},"x.y":{"0":{"z w":3}}}'),
  of('{"a":[{"b":1}],"customer":"{\\"id\\":1,\\"id\\":2}","x.y":[{"z w":1}],"b":null}'),
  of('{"a":{"b":1,"\\u0062":1}}'),
  of('{"a":{"z":1,"z":1}}'),
  of('{"a":{"b":{"c":{"d":1,"d":1}}}}'),
  of('{"a":{"b":{"d":1,"d":1}}}'),
  of('{"a":{"b":[{"d":1,"d":1}]}}'),
  of('{"a":{"b":5},"other":{"d":1,"d":1}}'),
  of('{"customer":{"id":1e400,"x":-1e999,"x":1}}'),
  of('{"customer":{"id":1e400,"x":123456789012345678901234567890123456789012345,"a":{"c":0.1e-300}}}'),
  of('{"customer":{"id":"\\"","a":{"c":"\\ud83d\\ude00","é":1,"\\u00e9":1}}}'),
  of('{"x.y":{"0":{"z w":"in","z w":"twice"}}}'),
  of('{"x.y":{"0":{"z w":null}},"x":{"y":{"0":{"z w":1}}}}'),
  of('{"a":{"b":{}},"customer":{}}'),
  of('{"a":9223372036854775807,"b":{"é":-9223372036854775808},"customer":{"id":9223372036854775808}}'),
  of(
    '{"a":9007199254740993,"b":{"é":9007199254740993.0},"customer":{"id":9007199254740991e0,"a":{"c":1e18}}}',
  ),
  of('{"a":{"":1,"":2}}'),
  of('{"a":{"b":"x"},"customer":{"id":1,"a":{"c":2},"a":3}}'),
  of(`{"a":{"b":${'{"c":'.repeat(90)}1${'}'.repeat(90)}}}`),
]
