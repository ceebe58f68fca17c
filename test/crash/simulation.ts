// Whole runs in miniature: the real planner, the real log with its claims and commits, and the order of a
// batch as the engine has it; rows and the input are made up. Before each call of the disk, writers die,
// pause and rival each other, foreign ones append and compact; clocks go back, and one partition is slower
// than the other.

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OffsetRange, type Offsets, partitionKey } from '../../src/batches/offsets.ts'
import type { BatchPlan } from '../../src/batches/plan.ts'
import { closesWindow, planBatch, progressAfter } from '../../src/batches/planner.ts'
import {
  noProgress,
  type Progress,
  parseProgress,
  type RecordedBatch,
  streamTxns,
  writerAppId,
} from '../../src/batches/progress.ts'
import { type AddFile, addFile } from '../../src/delta/actions.ts'
import { draftOf, writeCommit } from '../../src/delta/commit.ts'
import { type Disk, fileSystem, setDisk } from '../../src/delta/disk.ts'
import { DeltaTable, type StagedAppend } from '../../src/delta/index.ts'
import { listLog } from '../../src/delta/log-files.ts'
import { setCheckpointQueue } from '../../src/delta/log-upkeep.ts'
import { mountStore } from '../../src/delta/mounts.ts'
import { loadState } from '../../src/delta/state.ts'
import { BatchHistory } from '../../src/engines/batch-history.ts'
import { settingsOf } from '../../src/engines/batch-rules.ts'
import { tellNobody } from '../../src/engines/events.ts'
import { OpenTable } from '../../src/engines/tables.ts'
import { LakehouseError } from '../../src/errors/errors.ts'
import { bronzeTransactions } from '../../src/lakehouse/1-bronze/transactions.ts'
import { silverTransactions } from '../../src/lakehouse/2-silver/transactions.ts'
import { goldTransactions } from '../../src/lakehouse/3-gold/transactions.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { recordedBatch, tableDirectory } from '../../src/ops/tables.ts'
import { windowOf } from '../../src/plan/index.ts'
import { randomOf } from '../generate/random.ts'
import { testOptions } from '../unit/engine/pipeline.ts'
import { memoryDisk, stoppingBefore } from './memory-disk.ts'
import { faultyStore, memoryStore } from './memory-store.ts'
import { Scheduler } from './scheduler.ts'

const definitions = [bronzeTransactions, silverTransactions, goldTransactions]
const { streams } = testOptions
const rules = { settings: settingsOf(testOptions), definitions: '', eventsWatermark: 'silver' }
const topic = 'simulated'
const recordsOfPartition = [40n, 25n]
const recordsPerBatchMax = 9n
const startsMax = 8
const othersMax = 20
const minuteMicros = 60_000_000n

export type Simulated = {
  readonly steps: number
  readonly starts: number
  readonly deaths: number
  readonly fenced: number
  /** Those that are left at the end. */
  readonly checkpoints: number
}

/** Where the tables lie, and with which properties. */
export type Place = {
  readonly base: string
  readonly disk: Disk
  readonly tableProperties: Readonly<Record<string, string>>
  /** Called with what stops the one that moves, and with null when all have ended. */
  readonly onPlay?: (stop: Stop | null) => void
}

type Stop = () => Promise<void> | undefined

/** What a made-up file holds. */
type Content = { readonly table: string; readonly batch: string; readonly text: string }

/** They are written beside the commits, at the speed of a real disk: no seed would play twice the same. */
const noCheckpoints = { 'delta.checkpointInterval': '100000000' }

/** Plays one seed to its end in memory; fails with what is wrong with the tables. */
export async function simulate(
  seed: number,
  change: (disk: Disk) => Disk = (disk) => disk,
): Promise<Simulated> {
  const base = '/simulated'
  return play(seed, { base, disk: change(memoryDisk(base)), tableProperties: noCheckpoints })
}

/** Plays one seed to its end on the disk of this machine. */
export async function simulateOnDisk(
  seed: number,
  tableProperties: Place['tableProperties'] = noCheckpoints,
): Promise<Simulated> {
  const base = await mkdtemp(join(tmpdir(), 'assay-simulation-'))
  try {
    return await play(seed, { base, disk: fileSystem, tableProperties })
  } finally {
    await rm(base, { recursive: true, force: true })
  }
}

