// A Delta table in a directory: the one class of this folder, because it holds the state of the log as it was
// last read. Several objects and processes may use the same table at once.
import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Rows } from '../columns/column.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { SharedLeaves } from '../parquet/file.ts'
import { step } from '../steps/step.ts'
import type { AddFile, DeltaCommit } from './actions.ts'
import { checkpointContent } from './checkpoint-write.ts'
import {
  type CommitDraft,
  type CommitOptions,
  type CommitOutcome,
  type CommittedLog,
  commitAttemptsMax,
  draftOf,
  evolved,
  rowMetrics,
  type WriteOutcome,
  writeCommit,
  writeFirstCommit,
} from './commit.ts'
import { type DeleteOptions, type DeleteResult, deleteResult, stageDeletion } from './delete-rows.ts'
import { clock } from './disk.ts'
import { figuresOf, type TableFigures } from './figures.ts'
import {
  describeState,
  type HistoryEntry,
  readHistory,
  type TableDescription,
  versionAtTime,
} from './history.ts'
import {
  commitPath,
  hasHintedCheckpoint,
  identityOf,
  listLog,
  logDirectory,
  readCommit,
} from './log-files.ts'
import { LogUpkeep } from './log-upkeep.ts'
import { storageOf } from './mounts.ts'
import {
  compact,
  type OptimizeOptions,
  type OptimizeResult,
  optimizeResult,
  planCompaction,
  removeOf,
} from './optimize.ts'
import type { QueryParameters } from './parquet-files.ts'
import { deletedFileRetentionDefaultMs, deletedFileRetentionMs } from './properties.ts'
import { checkWritable, newTableProtocol } from './protocol.ts'
import { keepOnlyVersion, purgeCount, purgedAppId } from './purge-log.ts'
import { Replacement } from './replace-rows.ts'
import { type Row, withRows } from './rows.ts'
import { checkDefinition, type DeltaTableDefinition } from './schema.ts'
import { type StagedAppend, stageQuery } from './stage.ts'
import { stageRows } from './stage-rows.ts'
import { type DeltaSnapshot, type ForeignRemoval, type LogState, loadState } from './state.ts'
import { readCommits, waitForVersion } from './tail.ts'
import {
  deleteExpired,
  deleteLeftovers,
  unnamedFiles,
  type VacuumOptions,
  vacuumCutoffMs,
  vacuumFiles,
} from './vacuum.ts'

export type AppendOptions = CommitOptions & {
  readonly appId: string
  readonly version: bigint
  readonly parameters?: QueryParameters
}

export class DeltaTable {
  readonly directory: string
  #state: LogState
  /** The end of the queue of what reads or changes the state: one at a time, in the order of the calls. */
  #queue: Promise<unknown> = Promise.resolve()
  readonly #logUpkeep: LogUpkeep

  private constructor(directory: string, state: LogState) {
    this.directory = directory
    this.#state = state
    this.#logUpkeep = new LogUpkeep(directory, state.checkpoint)
  }

  static async open(directory: string): Promise<DeltaTable> {
    const path = resolve(directory)
    return new DeltaTable(path, await loadState(path))
  }

  static async exists(directory: string): Promise<boolean> {
    const path = resolve(directory)
    if ((await identityOf(commitPath(path, 0n))) !== null || (await hasHintedCheckpoint(path))) return true
    const { commits, checkpoints } = await listLog(path)
    return commits.length > 0 || checkpoints.length > 0
  }

  /**
   * Makes the table, or opens it, adds the nullable columns it lacks and gives it the properties of the
   * definition; other properties stay. Any other difference fails with DELTA_SCHEMA_MISMATCH. Others may do
   * the same at the same time.
   */
  static async createOrEvolve(directory: string, definition: DeltaTableDefinition): Promise<DeltaTable> {
    const path = resolve(directory)
    checkDefinition(definition, path)
    if (await DeltaTable.exists(path)) await storageOf(path).keepNames(path, directoriesAbove)
    else await create(path, definition)
    const table = await DeltaTable.open(path)
    await table.#evolve(definition)
    return table
  }

