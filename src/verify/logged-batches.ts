// The batches as the logs and `ops/batches` tell them: the commits of all tables are read side by side,
// oldest first, and judged as they pass. What is kept of them does not grow with their number.

import type { Offsets, TopicPartition } from '../batches/offsets.ts'
import type { BatchPlan, Delays } from '../batches/plan.ts'
import {
  type BatchCounts,
  batchAppId,
  type Progress,
  parseBatch,
  type RecordedBatch,
  type Watermarks,
} from '../batches/progress.ts'
import { type ForeignRemoval, foreignRemoval } from '../delta/index.ts'
import { streamOf } from '../engines/database.ts'
import { movedTo } from '../engines/restored.ts'
import { journalBatches, type NotedBatch } from './journal.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import { isStreamedLakehouse } from './streamed.ts'

const commitsReadAtOnce = 16

/** One commit of a table that carries a batch. */
export type BatchCommit = { readonly version: bigint; readonly recorded: RecordedBatch }

/** What a batch read of a partition: start <= offset < end; `start` is null where nobody knows it. */
export type ReadRange = TopicPartition & {
  readonly isFile?: true
  readonly start: bigint | null
  readonly end: bigint
}

export type LoggedBatch = {
  /** null where nobody recorded the batch, or no longer: it is known by its rows alone. */
  readonly batch: bigint | null
  readonly timeMicros: bigint
  /** Greatest event_time of silver, the batch included. */
  readonly eventTimeMaxMicros: bigint | null
  readonly finalizedToMicros: bigint | null
  /** At the end of the batch. */
  readonly watermarks: Watermarks
  readonly partitions: Progress['partitions']
  /** Silver's watermark at its start. */
  readonly lateBeforeMicros: bigint | null
  readonly readFrom: Progress['readFrom']
  /** null where nobody knows what it read. */
  readonly ranges: readonly ReadRange[] | null
  /** The next offsets after the batch; empty where nobody recorded it. */
  readonly nextOffsets: Offsets
  /** null for batches of a version that did not record them. */
  readonly plan: BatchPlan | null
  readonly counts: BatchCounts | null
}

/** Is told the batches of each log as they are read. */
export type CommitJudge = {
  /** Of each table in the order of versions. */
  readonly onCommit: (state: TableState, commit: BatchCommit) => void
  /** A commit, beside what silver (or, without it, bronze) says of the same batch. */
  readonly onBatch: (state: TableState, commit: BatchCommit, recorded: RecordedBatch) => void
  /** A commit of another program that removed rows. */
  readonly onRemoval: (state: TableState, removal: ForeignRemoval) => void
  /** A commit that took the progress of a table to another batch: a restored one back, a rebuilt one on. */
  readonly onMove: (state: TableState, commit: BatchCommit) => void
  /** A batch of `ops/batches`, beside the same; null where the logs no longer have it. */
  readonly onJournal: (noted: NotedBatch, recorded: RecordedBatch | null) => void
  /** A batch of the logs that `ops/batches` should have noted. */
  readonly onUnnoted: (batch: bigint) => void
}

/**
 * All batches in the order of their times: first those that nobody recorded, by the times of their rows, then
 * those of `ops/batches` and of the logs. Where only those since an instant are asked for, a few before it may
 * come as well.
 */
export async function* batchesOf(
  lakehouse: WrittenLakehouse,
  readsTable: (path: string) => boolean,
  judge: CommitJudge,
): AsyncGenerator<LoggedBatch> {
  let lateBeforeMicros: bigint | null = null
  for await (const batch of everyBatch(lakehouse, readsTable, judge)) {
    yield { ...batch, lateBeforeMicros }
    lateBeforeMicros = batch.watermarks[lakehouse.eventsWatermark] ?? null
  }
}

type BatchFacts = Omit<LoggedBatch, 'lateBeforeMicros'>

