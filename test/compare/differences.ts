// Compares tables row by row and says where they differ, so that a person can act on it.
import type { Cell, Row, TableName, Tables } from '../oracle/rows.ts'

const record = ['topic', 'partition', 'offset']
/** What identifies a row of each table: the key is unique in a right table. */
const keys: { readonly [name in TableName]: readonly string[] } & Readonly<
  Record<string, readonly string[]>
> = {
  'bronze/transactions': record,
  'silver/transactions': record,
  'silver/quarantine': record,
  'gold/transactions': ['window_start', 'merchant', 'payment_method', 'country'],
  fraud_detection: record,
  'aggregations/merchant': ['window_start', 'merchant'],
  'aggregations/user': ['window_start', 'user_id', 'country'],
  'aggregations/country': ['window_start', 'country', 'city'],
  'aggregations/hourly_summary': ['window_start'],
  'quality/metrics': ['window_start', 'column_name', 'metric'],
  'aggregations/sessions': ['user_id', 'session_start'],
  // Of examples.
  'aggregations/channel': ['window_start', 'channel'],
  'aggregations/card': ['window_start', 'card_bin', 'country'],
}

const instantColumns = /(_time|_timestamp|(window|session)_(start|end))$/
const differencesShownMax = 10
const cellShownMax = 200

/** What differs, one line each, at most a few for each table; empty where all rows are equal. */
export function differences(found: Tables, expected: Tables, without: readonly string[] = []): string[] {
  const others: Readonly<Record<string, readonly Row[]>> = found
  return Object.entries(expected).flatMap(([name, rows]) => {
    const all = tableDifferences(name, others[name] ?? [], rows, without)
    if (all.length <= differencesShownMax) return all
    return [...all.slice(0, differencesShownMax), `${name}: and ${all.length - differencesShownMax} more`]
  })
}

/** All of one table: how many there are is a figure. */
export function tableDifferences(
  name: string,
  found: readonly Row[],
  expected: readonly Row[],
  without: readonly string[] = [],
): string[] {
  const keyOf = (row: Row) => keys[name]!.map((column) => `${column}=${show(column, row[column])}`).join(', ')
  const [left, right] = [Map.groupBy(found, keyOf), Map.groupBy(expected, keyOf)]
  return [...new Set([...left.keys(), ...right.keys()])].flatMap((key) => {
    const where = `${name} [${key}]`
    const [rows, wanted] = [left.get(key) ?? [], right.get(key) ?? []]
    if (rows.length === 1 && wanted.length === 1) return cellDifferences(where, rows[0]!, wanted[0]!, without)
    const example = showRow((rows[0] ?? wanted[0])!)
    return [`${where}: ${rows.length} rows found, ${wanted.length} expected: ${example}`]
  })
}

function cellDifferences(where: string, found: Row, expected: Row, without: readonly string[]): string[] {
  const columns = [...new Set([...Object.keys(expected), ...Object.keys(found)])]
  return columns
    .filter((column) => !without.includes(column) && !equal(found[column], expected[column]))
    .map((column) => {
      const note = adjacent(found[column], expected[column]) ? ' (adjacent doubles)' : ''
      return `${where}: ${column} is ${show(column, found[column])}, expected ${show(column, expected[column])}${note}`
    })
}

/** Doubles are equal bit for bit: the contract gives the arithmetic, not only the value. */
function equal(a: Cell | undefined, b: Cell | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b)
  const other = new Map(Object.entries(b))
  const entries = Object.entries(a)
  if (Array.isArray(a) !== Array.isArray(b) || entries.length !== other.size) return false
  return entries.every(([name, cell]) => other.has(name) && equal(cell, other.get(name)))
}

function adjacent(a: Cell | undefined, b: Cell | undefined): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return false
  const [x, y] = new BigInt64Array(new Float64Array([a, b]).buffer)
  return x! - y! === 1n || y! - x! === 1n
}

function showRow(row: Row): string {
  return `{${Object.entries(row)
    .map(([column, cell]) => `${column}: ${show(column, cell)}`)
    .join(', ')}}`
}

function show(column: string, cell: Cell | undefined): string {
  if (cell === undefined) return 'absent'
  if (typeof cell === 'bigint') return instantColumns.test(column) ? showInstant(cell) : `${cell}`
  const text = JSON.stringify(cell, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
  return text.length > cellShownMax ? `${text.slice(0, cellShownMax)}… (${text.length} characters)` : text
}

function showInstant(micros: bigint): string {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const seconds = new Date(Number((micros - rest) / 1000n)).toISOString()
  return seconds.replace('.000Z', `.${rest.toString().padStart(6, '0')}Z`)
}
