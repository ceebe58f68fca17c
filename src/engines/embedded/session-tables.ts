// The tables of sessions that a run writes, each with what it knows of silver's rows.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { BatchPlan } from '../../batches/plan.ts'
import type { Progress, RecordedBatch } from '../../batches/progress.ts'
import type { Rows } from '../../columns/column.ts'
import type { StagedAppend } from '../../delta/index.ts'
import { assert } from '../../errors/errors.ts'
import { sessionPlan } from '../../javascript/index.ts'
import { sessionsIn, storedText, type TableDefinition } from '../../plan/index.ts'
import { closingSessions } from '../batch-rules.ts'
import type { PipelineOptions } from '../engine.ts'
import type { SilverRows } from '../followed-silver.ts'
import type { BatchTable } from '../tables.ts'
import { type SessionsOfBatch, TableSessions } from './open-sessions.ts'
import type { SessionFiles } from './session-files.ts'

type Options = Pick<PipelineOptions, 'lakehouse' | 'deltaBasePath'>

/** A batch that silver has. */
export type BatchInSilver = {
  readonly plan: BatchPlan
  readonly before: Progress
  readonly recorded: RecordedBatch
  readonly definitions: readonly TableDefinition[]
}

type Known = { readonly text: string; readonly sessions: TableSessions }

export class SessionTables {
  readonly #options: Options
  readonly #silver: SilverRows
  readonly #paths: readonly string[]
  readonly #known = new Map<string, Known>()
  #removedAt: bigint | null

  /** `paths`: of the tables that the run writes. */
  constructor(options: Options, silver: SilverRows, paths: readonly string[]) {
    this.#options = options
    this.#silver = silver
    this.#paths = paths
    this.#removedAt = silver.lastRemoval?.version ?? null
  }

  get bytes(): number {
    return [...this.#known.values()].reduce((sum, { sessions }) => sum + sessions.bytes, 0)
  }

  /** Sessions and rows in memory. */
  get count(): number {
    return [...this.#known.values()].reduce((sum, { sessions }) => sum + sessions.count, 0)
  }

  /** Reads what the tables have open after a batch; to be called before any other comes. */
  async load(
    definitions: readonly TableDefinition[],
    progress: Progress,
    connection: DuckDBConnection,
  ): Promise<void> {
    for (const definition of this.#tablesOf(definitions)) {
      const sessions = this.#sessionsOf(definition, progress)
      const { eventTimeMaxMicros: seenMicros, timeMicros: timeBeforeMicros } = progress
      if (seenMicros === null) continue
      const node = sessionsIn(definition.rows.node)!
      const closedToMicros = progress.watermarks[definition.watermark!] ?? null
      const closing = { node, closedToMicros, upToMicros: closedToMicros ?? 0n }
      await sessions.loadAll(this.#files(connection), { closing, timeBeforeMicros }, seenMicros)
    }
  }

  /**
   * Rows that a batch brought to silver: in memory, or as a SELECT; null where they are not known. Batches
   * come in their order.
   */
  async add(batch: BatchInSilver, rows: Rows | string | null, connection: DuckDBConnection): Promise<void> {
    const { progress } = batch.recorded
    const removedAt = this.#silver.lastRemoval?.version ?? null
    const isChanged = removedAt !== this.#removedAt
    this.#removedAt = removedAt
    for (const definition of this.#tablesOf(batch.definitions)) {
      const sessions = this.#sessionsOf(definition, batch.before)
      const seenMicros = progress.eventTimeMaxMicros
      // Where the watermark has not begun, no session closes for long.
      const isFar = progress.watermarks[definition.watermark!] === undefined
      if (isChanged || rows === null || (isFar && typeof rows === 'string'))
        sessions.miss(seenMicros, isChanged)
      else if (typeof rows === 'string') await sessions.addSelected(connection, rows, seenMicros)
      else await sessions.add(rows, seenMicros)
    }
  }

  /** Writes the sessions that a batch closes as files of the table; null where there are none. */
  async stage(
    table: BatchTable,
    definition: TableDefinition,
    { plan, before, recorded }: BatchInSilver,
    connection: DuckDBConnection,
  ): Promise<StagedAppend | null> {
    const closing = closingSessions(definition, before, recorded.progress)
    if (closing === null) return null
    const { closedToMicros, upToMicros } = closing
    const batch: SessionsOfBatch = {
      closing,
      timeMicros: plan.timeMicros,
      timeBeforeMicros: before.timeMicros,
      parameters: {
        processing_time: plan.timeMicros,
        watermark: plan.watermarkMicros,
        ...plan.settings.parameters,
        closed_after: closedToMicros,
        closed_up_to: upToMicros,
      },
    }
    const sessions = this.#sessionsOf(definition, before)
    const staged: StagedAppend[] = []
    for await (const rows of sessions.closed(this.#files(connection), batch)) {
      staged.push(await table.delta.stageRows(rows))
    }
    const [first, ...others] = staged
    if (first === undefined) return null
    return {
      ...first,
      adds: [...first.adds, ...others.flatMap(({ adds }) => adds)],
      rowCount: others.reduce((sum, { rowCount }) => sum + rowCount, first.rowCount),
    }
  }

  #files(connection: DuckDBConnection): SessionFiles {
    return { connection, silver: this.#silver, ...this.#options }
  }

  #tablesOf(definitions: readonly TableDefinition[]): readonly TableDefinition[] {
    return definitions.filter(
      ({ path, rows }) => this.#paths.includes(path) && sessionsIn(rows.node) !== null,
    )
  }

  /** Of another definition than before nothing is known. */
  #sessionsOf(definition: TableDefinition, { eventTimeMaxMicros }: Progress): TableSessions {
    const { path, rows } = definition
    const text = storedText(rows.node)
    const known = this.#known.get(path)
    if (known?.text === text) return known.sessions
    const plan = sessionPlan(definition)
    assert(plan !== null, `${path} has sessions`)
    const sessions = new TableSessions(plan, definition)
    if (eventTimeMaxMicros === null) sessions.begin()
    else sessions.miss(eventTimeMaxMicros)
    this.#known.set(path, { text, sessions })
    return sessions
  }
}
