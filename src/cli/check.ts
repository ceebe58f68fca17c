// assay check: what has to be right before a run, each as one line that says ok or what to do.

import { access, constants, link, mkdtemp, open, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Command } from 'commander'
import { sinceAppId } from '../batches/progress.ts'
import type { Config } from '../config/config.ts'
import { inHome } from '../config/values.ts'
import { DeltaTable } from '../delta/index.ts'
import { directoryOf, storeAt } from '../delta/mounts.ts'
import { counted, unitOf } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { listFiles } from '../files/listing.ts'
import { checkKafka } from '../kafka/check.ts'
import { progressOf, tableDirectory } from '../ops/tables.ts'
import { isOfInput, type Lakehouse } from '../plan/index.ts'
import { type Project, projectTitle } from '../project/project.ts'
import { sqlName } from '../query/table-name.ts'
import type { CheckFinding, Found } from './check-finding.ts'
import { examineRegistry } from './check-registry.ts'
import { exitCodes } from './failure.ts'
import { fieldFindings } from './field-findings.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'
import { mountLakehouse } from './lakehouse-store.ts'
import { printable } from './printable.ts'
import { nearlyAllRefused, sortedReasons } from './refusals.ts'
import type { RunTotals } from './run-totals.ts'
import type { JudgedSample } from './sample.ts'
import { projectConfig } from './session.ts'
import { formatCount } from './terminal-text.ts'

export function checkCommand(project: Project): Command {
  return new Command('check')
    .option('--from <file|directory>', 'check NDJSON files in place of Kafka', inHome)
    .action(async ({ from }: { from?: string }) => {
      process.exitCode = await check(
        (line) => void process.stdout.write(line),
        () => projectConfig(project),
        from,
        projectTitle(project),
      )
    })
}

/** How long reading and judging a sample of the input may take. */
const SAMPLE_MAX_MS = 20_000

/** How long the names of an input's files may take. */
const LISTING_MAX_MS = 60_000

/** Writes one line a finding, as soon as it is there. Returns the exit code. */
export async function check(
  write: (line: string) => void,
  load: () => Config,
  from?: string,
  project: string | null = null,
): Promise<number> {
  const failed: CheckFinding[] = []
  const report = (finding: CheckFinding) => {
    write(`${finding.verdict.padEnd(4)}  ${finding.subject.padEnd(8)}  ${printable(finding.text)}\n`)
    if (finding.verdict === 'FAIL') failed.push(finding)
  }
  if (project !== null) report({ verdict: 'ok', subject: 'project', text: project })
  let config: Config
  try {
    config = load()
    mountLakehouse(config)
  } catch (error) {
    for (const text of mistakesOf(error)) report({ verdict: 'FAIL', subject: 'config', text })
    return exitCodes.usage
  }
  report({ verdict: 'ok', subject: 'config', text: 'every variable is valid' })
  for (const text of config.hints) report({ verdict: 'warn', subject: 'config', text })
  const examineInput =
    from === undefined ? { kafka: examineKafka } : { files: (config: Config) => examineFiles(config, from) }
  const all = { ...examinations, registry: examineRegistry, ...examineInput }
  for (const [subject, examine] of Object.entries(all)) {
    try {
      for await (const finding of examine(config)) report({ subject, ...finding })
    } catch (error) {
      report({ verdict: 'FAIL', subject, text: error instanceof Error ? error.message : String(error) })
    }
  }
  return failed.length === 0 ? exitCodes.ok : exitCodes.failed
}

function mistakesOf(error: unknown): readonly string[] {
  if (!(error instanceof LakehouseError)) throw error
  const { mistakes } = error.details
  return Array.isArray(mistakes) ? mistakes.map(String) : [error.message]
}

const examinations: Readonly<Record<string, (config: Config) => AsyncGenerator<Found>>> = {
  engine: examineEngine,
  path: examinePath,
  disk: examineDisk,
  tables: examineTables,
}

async function* examineEngine(config: Config): AsyncGenerator<Found> {
  if (config.engine === 'spark') {
    const { examineSpark } = await import('./check-spark.ts')
    yield* examineSpark(config)
    return
  }
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const rows = (await connection.runAndReadAll('SELECT version()')).getRows()
  connection.closeSync()
  instance.closeSync()
  const { latencyTargetMs, triggerIntervalMs } = config
  const within = `a record is in the tables within ${latencyTargetMs} ms (LATENCY_TARGET_MS)`
  yield { verdict: 'ok', text: `embedded, DuckDB ${rows[0]?.[0]}; where the machine keeps up, ${within}` }
  if (triggerIntervalMs === null || triggerIntervalMs <= latencyTargetMs) return
  const later = `batches begin ${triggerIntervalMs} ms apart (TRIGGER_INTERVAL_MS)`
  yield { verdict: 'warn', text: `${later}, so records take longer than LATENCY_TARGET_MS: set that alone` }
}

