// The journal of the batches: `ops/batches` and `ops/files`. It belongs to the process that writes silver,
// which notes a batch when all of its tables have it. Notes of up to some seconds share a commit: a crash
// loses none, for what the journal lacks follows from the commits of the tables.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { NextOffset, OffsetRange } from '../batches/offsets.ts'
import { partitionKey } from '../batches/offsets.ts'
import { batchAppId, type RecordedBatch, streamTxns, writerAppId } from '../batches/progress.ts'
import { type DeltaSnapshot, DeltaTable, type DeltaTableDefinition, fetchedScanSql } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type BatchRow, batchesDefinition, batchesPath, batchRowsSql, recordedOf } from '../ops/batches.ts'
import { fileOffset, fileRowsSql, filesDefinition, filesPath } from '../ops/files.ts'
import { openOpsTable, opsDirectory } from '../ops/tables.ts'
import { eventsWatermark, type Lakehouse } from '../plan/index.ts'
import { step } from '../steps/step.ts'
import { rowsOf } from './database.ts'
import { claimTable, type OpenTable } from './tables.ts'
import type { KeptTable } from './upkeep.ts'

/** A note waits at most so long for others to share its commit. */
const noteAgeMsMax = 10_000
/** Where no other comes for so long, none is waited for. */
const quietMs = 2_000
/** Notes that share a commit at most: a fast run of small batches must not collect them without end. */
const notesMax = 1_000
const rowsReadAtOnce = 1_000

type Claimed = KeptTable & { readonly claim: bigint }

export class Journal {
  readonly #batches: Claimed
  readonly #files: Claimed
  readonly #connection: DuckDBConnection
  readonly #clock: () => bigint
  #notes: BatchRow[] = []
  /** How far files were read by the batches since the last commit of `ops/files`. */
  #fileNotes = new Map<string, NextOffset>()
  #oldestNoteMs = 0
  #newestNoteMs = 0
  #lastWritten: bigint
  readonly #eventsWatermark: string

  private constructor(
    batches: Claimed,
    files: Claimed,
    lastWritten: bigint,
    by: {
      readonly lakehouse: Lakehouse
      readonly connection: DuckDBConnection
      readonly clock: () => bigint
    },
  ) {
    this.#batches = batches
    this.#files = files
    this.#lastWritten = lastWritten
    this.#connection = by.connection
    this.#clock = by.clock
    this.#eventsWatermark = eventsWatermark(by.lakehouse)
  }

  /**
   * Opens the journal as its only writer. It belongs to whoever holds the tables: a process that was paused
   * after it had claimed them, and lost them meanwhile, must not take the journal from the next.
   */
  static async open(options: {
    readonly lakehouse: Lakehouse
    readonly deltaBasePath: string
    readonly tableProperties: Readonly<Record<string, string>>
    readonly connection: DuckDBConnection
    readonly clock: () => bigint
    readonly held: readonly OpenTable[]
  }): Promise<Journal> {
    const { deltaBasePath, tableProperties: properties, held } = options
    const claimed = async (
      path: string,
      definition: Omit<DeltaTableDefinition, 'properties'>,
    ): Promise<Claimed> => {
      const delta = await openOpsTable(deltaBasePath, path, { ...definition, properties })
      for (const table of held) await table.checkClaim()
      const claim = await claimTable(delta)
      const { version } = await delta.snapshot()
      return { definition: { path }, delta, claim, versionRead: version, filesSinceUpkeep: 0 }
    }
    const batches = await claimed(batchesPath, batchesDefinition)
    const files = await claimed(filesPath, filesDefinition)
    const { txns } = await batches.delta.snapshot()
    return new Journal(batches, files, txns.get(batchAppId)?.version ?? 0n, options)
  }

  /** The last batch that the journal has, written or not. */
  get lastBatch(): bigint {
    return this.#notes.at(-1)?.recorded.progress.batch ?? this.#lastWritten
  }

