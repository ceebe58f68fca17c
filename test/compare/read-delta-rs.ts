// Reads the tables of a lakehouse into the oracle's rows with delta-rs: a reader that shares no code with
// Assay.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Cell, type Row, type TableName, type Tables, tableNames } from '../oracle/rows.ts'

/** What the interpreter needs installed. */
export const deltaRsRequirements = ['deltalake', 'pyarrow']

/** The columns of each table, in their order; null where there is no table. */
export type Columns = { readonly [name in TableName]: readonly string[] | null }

const outputBytesMax = 1024 * 1024 * 1024

export async function readWithDeltaRs(
  python: string,
  lakehouse: string,
): Promise<{ tables: Tables; columns: Columns }> {
  const script = join(import.meta.dirname, 'read_delta.py')
  const options = { maxBuffer: outputBytesMax }
  const { stdout } = await promisify(execFile)(python, [script, lakehouse, ...tableNames], options)
  const rows = new Map<string, Row[]>()
  const columns = new Map<string, string[] | null>()
  let [table, names]: [Row[], string[]] = [[], []]
  for (const line of stdout.trimEnd().split('\n')) {
    const printed: Printed = JSON.parse(line)
    if (Array.isArray(printed)) {
      table.push(Object.fromEntries(names.map((name, index) => [name, cellOf(printed[index]!)])))
    } else {
      table = []
      names = printed.columns ?? []
      rows.set(printed.table, table)
      columns.set(printed.table, printed.columns)
    }
  }
  return { tables: forEvery((name) => rows.get(name)!), columns: forEvery((name) => columns.get(name)!) }
}

type Printed = PrintedCell[] | { table: string; columns: string[] | null }
type PrintedCell =
  | null
  | boolean
  | string
  | PrintedCell[]
  | { int: string }
  | { double: string }
  | { struct: { [name: string]: PrintedCell } }

function cellOf(printed: PrintedCell): Cell {
  if (printed === null || typeof printed !== 'object') return printed
  if (Array.isArray(printed)) return printed.map(cellOf)
  if ('int' in printed) return BigInt(printed.int)
  if ('double' in printed) return Number(printed.double)
  return Object.fromEntries(Object.entries(printed.struct).map(([name, cell]) => [name, cellOf(cell)]))
}

function forEvery<Part>(of: (name: TableName) => Part): { [name in TableName]: Part } {
  return {
    'bronze/transactions': of('bronze/transactions'),
    'silver/transactions': of('silver/transactions'),
    'silver/quarantine': of('silver/quarantine'),
    'gold/transactions': of('gold/transactions'),
    fraud_detection: of('fraud_detection'),
    'aggregations/merchant': of('aggregations/merchant'),
    'aggregations/user': of('aggregations/user'),
    'aggregations/country': of('aggregations/country'),
    'aggregations/hourly_summary': of('aggregations/hourly_summary'),
    'quality/metrics': of('quality/metrics'),
    'aggregations/sessions': of('aggregations/sessions'),
  }
}
