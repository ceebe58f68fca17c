// How long does a back-test take over many transactions, beside DuckDB reading the same columns of the same
// files and summing them: the table of scores of a run, repeated until it has so many rows.
// Run: npx node bench/backtest.ts <base of a run> [millions of rows]
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../src/delta/index.ts'

const [base, millions = '10'] = process.argv.slice(2)
if (base === undefined) throw new Error('give the DELTA_BASE_PATH of a run')
const directory = mkdtempSync(join(process.env.BENCH_DIRECTORY ?? tmpdir(), 'assay-backtest-'))
try {
  const lakehouse = join(directory, 'lakehouse')
  for (const path of ['silver/transactions', 'fraud_detection'])
    cpSync(join(base, path), join(lakehouse, path), { recursive: true })
  const scored = join(lakehouse, 'fraud_detection')
  const table = await DeltaTable.open(scored)
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  const scan = await fetchedScanSql(await table.snapshot(), scored)
  const counted = await connection.runAndReadAll(`SELECT count(*) FROM (${scan})`)
  const rows = Number(counted.getRows()[0]![0])
  const times = Math.ceil((Number(millions) * 1e6) / rows)
  for (let round = 1; round < times; round++)
    await table.append(connection, scan, { appId: 'bench', version: BigInt(round) })
  const all = await fetchedScanSql(await table.snapshot(), scored)
  const startedMs = performance.now()
  await connection.runAndReadAll(
    `SELECT risk_level, count(*), sum(amount), sum(transaction_hour), count(country), count(payment_method),
      count(*) FILTER (is_weekend), count(*) FILTER (is_high_velocity) FROM (${all}) GROUP BY ALL`,
  )
  const bareMs = performance.now() - startedMs
  const command = [
    ...['-v', process.execPath, join(import.meta.dirname, '../src/cli/main.ts')],
    ...['backtest', '--capacity', '100', '--json'],
  ]
  const begunMs = performance.now()
  const report = execFileSync('/usr/bin/time', command, {
    env: { ...process.env, DELTA_BASE_PATH: lakehouse },
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const tookMs = performance.now() - begunMs
  const { figures } = JSON.parse(report.toString()) as { figures: { all: { transactions: number } } }
  console.log(
    `${figures.all.transactions} rows: bare ${(bareMs / 1000).toFixed(1)} s, back-test ${(tookMs / 1000).toFixed(1)} s`,
  )
} finally {
  rmSync(directory, { recursive: true, force: true })
}