async function* everyBatch(
  lakehouse: WrittenLakehouse,
  readsTable: (path: string) => boolean,
  judge: CommitJudge,
): AsyncGenerator<BatchFacts> {
  let before: Progress | null = null
  for await (const { plan, progress, counts } of recordedBatches(lakehouse, readsTable, judge)) {
    const isBehindGap = progress.batch > (before?.batch ?? 0n) + 1n
    // Those that are not asked for need not be known.
    if (isBehindGap && progress.timeMicros > (lakehouse.sinceMicros ?? 0n)) {
      yield* forgottenBatches(lakehouse, before, progress.timeMicros)
    }
    const { batch, timeMicros, eventTimeMaxMicros, finalizedToMicros, watermarks, partitions } = progress
    const ranges = plan?.ranges ?? (isBehindGap ? null : rangesBetween(before, progress))
    const end = { timeMicros, eventTimeMaxMicros, finalizedToMicros, watermarks, partitions }
    const { readFrom, offsets: nextOffsets } = progress
    yield { batch, ...end, readFrom, ranges, nextOffsets, plan, counts }
    before = progress
  }
  if (before === null) yield* forgottenBatches(lakehouse, null, null)
}

/** Reads the commits of all tables, and the journal, side by side; gives each batch that is recorded. */
async function* recordedBatches(
  lakehouse: WrittenLakehouse,
  readsTable: (path: string) => boolean,
  judge: CommitJudge,
): AsyncGenerator<RecordedBatch> {
  const { records: bronze, events: silver } = lakehouse.paths
  const states = [...lakehouse.states.values()].filter(({ definition: { path } }) => {
    return path === bronze || path === silver || readsTable(path)
  })
  const cursors = await Promise.all(states.map((state) => CommitCursor.open(lakehouse, state, judge)))
  const journal = journalBatches(lakehouse)
  const notedUpTo = lakehouse.journal?.txns.get(batchAppId)?.version ?? 0n
  let noted = (await journal.next()).value ?? null
  for (;;) {
    const waiting = cursors.flatMap(({ head }) => (head === null ? [] : [head.recorded.progress.batch]))
    if (noted !== null) waiting.push(noted.batch)
    if (waiting.length === 0) return
    const batch = waiting.reduce((a, b) => (b < a ? b : a))
    const those = cursors.filter(({ head }) => head?.recorded.progress.batch === batch)
    const ofTable = (path: string) => those.find(({ state }) => state.definition.path === path)
    const [inSilver, inBronze] = [ofTable(silver), ofTable(bronze)]
    const logged = [inSilver, inBronze].find((one) => one?.isCommit === true)?.head?.recorded ?? null
    const journaled = noted?.batch === batch ? noted.recorded : null
    const recorded: RecordedBatch | null =
      logged ?? journaled ?? (inSilver ?? inBronze)?.head?.recorded ?? null
    for (const cursor of those) {
      if (recorded !== null && cursor.isCommit) judge.onBatch(cursor.state, cursor.head!, recorded)
      await cursor.advance()
    }
    if (logged !== null && noted?.batch !== batch && batch <= notedUpTo) judge.onUnnoted(batch)
    while (noted !== null && noted.batch <= batch) {
      judge.onJournal(noted, logged)
      noted = (await journal.next()).value ?? null
    }
    // Else it is a later table's commit of a batch whose own are cleaned up.
    if (recorded !== null) yield recorded
  }
}

/** The commits of one table that carry a batch, one after another. */
class CommitCursor {
  readonly state: TableState
  head: BatchCommit | null = null
  /** False where the head is of a checkpoint: the commit is gone, and with it what only commits tell. */
  isCommit = true
  readonly #commits: AsyncGenerator<BatchCommit>
  readonly #judge: CommitJudge

  private constructor(state: TableState, commits: AsyncGenerator<BatchCommit>, judge: CommitJudge) {
    this.state = state
    this.#commits = commits
    this.#judge = judge
  }

  static async open(
    { sinceMicros }: WrittenLakehouse,
    state: TableState,
    judge: CommitJudge,
  ): Promise<CommitCursor> {
    const from = sinceMicros === null ? state.oldestVersion : await versionBefore(state, sinceMicros)
    const cursor = new CommitCursor(state, commitsFrom(state, from, judge), judge)
    await cursor.advance()
    return cursor
  }

  /** To the next commit of a later batch: what goes back is the judge's affair. */
  async advance(): Promise<void> {
    const batch = this.head?.recorded.progress.batch ?? null
    for (;;) {
      const { value, done } = await this.#commits.next()
      if (done) break
      this.#judge.onCommit(this.state, value)
      if (batch !== null && value.recorded.progress.batch <= batch) continue
      this.head = value
      return
    }
    // The newest batch may stand in a checkpoint alone.
    const { progress, snapshot } = this.state
    const isKnown = progress === null || progress.batch <= (batch ?? 0n)
    this.isCommit = false
    this.head = isKnown
      ? null
      : { version: snapshot.version, recorded: { plan: null, progress, counts: null } }
  }
}

