// dbt over a lakehouse, in one command: its models say what the records say, an incremental run takes up what
// is new and what was corrected, and its tests fail where a row is removed, doubled or altered by hand.
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newDirectory, runAssay, type Settings, startAssay } from './pipeline/assay.ts'
import { PythonProcess } from './python.ts'
import { deltaReaders, pythonAvailable, pythonEnvironment } from './tools.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const sourceTests = ['--select', 'source:*', 'records_are_conserved', 'every_transaction_is_scored_once']

describe.skipIf(pythonAvailable !== null)(`dbt (repeat with SEED=${seed})`, () => {
  let work: string
  let settings: Settings
  let python: PythonProcess
  const input = () => join(work, 'data')
  const database = () => join(work, 'assay.duckdb')

  beforeAll(async () => {
    work = await newDirectory()
    settings = { DELTA_BASE_PATH: join(work, 'tables'), ASSAY_DBT_DATABASE: database() }
    python = new PythonProcess(await pythonEnvironment('delta-rs', deltaReaders))
    await python.run('from deltalake import DeltaTable, write_deltalake')
  })
  afterAll(async () => {
    await python?.close()
    await rm(work, { recursive: true, force: true })
  })

  async function carry(period: string, more: readonly string[] = []): Promise<void> {
    await rm(input(), { recursive: true, force: true })
    const data = ['--to', input(), '--period', period, '--count', '3000', '--seed', String(seed)]
    await runAssay(['produce', ...data], settings)
    await runAssay(['run', '--once', '--from', input(), ...more], settings)
  }

  /** Of the analytics that dbt made. */
  async function select(sql: string): Promise<readonly Record<string, unknown>[]> {
    const instance = await DuckDBInstance.create(database(), { access_mode: 'READ_ONLY' })
    const connection = await instance.connect()
    try {
      return (await connection.runAndReadAll(sql)).getRowObjectsJson()
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  }

  /** Of the lakehouse, as `assay query` tells it. */
  async function truth(sql: string): Promise<readonly Record<string, unknown>[]> {
    const { stdout } = await runAssay(['query', '--json', sql], settings)
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  test('builds on a lakehouse in one command, and its figures are those of the tables', async () => {
    await carry('2026-03-01/2026-03-03')
    await runAssay(['dbt', 'build'], settings)
    const day = 'cast(transaction_date as varchar)'
    const figures = `count(*)::integer as transactions, sum(amount)::varchar as amount, count(distinct user_id)::integer as users`
    const [kpis, expected] = await Promise.all([
      select(`select ${day} as day, transactions::integer as transactions, amount::varchar as amount, users::integer as users
        from analytics.kpi_daily order by 1`),
      truth(`select ${day} as day, ${figures} from silver.transactions group by 1 order by 1`),
    ])
    expect(kpis).toEqual(expected)
    const rules = await select(
      'select rule, fired::integer as fired from analytics.rule_performance order by 1',
    )
    const fired = await truth(
      'select rule, count(*)::integer as fired from (select unnest(reasons) as rule from fraud_detection) group by 1 order by 1',
    )
    expect(rules).toEqual(fired)
  })

  test('a second build takes up new days and corrected rows, and leaves the others where they are', async () => {
    const rowsOf = (date: string) =>
      select(
        `select record_key, rowid::varchar as place from marts.fct_transactions where transaction_date = '${date}' order by 1`,
      )
    const before = await rowsOf('2026-03-01')
    await carry('2026-03-03/2026-03-05', ['--finalize'])
    const scored = await python.run(
      `table = DeltaTable(inputs["path"])
table.update(updates={"fraud_score": "fraud_score + 1"}, predicate="transaction_date = '2026-03-02'")
result = table.version()`,
      { path: join(settings.DELTA_BASE_PATH!, 'fraud_detection') },
    )
    expect(scored).toBeGreaterThan(0)
    await runAssay(['dbt', 'build'], settings)
    expect(await rowsOf('2026-03-01')).toEqual(before)
    const sums =
      'transaction_date::varchar as day, count(*)::integer as rows, sum(fraud_score)::integer as score'
    const expected = await truth(`select ${sums} from fraud_detection group by 1 order by 1`)
    expect(await select(`select ${sums} from marts.fct_transactions group by 1 order by 1`)).toEqual(expected)
  })

  test.each([
    ['a row is removed', 'gold/transactions'],
    ['a row is doubled', 'silver/transactions'],
    ['a cell is altered', 'aggregations/merchant'],
  ])('its tests fail where %s by hand', async (what, path) => {
    const base = join(work, what.replaceAll(' ', '-'))
    await cp(settings.DELTA_BASE_PATH!, base, { recursive: true })
    await python.run(
      `table = DeltaTable(inputs["path"])
rows = table.to_pyarrow_table()
one = rows.slice(0, 1)
place = [name for name in ("topic", "partition", "offset", "window_start", "merchant", "payment_method", "country") if name in rows.column_names]
def literal(value):
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
where = " and ".join(f'"{name}" = {literal(one[name][0].as_py())}' if one[name][0].as_py() is not None else f'"{name}" is null' for name in place)
if inputs["what"] == "a row is doubled":
    write_deltalake(table, one, mode="append")
elif inputs["what"] == "a row is removed":
    table.delete(where)
else:
    table.update(updates={"total_revenue": "total_revenue + 0.01"}, predicate=where)`,
      { path: join(base, path), what },
    )
    const mine = { ...settings, DELTA_BASE_PATH: base }
    const { code, stdout, log } = await startAssay(['dbt', 'test', ...sourceTests], mine).ended
    expect(code, `${stdout}${log}`).toBe(1)
    expect(stdout).toMatch(/Failure in test|FAIL \d/)
    await rm(base, { recursive: true })
  })
})
