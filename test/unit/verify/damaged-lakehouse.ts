// A small lakehouse made by the real engine over files, and ways to damage a copy of it by hand.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { loadConfig } from '../../../src/config/config.ts'
import { addToJson, removeToJson } from '../../../src/delta/actions.ts'
import { type AddFile, DeltaTable } from '../../../src/delta/index.ts'
import { commitPath } from '../../../src/delta/log-files.ts'
import { quoteText } from '../../../src/delta/sql.ts'
import { embeddedEngine } from '../../../src/engines/embedded/run.ts'
import type { PipelineOptions } from '../../../src/engines/engine.ts'
import { tellNobody } from '../../../src/engines/events.ts'
import { openFileSource } from '../../../src/files/source.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import type { Finding } from '../../../src/verify/check.ts'
import type { VerifyOptions } from '../../../src/verify/lakehouse.ts'
import { type Verification, verifyLakehouse } from '../../../src/verify/verify.ts'

const config = loadConfig(standardLakehouse, {}, join(tmpdir(), 'assay-no-such-env-file'))

export function verifyOptions(deltaBasePath: string): VerifyOptions {
  return {
    lakehouse: standardLakehouse,
    deltaBasePath,
    delays: config.watermarkMicros,
    parameters: config.parameters,
    duckdb: { memoryLimitBytes: null, threads: 1 },
  }
}

export type RunOptions = {
  readonly streams?: readonly string[]
  readonly finalize?: boolean
  readonly recordsPerBatchMax?: number
  readonly settings?: Partial<Pick<VerifyOptions, 'delays' | 'parameters'>>
}

/** Carries what is in `input` through the tables. */
export async function runPipeline(base: string, input: string, run: RunOptions = {}): Promise<void> {
  const { streams = standardLakehouse.streams, finalize = false, recordsPerBatchMax = 60 } = run
  const source = streams.includes('kafka-to-delta')
    ? openFileSource(input, { takeUnterminatedTail: finalize, onNotice: () => undefined })
    : null
  // Later than all events, and always later than the last time.
  let micros = 1_800_000_000_000_000n
  const options: PipelineOptions = {
    ...verifyOptions(base),
    ...run.settings,
    streams,
    source: await source,
    once: true,
    finalize,
    recordsPerBatchMax,
    bytesPerBatchMax: 2 ** 27,
    stateRowsMax: 25_000_000,
    latencyTargetMs: 0,
    triggerIntervalMs: null,
    tableProperties: {},
    smallFileBytes: null,
    filesBeforeCompaction: 64,
    leaseMs: 30_000,
    retryFirstMs: 1,
    clock: () => (micros += 1_000_000n),
    signal: new AbortController().signal,
    tell: tellNobody,
    alertsMax: 0,
  }
  await embeddedEngine.run(options)
}

const countries = ['Paris, France', 'Lagos, Nigeria', 'Rome', '']

/** Transactions of five hours, some of them repeated, late or broken, in the order of arrival. */
export function sampleLines(count: number): string[] {
  const lines: string[] = []
  const line = (index: number, second: number): string =>
    JSON.stringify({
      transaction_id: `t-${index}`,
      user_id: 1 + (index % 7),
      amount: 1.25 * (1 + (index % 40)) ** 2.5,
      merchant: `Shop ${index % 5}`,
      payment_method: ['crypto', 'credit_card', 'debit_card', 'paypal'][index % 4],
      location: countries[index % countries.length],
      device_id: index % 6 === 0 ? null : `d-${index % 11}`,
      timestamp: new Date(1_790_000_000_000 + second * 1000).toISOString(),
      is_fraud: index % 23 === 0,
    })
  for (let index = 0; index < count; index++) {
    const second = Math.floor((index * 18_000) / count)
    lines.push(line(index, second - (index % 9) * 20))
    if (index % 37 === 5) lines.push(line(index, second - (index % 9) * 20)) // The same once more.
    if (index % 41 === 40) lines.push(line(count + index, second - 7_200)) // Two hours late.
    if (index % 53 === 7) lines.push('{"transaction_id": ', '', '{"user_id": "5", "amount": -1}\r')
  }
  return lines
}

