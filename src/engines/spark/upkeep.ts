// Compaction in the background: Spark puts small files of a table together while batches go on.
import { LakehouseError } from '../../errors/errors.ts'
import { spark } from '../../sql/index.ts'
import type { PipelineOptions } from '../engine.ts'
import type { OpenTable } from '../tables.ts'
import type { SparkSession } from './connect/session.ts'
import { fileUri } from './rows.ts'

export class Upkeep {
  readonly #session: SparkSession
  readonly #tables: readonly OpenTable[]
  readonly #options: PipelineOptions
  readonly #stop = new AbortController()
  #running: Promise<void> | null = null

  constructor(session: SparkSession, tables: readonly OpenTable[], options: PipelineOptions) {
    this.#session = session
    this.#tables = tables
    this.#options = options
  }

  /** Starts a compaction where one is due and none runs. It never fails a batch. */
  afterBatch(): void {
    const { smallFileBytes, filesBeforeCompaction } = this.#options
    const due = this.#tables.find((table) => table.filesSinceUpkeep >= filesBeforeCompaction)
    if (smallFileBytes === null || this.#running !== null || due === undefined) return
    due.filesSinceUpkeep = 0
    this.#running = this.#compact(due, smallFileBytes).finally(() => {
      this.#running = null
    })
  }

  /** Gives up what is under way; rows are not touched by that. */
  async finish(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #compact({ definition, delta }: OpenTable, smallFileBytes: number): Promise<void> {
    const call = { signal: this.#stop.signal, what: `Compaction of ${definition.path} failed` }
    try {
      const sizes = { 'spark.databricks.delta.optimize.minFileSize': String(smallFileBytes) }
      await this.#session.setConfig(sizes, call)
      await this.#session.run(`OPTIMIZE delta.${spark.name(fileUri(delta.directory))}`, call)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const code = error instanceof LakehouseError ? error.code : 'COMPACTION_FAILED'
      const message = `compaction of ${definition.path} failed, batches go on: ${error instanceof Error ? error.message : error}`
      this.#options.onNotice({ code, message, details: { table: definition.path } })
    }
  }
}
