// Upkeep in the background, while batches go on: small files of a table are put together, and files that it
// no longer needs are deleted. Checkpoints and the cleaning of the log are the tables' own.
import type { DeltaTable } from '../delta/index.ts'
import { LakehouseError, unreachable } from '../errors/errors.ts'
import type { NoticeCode } from '../errors/notices.ts'
import type { PipelineOptions } from './engine.ts'

/** A table that this process writes, as far as its upkeep goes. */
export type KeptTable = {
  readonly definition: { readonly path: string }
  readonly delta: DeltaTable
  /** Files written since the last compaction looked at the table. */
  filesSinceUpkeep: number
  /** What others removed up to this version is known. */
  readonly versionRead: bigint
}

/** How an engine puts the small files of a table together; it gives up at the signal. */
export type Compact = (table: KeptTable, smallFileBytes: number, signal: AbortSignal) => Promise<void>

/** What drops the old days of tables. */
export type OldDays = {
  readonly isDue: boolean
  readonly drop: (signal: AbortSignal) => Promise<void>
}

/** One turn deletes at most so many removed files of a table; the next one goes on. */
const filesDeletedMax = 2_000

/** As often every table is looked through for files that no commit names: what crashes left. */
const vacuumIntervalMs = 86_400_000

/** Another program may be writing a file for as long before it commits it. */
const unnamedFileAgeMs = 7 * 86_400_000

/** How long a run with an end keeps its tables after its last batch, at most. */
const upkeepAtEndMaxMs = 30_000

/** What is to be done at a table; `files` says how urgent it is. */
type Due = {
  readonly table: KeptTable
  readonly work: 'compact' | 'delete removed files' | 'vacuum'
  readonly files: number
}

export class Upkeep {
  readonly #compactTable: Compact
  readonly #tables: readonly KeptTable[]
  readonly #options: PipelineOptions
  readonly #retention: OldDays | null
  readonly #stop = new AbortController()
  /** By table: the version of the last removal that was told. */
  readonly #removalsTold = new Map<string, bigint>()
  /** Tables whose last checkpoint failed, as was told. */
  readonly #checkpointsFailed = new Set<KeptTable>()
  readonly #checkpointsTold = new Map<KeptTable, bigint>()
  readonly #vacuumedMs = new Map<KeptTable, number>()
  readonly #startedMs: number
  #running: Promise<void> | null = null

  constructor(
    compactTable: Compact,
    tables: readonly KeptTable[],
    options: PipelineOptions,
    retention: OldDays | null = null,
  ) {
    this.#compactTable = compactTable
    this.#retention = retention
    this.#tables = tables
    this.#options = options
    this.#startedMs = this.#nowMs()
    const { smallFileBytes } = options
    if (smallFileBytes === null) return
    // What earlier runs left counts as well: each of many short ones writes few files.
    for (const table of tables) {
      table.filesSinceUpkeep = Math.max(
        table.filesSinceUpkeep,
        table.delta.figures().smallFiles(smallFileBytes),
      )
    }
  }

  /**
   * To be called after each batch, and while none comes: starts a turn at the table that needs it most, where
   * one does and no turn goes on. It fails no batch.
   */
  betweenBatches(): void {
    this.#tellOfRemovals()
    this.#tellOfCheckpoints()
    if (this.#running !== null) return
    const work = this.#nextWork()
    this.#running =
      work?.(this.#stop.signal).finally(() => {
        this.#running = null
      }) ?? null
  }

