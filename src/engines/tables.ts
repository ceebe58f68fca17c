// The Delta tables that a run writes, and how far each is.
import type { Progress, RecordedBatch } from '../batches/progress.ts'
import {
  batchAppId,
  encodeBatch,
  needsUserMetadata,
  noProgress,
  progressTxns,
  rewoundAppId,
  sinceAppId,
  streamDone,
  writerAppId,
} from '../batches/progress.ts'
import { endsOf } from '../batches/streamed.ts'
import {
  type AddFile,
  type CommitOptions,
  type CommitOutcome,
  type DeltaSnapshot,
  DeltaTable,
  fetchedScanSql,
  type StagedAppend,
} from '../delta/index.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { retainedOf } from '../ops/retained.ts'
import { openTable, progressOf, tableDirectory } from '../ops/tables.ts'
import {
  isOfInput,
  type Lakehouse,
  type Role,
  roleOf,
  type TableDefinition,
  tablesOf,
} from '../plan/index.ts'
import { step } from '../steps/step.ts'
import type { PipelineOptions } from './engine.ts'
import { bronzeRestored, type Restored, restoredSince, rewindOperation } from './restored.ts'
import { UsualFigures } from './usual-figures.ts'

/** Opens the tables of the streams. Fails with TABLE_LOST where one is gone that silver cannot give back. */
export async function openTables(options: {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly streams: readonly string[]
  readonly tableProperties: Readonly<Record<string, string>>
}): Promise<OpenTable[]> {
  const { lakehouse, deltaBasePath, streams, tableProperties } = options
  const definitions = tablesOf(lakehouse, streams)
  await refuseMissing(lakehouse, deltaBasePath, definitions)
  // At once, because most of it is waiting for the disk; a failure is told when all are done with theirs.
  const opening = definitions.map((definition) =>
    OpenTable.open(lakehouse, deltaBasePath, definition, tableProperties),
  )
  await Promise.allSettled(opening)
  const tables = await Promise.all(opening)
  const reached = tables.reduce((most, { progress }) => (progress.batch > most ? progress.batch : most), 0n)
  const lost = tables.find((table) => {
    // Bronze is a batch ahead of silver after a crash.
    const isSilverLost = table.role === 'events' && table.progress.batch + 1n < reached
    return !isDerived(table) && table.rewoundFrom === 0n && (!table.isWhole || isSilverLost)
  })
  if (lost === undefined) return tables
  // Of a process that was paused between two tables, the first ones are as old as its pause.
  for (const table of tables) await table.checkClaim()
  throw tableLost(lost.delta.directory, reached)
}

/**
 * Fails with TABLE_LOST where a table of the input is gone that others have batches of. To be asked before
 * anything is made: a directory that was deleted is not there again afterwards.
 */
export async function refuseMissing(
  lakehouse: Lakehouse,
  deltaBasePath: string,
  definitions: readonly TableDefinition[],
): Promise<void> {
  const isMissing = async (definition: TableDefinition): Promise<boolean> =>
    isOfInput(lakehouse, definition.path) &&
    !(await DeltaTable.exists(tableDirectory(deltaBasePath, definition)))
  const absent = definitions[(await Promise.all(definitions.map(isMissing))).indexOf(true)]
  if (absent === undefined) return
  const directories = definitions.map((definition) => tableDirectory(deltaBasePath, definition))
  const batches = await Promise.all(directories.map(batchOf))
  const reached = batches.reduce((most, batch) => (batch > most ? batch : most), 0n)
  // Asked again: another process may have made it, and then written the batches.
  if (reached > 0n && (await isMissing(absent))) {
    throw tableLost(tableDirectory(deltaBasePath, absent), reached)
  }
}

function tableLost(directory: string, reached: bigint): LakehouseError {
  return new LakehouseError(
    'TABLE_LOST',
    `${directory} was deleted: the other tables are at batch ${reached}, and silver does not hold its ` +
      'rows. Bring the directory back from a backup, or begin anew with an empty DELTA_BASE_PATH.',
  )
}

/** The table of that role, which the run has. */
export function tableOfRole(tables: readonly OpenTable[], role: Role): OpenTable {
  const found = tables.find((table) => table.role === role)
  assert(found, `the run has no table of ${role}`)
  return found
}

/** True for a table that is computed from silver alone, and so can be made again from it. */
export function isDerived({ role }: OpenTable): boolean {
  return role === null || role === 'scored'
}