async function* commitsFrom(
  state: TableState,
  from: bigint,
  judge: Pick<CommitJudge, 'onRemoval' | 'onMove'> | null = null,
): AsyncGenerator<BatchCommit> {
  const { table, snapshot } = state
  for (let version = from; version <= snapshot.version; version += BigInt(commitsReadAtOnce)) {
    const versions = Array.from({ length: commitsReadAtOnce }, (_, index) => version + BigInt(index))
    const known = versions.filter((one) => one <= snapshot.version)
    for (const commit of await Promise.all(known.map((one) => table.commitAt(one)))) {
      if (commit === null) continue
      const removal = foreignRemoval(commit)
      if (removal !== null) judge?.onRemoval(state, removal)
      const to = movedTo(commit)
      if (to !== null) judge?.onMove(state, { version: commit.version, recorded: to })
      const recorded = parseBatch(commit.commitInfo?.userMetadata)
      if (recorded !== null) yield { version: commit.version, recorded }
    }
  }
}

/** A version whose batch is earlier than the instant, as late as halving finds one; or the oldest. */
async function versionBefore(state: TableState, sinceMicros: bigint): Promise<bigint> {
  let [low, high] = [state.oldestVersion, state.snapshot.version]
  while (low < high) {
    const middle = (low + high + 1n) / 2n
    const found = await commitsFrom(state, middle).next()
    if (!found.done && found.value.recorded.progress.timeMicros < sinceMicros) low = middle
    else high = middle - 1n
  }
  return low
}

function rangesBetween(before: Progress | null, after: Progress): ReadRange[] {
  return [...after.offsets].flatMap(([key, { topic, partition, offset: end }]) => {
    const start = before?.offsets.get(key)?.offset ?? null
    return start === end ? [] : [{ topic, partition, start, end }]
  })
}

/**
 * Batches that nobody recorded, between a batch and an instant: by the times of bronze's rows, with the
 * watermarks that the configured delays give.
 */
async function* forgottenBatches(
  lakehouse: WrittenLakehouse,
  after: Progress | null,
  beforeMicros: bigint | null,
): AsyncGenerator<BatchFacts> {
  const select = forgottenSql(lakehouse, after, beforeMicros)
  if (select === null) return
  const result = await streamOf(await lakehouse.connect(), select)
  let seen = after?.eventTimeMaxMicros ?? null
  for await (const rows of result.yieldRowsJs()) {
    // As selected.
    for (const [timeMicros, eventTimeMax] of rows as [bigint, bigint | null][]) {
      if (seen === null || (eventTimeMax !== null && eventTimeMax > seen)) seen = eventTimeMax
      yield {
        batch: null,
        timeMicros,
        eventTimeMaxMicros: seen,
        finalizedToMicros: null,
        watermarks: watermarksBehind(seen, lakehouse.options.delays),
        partitions: new Map(),
        readFrom: 'input',
        ranges: null,
        nextOffsets: new Map(),
        plan: null,
        counts: null,
      }
    }
  }
}

function forgottenSql(
  lakehouse: WrittenLakehouse,
  after: Progress | null,
  beforeMicros: bigint | null,
): string | null {
  const { records: bronze, events: silver } = lakehouse.paths
  // The rows of a streaming query have times that are no batch's.
  const timed = [bronze, silver].filter((path) => {
    return lakehouse.has(path) && !(path === bronze && isStreamedLakehouse(lakehouse))
  })
  if (timed.length === 0) return null
  const range = {
    fromMicros: after === null ? null : after.timeMicros + 1n,
    toMicros: beforeMicros === null ? null : beforeMicros - 1n,
  }
  const times = timed.map((path) => {
    const eventTime = path === silver ? 'event_time' : 'NULL::TIMESTAMP AS event_time'
    return `SELECT processing_time, ${eventTime} FROM (${lakehouse.rowsWithin(path, 'processing_time', range)})`
  })
  return `SELECT epoch_us(processing_time) AS time, max(epoch_us(event_time)) FROM (${times.join(' UNION ALL ')})
    WHERE processing_time IS NOT NULL GROUP BY processing_time ORDER BY time`
}

function watermarksBehind(seenMicros: bigint | null, delays: Delays): Watermarks {
  if (seenMicros === null) return {}
  return Object.fromEntries(Object.entries(delays).map(([name, delay]) => [name, seenMicros - delay]))
}