/**
 * Plays one seed to its end in an object store, whose answers get lost now and then: the call is repeated, or
 * its writer ends as by an outage.
 */
export async function simulateInStore(seed: number): Promise<Simulated> {
  const base = '/simulated-store'
  const luck = randomOf(seed + 1)
  let isFaulty = false
  let stop: Stop = () => undefined
  const store = faultyStore(memoryStore('s3://simulated'), {
    ...{ stop: () => stop(), random: () => (isFaulty ? luck() : 1) },
    ...{ repeated: 0.1, failed: 0.01 },
  })
  await mountStore(store, base, 1).storage.demandConditions()
  const onPlay = (next: Stop | null): void => {
    isFaulty = next !== null
    stop = next ?? (() => undefined)
  }
  return play(seed, { base, disk: memoryDisk('/'), tableProperties: noCheckpoints, onPlay })
}

async function play(seed: number, place: Place): Promise<Simulated> {
  const { base } = place
  const random = randomOf(seed)
  const scheduler = new Scheduler(random)
  setDisk(stoppingBefore(place.disk, () => scheduler.stop()))
  place.onPlay?.(() => scheduler.stop())
  setCheckpointQueue('table')
  const foreign: string[] = []
  const figures = { starts: 0, deaths: 0, fenced: 0 }
  let [writers, others] = [0, 0]
  const startWriter = (mayDie: boolean): void => {
    writers += 1
    figures.starts += 1
    scheduler.start({ name: `writer ${figures.starts}`, mayDie, run: () => write(place, random) })
  }
  try {
    startWriter(true)
    let isDone = false
    for (;;) {
      const ended = await scheduler.next()
      if (ended === null) break
      if (ended.task.name.startsWith('writer')) {
        writers -= 1
        if (ended.isDead || isOutage(ended.failure)) figures.deaths += 1
        else if (ended.failure === null) isDone = true
        else if (isFenced(ended.failure)) figures.fenced += 1
      }
      const isExpected = ended.isDead || isFenced(ended.failure) || isOutage(ended.failure)
      if (ended.failure !== null && !isExpected) throw ended.failure
      if (isDone) continue
      // The next start; often while the one before only rests.
      const isEarly = figures.starts < startsMax
      if (writers === 0 || (writers === 1 && isEarly && random() < 0.3)) startWriter(isEarly)
      for (let more = Math.floor(random() * 4); more > 0 && others < othersMax; more--) {
        others += 1
        const isAppend = random() < 0.3
        const run = () => (isAppend ? append(base, random, foreign) : compact(base, random))
        scheduler.start({ name: isAppend ? 'appends' : 'compacts', mayDie: true, run })
      }
    }
    place.onPlay?.(null)
    await check(base, foreign)
    return { steps: scheduler.steps, ...figures, checkpoints: await countCheckpoints(base) }
  } finally {
    scheduler.close()
    setDisk(fileSystem)
    setCheckpointQueue('process')
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof LakehouseError && error.code === 'STORAGE_FAILED'
}

function isFenced(error: unknown): boolean {
  return error instanceof LakehouseError && (error.code === 'WRITER_FENCED' || error.code === 'STREAM_LOCKED')
}

/** A process from its start to the end of the input, in the order of the engine. */
async function write({ base, tableProperties }: Place, random: () => number): Promise<void> {
  const tables: OpenTable[] = []
  for (const definition of definitions)
    tables.push(await OpenTable.open(standardLakehouse, base, definition, tableProperties))
  try {
    await carryAll(base, tables, random)
  } catch (error) {
    if (isFenced(error) && (await holdsNewestClaims(tables))) throw new Error('the newest writer was fenced')
    throw error
  } finally {
    for (const { delta } of tables) await delta.settled()
  }
}

async function holdsNewestClaims(tables: readonly OpenTable[]): Promise<boolean> {
  for (const { delta, claim } of tables) {
    if ((await delta.snapshot()).txns.get(writerAppId)?.version !== claim) return false
  }
  return true
}

async function carryAll(base: string, tables: readonly OpenTable[], random: () => number): Promise<void> {
  const [bronze, silver] = tables
  let progress = bronze!.progress
  if (progress.batch > 0n) {
    // There is no journal, so nothing is asked of DuckDB.
    const history = new BatchHistory(base, silver!.delta, null)
    const before = await history.progressAt(progress.batch - 1n)
    await commit(tables, before, await recordedBatch(bronze!.delta, progress))
  }
  for (;;) {
    const ranges = cut(progress.offsets, random)
    if (ranges.length === 0) return
    // A clock that is set back now and then.
    const plan = planBatch(progress, ranges, BigInt(Math.floor(random() * 1_000)), rules)
    const after = afterBatch(progress, plan)
    await commit(tables, progress, { plan, progress: after, counts: null })
    progress = after
  }
}

function afterBatch(before: Progress, plan: BatchPlan): Progress {
  const times = plan.ranges.map(({ end }) => end * minuteMicros)
  const eventTimeMaxMicros = times.reduce((a, b) => (a > b ? a : b))
  return progressAfter(before, plan, { eventTimeMaxMicros, partitions: [] }, definitions)
}

async function commit(
  tables: readonly OpenTable[],
  before: Progress,
  recorded: RecordedBatch,
): Promise<void> {
  const { progress: after } = recorded
  const staged: [OpenTable, StagedAppend | null][] = []
  for (const table of tables) {
    if (table.has(after.batch)) continue
    const text = rowsText(table.definition.path, before, after)
    if (text === null) continue
    staged.push([
      table,
      await stage(table.delta, { table: table.definition.path, batch: `${after.batch}`, text }),
    ])
  }
  const by = {
    clock: () => after.timeMicros,
    tell: tellNobody,
    claims: () => streamTxns(streams, after.batch),
  }
  for (const [table, rows] of staged) await table.commit(rows, recorded, by)
}

/** What a table holds of a batch, as a pure function of it; null where that is no row. */
function rowsText(path: string, before: Progress, after: Progress): string | null {
  if (path === goldTransactions.path) {
    const node = windowOf(goldTransactions.rows.node)!
    if (!closesWindow(node, before.watermarks.gold ?? null, after.watermarks.gold ?? null)) return null
    return `${before.watermarks.gold}..${after.watermarks.gold}`
  }
  const read = [...after.offsets.values()].map(({ partition, offset }) => {
    const key = partitionKey({ topic, partition })
    return `${partition}: ${before.offsets.get(key)?.offset ?? 0n}..${offset}`
  })
  return `${read.join(', ')} at ${after.timeMicros}, late before ${before.watermarks.silver}`
}

async function stage(table: DeltaTable, content: Content): Promise<StagedAppend> {
  const { metadata } = await table.snapshot()
  return { adds: [fileOf(metadata.partitionColumns, [content], true)], rowCount: 1n, metadata }
}

function fileOf(
  partitionColumns: readonly string[],
  contents: readonly Content[],
  dataChange: boolean,
): AddFile {
  return addFile({
    path: `part-${randomUUID()}.parquet`,
    partitionValues: Object.fromEntries(partitionColumns.map((column) => [column, '2026-01-01'])),
    size: 1n,
    modificationTime: 0,
    dataChange,
    statsJson: null,
    tags: { contents: JSON.stringify(contents) },
  })
}

/** A few records of each partition; a slow one has none for a while. */
function cut(offsets: Offsets, random: () => number): OffsetRange[] {
  const ranges: OffsetRange[] = []
  let isWaiting = false
  for (const [partition, end] of recordsOfPartition.entries()) {
    const start = offsets.get(partitionKey({ topic, partition }))?.offset ?? 0n
    if (start === end) continue
    isWaiting = true
    const count = BigInt(Math.floor(random() * Number(recordsPerBatchMax)))
    const to = start + count < end ? start + count : end
    if (to > start) ranges.push({ topic, partition, start, end: to })
  }
  return isWaiting && ranges.length === 0 ? cut(offsets, random) : ranges
}

async function someTable(base: string, random: () => number): Promise<DeltaTable | null> {
  const definition = definitions[Math.floor(random() * definitions.length)]!
  const directory = tableDirectory(base, definition)
  return (await DeltaTable.exists(directory)) ? DeltaTable.open(directory) : null
}

async function append(base: string, random: () => number, done: string[]): Promise<void> {
  const table = await someTable(base, random)
  if (table === null) return
  const content = { table: 'foreign', batch: randomUUID(), text: '' }
  await table.commit(await stage(table, content))
  done.push(content.batch)
  await table.settled()
}

async function compact(base: string, random: () => number): Promise<void> {
  const table = await someTable(base, random)
  if (table === null) return
  const { metadata, files } = await table.snapshot()
  const old = [...files.values()].slice(0, 2 + Math.floor(random() * 4))
  if (old.length < 2) return
  const added = fileOf(metadata.partitionColumns, old.flatMap(contentsOf), false)
  const removes = old.map(({ path, partitionValues, size }) => {
    return { path, partitionValues, size, deletionTimestamp: 0, dataChange: false }
  })
  const draft = draftOf({}, { operation: 'OPTIMIZE', adds: [added], removes, writtenFor: metadata })
  const state = () => loadState(table.directory)
  await writeCommit(table.directory, draft, { known: state, newest: state }).catch((error: unknown) => {
    // The columns of the table are other objects each time that its log is read, and equal.
    if (!(error instanceof LakehouseError && error.code === 'DELTA_COMMIT_CONFLICT')) throw error
  })
}

function contentsOf(file: AddFile): Content[] {
  return JSON.parse(file.tags?.contents ?? '[]')
}

/**
 * Every table has every batch once, with what the batches before it make of it; nobody else's rows are lost.
 */
async function check(base: string, foreign: readonly string[]): Promise<void> {
  const problems: string[] = []
  const found = new Map<string, Content[]>()
  for (const definition of definitions) {
    const table = await DeltaTable.open(tableDirectory(base, definition))
    const contents = [...(await table.snapshot()).files.values()].flatMap(contentsOf)
    found.set(definition.path, contents)
  }
  const others = [...found.values()].flat().filter(({ table }) => table === 'foreign')
  const lost = foreign.filter((id) => others.filter(({ batch }) => batch === id).length !== 1)
  if (lost.length > 0) problems.push(`${lost.length} foreign appends are not there once`)
  const batches = await batchesOf(base)
  const ends = [...(batches.at(-1)?.offsets.values() ?? [])].map(({ offset }) => offset)
  const expectedEnds = recordsOfPartition.toString()
  if (ends.toSorted((a, b) => Number(b - a)).toString() !== expectedEnds)
    problems.push(`read up to ${ends}, not ${expectedEnds}`)
  for (const { path } of definitions) {
    const expected = batches.flatMap((after, index) => {
      const text = rowsText(path, batches[index - 1] ?? noProgress, after)
      return text === null ? [] : [`${after.batch}: ${text}`]
    })
    const texts = found
      .get(path)!
      .filter(({ table }) => table === path)
      .map(({ batch, text }) => `${batch}: ${text}`)
    if (texts.toSorted().join('\n') !== expected.toSorted().join('\n')) {
      problems.push(`${path} has\n${texts.join('\n')}\nexpected\n${expected.join('\n')}`)
    }
  }
  if (problems.length > 0) throw new Error(problems.join('\n'))
}

async function countCheckpoints(base: string): Promise<number> {
  const logs = await Promise.all(definitions.map((definition) => listLog(tableDirectory(base, definition))))
  return logs.reduce((sum, { checkpoints }) => sum + checkpoints.length, 0)
}

/** The batches as bronze tells them; numbers, times and watermarks must follow each other. */
async function batchesOf(base: string): Promise<Progress[]> {
  const table = await DeltaTable.open(tableDirectory(base, bronzeTransactions))
  const batches: Progress[] = []
  for await (const { commitInfo } of table.commits(-1n)) {
    const progress = parseProgress(commitInfo?.userMetadata)
    if (progress === null) continue
    const before = batches.at(-1) ?? noProgress
    if (progress.batch !== before.batch + 1n)
      throw new Error(`batch ${progress.batch} follows ${before.batch}`)
    if (progress.timeMicros <= before.timeMicros)
      throw new Error(`the time of batch ${progress.batch} goes back`)
    batches.push(progress)
  }
  return batches
}