/** By this the log says that a table may have rows of no batch; the query of this name never runs. */
const unplannedId = '00000000-0000-4000-8000-000000000000'

/** Who commits a batch. */
export type Committer = Teller & {
  /** Txn actions that say up to where all tables of a stream are complete, for `streamDone`. */
  readonly claims: () => Readonly<Record<string, bigint>>
}

/** Who tells what happens, and when. */
type Teller = Pick<PipelineOptions, 'clock' | 'tell'>

/** A committer that knows nothing of other tables. */
export function soleCommitter({ clock, tell }: Teller): Committer {
  return { clock, tell, claims: () => ({}) }
}

/** What a batch needs of a table that gets its rows. */
export type BatchTable = {
  readonly definition: TableDefinition
  readonly role: Role | null
  readonly delta: Pick<DeltaTable, 'stage' | 'stageRows'>
  readonly progress: Progress
  readonly has: (batch: bigint) => boolean
  readonly commit: (staged: StagedAppend | null, recorded: RecordedBatch, by: Committer) => Promise<void>
  /** What is usual for its figures, where it has some. */
  readonly usual: UsualFigures
}

export class OpenTable {
  readonly definition: TableDefinition
  /** null for a table of windows, or of other rows that follow from the events. */
  readonly role: Role | null
  readonly delta: DeltaTable
  /** The last batch that the table holds. */
  progress: Progress
  /** Files written since the last compaction looked at the table. */
  filesSinceUpkeep = 0
  /** The number of this process among those that ever wrote the table. */
  readonly claim: bigint
  /** The version that the progress was read from: what others removed later is new to this process. */
  readonly versionRead: bigint
  /**
   * False while the table may lack batches that silver had before it was made, or that were taken from it.
   */
  isWhole: boolean
  /** The last batch that the table had before another program put it back; 0 once it has it again. */
  rewoundFrom: bigint
  readonly usual = new UsualFigures({
    select: async () => {
      const snapshot = await this.delta.snapshot()
      return fetchedScanSql(snapshot, this.delta.directory, { naiveTimestamps: true })
    },
    state: async () => {
      const { txns } = await this.delta.snapshot()
      return `${this.delta.lastRemoval?.version ?? null} ${retainedOf(txns)?.keptFromMicros ?? null}`
    },
  })

  private constructor(
    definition: TableDefinition,
    role: Role | null,
    delta: DeltaTable,
    progress: Progress,
    claimed: {
      readonly claim: bigint
      readonly since: bigint
      readonly versionRead: bigint
      readonly rewoundFrom: bigint
    },
  ) {
    this.definition = definition
    this.role = role
    this.delta = delta
    this.progress = progress
    this.claim = claimed.claim
    this.versionRead = claimed.versionRead
    this.rewoundFrom = claimed.rewoundFrom
    this.isWhole = claimed.since === 0n && claimed.rewoundFrom === 0n
  }

  static async open(
    lakehouse: Lakehouse,
    deltaBasePath: string,
    definition: TableDefinition,
    properties: Readonly<Record<string, string>>,
  ): Promise<OpenTable> {
    const delta = await openTable(deltaBasePath, definition, properties)
    const claimed = await claim(delta, () =>
      definition.path === lakehouse.events.path
        ? Promise.resolve(0n)
        : batchOf(tableDirectory(deltaBasePath, lakehouse.events)),
    )
    await step('table claimed')
    await delta.deleteLeftovers(leftoverAgeMs)
    // Read after the claim: nobody who had the table before can move it on from here.
    const snapshot = await delta.snapshot()
    const progress = await progressOf(delta, snapshot)
    if (progress === null && (await beganWithRows(delta))) throw rowsOfUnknown(delta)
    const table = new OpenTable(
      definition,
      roleOf(lakehouse, definition.path),
      delta,
      progress ?? noProgress,
      {
        ...claimed,
        versionRead: snapshot.version,
        rewoundFrom: snapshot.txns.get(rewoundAppId)?.version ?? 0n,
      },
    )
    if (needsUserMetadata(snapshot.txns)) await table.#keepProgress()
    const restored = await restoredSince(delta, snapshot)
    if (restored !== null && restored.progress.batch < table.progress.batch) {
      await table.#rewind(restored, snapshot)
    }
    return table
  }

