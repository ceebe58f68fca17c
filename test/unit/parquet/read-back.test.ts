// DuckDB reads every file that we write, cell by cell.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance, type Json } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Column, newColumn } from '../../../src/columns/column.ts'
import { rowGroupRowsMax, writeParquet } from '../../../src/parquet/file.ts'
import type { RowRange } from '../../../src/parquet/shred.ts'
import { columnOf, type StoredType, storedTypes, valuesOf } from './rows.ts'

// A failing run prints its seed; SEED runs it again.
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000)

let directory: string
let fileCount = 0
let instance: DuckDBInstance
let connection: DuckDBConnection
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parquet-test-'))
  instance = await DuckDBInstance.create(':memory:')
  connection = await instance.connect()
})
afterAll(async () => {
  instance.closeSync()
  await rm(directory, { recursive: true })
})

async function fileOf(columns: Readonly<Record<string, Column>>, range: RowRange): Promise<string> {
  const parts: Uint8Array[] = []
  const named = Object.entries(columns).map(([name, column]) => ({ name, column }))
  const { byteCount } = await writeParquet(named, range, (bytes) => {
    parts.push(bytes)
  })
  const bytes = Buffer.concat(parts)
  expect(bytes.length).toBe(byteCount)
  const path = join(directory, `file-${++fileCount}.parquet`) // DuckDB keeps what it read of a name.
  await writeFile(path, bytes)
  return path
}

/** What both sides are compared as. */
const readAs: Readonly<Partial<Record<StoredType, (name: string) => string>>> = {
  timestamp: (name) => `epoch_us(${name})::VARCHAR`,
  date: (name) => `(${name} - DATE '1970-01-01')::VARCHAR`,
  double: (name) => `hex(${name}::VARCHAR)`, // The shortest text that stands for the very number.
  binary: (name) => `hex(${name})`,
  'decimal(18,2)': (name) => `(${name}::DECIMAL(38,2) * 100)::HUGEINT::VARCHAR`,
  'decimal(28,2)': (name) => `(${name}::DECIMAL(38,2) * 100)::HUGEINT::VARCHAR`,
  'decimal(38,2)': (name) => `replace(${name}::VARCHAR, '.', '')::HUGEINT::VARCHAR`,
  headers: (name) => `list_transform(${name}, lambda x: {'key': x.key, 'value': hex(x.value)})`,
}

