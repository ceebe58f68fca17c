// A lakehouse of a few rows, written as real Delta tables: one transaction of each fate.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { type Config, loadConfig } from '../../../src/config/config.ts'
import { quoteIdentifier } from '../../../src/delta/sql.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { shopRules } from '../../../src/lakehouse/rules.ts'
import { openTable } from '../../../src/ops/tables.ts'
import { duckdb, literalSql } from '../../../src/sql/index.ts'

const { tables } = standardLakehouse

export type SmallLakehouse = { readonly config: Config; readonly remove: () => Promise<void> }

/**
 * u7 buys twice: `t-1` (high amount, crypto, weekend) and `t-2`; `t-2` comes again, `t-9` has no amount, and one record is
 * garbage.
 */
export async function smallLakehouse(name = 'lake'): Promise<SmallLakehouse> {
  const directory = await mkdtemp(join(tmpdir(), 'assay-cli-'))
  const base = join(directory, name)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  for (const definition of tables) {
    const filled = rowsByPath[definition.path]
    if (filled === undefined) continue
    const table = await openTable(base, definition)
    const given = `(VALUES ${filled.rows.join(', ')}) AS r(${filled.columns.map(quoteIdentifier).join(', ')})`
    const all = Object.entries(definition.rows.schema).map(([name, type]) =>
      filled.columns.includes(name)
        ? quoteIdentifier(name)
        : `${literalSql(duckdb, type, null)} AS ${quoteIdentifier(name)}`,
    )
    await table.append(connection, `SELECT ${all.join(', ')} FROM ${given}`, { appId: 'test', version: 0n })
  }
  connection.closeSync()
  instance.closeSync()
  return {
    config: loadConfig(standardLakehouse, { DELTA_BASE_PATH: base }, join(directory, '.env')),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

/** The rules that fire for `t-1`. */
export const rulesOfFirst: readonly string[] = ['high_amount', 'crypto_payment', 'weekend']
const scoreOfFirst = shopRules.rules
  .filter(({ name }) => rulesOfFirst.includes(name))
  .reduce((sum, { points }) => sum + points, 0)

const processed = "'2024-03-10 10:01:00+00'"

const position = ['topic', 'partition', 'offset'] as const

/** The columns that a test needs; the others are null. */
type FilledTable = { readonly columns: readonly string[]; readonly rows: readonly string[] }

const rowsByPath: Readonly<Record<string, FilledTable>> = {
  'bronze/transactions': {
    columns: [...position, 'value', 'kafka_timestamp', 'processing_time', 'processing_date'],
    rows: [
      record(0, '{"transaction_id":"t-1","amount":6000}'),
      record(1, '{"transaction_id":"t-2","amount":12.5,"merchant":"evil\\u001b[2J"}'),
      record(2, '{"transaction_id":"t-2","amount":12.5}'),
      record(3, '{"transaction_id":"t-9"}'),
      record(4, 'garbage'),
    ],
  },
  'silver/transactions': {
    columns: [
      ...['transaction_id', 'user_id', 'amount', 'merchant', 'payment_method', 'country', 'event_time'],
      ...['transaction_date', ...position, 'processing_time'],
    ],
    rows: [
      accepted("'t-1', 7, 6000.00, 'Shop, \"A\"', 'crypto', null, '2024-03-10 10:00:00.000001+00'", 0),
      accepted("'t-2', 7, 12.50, 'evil\x1b[2J', 'credit_card', 'China', '2024-03-10 10:20:00+00'", 1),
    ],
  },
  'silver/quarantine': {
    columns: [...position, 'value', 'reasons', 'processing_time', 'processing_date'],
    rows: [
      refusal(2, '{"transaction_id":"t-2","amount":12.5}', "['duplicate']"),
      refusal(3, '{"transaction_id":"t-9"}', "['amount_invalid', 'timestamp_invalid']"),
      refusal(4, 'garbage', "['malformed']"),
    ],
  },
  fraud_detection: {
    columns: [
      ...['transaction_id', 'fraud_score', 'risk_level', 'requires_review', 'tx_count_30min', 'reasons'],
      ...['amount', 'event_time', 'transaction_date', ...position],
    ],
    rows: [
      `('t-1', ${scoreOfFirst}, 'HIGH', true, 1, [${rulesOfFirst.map((name) => `'${name}'`).join(', ')}], ` +
        "6000.00, '2024-03-10 10:00:00.000001+00', '2024-03-10', 'tx', 0, 0)",
      "('t-2', 20, 'LOW', false, 2, ['high_risk_country', 'weekend'], 12.50, '2024-03-10 10:20:00+00', '2024-03-10', 'tx', 0, 1)",
    ],
  },
}

function accepted(columns: string, offset: number): string {
  return `(${columns}, '2024-03-10', 'tx', 0, ${offset}, ${processed})`
}

function record(offset: number, value: string): string {
  return `('tx', 0, ${offset}, encode('${value}'), '2024-03-10 10:00:30+00', ${processed}, '2024-03-10')`
}

function refusal(offset: number, value: string, reasons: string): string {
  return `('tx', 0, ${offset}, encode('${value}'), ${reasons}, ${processed}, '2024-03-10')`
}
