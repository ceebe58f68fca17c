// Judges a lakehouse by the oracle: the batches are taken from its tables, everything else from the records.
import { type OffsetRange, partitionKey } from '../../src/batches/offsets.ts'
import {
  closingTableNames,
  defaultConfig,
  type OracleConfig,
  type OracleShape,
  recompute,
} from '../oracle/oracle.ts'
import { type OracleBatch, type RawRecord, type Row, type Tables, tableNames } from '../oracle/rows.ts'
import { differences } from './differences.ts'
import type { Columns } from './read-delta-rs.ts'

/** Where the tables are not what the oracle computes from the records; empty where they are. */
export function judgeLakehouse(
  records: readonly RawRecord[],
  tables: Tables,
  config: OracleConfig = defaultConfig,
  batches: readonly OracleBatch[] = batchesOf(tables),
  shape: { readonly shape?: OracleShape } = {},
): string[] {
  const inBronze = new Set(tables['bronze/transactions'].map(place))
  const lost = records.map(place).filter((one) => !inBronze.has(one))
  return [
    ...lost.slice(0, 10).map((one) => `the record at ${one} is not in bronze`),
    ...differences(tables, expectedTables(records, tables, config, batches, shape)),
  ]
}

/**
 * As `judgeLakehouse`, where a streaming query wrote bronze: its rows are those of the records, whenever they
 * came, and silver's log tells of the batches.
 */
export function judgeStreamedLakehouse(
  records: readonly RawRecord[],
  tables: Tables,
  batches: readonly OracleBatch[],
  config: OracleConfig = defaultConfig,
  shape: { readonly shape?: OracleShape } = {},
): string[] {
  const times = new Map(
    tables['bronze/transactions'].map((row) => [place(row), integer(row, 'processing_time')]),
  )
  const input = { ...shape, records, batches, config, wasMalformed: wasMalformedIn(tables) }
  const expected = recompute({ ...input, broughtAt: (record) => times.get(place(record)) ?? null }).tables
  return differences(tables, expected)
}

/** What the oracle makes of the records, in the batches that the tables tell of. */
export function expectedTables(
  records: readonly RawRecord[],
  tables: Tables,
  config: OracleConfig = defaultConfig,
  batches: readonly OracleBatch[] = batchesOf(tables),
  shape: { readonly shape?: OracleShape } = {},
): Tables {
  return recompute({ ...shape, records, batches, config, wasMalformed: wasMalformedIn(tables) }).tables
}

function wasMalformedIn(tables: Tables): (record: RawRecord) => boolean {
  const refused = tables['silver/quarantine'].filter((row) => String(row.reasons) === 'malformed')
  const malformed = new Set(refused.map(place))
  return (record) => malformed.has(place(record))
}

/**
 * The batches that the tables tell of: bronze rows of one processing_time are one, and an aggregation_time
 * that no record has is the time of a finalize. Whether each batch was cut rightly is another question than
 * what it became.
 */
export function batchesOf(tables: Tables): OracleBatch[] {
  const byTime = Map.groupBy(tables['bronze/transactions'], (row) => integer(row, 'processing_time'))
  const closings = closingTableNames.flatMap((name) =>
    tables[name].map((row) => integer(row, 'aggregation_time')),
  )
  const times = new Set([...byTime.keys(), ...closings])
  return [...times]
    .sort((a, b) => Number(a - b))
    .map((timeMicros, index) => ({
      batch: BigInt(index),
      timeMicros,
      ranges: rangesOf(byTime.get(timeMicros) ?? []),
      finalize: !byTime.has(timeMicros),
    }))
}

function rangesOf(rows: readonly Row[]): OffsetRange[] {
  const partitionOf = (row: Row) => ({ topic: String(row.topic), partition: Number(row.partition) })
  return [...Map.groupBy(rows, (row) => partitionKey(partitionOf(row))).values()].map((all) => {
    const offsets = all.map((row) => integer(row, 'offset')).sort((a, b) => Number(a - b))
    return { ...partitionOf(all[0]!), start: offsets[0]!, end: offsets.at(-1)! + 1n }
  })
}

/** Where the columns of a table are not those of the contract, in its order. */
export function columnDifferences(expected: Tables, columns: Columns): string[] {
  return tableNames.flatMap((name) => {
    const [example] = expected[name]
    if (example === undefined) return [`${name}: the records make no row, so its columns are not judged`]
    const [wanted, found] = [Object.keys(example).join(', '), columns[name]?.join(', ')]
    return wanted === found ? [] : [`${name}: the columns are ${found}, expected ${wanted}`]
  })
}

function integer(row: Row, column: string): bigint {
  const cell = row[column]
  if (typeof cell !== 'bigint') throw new Error(`${column} is no integer but ${cell}`)
  return cell
}

function place(of: Row | RawRecord): string {
  return `${of.topic} ${of.partition} ${of.offset}`
}
