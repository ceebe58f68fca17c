// Compaction in the background: small files of a table are put together while batches go on.
import { LakehouseError } from '../errors/errors.ts'
import type { PipelineOptions } from './engine.ts'
import type { OpenTable } from './tables.ts'

/** How an engine puts the small files of a table together; it gives up at the signal. */
export type Compact = (table: OpenTable, smallFileBytes: number, signal: AbortSignal) => Promise<void>

export class Upkeep {
  readonly #compactTable: Compact
  readonly #tables: readonly OpenTable[]
  readonly #options: PipelineOptions
  readonly #stop = new AbortController()
  /** By table: the version of the last removal that was told. */
  readonly #removalsTold = new Map<string, bigint>()
  #running: Promise<void> | null = null

  constructor(compactTable: Compact, tables: readonly OpenTable[], options: PipelineOptions) {
    this.#compactTable = compactTable
    this.#tables = tables
    this.#options = options
  }

  /** Starts a compaction where one is due and none runs. It never fails a batch. */
  afterBatch(): void {
    this.#tellOfRemovals()
    const { smallFileBytes, filesBeforeCompaction } = this.#options
    const due = this.#tables.find((table) => table.filesSinceUpkeep >= filesBeforeCompaction)
    if (smallFileBytes === null || this.#running !== null || due === undefined) return
    due.filesSinceUpkeep = 0
    this.#running = this.#compact(due, smallFileBytes).finally(() => {
      this.#running = null
    })
  }

  /** Once for each commit of another writer that removed rows since this process read the table. */
  #tellOfRemovals(): void {
    for (const { definition, delta, versionRead } of this.#tables) {
      const { path } = definition
      const removal = delta.lastRemoval
      if (removal === null || removal.version <= (this.#removalsTold.get(path) ?? versionRead)) continue
      this.#removalsTold.set(path, removal.version)
      const { version, operation } = removal
      this.#options.onNotice({
        code: 'TABLE_ROWS_REMOVED',
        message: `${path}: another program removed rows (${operation}, version ${version}); batches go on`,
        details: { table: path, version: String(version), operation },
      })
    }
  }

  async #compact(table: OpenTable, smallFileBytes: number): Promise<void> {
    try {
      await this.#compactTable(table, smallFileBytes, this.#stop.signal)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const code = error instanceof LakehouseError ? error.code : 'COMPACTION_FAILED'
      const message = `compaction of ${table.definition.path} failed, batches go on: ${error instanceof Error ? error.message : error}`
      this.#options.onNotice({ code, message, details: { table: table.definition.path } })
    }
  }

  /** Gives up what is under way; rows are not touched by that. */
  async finish(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }
}