  /** Takes the progress back to the batch whose rows the table has, and out what came unawares. */
  async #rewind({ progress: to, version, unaware }: Restored, { files }: DeltaSnapshot): Promise<void> {
    const { batch } = this.progress
    const from = batch > this.rewoundFrom ? batch : this.rewoundFrom
    if (this.role === 'records') throw bronzeRestored(this.delta, version)
    if (unaware.some(({ path }) => !files.has(path))) throw notSeparable(this.delta, version)
    const txns = { ...progressTxns(to), [batchAppId]: to.batch, [rewoundAppId]: from }
    const about = { operation: rewindOperation, operationParameters: {} }
    await this.#record(txns, about, unaware)
    this.progress = to
    this.isWhole = false
    this.rewoundFrom = from
  }

  /** The text of a commit goes when the log is cleaned up, txn actions stay. */
  async #keepProgress(): Promise<void> {
    await this.#record(progressTxns(this.progress), { operation: 'PROGRESS', operationParameters: {} })
  }

  /** True where the table has the batch already: a restart replays it. */
  has(batch: bigint): boolean {
    return this.progress.batch >= batch
  }

  /**
   * The last batch that the table is known to be complete with: its own, or what silver and the journal
   * claim of its stream. Silver has a commit of every batch, so nothing needs to be claimed of it.
   */
  doneBatch(claims: readonly DeltaSnapshot['txns'][]): bigint {
    if (this.role === 'events') return this.progress.batch
    const carried = this.isWhole ? claims.map((txns) => streamDone(txns, this.definition.stream)) : []
    return carried.reduce((most, batch) => (batch > most ? batch : most), this.progress.batch)
  }

  /** Says, durably, that the table has caught up with silver; with further txn actions. */
  async markWhole(more: Readonly<Record<string, bigint>> = {}): Promise<void> {
    if (this.isWhole) return
    const rewound = this.rewoundFrom > 0n ? { [rewoundAppId]: 0n } : {}
    await this.#record({ ...more, [sinceAppId]: 0n, ...rewound })
    this.isWhole = true
    this.rewoundFrom = 0n
  }

  /**
   * Fails with TABLE_RESTORED where another program has put the table back to older rows since this process
   * opened it; returns its version. For writers that the log does not stop.
   */
  async checkNotRestored(): Promise<bigint> {
    const { version } = await this.delta.snapshot()
    const restore = this.delta.lastRestore
    if (restore !== null && restore.version > this.versionRead) throw this.#restored(restore)
    return version
  }

  /** Commits txn actions without rows, as long as this process is the writer. */
  async #record(
    txns: Readonly<Record<string, bigint>>,
    about: CommitOptions = {},
    removed: readonly AddFile[] = [],
  ): Promise<void> {
    const fence = { appId: writerAppId, version: this.claim }
    const options = { fence, txns, removalsKnown: this.versionRead, ...about }
    const committed =
      removed.length === 0 ? this.delta.commit(null, options) : this.delta.removeFiles(removed, options)
    this.#checkWritten(await committed, this.progress)
  }

  /**
   * Commits rows that belong to no batch yet, as a streaming query does, whose batches are cut from what the
   * table has.
   */
  async appendUnplanned(staged: StagedAppend, { clock }: { readonly clock: () => bigint }): Promise<void> {
    const outcome = await this.delta.commit(staged, {
      fence: { appId: writerAppId, version: this.claim },
      txns: endsOf([unplannedId]),
      removalsKnown: this.versionRead,
      timestampMs: Number(clock() / 1000n),
    })
    this.#checkWritten(outcome, this.progress)
    this.filesSinceUpkeep += staged.adds.length
  }

  /** Commits the rows together with the progress; the batch must not be in the table yet. */
  async commit(staged: StagedAppend | null, recorded: RecordedBatch, by: Committer): Promise<void> {
    const { progress } = recorded
    const { txns, ...fields } = encodeBatch(recorded)
    const outcome = await this.delta.commit(staged, {
      ...fields,
      fence: { appId: writerAppId, version: this.claim },
      after: this.progress.batch,
      removalsKnown: this.versionRead,
      txns: { ...txns, ...by.claims() },
      timestampMs: Number(by.clock() / 1000n),
    })
    this.#checkWritten(outcome, progress)
    this.progress = progress
    this.filesSinceUpkeep += staged?.adds.length ?? 0
    this.tellOfCommit(by, outcome.version, Number(staged?.rowCount ?? 0n))
  }

  /** To be called after the commit, when the progress is that of its batch. */
  tellOfCommit({ tell, clock }: Teller, version: bigint, rows: number): void {
    const { path: table } = this.definition
    const { batch } = this.progress
    tell({ kind: 'committed', table, batch, version, rows, atMs: Number(clock() / 1000n) })
  }

  /** Fails with WRITER_FENCED where another process has claimed the table since. */
  async checkClaim(): Promise<void> {
    const newest = (await this.delta.snapshot()).txns.get(writerAppId)?.version ?? 0n
    if (newest > this.claim) throw this.#fenced(this.#takenOver(newest))
  }

  #checkWritten(outcome: CommitOutcome, progress: Progress): void {
    if (outcome.kind === 'committed') return
    if (outcome.kind === 'changed') throw this.#restored(outcome)
    const { recorded } = outcome
    const what = outcome.kind === 'fenced' ? this.#takenOver(recorded) : `is at batch ${recorded} already`
    throw this.#fenced(`${what}, while this process was about to write batch ${progress.batch}`)
  }

  #takenOver(newest: bigint): string {
    return `has been taken over by another process (writer ${newest}, this one is ${this.claim})`
  }

  #restored({
    version,
    operation,
  }: {
    readonly version: bigint
    readonly operation: string
  }): LakehouseError {
    return new LakehouseError(
      'TABLE_RESTORED',
      `${this.delta.directory}: another program put the table back to older rows (${operation}, version ${version}) while this ` +
        'process wrote it. This one stops before it writes onto them: start it again, and it goes on from what the tables have.',
      { details: { table: this.definition.path, version, operation } },
    )
  }

  #fenced(what: string): LakehouseError {
    return new LakehouseError(
      'WRITER_FENCED',
      `${this.delta.directory} ${what}. This one stops; nothing was written twice. ` +
        'One process at a time can write a stream.',
    )
  }
}