function given(type: StoredType, value: unknown): Json {
  if (value === null) return null
  switch (type) {
    case 'binary':
      return hex(value as Uint8Array)
    case 'headers':
      return (value as { key: string; value: Uint8Array | null }[]).map((header) => {
        return { key: header.key, value: header.value === null ? null : hex(header.value) }
      })
    case 'int':
    case 'string':
    case 'boolean':
    case 'array<string>':
      return value as Json
    default:
      return String(value)
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase()
}

/** Doubles as numbers: the text of a number differs between programs. */
function numberOf(text: Json): Json {
  if (text === null) return null
  const spelled = Buffer.from(String(text), 'hex').toString()
  const value = Number(spelled.replace('inf', 'Infinity').replace('nan', 'NaN'))
  return Object.is(value, -0) ? '-0' : String(value)
}

/** Gives the path of the file. */
async function expectReadBack(
  values: Readonly<Record<string, readonly unknown[]>>,
  types: Readonly<Record<string, StoredType>>,
  range: RowRange,
): Promise<string> {
  const names = Object.keys(types)
  const columns = Object.fromEntries(names.map((name) => [name, columnOf(types[name]!, values[name]!)]))
  const path = await fileOf(columns, range)
  const select = names.map((name) => `${readAs[types[name]!]?.(`"${name}"`) ?? `"${name}"`} AS "${name}"`)
  const reader = await connection.runAndReadAll(`SELECT ${select.join(', ')} FROM read_parquet('${path}')`)
  const found = reader.getColumnsObjectJson()
  for (const name of names) {
    const type = types[name]!
    const wanted = Array.from({ length: range.to - range.from }, (_, at) => {
      const row = range.indexes === null ? range.from + at : range.indexes[range.from + at]!
      const value = values[name]![row]
      return type === 'double' && Object.is(value, -0) ? '-0' : given(type, value)
    })
    const read = found[name] ?? []
    expect(type === 'double' ? read.map(numberOf) : read, name).toEqual(wanted)
  }
  return path
}

const types = Object.fromEntries(storedTypes.map((type) => [type, type]))
const rowsOfEveryType = (rowCount: number) =>
  fc.record(Object.fromEntries(storedTypes.map((type) => [type, valuesOf(type, rowCount)])))

test('rows of every type, a range of them, and chosen ones in another order', async () => {
  const counted = fc.integer({ min: 0, max: 70 }).chain((rowCount) => {
    const ranges = fc.tuple(fc.nat({ max: rowCount }), fc.nat({ max: rowCount }))
    const indexes = fc.option(fc.array(fc.nat({ max: Math.max(0, rowCount - 1) }), { maxLength: 80 }))
    return fc.tuple(fc.constant(rowCount), rowsOfEveryType(rowCount), ranges, indexes)
  })
  await fc.assert(
    fc.asyncProperty(counted, async ([rowCount, values, [a, b], chosen]) => {
      const indexes = chosen === null || rowCount === 0 ? null : Uint32Array.from(chosen)
      const [from, to] = indexes === null ? [Math.min(a, b), Math.max(a, b)] : [0, indexes.length]
      await expectReadBack(values, types, { from, to, indexes })
    }),
    { seed, numRuns: 120, endOnFailure: true },
  )
}, 120_000)

test('more rows than one row group has, with dictionaries, pages and nulls in each', async () => {
  const rowCount = rowGroupRowsMax + 1_000
  const values = fc.sample(rowsOfEveryType(rowCount), { seed, numRuns: 1 })[0]!
  const long = Array.from({ length: rowCount }, (_, row) =>
    row % 9 === 0 ? null : `${row} of many ${'ä'.repeat(20)}`,
  )
  const ids = Array.from({ length: rowCount }, (_, row) => row * 1_000_003)
  const lists = long.map((text, row) =>
    text === null ? null : row % 5 === 0 ? [] : [text, null, `${text}!`],
  )
  const path = await expectReadBack(
    { ...values, long, ids, lists },
    { ...types, long: 'string', ids: 'long', lists: 'array<string>' },
    { from: 0, to: rowCount, indexes: null },
  )
  const groups = await connection.runAndReadAll(
    `SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata('${path}')
    ORDER BY 1`,
  )
  expect(groups.getRows()).toEqual([
    [0n, BigInt(rowGroupRowsMax)],
    [1n, 1_000n],
  ])
}, 120_000)

test('the footer has the bounds and null counts that DuckDB writes for the same rows', async () => {
  const scalar = storedTypes.filter(
    (type) => type !== 'headers' && type !== 'array<string>' && type !== 'binary',
  )
  await fc.assert(
    fc.asyncProperty(rowsOfEveryType(40), async (values) => {
      const columns = Object.fromEntries(scalar.map((type) => [type, columnOf(type, values[type]!)]))
      const ours = await fileOf(columns, { from: 0, to: 40, indexes: null })
      const theirs = `${ours}.theirs`
      await connection.run(`COPY (FROM read_parquet('${ours}')) TO '${theirs}' (FORMAT parquet)`)
      const [found, wanted] = await Promise.all([ours, theirs].map(footerFigures))
      for (const [index, wantedFigures] of wanted!.entries()) {
        // Where a text is long, we leave both bounds out and DuckDB shortens them.
        const texts = values
          .string!.filter((text) => text !== null)
          .map((text) => Buffer.from(text as string))
        const sorted = texts.toSorted(Buffer.compare)
        const isLong =
          wantedFigures[0] === 'string' &&
          [sorted[0], sorted.at(-1)].some((text) => (text?.length ?? 0) > 256)
        const figures = found![index]!
        if (isLong) expect(figures.slice(2)).toEqual([null, null])
        else expect(figures.map(unsigned)).toEqual(wantedFigures.map(unsigned))
      }
    }),
    { seed, numRuns: 60, endOnFailure: true },
  )
}, 120_000)

async function footerFigures(path: string): Promise<(readonly Json[])[]> {
  const reader = await connection.runAndReadAll(
    `SELECT path_in_schema, stats_null_count, stats_min_value, stats_max_value FROM parquet_metadata('${path}')`,
  )
  return reader.getRowsJson().map((row) => row.map((figure) => figure ?? null))
}

/** Zeros have both signs in our footers, so that readers need not know how they are ordered. */
function unsigned(figure: Json): Json {
  return figure === '-0.0' ? '0.0' : figure
}

test('a value that cannot be written fails the file, and nothing else, while other pages are compressed', async () => {
  const bytes = randomBytes(600_000)
  const column = (type: 'binary' | 'string', value: unknown): Column => {
    const made = newColumn(type)
    made.push(value as never)
    return made
  }
  const columns = ['a', 'b', 'c', 'd', 'e', 'bad', 'f', 'g'].map((name) => ({
    name,
    column: name === 'bad' ? column('string', 5) : column('binary', bytes),
  }))
  // A rejection that nobody waits for yet would end the process.
  const failing = writeParquet(columns, { from: 0, to: 1, indexes: null }, () => undefined)
  await expect(failing).rejects.toThrow()
})