  /** Days that are over go first: what is left of them need not be tended. */
  #nextWork(removedMin?: number): ((signal: AbortSignal) => Promise<void>) | null {
    const retention = this.#retention
    if (retention?.isDue) return (signal) => this.#dropDays(retention, signal)
    const due = this.#mostDue(removedMin)
    return due === null ? null : (signal) => this.#tend(due, signal)
  }

  async #dropDays(retention: OldDays, signal: AbortSignal): Promise<void> {
    try {
      await retention.drop(signal)
    } catch (error) {
      if (signal.aborted) return
      const code = error instanceof LakehouseError ? error.code : 'RETENTION_FAILED'
      const message = `old days could not be dropped, batches go on: ${messageOf(error)}`
      this.#options.tell({ kind: 'notice', code, message, details: {} })
    }
  }

  /** At the end of a run that has one: does what is due, for a bounded time. A stop ends it. */
  async runDue(): Promise<void> {
    const limit = AbortSignal.timeout(upkeepAtEndMaxMs)
    const signal = AbortSignal.any([this.#options.signal, this.#stop.signal, limit])
    if (signal.aborted) return
    await this.#running
    for (let work = this.#nextWork(1); work !== null && !signal.aborted; work = this.#nextWork(1)) {
      await work(signal)
    }
  }

  /** Gives up what is under way; rows are not touched by that. */
  async finish(): Promise<void> {
    this.#stop.abort()
    await this.#running
    for (const { delta } of this.#tables) await delta.settled()
    this.#tellOfCheckpoints() // Those of the last commits end here.
  }

  /** The table with the most files to tend, so that a busy one does not keep the others from their turns. */
  #mostDue(removedMin = this.#options.filesBeforeCompaction): Due | null {
    const { smallFileBytes, filesBeforeCompaction } = this.#options
    const all = this.#tables.flatMap((table): Due[] => {
      const [small, removed] = [table.filesSinceUpkeep, table.delta.expiredCount]
      return [
        ...(smallFileBytes !== null && small >= filesBeforeCompaction
          ? [{ table, work: 'compact' as const, files: small }]
          : []),
        ...(removed >= removedMin ? [{ table, work: 'delete removed files' as const, files: removed }] : []),
      ]
    })
    const most = all.sort((left, right) => right.files - left.files)[0]
    return most ?? this.#vacuumDue()
  }

  /** A table that was not looked through for long, when there is nothing else. Runs with an end are short. */
  #vacuumDue(): Due | null {
    if (this.#options.once) return null
    const nowMs = this.#nowMs()
    const table = this.#tables.find(
      (one) => nowMs - (this.#vacuumedMs.get(one) ?? this.#startedMs) > vacuumIntervalMs,
    )
    return table === undefined ? null : { table, work: 'vacuum', files: 0 }
  }

  #nowMs(): number {
    return Number(this.#options.clock() / 1000n)
  }

  async #tend({ table, work }: Due, signal: AbortSignal): Promise<void> {
    const { delta } = table
    switch (work) {
      case 'compact': {
        const { smallFileBytes } = this.#options
        table.filesSinceUpkeep = 0
        if (smallFileBytes === null) return
        return this.#attempt('COMPACTION_FAILED', table, signal, () =>
          this.#compactTable(table, smallFileBytes, signal),
        )
      }
      case 'delete removed files':
        return this.#attempt('VACUUM_FAILED', table, signal, () =>
          delta.deleteExpired(filesDeletedMax, signal),
        )
      case 'vacuum': {
        this.#vacuumedMs.set(table, this.#nowMs())
        const retentionMs = Math.max(unnamedFileAgeMs, delta.deletedFileRetentionMs)
        const options = { retentionMs, nowMs: this.#nowMs(), signal }
        return this.#attempt('VACUUM_FAILED', table, signal, async () => void (await delta.vacuum(options)))
      }
      default:
        return unreachable(work)
    }
  }

  async #attempt(
    otherwise: 'COMPACTION_FAILED' | 'VACUUM_FAILED',
    { definition }: KeptTable,
    signal: AbortSignal,
    work: () => Promise<void>,
  ): Promise<void> {
    const startedMs = performance.now()
    try {
      await work()
      const kind = otherwise === 'VACUUM_FAILED' ? 'vacuumed' : 'compacted'
      this.#options.tell({ kind, table: definition.path, ms: performance.now() - startedMs })
    } catch (error) {
      if (signal.aborted) return
      const code = error instanceof LakehouseError ? error.code : otherwise
      const what = otherwise === 'VACUUM_FAILED' ? 'vacuum' : 'compaction'
      const message = `${what} of ${definition.path} failed, batches go on: ${messageOf(error)}`
      this.#tell(code, message, definition.path)
    }
  }

  /** Once for each commit of another writer that removed rows since this process read the table. */
  #tellOfRemovals(): void {
    for (const { definition, delta, versionRead } of this.#tables) {
      const { path } = definition
      const removal = delta.lastRemoval
      if (removal === null || removal.version <= (this.#removalsTold.get(path) ?? versionRead)) continue
      this.#removalsTold.set(path, removal.version)
      const { version, operation } = removal
      const message = `${path}: another program removed rows (${operation}, version ${version}); batches go on`
      this.#tell('TABLE_ROWS_REMOVED', message, path, { version: String(version), operation })
    }
  }

  /** Of each that was written; of a failure once until one of the table is written again. */
  #tellOfCheckpoints(): void {
    for (const table of this.#tables) {
      const { checkpointFailure, checkpointed } = table.delta
      if (checkpointed > (this.#checkpointsTold.get(table) ?? checkpointed)) {
        this.#options.tell({ kind: 'checkpointed', table: table.definition.path, version: checkpointed })
      }
      this.#checkpointsTold.set(table, checkpointed)
      if (checkpointFailure === null) this.#checkpointsFailed.delete(table)
      if (checkpointFailure === null || this.#checkpointsFailed.has(table)) continue
      this.#checkpointsFailed.add(table)
      const { path } = table.definition
      const message = `the log of ${path} could not get a checkpoint, batches go on: ${messageOf(checkpointFailure)}`
      this.#tell('CHECKPOINT_FAILED', message, path)
    }
  }

  #tell(code: NoticeCode, message: string, table: string, more: Record<string, unknown> = {}): void {
    this.#options.tell({ kind: 'notice', code, message, details: { table, ...more } })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
