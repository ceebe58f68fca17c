// Judges a lakehouse of a million rows by the oracle, one table in memory at a time.
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { closingTableNames, defaultConfig, recompute } from '../oracle/oracle.ts'
import { type RawRecord, type Row, type TableName, type Tables, tableNames } from '../oracle/rows.ts'
import { tableDifferences } from './differences.ts'
import { batchesOf } from './judge-lakehouse.ts'
import { readTable } from './read-in-process.ts'

export type Judgement = {
  readonly rows: { readonly [name in TableName]: number }
  readonly batches: number
  /** Records that are not in bronze. */
  readonly lost: number
  /** Rows beside the first with one key. */
  readonly doubled: number
  /** Rows that are missing, too many or have another cell, over all tables. */
  readonly wrong: number
  readonly examples: readonly string[]
}

const examplesMax = 20

export async function judgeLargeLakehouse(base: string, records: readonly RawRecord[]): Promise<Judgement> {
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: '2GB' })
  const connection = await instance.connect()
  const read = (name: TableName): Promise<Row[]> => readTable(connection, join(base, name))
  try {
    const { batches, malformed, lost } = await factsOf(records, read)
    const wasMalformed = (record: RawRecord) => malformed.has(place(record))
    const { tables: expected } = recompute({ records, batches, config: defaultConfig, wasMalformed })
    const rows = {} as { [name in TableName]: number } // Each is set below.
    const examples: string[] = []
    let [doubled, wrong] = [0, 0]
    for (const name of tableNames) {
      const found = await read(name)
      rows[name] = found.length
      const all = tableDifferences(name, found, expected[name])
      wrong += all.length
      doubled += Math.max(0, found.length - expected[name].length)
      examples.push(...all.slice(0, examplesMax))
    }
    return { rows, batches: batches.length, lost, doubled, wrong, examples: examples.slice(0, examplesMax) }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

async function factsOf(records: readonly RawRecord[], read: (name: TableName) => Promise<Row[]>) {
  const bronze = await read('bronze/transactions')
  const inBronze = new Set(bronze.map(place))
  const lost = records.filter((record) => !inBronze.has(place(record))).length
  const quarantine = await read('silver/quarantine')
  const refused = quarantine.filter((row) => String(row.reasons) === 'malformed')
  const windows = await Promise.all(closingTableNames.map(read))
  // What tells the batches: the times of bronze's records, and of the windows that were closed.
  const times: Tables = {
    'bronze/transactions': bronze,
    'silver/transactions': [],
    'silver/quarantine': [],
    fraud_detection: [],
    'gold/transactions': [],
    'aggregations/merchant': [],
    'aggregations/user': [],
    'aggregations/country': [],
    'aggregations/hourly_summary': [],
    'quality/metrics': [],
    'aggregations/sessions': [],
    ...Object.fromEntries(closingTableNames.map((name, index) => [name, windows[index]!])),
  }
  return { batches: batchesOf(times), malformed: new Set(refused.map(place)), lost }
}

function place(of: Row | RawRecord): string {
  return `${of.topic} ${of.partition} ${of.offset}`
}