function notSeparable({ directory }: DeltaTable, version: bigint): LakehouseError {
  return new LakehouseError(
    'TABLE_RESTORED',
    `${directory} was put back to older rows by another program (RESTORE, version ${version}) while a batch was written to ` +
      `it, and the rows of that batch are in other files by now (OPTIMIZE). Restore the table to version ${version}, then start again.`,
    { details: { version } },
  )
}

/** True for a table that another tool made of rows: one that is made here begins without any. */
async function beganWithRows(delta: DeltaTable): Promise<boolean> {
  return ((await delta.commitAt(0n))?.adds.length ?? 0) > 0
}

/** Beginning at the first offset would bring rows a second time. */
function rowsOfUnknown({ directory }: DeltaTable): LakehouseError {
  return new LakehouseError(
    'PROGRESS_UNKNOWN',
    `${directory} has rows, but its log does not say which batches they came with: was it copied by a tool that leaves ` +
      'out txn actions? Copy the directory with its _delta_log, or set DELTA_BASE_PATH to a new directory.',
  )
}

const claimAttemptsMax = 20

/** A commit is written within seconds: an older unfinished one has no writer any more. */
const leftoverAgeMs = 3_600_000

/** Makes this process the only writer of a table that belongs to no stream's batches. */
export async function claimTable(delta: DeltaTable): Promise<bigint> {
  return (await claim(delta, () => Promise.resolve(0n))).claim
}

/**
 * Makes this process the only one that can commit batches to the table: every commit of a batch carries the
 * claim it was made under, and the log refuses one that is not the newest. A lock cannot give that: its
 * holder may be paused between looking at it and writing.
 */
async function claim(
  delta: DeltaTable,
  silverBatchNow: () => Promise<bigint>,
): Promise<{ claim: bigint; since: bigint }> {
  for (let attempt = 0; attempt < claimAttemptsMax; attempt++) {
    const { txns } = await delta.snapshot()
    const next = (txns.get(writerAppId)?.version ?? 0n) + 1n
    const since = txns.get(sinceAppId)?.version ?? (await silverBatchNow())
    const outcome = await delta.commit(null, {
      ...{ appId: writerAppId, version: next, txns: { [sinceAppId]: since } },
      ...{ operation: 'CLAIM', operationParameters: {} },
    })
    if (outcome.kind === 'committed') return { claim: next, since }
  }
  throw new LakehouseError(
    'STREAM_LOCKED',
    `${delta.directory}: other processes kept taking the table over. Start one process for each stream.`,
  )
}

/** The last batch of a table; 0 where there is none. */
async function batchOf(directory: string): Promise<bigint> {
  if (!(await DeltaTable.exists(directory))) return 0n
  const delta = await DeltaTable.open(directory)
  return (await progressOf(delta, await delta.snapshot()))?.batch ?? 0n
}