  async #evolve(definition: DeltaTableDefinition): Promise<void> {
    await this.#exclusive(async () => {
      for (let attempt = 0; attempt < commitAttemptsMax; attempt++) {
        const state = await this.#refresh()
        const before = state.essentials().metadata
        const change = evolved(before, definition, this.directory)
        if (change === null) return
        const { operation, operationParameters, metadata } = change
        const draft = draftOf({ operationParameters }, { operation, metadata, writtenFor: before })
        // A concurrent change of the schema shows as a conflict, and the next round judges it anew.
        const outcome = await writeCommit(this.directory, draft, this.#log)
        if (outcome.kind === 'committed') return
      }
      const what = `others kept changing the schema; ${commitAttemptsMax} attempts failed`
      const message = `${this.directory}: ${what}.`
      throw new LakehouseError('DELTA_COMMIT_CONFLICT', message)
    })
  }

  /** The newest version, or the one asked for. Reads only the log files that are new since the last call. */
  async snapshot(options: { readonly version?: bigint } = {}): Promise<DeltaSnapshot> {
    const state = await this.#exclusive(() => this.#refresh())
    const { version } = options
    if (version === undefined || version === state.version) return state.snapshot()
    return (await loadState(this.directory, version)).snapshot()
  }

  /**
   * Writes the rows of `query` as files of this table, in the caller's transaction; `commit` then makes them
   * part of it. Columns are matched by name; a TIMESTAMP without a zone means UTC.
   */
  async stage(
    connection: DuckDBConnection,
    query: string,
    parameters?: QueryParameters,
  ): Promise<StagedAppend> {
    const { metadata } = this.#state.essentials()
    return stageQuery(this.directory, metadata, connection, query, parameters)
  }

  /**
   * As `stage`, with rows in memory: their files are written without DuckDB. Tables whose rows have columns in
   * common may share their work.
   */
  stageRows(rows: Rows | readonly Rows[], shared?: SharedLeaves): Promise<StagedAppend> {
    return stageRows(this.directory, this.#state.essentials().metadata, rows, shared)
  }

  /** Commits staged rows, or only txn actions when there are none. */
  async commit(staged: StagedAppend | null, options: CommitOptions = {}): Promise<CommitOutcome> {
    const adds = staged?.adds ?? []
    const draft = draftOf(
      { operationParameters: { mode: 'Append', partitionBy: '[]' }, ...options },
      {
        operation: 'WRITE',
        adds,
        writtenFor: staged?.metadata ?? null,
        info: { isBlindAppend: true, operationMetrics: rowMetrics(adds, staged?.rowCount ?? 0n) },
      },
    )
    return this.#outcomeOf(await this.#write(draft))
  }

  /**
   * Appends the rows of `query` exactly once for each version of the application, however often it is called.
   */
  async append(connection: DuckDBConnection, query: string, options: AppendOptions): Promise<CommitOutcome> {
    const { parameters, ...commitOptions } = options
    const { version, txns } = await this.snapshot()
    const recorded = txns.get(options.appId)?.version
    if (recorded !== undefined && recorded >= options.version) return { kind: 'skipped', version, recorded }
    return this.commit(await this.stage(connection, query, parameters), commitOptions)
  }

  /** As `append`, with rows as JavaScript objects: for small tables and tests. */
  async appendRows(rows: readonly Row[], options: Omit<AppendOptions, 'parameters'>): Promise<CommitOutcome> {
    const { fields } = this.#state.essentials().metadata
    return withRows(this.directory, fields, rows, (connection, query) =>
      this.append(connection, query, options),
    )
  }

  #outcomeOf(outcome: WriteOutcome): CommitOutcome {
    if (outcome.kind !== 'conflict') return outcome
    const what = `the rows no longer fit the table: ${outcome.reason}`
    const message = `${this.directory}: ${what}. Stage them again.`
    throw new LakehouseError('DELTA_COMMIT_CONFLICT', message)
  }

  /**
   * The commits after a version up to the newest, whole and in order. Those with `dataChange` false changed
   * no row. Fails with DELTA_LOG_TRUNCATED where the log no longer has them.
   */
  async *commits(afterVersion: bigint): AsyncGenerator<DeltaCommit> {
    const { version } = await this.#exclusive(() => this.#refresh())
    yield* readCommits(this.directory, afterVersion, version)
  }

  /** The oldest version whose commit the log still has. */
  async oldestCommit(): Promise<bigint> {
    return (await listLog(this.directory)).commits[0] ?? 0n
  }

  /** One commit; null where the log does not have it (any more). */
  async commitAt(version: bigint): Promise<DeltaCommit | null> {
    return (await readCommit(this.directory, version))?.commit ?? null
  }

  /** Resolves with the newest version once it is beyond `after`, or with what it is after `waitMaxMs`. */
  waitForVersion(after: bigint, waitMaxMs: number, signal: AbortSignal): Promise<bigint> {
    const newest = async () => (await this.#exclusive(() => this.#refresh())).version
    return waitForVersion(this.directory, after, waitMaxMs, signal, newest)
  }

  /** The version that was the newest at a time, for `snapshot`. */
  versionAtTime(timestampMs: number): Promise<bigint> {
    return versionAtTime(this.directory, timestampMs)
  }

  /** Newest first; ends where the log was cleaned up. */
  async history(limit = Number.POSITIVE_INFINITY): Promise<HistoryEntry[]> {
    const { version } = await this.#exclusive(() => this.#refresh())
    return readHistory(this.directory, version, limit)
  }

  async describe(): Promise<TableDescription> {
    return describeState(this.directory, await this.#exclusive(() => this.#refresh()))
  }

  /**
   * Writes a checkpoint of the newest version and cleans up the log before it as far as the table's retention
   * allows. Commits do this by themselves (delta.checkpointInterval).
   */
  async checkpoint(options: { readonly nowMs?: number } = {}): Promise<void> {
    const nowMs = options.nowMs ?? clock()
    const content = await this.#exclusive(async () => {
      const state = await this.#refresh()
      const { protocol, metadata } = state.essentials()
      // An unknown feature may have actions that a checkpoint must keep.
      checkWritable(protocol, metadata, this.directory)
      return checkpointContent(state, nowMs)
    })
    await this.#logUpkeep.write(content, nowMs)
  }

  /**
   * Makes few large files of many small ones. Never fails a writer: it gives up where it would disturb one.
   */
  async optimize(connection: DuckDBConnection, options: OptimizeOptions = {}): Promise<OptimizeResult> {
    const snapshot = await this.snapshot()
    checkWritable(snapshot.protocol, snapshot.metadata, this.directory)
    const groups = planCompaction(snapshot, options)
    if (groups.length === 0) return { kind: 'nothing' }
    const draft = await compact(this.directory, snapshot, groups, connection, options)
    // A purge deletes files that no commit names yet: those of a compaction that it overtook.
    const fence = { appId: purgedAppId, version: purgeCount(snapshot) }
    return optimizeResult(draft, await this.#write({ ...draft, fence }))
  }

  /**
   * Deletes the rows for which `where`, a condition in DuckDB's SQL, is true, in one commit that writes the
   * files anew which hold such rows. What others append meanwhile is not looked at.
   */
  async deleteRows(
    connection: DuckDBConnection,
    where: string,
    options: DeleteOptions = {},
  ): Promise<DeleteResult> {
    for (let attempt = 0; attempt < commitAttemptsMax; attempt++) {
      const snapshot = await this.snapshot()
      checkWritable(snapshot.protocol, snapshot.metadata, this.directory)
      const deletion = await stageDeletion(this.directory, snapshot, connection, where, options)
      if (deletion === null) return { kind: 'nothing' }
      const result = deleteResult(deletion, await this.#write(deletion.draft))
      if (result !== null) return result
    }
    const message = `${this.directory}: ${commitAttemptsMax} attempts to delete rows met a faster writer each time.`
    throw new LakehouseError('DELTA_COMMIT_CONFLICT', `${message} Stop what rewrites the table meanwhile.`)
  }

  /** To be filled with rows, and then put in place of all that the table has. */
  replacement(snapshot: DeltaSnapshot, definition: DeltaTableDefinition): Replacement {
    checkWritable(snapshot.protocol, snapshot.metadata, this.directory)
    checkDefinition(definition, this.directory)
    return new Replacement(this.directory, snapshot, definition)
  }

  /** Fails where another writer has changed the table since the snapshot of the replacement. */
  async replaceRows(replacement: Replacement, options: CommitOptions): Promise<CommitOutcome> {
    return this.#outcomeOf(await this.#write(replacement.draft(options)))
  }

  /** Takes files out of the table, with all of their rows; fails where one of them is not in it. */
  async removeFiles(files: readonly AddFile[], options: CommitOptions = {}): Promise<CommitOutcome> {
    const deletionTimestamp = options.timestampMs ?? clock()
    const removes = files.map((file) => removeOf(file, deletionTimestamp, true))
    const operationMetrics = { numRemovedFiles: String(removes.length) }
    const info = { isBlindAppend: false, operationMetrics }
    const parts = { operation: 'DELETE', removes, info }
    return this.#outcomeOf(await this.#write(draftOf({ operationParameters: {}, ...options }, parts)))
  }

  /**
   * Leaves nothing of what was deleted: neither log entries of older versions nor files that the newest one
   * lacks. For a table that nobody else reads or writes at the time. Fails where the table may not be
   * written by these options.
   */
  async purgeLog(options: CommitOptions = {}): Promise<CommitOutcome> {
    // A version of its own without rows: what others wrote into the log is older than it.
    const txns = { ...options.txns, [purgedAppId]: purgeCount(await this.snapshot()) + 1n }
    const about = { operation: 'PURGE', operationParameters: {} }
    const outcome = await this.commit(null, { ...about, ...options, txns })
    if (outcome.kind !== 'committed') return outcome
    await this.#exclusive(async () => {
      await this.settled() // Else it would put a checkpoint of an older version into the log.
      const state = await this.#refresh()
      await this.#logUpkeep.write(checkpointContent(state, clock()), clock())
      await keepOnlyVersion(this.directory, state.version)
    })
    await this.vacuum({ retentionMs: 0, force: true })
    return outcome
  }

  /** What other writers removed, as far as this object has read the log; null where they removed nothing. */
  get lastRemoval(): ForeignRemoval | null {
    return this.#state.lastRemoval
  }

  /** The newest RESTORE of another writer, as far as this object has read the log; null without one. */
  get lastRestore(): ForeignRemoval | null {
    return this.#state.lastRestore
  }

  /** Deletes files that no version within the retention needs; returns their paths. */
  async vacuum(options: VacuumOptions = {}): Promise<string[]> {
    const state = await this.#exclusive(() => this.#refresh())
    const { protocol, metadata } = state.essentials()
    checkWritable(protocol, metadata, this.directory)
    const cutoffMs = vacuumCutoffMs(this.directory, metadata, options)
    return vacuumFiles(this.directory, () => this.#state, cutoffMs, options)
  }

  /** How many removed files have passed the table's retention and were not deleted by this object. */
  get expiredCount(): number {
    return this.#state.expired.length
  }

  /**
   * Deletes such files, without a look at the others, at most `filesMax`: what others stage meanwhile stays,
   * whatever its age.
   */
  async deleteExpired(filesMax: number, signal?: AbortSignal): Promise<void> {
    const state = await this.#exclusive(() => this.#refresh())
    const { protocol, metadata } = state.essentials()
    checkWritable(protocol, metadata, this.directory)
    await deleteExpired(this.directory, () => this.#state, filesMax, signal)
  }

  /** How large the table is, by the last version that was read. */
  figures(): TableFigures {
    return figuresOf(this.#state, this.#logUpkeep.checkpointed)
  }

  /** The table's own; 7 days where it has none, or one that is not understood. */
  get deletedFileRetentionMs(): number {
    return deletedFileRetentionMs(this.#state.essentials().metadata) ?? deletedFileRetentionDefaultMs
  }

  /** How many removed files are within the retention, by the last version that was read. */
  get removedCount(): number {
    return this.#state.tombstones.size
  }

  /** The paths of files under the directory that no version within the retention names. */
  async *unnamedFiles(): AsyncGenerator<string> {
    await this.#exclusive(() => this.#refresh())
    yield* unnamedFiles(this.directory, () => this.#state)
  }

  /**
   * Deletes what a killed writer left half-written in the log. Files younger than `ageMs` may be of a writer
   * at work.
   */
  async deleteLeftovers(ageMs: number): Promise<void> {
    await deleteLeftovers(this.directory, clock() - ageMs)
  }

  /** The version of the newest checkpoint that is known; 0 without one. */
  get checkpointed(): bigint {
    return this.#logUpkeep.checkpointed
  }

  /** Why the last automatic checkpoint failed; null when it did not. The commit stands without it. */
  get checkpointFailure(): unknown {
    return this.#logUpkeep.failure
  }

  /**
   * Resolves when no checkpoint is being written. Commits do not wait for the checkpoints that they begin: to
   * be called before the process ends, else the last one may be missing.
   */
  settled(): Promise<void> {
    return this.#logUpkeep.settled()
  }

  #write(draft: CommitDraft): Promise<WriteOutcome> {
    return this.#exclusive(async () => {
      const outcome = await writeCommit(this.directory, draft, this.#log)
      if (outcome.kind === 'committed') this.#logUpkeep.afterCommit(this.#state)
      return outcome
    })
  }

  readonly #log: CommittedLog = {
    known: () => this.#known(),
    newest: () => this.#refresh(),
  }

  /** A state that the log had, and whose last commit it still has. To be called inside `#exclusive`. */
  async #known(): Promise<LogState> {
    if (await this.#isStale()) {
      const fresh = await loadState(this.directory)
      fresh.remember(this.#state)
      this.#state = fresh
    }
    return this.#state
  }

  /** Brings the state up to the newest version. To be called inside `#exclusive`. */
  async #refresh(): Promise<LogState> {
    await this.#known()
    for (;;) {
      const next = await readCommit(this.directory, this.#state.version + 1n)
      if (next === null) break
      this.#state.apply(next.commit, next.identity)
    }
    this.#state.essentials()
    return this.#state
  }

  /** True where the commit that the state ends with is gone (log clean-up, or the table was made again). */
  async #isStale(): Promise<boolean> {
    const known = this.#state.identity
    const found = await identityOf(commitPath(this.directory, this.#state.version))
    if (known === null || found === null) return found !== known
    return found.inode !== known.inode || found.size !== known.size
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined) // The caller has the failure; the queue goes on.
    return result
  }
}

/** From a table to the directory of all tables and its parent: who made them may have died at once. */
const directoriesAbove = 3

async function create(directory: string, definition: DeltaTableDefinition): Promise<void> {
  await storageOf(directory).makeDirectory(logDirectory(directory))
  const createdTime = Date.now()
  const draft = draftOf(
    { timestampMs: createdTime },
    {
      operation: 'CREATE TABLE',
      protocol: newTableProtocol,
      metadata: {
        id: randomUUID(),
        name: null,
        description: definition.description ?? null,
        fields: definition.fields,
        partitionColumns: definition.partitionColumns,
        configuration: definition.properties ?? {},
        createdTime,
      },
    },
  )
  // Where another was faster, its table is judged like any that was there before.
  await writeFirstCommit(directory, draft)
  await step('table created')
}
