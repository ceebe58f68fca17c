// Apache Flink on the same topic: builds and describes the job of bench/peers/flink, and compares its rows
// with Assay's tables.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { DeltaTable, scanSql } from '../../src/delta/index.ts'

const folder = join(import.meta.dirname, 'flink')
const slots = 2
const checkpointMs = 10_000
// Flink's serializers look into these packages of Java 17.
const opened = ['java.lang', 'java.nio', 'java.time', 'java.util'].map(
  (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
)

/** Compiles the job; its libraries come from Maven Central into Maven's own cache. */
export async function buildFlinkJob(): Promise<void> {
  const goals = ['compile', 'dependency:build-classpath', '-Dmdep.outputFile=target/classpath']
  await promisify(execFile)('mvn', ['-B', '-q', ...goals], { cwd: folder })
}

/** As the job's build has it. */
export async function flinkVersion(): Promise<string> {
  const project = await readFile(join(folder, 'pom.xml'), 'utf8')
  return /<flink.version>(.*)<\/flink.version>/.exec(project)![1]!
}

/** The arguments of `java` that run the job on a topic, into `directory`, to the end of what is there now. */
export async function flinkArguments(brokers: string, topic: string, directory: string): Promise<string[]> {
  const libraries = (await readFile(join(folder, 'target', 'classpath'), 'utf8')).trim()
  const options = ['-Xmx2g', ...opened, '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  const job = [brokers, topic, directory, String(slots), String(checkpointMs)]
  return [...options, '-cp', `${join(folder, 'target', 'classes')}:${libraries}`, 'bench.FlinkJob', ...job]
}

export type RowComparison = { readonly table: string; readonly rows: number; readonly different: number }

/** What both compute of a row; means and shares are rounded differently. */
const comparedColumns = {
  'silver/transactions': `partition, "offset", transaction_id, user_id, amount, amount_category, is_high_value, merchant,
    payment_method, location, city, country, device_id, is_fraud, event_time, transaction_hour,
    transaction_day_of_week, is_weekend`,
  fraud_detection: `transaction_id, fraud_score, risk_level, requires_review, is_high_velocity, tx_count_30min,
    array_to_string(reasons, ',') AS reasons`,
  'aggregations/merchant': `window_start, window_end, merchant, total_transactions, total_revenue, max_transaction,
    min_transaction, fraud_count, unique_customers, unique_devices, high_value_count`,
  'silver/quarantine': 'partition, "offset", REASONS AS reasons',
} as const

/** How many rows Flink wrote of each table, and how many rows only one of the two has. */
export async function flinkAgainstAssay(flink: string, assay: string): Promise<RowComparison[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const text = (path: string): string => `'${path.replaceAll("'", "''")}'`
  try {
    const compared: RowComparison[] = []
    for (const [table, columns] of Object.entries(comparedColumns)) {
      const theirName = table.split('/').at(-1)!.replace('transactions', 'silver')
      const theirFiles = text(join(flink, theirName, '**', 'part-*'))
      const delta = await DeltaTable.open(join(assay, table))
      const ours = `(${scanSql(await delta.snapshot(), join(assay, table))})`
      // Assay's reasons are a list, Flink's job has them as one text.
      const other = `SELECT ${columns.replace('REASONS', "array_to_string(reasons, ',')")} FROM ${ours}`
      const found = await connection.runAndReadAll(`SELECT count(*) FROM glob(${theirFiles})`)
      // Of a table without rows Flink writes no file.
      const hasFiles = Number(found.getRows()[0]![0]) > 0
      const theirs = hasFiles ? `read_parquet(${theirFiles}, hive_partitioning = true)` : `(${other} LIMIT 0)`
      const one = `SELECT ${hasFiles ? columns.replace('REASONS', 'reasons') : '*'} FROM ${theirs}`
      const difference = `(${one} EXCEPT ALL ${other}) UNION ALL (${other} EXCEPT ALL ${one})`
      const counts = await connection.runAndReadAll(
        `SELECT (SELECT count(*) FROM ${theirs}), (SELECT count(*) FROM (${difference}))`,
      )
      const [rows, different] = counts.getRows()[0]!.map(Number)
      compared.push({ table, rows: rows!, different: different! })
    }
    return compared
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