/**
 * A commit needs three things of the file system: fsync of a file, link(2) that never overwrites, fsync of a
 * directory.
 */
async function* examinePath({ deltaBasePath, store }: Config): AsyncGenerator<Found> {
  if (store !== null) {
    await storeAt(directoryOf(deltaBasePath))?.storage.demandConditions()
    yield { verdict: 'ok', text: `${deltaBasePath} takes commits: it honours If-None-Match and If-Match` }
    return
  }
  const existing = await nearestExisting(deltaBasePath)
  if (!(await stat(existing)).isDirectory()) {
    yield { verdict: 'FAIL', text: `${existing} is a file: set DELTA_BASE_PATH to a directory` }
    return
  }
  const created = existing === deltaBasePath ? '' : ' (it will be created)'
  const probe = await mkdtemp(join(existing, '.assay-check-')).catch((error: Error) => error)
  if (probe instanceof Error) {
    const what = `${deltaBasePath}: cannot write to ${existing} (${probe.message})`
    yield { verdict: 'FAIL', text: `${what}; give this user the right, or set DELTA_BASE_PATH` }
    return
  }
  try {
    const failure = await tryCommit(probe)
    if (failure === null) yield { verdict: 'ok', text: `${deltaBasePath} takes commits${created}` }
    else
      yield {
        verdict: 'FAIL',
        text: `${deltaBasePath}: ${failure}; set DELTA_BASE_PATH to a local file system`,
      }
  } finally {
    await rm(probe, { recursive: true, force: true })
  }
}

