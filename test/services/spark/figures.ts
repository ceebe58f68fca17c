// The rows of quality/metrics as DuckDB computes them of random rows, in two batches: Spark is to give them.
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { silverRecent } from '../../../src/lakehouse/2-silver/transactions.ts'
import { qualityMetrics } from '../../../src/lakehouse/3-quality/metrics.ts'
import { earlierRows } from '../../../src/plan/index.ts'
import { boundDuckdb, columnDefinitions, compileTable, duckdb } from '../../../src/sql/index.ts'

const windowMicros = 600_000_000n
const startMicros = BigInt(Date.UTC(2026, 9, 1)) * 1000n
const [before, all] = [startMicros + 20n * windowMicros, startMicros + 40n * windowMicros]

/** Twenty windows close with a first batch, and twenty with the next one. */
export const closings = {
  first: { processing_time: startMicros, closed_after: null, closed_up_to: before },
  later: { processing_time: startMicros, closed_after: before, closed_up_to: all },
}
export const shownFigures = 'window_start, column_name, metric, value, expected, spread, score, is_anomaly'

const row = fc.record({
  at: fc.bigInt({ min: startMicros, max: all - 1n }),
  user: fc.integer({ min: 1, max: 30 }),
  cents: fc.option(fc.integer({ min: 1, max: 10 ** 7 })),
  name: fc.option(fc.constantFrom('a', 'b', "it's", '\u00e4')),
  flag: fc.option(fc.boolean()),
})

/** `rows` and `earlier` are SELECTs of Spark; `expected` has the figures of the later windows. */
export async function duckdbFigures(seed: number) {
  const made = fc.sample(row, { seed, numRuns: 400 })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const read = async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJS()
    await connection.run(`CREATE TABLE silver_recent (${columnDefinitions(duckdb, silverRecent.schema)})`)
    await connection.run(
      `INSERT INTO silver_recent BY NAME ${selectOf(made, { instant: 'make_timestamp', text: 'VARCHAR' })}`,
    )
    await connection.run(
      `CREATE TABLE ${earlierRows} (${columnDefinitions(duckdb, qualityMetrics.rows.schema)})`,
    )
    const { node } = qualityMetrics.rows
    await connection.run(
      `INSERT INTO ${earlierRows} BY NAME ${compileTable(boundDuckdb(closings.first), node).sql}`,
    )
    const known = await read(
      `SELECT epoch_us(window_start) AS micros, column_name, metric, value FROM ${earlierRows}`,
    )
    const tuples = known.map(({ micros, column_name: column, metric, value }) => {
      const name = column === null ? 'NULL' : `'${column}'`
      return `(timestamp_micros(${micros}), CAST(${name} AS STRING), '${metric}', CAST('${value}' AS DOUBLE))`
    })
    const { sql } = compileTable(boundDuckdb(closings.later), node)
    const columns = shownFigures.replace('window_start', 'epoch_us(window_start) AS window_start')
    return {
      rows: selectOf(made, { instant: 'timestamp_micros', text: 'STRING' }),
      earlier: `SELECT * FROM VALUES ${tuples.join(', ')} AS t(window_start, column_name, metric, value)`,
      expected: await read(
        `SELECT ${columns} FROM (${sql}) ORDER BY window_start, column_name NULLS FIRST, metric`,
      ),
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

type Names = { readonly instant: string; readonly text: string }

/** The columns that figures are taken from. */
function selectOf(
  rows: readonly (typeof row extends fc.Arbitrary<infer R> ? R : never)[],
  names: Names,
): string {
  const { instant, text } = names
  const tuples = rows.map(({ at, user, cents, name, flag }) => {
    const shown =
      name === null
        ? 'NULL'
        : `'${names.text === 'STRING' ? name.replace("'", "\\'") : name.replace("'", "''")}'`
    return `(${at}, ${user}, ${cents === null ? 'NULL' : (cents / 100).toFixed(2)}, ${shown}, ${flag})`
  })
  const columns = ['merchant', 'payment_method', 'country', 'city', 'device_id'].map(
    (column) => `CAST(name AS ${text}) AS ${column}`,
  )
  return (
    `SELECT ${instant}(micros) AS event_time, CAST(person AS INTEGER) AS user_id, CAST(cents AS DECIMAL(18,2)) AS amount, ` +
    `${columns.join(', ')}, CAST(flag AS BOOLEAN) AS is_fraud FROM (VALUES ${tuples.join(', ')}) AS t(micros, person, cents, name, flag)`
  )
}