/** The values of the shared cases of bad input that a line of a file can hold. */
export function badInputLines(): Buffer[] {
  const cases = readFileSync(join(import.meta.dirname, '../../data/bad-input.ndjson'), 'utf8')
    .trim()
    .split('\n')
  return cases
    .map((one) => JSON.parse(one) as { value_base64: string | null })
    .flatMap(({ value_base64: value }) => (value === null ? [] : [Buffer.from(value, 'base64')]))
    .filter((value) => !value.includes(10))
}

export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'assay-verify-test-'))
}

export async function writeLines(
  directory: string,
  name: string,
  lines: readonly (string | Buffer)[],
): Promise<void> {
  await mkdir(directory, { recursive: true })
  const parts = lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')])
  await writeFile(join(directory, name), Buffer.concat(parts))
}

/** Verifies a copy of the lakehouse after `damage` was done to it. */
export async function verifyDamaged(
  base: string,
  damage: (copy: string) => Promise<void>,
  only: string | null = null,
  options: Partial<VerifyOptions> = {},
): Promise<Verification> {
  const copy = await temporaryDirectory()
  try {
    await cp(base, copy, { recursive: true })
    await damage(copy)
    return await verifyLakehouse({ ...verifyOptions(copy), ...options }, only)
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

/** The file of the table with the most rows. */
export async function largestFile(base: string, path: string): Promise<{ table: DeltaTable; file: AddFile }> {
  const table = await DeltaTable.open(join(base, path))
  const files = [...(await table.snapshot()).files.values()]
  const file = files.reduce((a, b) => (b.stats!.numRecords > a.stats!.numRecords ? b : a))
  return { table, file }
}

/**
 * Writes the rows of a SELECT over the file's rows (`rows`) into a Parquet file; returns how many there are.
 */
async function writeParquet(from: string, to: string, select: string): Promise<bigint> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    const options = 'hive_partitioning = false, file_row_number = false'
    await connection.run(`CREATE TABLE rows AS SELECT * FROM read_parquet(${quoteText(from)}, ${options})`)
    await connection.run(`COPY (${select}) TO ${quoteText(to)} (FORMAT parquet)`)
    const counted = await connection.runAndReadAll(`SELECT count(*) FROM (${select})`)
    return counted.getRows()[0]![0] as bigint // A count.
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** Puts other rows into the largest file of a table, behind the back of the log. */
export async function rewriteInPlace(base: string, path: string, select: string): Promise<void> {
  const { table, file } = await largestFile(base, path)
  await rewriteFile(join(table.directory, file.path), select)
}

/** Puts other rows into a file. */
export async function rewriteFile(path: string, select: string): Promise<void> {
  await writeParquet(path, path, select)
}

/**
 * Puts other rows into the table by a commit: a file in place of the largest. The log is then right about its
 * files, and the commit looks like one of this program, or of another.
 */
export async function replaceByCommit(
  base: string,
  path: string,
  select: string,
  engineInfo = 'Assay',
): Promise<void> {
  const { table, file } = await largestFile(base, path)
  const name = `part-${randomUUID()}.parquet`
  const at = join(table.directory, name)
  const count = await writeParquet(join(table.directory, file.path), at, select)
  const { size } = await stat(at, { bigint: true })
  const add = addToJson({
    ...file,
    path: name,
    size,
    stats: null,
    statsJson: JSON.stringify({ numRecords: Number(count) }),
  })
  const remove = removeToJson({
    path: file.path,
    deletionTimestamp: 0,
    dataChange: true,
    partitionValues: file.partitionValues,
    size: file.size,
  })
  const { version } = await table.snapshot()
  const commitInfo = { timestamp: 1, operation: 'DELETE', engineInfo }
  const actions = [{ commitInfo }, { remove }, { add }].map((action) => `${JSON.stringify(action)}\n`)
  await writeFile(commitPath(table.directory, version + 1n), actions.join(''))
}

/** One file in place of many, by the table's own compaction. */
export async function compact(lake: string, path: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  await (await DeltaTable.open(join(lake, path))).optimize(connection)
  connection.closeSync()
  instance.closeSync()
}

/** The finding of a check, found as a whole line: the test says where the damage is. */
export function findingsOf({ checks }: Verification, table: string, check: string): readonly Finding[] {
  const result = checks.find((one) => one.table === table && one.check === check)
  if (result === undefined || result.ok) throw new Error(`${table}, ${check} found nothing`)
  return result.findings
}

/** `table, check` of what failed. */
export function failedChecks({ checks }: Verification): string[] {
  return checks.filter(({ ok }) => !ok).map(({ table, check }) => `${table}, ${check}`)
}