/** What the file system cannot do; null where a commit would work. */
async function tryCommit(directory: string): Promise<string | null> {
  const [pending, committed] = [join(directory, 'pending'), join(directory, 'committed')]
  try {
    await writeFile(pending, 'x', { flush: true })
    await link(pending, committed)
    const second = await link(pending, committed).catch((error: NodeJS.ErrnoException) => error.code)
    if (second !== 'EEXIST') return 'link(2) overwrites what is there, so two writers could lose a commit'
    const handle = await open(directory)
    await handle.sync().finally(() => handle.close())
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function nearestExisting(path: string): Promise<string> {
  const found = await stat(path).catch(() => null)
  if (found !== null || dirname(path) === path) return path
  return nearestExisting(dirname(path))
}

const gib = 2 ** 30
const freeBytesWarn = 5 * gib
const freeBytesFail = gib / 2

async function* examineDisk({ deltaBasePath, store }: Config): AsyncGenerator<Found> {
  const [directory, variable] =
    store === null ? [deltaBasePath, 'DELTA_BASE_PATH'] : [store.cacheDirectory, 'CACHE_DIR']
  const { bavail, bsize } = await statfs(await nearestExisting(directory))
  const freeBytes = bavail * bsize
  const text = `${(freeBytes / gib).toFixed(1)} GiB free for ${directory}`
  if (freeBytes >= freeBytesWarn) yield { verdict: 'ok', text }
  else
    yield {
      verdict: freeBytes < freeBytesFail ? 'FAIL' : 'warn',
      text: `${text}: make room or set ${variable}`,
    }
}

async function* examineTables({ lakehouse, deltaBasePath }: Config): AsyncGenerator<Found> {
  const written: string[] = []
  const reached = new Map<string, Reached | null>()
  for (const table of lakehouse.tables) {
    const directory = tableDirectory(deltaBasePath, table)
    try {
      reached.set(table.path, null)
      if (!(await DeltaTable.exists(directory))) continue
      const delta = await DeltaTable.open(directory)
      const snapshot = await delta.snapshot()
      const batch = (await progressOf(delta, snapshot))?.batch ?? 0n
      reached.set(table.path, { batch, since: snapshot.txns.get(sinceAppId)?.version ?? 0n })
      const { numRecords } = snapshot
      written.push(`${sqlName(table)} ${numRecords === null ? '' : formatCount(numRecords)}`.trim())
    } catch (error) {
      reached.delete(table.path)
      yield { verdict: 'FAIL', text: error instanceof Error ? error.message : String(error) }
    }
  }
  for (const path of lostTables(lakehouse, reached)) {
    const text = `${sqlName({ path })} is lost (TABLE_LOST), and no run can make it again: bring its directory back from a backup`
    yield { verdict: 'FAIL', text }
  }
  const text = written.length === 0 ? 'none written yet' : `readable, with rows: ${written.join(', ')}`
  yield { verdict: 'ok', text }
}

/** The last batch that a table has, and the one that silver had when the table was made. */
type Reached = { readonly batch: bigint; readonly since: bigint }

/** Tables that a run would refuse as TABLE_LOST: gone, or made anew without the rows that others have. */
function lostTables(lakehouse: Lakehouse, reached: ReadonlyMap<string, Reached | null>): readonly string[] {
  const most = [...reached.values()].reduce((batch, at) => (at && at.batch > batch ? at.batch : batch), 0n)
  const ofInput = lakehouse.tables.map(({ path }) => path).filter((path) => isOfInput(lakehouse, path))
  return ofInput.filter((path) => {
    const at = reached.get(path)
    if (at === undefined) return false // It cannot be read, which is told.
    if (at === null) return most > 0n
    // Bronze is a batch ahead of silver after a crash.
    return at.since > 0n || (path === lakehouse.events.path && at.batch + 1n < most)
  })
}

/** What others on the network can read. */
function* readableSecrets({ protocol, sasl }: Config['kafka']['security']): Generator<Found> {
  if (sasl === null) return
  if (protocol === 'SASL_PLAINTEXT' && !sasl.mechanism.startsWith('SCRAM')) {
    const what = sasl.token === null ? 'the password' : 'the token'
    yield {
      verdict: 'warn',
      text: `${what} goes to the broker unencrypted: use SASL_SSL where the broker has it`,
    }
  }
  if (sasl.token?.url.startsWith('http:') && !isLoopback(new URL(sasl.token.url).hostname)) {
    yield { verdict: 'warn', text: 'KAFKA_SASL_TOKEN_URL: the secret goes there unencrypted: use https' }
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}

async function* examineKafka(config: Config): AsyncGenerator<Found> {
  const { kafka } = config
  let isRight = true
  const { topic, groupId, security } = kafka
  const principal = security.sasl?.username ?? null
  const connection = kafkaConnectionOf(kafka)
  for (const { name, verdict, message } of await checkKafka({ ...connection, topic, groupId, principal })) {
    yield { verdict, text: `${name.replace(/^Kafka /, '')}: ${message}` }
    isRight &&= verdict !== 'FAIL'
  }
  if (!isRight) return
  yield* readableSecrets(security)
  const { openKafkaSource } = await import('../kafka/source.ts')
  const { judgeNewest } = await import('./sample.ts')
  const source = await openKafkaSource({
    ...kafkaConnectionOf(kafka),
    topic: kafka.topic,
    groupId: kafka.groupId,
    startingOffsets: { kind: 'earliest' },
    onDataLoss: 'continue',
    giveUpAfterMs: SAMPLE_MAX_MS,
  })
  try {
    yield* sampleFindings(
      config,
      await judgeNewest(config, source, AbortSignal.timeout(SAMPLE_MAX_MS)),
      'newest',
    )
  } finally {
    await source.close()
  }
}

function* sampleFindings(config: Config, { totals, values }: JudgedSample, which: string): Generator<Found> {
  yield sampleFinding(config, totals, which)
  yield* fieldFindings(config.lakehouse, values)
}

/** What a run would make of the input: a wrong topic or other names of fields are seen before it. */
function sampleFinding({ lakehouse }: Config, totals: RunTotals, which: string): Found {
  const { records, quarantined, reasons } = totals
  if (records === 0) return { verdict: 'ok', text: 'no record yet, so none was judged' }
  const refused = nearlyAllRefused(totals, 'nearly every record would be refused', lakehouse.reasons)
  if (refused !== null) return { verdict: 'warn', text: refused }
  const judged = `of the ${which} ${formatCount(records)} ${unitOf(records, 'record')}`
  if (quarantined === 0) return { verdict: 'ok', text: `${judged} all would be taken` }
  const why = sortedReasons(reasons).map(([reason, rows]) => `${reason} ${formatCount(rows)}`)
  return { verdict: 'ok', text: `${judged} ${formatCount(quarantined)} would be refused: ${why.join(', ')}` }
}

async function* examineFiles(config: Config, from: string): AsyncGenerator<Found> {
  const files = await listFiles(from, AbortSignal.timeout(LISTING_MAX_MS))
  for (const { path } of files) await access(path, constants.R_OK)
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  const text = `${from}: ${counted(files.length, 'file')} of ${formatCount(bytes)} bytes, all readable`
  if (files.length === 0) {
    yield { verdict: 'warn', text: `${from} holds no file yet; a run waits for some` }
    return
  }
  yield { verdict: 'ok', text }
  const { openFileSource } = await import('../files/source.ts')
  const { judgeFirst } = await import('./sample.ts')
  const source = await openFileSource(from, { takeUnterminatedTail: true })
  try {
    yield* sampleFindings(
      config,
      await judgeFirst(config, source, AbortSignal.timeout(SAMPLE_MAX_MS)),
      'first',
    )
  } finally {
    await source.close()
  }
}
