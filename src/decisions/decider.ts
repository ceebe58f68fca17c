// Decides records as they come, by the compiled row path that batches go through, on what the lakehouse
// knows: the ids and features of silver's rows are in memory. It reads the tables and writes none.
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Parameters } from '../batches/plan.ts'
import type { RecordChunk } from '../batches/source.ts'
import { DeltaTable } from '../delta/index.ts'
import { eventsWatermarkOf } from '../engines/batch-rules.ts'
import { Database } from '../engines/database.ts'
import { RecentSilver } from '../engines/embedded/recent.ts'
import { tellNobody } from '../engines/events.ts'
import { addRecords, decisionRowPath } from '../engines/row-path.ts'
import { SchemaStore } from '../engines/schema-store.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import type { RowPath, StateOfRows } from '../javascript/index.ts'
import { progressOf, tableDirectory } from '../ops/tables.ts'
import type { Lakehouse } from '../plan/index.ts'
import { type Decision, DecisionWriter } from './decision.ts'

export type DeciderOptions = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly parameters: Parameters
  readonly duckdb: { readonly memoryLimitBytes: number | null; readonly threads: number | null }
}

/** Rows beyond it are kept all the same: whose they are is not known before a record comes. */
const stateRowsMax = Number.MAX_SAFE_INTEGER

export class Decider {
  readonly #parameters: Parameters
  readonly #recent: RecentSilver
  readonly #states: readonly StateOfRows[]
  readonly #schemas: SchemaStore
  readonly #path: RowPath
  readonly #scoredPath: string
  readonly #paths: { readonly events: string; readonly refused: string }
  readonly #writer: DecisionWriter
  /** Of the lakehouse's last batch; null before its first row. */
  readonly #watermarkMicros: bigint | null
  readonly #close: () => Promise<void>

  private constructor(
    { lakehouse, parameters }: DeciderOptions,
    scoredPath: string,
    path: RowPath,
    known: {
      readonly recent: RecentSilver
      readonly schemas: SchemaStore
      readonly watermarkMicros: bigint | null
      readonly close: () => Promise<void>
    },
  ) {
    this.#parameters = parameters
    this.#recent = known.recent
    this.#states = path.states.map((node) => {
      const kept = known.recent.of(node, parameters)
      assert(kept !== null, 'all rows that an operator looks back at are kept')
      return kept
    })
    this.#schemas = known.schemas
    this.#path = path
    this.#scoredPath = scoredPath
    this.#paths = { events: lakehouse.events.path, refused: lakehouse.refused.path }
    this.#writer = new DecisionWriter(lakehouse, scoredPath)
    this.#watermarkMicros = known.watermarkMicros
    this.#close = known.close
  }

  /** Knows what the tables have now. Fails with CONFIG_INVALID where the lakehouse scores nothing. */
  static async open(options: DeciderOptions): Promise<Decider> {
    const { lakehouse, deltaBasePath, parameters } = options
    if (lakehouse.scored === null) {
      throw new LakehouseError('CONFIG_INVALID', 'this lakehouse scores nothing: there is nothing to decide.')
    }
    const path = decisionRowPath(lakehouse, lakehouse.tables)
    const spillDirectory = await mkdtemp(join(tmpdir(), `assay-decide-${randomUUID()}`))
    const database = await Database.open({ ...options.duckdb, spillDirectory })
    const close = async (): Promise<void> => {
      database.close()
      await rm(spillDirectory, { recursive: true, force: true })
    }
    // Schemas that a run has met; a registry is not asked, since what it says would have to be recorded.
    const known = { deltaBasePath, tableProperties: {}, tell: tellNobody, registry: null }
    try {
      const schemas = await SchemaStore.open(known, database.load)
      const directory = tableDirectory(deltaBasePath, lakehouse.events)
      const silver = (await DeltaTable.exists(directory)) ? await DeltaTable.open(directory) : null
      const snapshot = (await silver?.snapshot()) ?? null
      const progress = silver === null || snapshot === null ? null : await progressOf(silver, snapshot)
      const watermarkMicros = progress === null ? null : eventsWatermarkOf(lakehouse, progress)
      const recent =
        snapshot === null || progress === null
          ? RecentSilver.empty(path.states, parameters, stateRowsMax)
          : await RecentSilver.load(database.rows, { snapshot, directory }, path.states, parameters, {
              ...{ watermarkMicros, stateRowsMax },
              upToMicros: progress.timeMicros,
            })
      return new Decider(options, lakehouse.scored.path, path, { recent, schemas, watermarkMicros, close })
    } catch (error) {
      await close()
      throw error
    }
  }

  /** Rows of silver in memory. */
  get rowCount(): number {
    return this.#recent.rowCount
  }

  /**
   * Decides the records one after another, as if they came at that time: each knows those before it. With
   * `isDryRun` nothing is remembered of them afterwards.
   */
  decide(chunk: RecordChunk, nowMicros: bigint, { isDryRun }: { readonly isDryRun: boolean }): Decision[] {
    const decisions: Decision[] = []
    let event: readonly unknown[] = []
    const functions = {
      [this.#paths.events]: (...values: unknown[]) => {
        event = values
      },
      [this.#scoredPath]: (...values: unknown[]) => void decisions.push(this.#writer.scored(event, values)),
      [this.#paths.refused]: (...values: unknown[]) => void decisions.push(this.#writer.refused(values)),
    }
    if (isDryRun) this.#recent.mark()
    try {
      const batch = this.#path.start({
        parameters: {
          ...this.#parameters,
          processing_time: nowMicros,
          watermark: this.#watermarkMicros,
        },
        functions,
        states: this.#states,
        decoder: this.#schemas.decoderAt(nowMicros),
      })
      addRecords(batch, chunk)
    } finally {
      if (isDryRun) {
        this.#recent.rollback()
        this.#recent.commit()
      }
    }
    assert(decisions.length === chunk.count, 'each record has one decision')
    return decisions
  }

  async close(): Promise<void> {
    await this.#close()
  }
}