  /** The streams that are complete, as txn actions that `streamDone` reads. */
  async txns(): Promise<DeltaSnapshot['txns']> {
    return (await this.#batches.delta.snapshot()).txns
  }

  /** The tables of the journal, for their upkeep. */
  get tables(): readonly KeptTable[] {
    return [this.#batches, this.#files]
  }

  /** The table of how far files were read. */
  get files(): DeltaTable {
    return this.#files.delta
  }

  /** Notes a batch that all tables of its streams have; written soon, or with `flush`. */
  async note(row: BatchRow): Promise<void> {
    if (row.recorded.progress.batch <= this.lastBatch) return
    if (this.#notes.length === 0) this.#oldestNoteMs = performance.now()
    this.#newestNoteMs = performance.now()
    this.#notes.push(row)
    this.noteFiles(row.recorded.plan?.ranges ?? [])
    const isOld = performance.now() - this.#oldestNoteMs >= noteAgeMsMax
    if (isOld || this.#notes.length >= notesMax) await this.flush()
  }

  /**
   * Notes the last batch of the process before, which all tables have by now, where it did not come to
   * that.
   */
  async noteComplete(recorded: RecordedBatch, streams: readonly string[]): Promise<void> {
    await this.note({ recorded, streams, ...untold })
    await this.flush()
  }

  /** How far the files among the ranges were read. */
  noteFiles(ranges: readonly OffsetRange[]): void {
    for (const range of ranges) {
      if (range.isFile !== true) continue
      this.#fileNotes.set(partitionKey(range), fileOffset(range.topic, range.end))
    }
  }

  /** For a run that waits for more records: writes what was noted if that was the last for a while. */
  async flushQuiet(): Promise<void> {
    if (performance.now() - this.#newestNoteMs >= quietMs) await this.flush()
  }

  /** Writes what was noted. Files first: a batch that the journal has is one that all of it has. */
  async flush(): Promise<void> {
    const last = this.#notes.at(-1)
    if (last === undefined) return
    const { batch } = last.recorded.progress
    if (this.#fileNotes.size > 0) {
      await this.#commit(this.#files, fileRowsSql([...this.#fileNotes.values()]), batch, {})
      this.#fileNotes = new Map()
    }
    await step('files noted')
    const rows = batchRowsSql(this.#notes, this.#eventsWatermark)
    await this.#commit(this.#batches, rows, batch, streamTxns(last.streams, batch + 1n))
    this.#notes = []
    this.#lastWritten = batch
    await step('batches noted')
  }

  async #commit(
    table: Claimed,
    select: string,
    batch: bigint,
    txns: Readonly<Record<string, bigint>>,
  ): Promise<void> {
    const { delta, claim } = table
    const staged = await delta.stage(this.#connection, select)
    table.filesSinceUpkeep += staged.adds.length
    const outcome = await delta.commit(staged, {
      ...{ appId: batchAppId, version: batch, txns },
      fence: { appId: writerAppId, version: claim },
      timestampMs: Number(this.#clock() / 1000n),
    })
    if (outcome.kind !== 'fenced') return
    throw new LakehouseError(
      'WRITER_FENCED',
      `${delta.directory} has been taken over by another process (writer ${outcome.recorded}, this one is ${claim}). ` +
        'This one stops; nothing was written twice. One process at a time can write a stream.',
    )
  }
}

/** What the journal of a lakehouse claims of its streams, for those who do not write it. */
export async function journalTxns(deltaBasePath: string): Promise<DeltaSnapshot['txns']> {
  const directory = opsDirectory(deltaBasePath, batchesPath)
  if (!(await DeltaTable.exists(directory))) return new Map()
  return (await (await DeltaTable.open(directory)).snapshot()).txns
}

/** A journal that begins later than the tables takes so many of the batches before it from silver's log. */
const batchesBeforeJournalMax = 20_000n

/**
 * Notes the batches before `last` that the journal lacks, because the process before ended too soon, or was
 * of a version without a journal. Which tables have them is not said by that.
 */
export async function completeJournal(
  journal: Journal,
  history: { after(batch: bigint): AsyncIterable<RecordedBatch> },
  last: bigint,
): Promise<void> {
  const { lastBatch } = journal
  if (lastBatch >= last - 1n) return
  const isTooMany = lastBatch === 0n && last > batchesBeforeJournalMax
  const from = isTooMany ? last - batchesBeforeJournalMax : lastBatch
  try {
    for await (const recorded of history.after(from)) {
      if (recorded.progress.batch >= last) break
      await journal.note({ recorded, ...untold, streams: [] })
    }
  } catch (error) {
    // A log that was cleaned up before there was a journal has them no more.
    if (!(error instanceof LakehouseError) || error.code !== 'PROGRESS_UNKNOWN') throw error
  }
  await journal.flush()
}

const untold = { rowsByTable: {}, reasons: {}, overflows: {}, phasesMs: {} }

/** The batches after one, oldest first, as `ops/batches` has them. */
export async function* journalAfter(
  connection: DuckDBConnection,
  batches: DeltaTable,
  batch: bigint,
): AsyncGenerator<RecordedBatch> {
  const snapshot = await batches.snapshot()
  let last = batch
  for (;;) {
    const where = [{ column: 'batch', min: last + 1n }]
    const scan = await fetchedScanSql(snapshot, batches.directory, {
      columns: ['batch', 'plan', 'outcome'],
      where,
    })
    const rows = await rowsOf(
      connection,
      `SELECT batch, plan, outcome FROM (${scan}) WHERE batch > ${last} ORDER BY batch LIMIT ${rowsReadAtOnce}`,
    )
    for (const { plan, outcome } of rows) {
      const recorded = recordedOf(plan === null ? null : String(plan), String(outcome))
      last = recorded.progress.batch
      yield recorded
    }
    if (rows.length < rowsReadAtOnce) return
  }
}
