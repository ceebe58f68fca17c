// The state of a table at one version, built by replaying its log.
import { LakehouseError } from '../errors/errors.ts'
import {
  type AddFile,
  type CommitInfo,
  type DeltaCommit,
  engineInfo,
  type Metadata,
  type Protocol,
  type RemoveFile,
  sumRecords,
  type Txn,
} from './actions.ts'
import { readCheckpoint } from './checkpoint-read.ts'
import { clock, type FileIdentity } from './disk.ts'
import { type CommitFile, type LogListing, listLog, readCommit } from './log-files.ts'
import { isOddPath } from './paths.ts'
import { deletedFileRetentionMs } from './properties.ts'
import { checkReadable, refuseVectors, unsupported } from './protocol.ts'

const commitsReadAtOnce = 16

/** A reader never deletes them. What is beyond is found by a vacuum of the whole directory. */
const expiredMax = 50_000

/** A commit of another writer that took rows out of the table, or put the table back to an older version. */
export type ForeignRemoval = { readonly version: bigint; readonly operation: string }

/** null for a commit of this folder, whatever it removed, and for one that removed no row. */
export function foreignRemoval(commit: DeltaCommit): ForeignRemoval | null {
  const { version, commitInfo, removes, dataChange } = commit
  if (commitInfo?.engineInfo === engineInfo) return null
  const operation = typeof commitInfo?.operation === 'string' ? commitInfo.operation : 'an unnamed operation'
  // A RESTORE to a version that had more files removes none; its rows come back all the same.
  const changesRows = removes.some((file) => file.dataChange) || (operation === 'RESTORE' && dataChange)
  return changesRows ? { version, operation } : null
}

/** The table at one version. It never changes: a later version is another snapshot. */
export type DeltaSnapshot = {
  readonly version: bigint
  readonly protocol: Protocol
  readonly metadata: Metadata
  /** The live files by their decoded path, in the order in which they came into the table. */
  readonly files: ReadonlyMap<string, AddFile>
  readonly txns: ReadonlyMap<string, Txn>
  /** commitInfo of the newest commit; null when it has none, or when only a checkpoint is left of it. */
  readonly lastCommitInfo: CommitInfo | null
  /** null where a file has no statistics. */
  readonly numRecords: bigint | null
}

/** When a file was removed, and how the log spells its path where that is not our way. */
export type Tombstone = Pick<RemoveFile, 'deletionTimestamp' | 'spelling'>

/** Grows with the log, commit by commit: what a commit costs does not depend on how many there were. */
export class LogState {
  version = -1n
  /** The version of the checkpoint that it began with; null without one. */
  checkpoint: bigint | null = null
  protocol: Protocol | null = null
  metadata: Metadata | null = null
  readonly files = new Map<string, AddFile>()
  /** The removed files, oldest first; only as long as a reader or vacuum needs to know. */
  readonly tombstones = new Map<string, Tombstone>()
  /** Of the paths above, those that have to be compared by where they lead. */
  readonly oddPaths = new Set<string>()
  /** Removed files whose retention is over, oldest first, until somebody deletes them. */
  expired: string[] = []
  readonly txns = new Map<string, Txn>()
  lastCommitInfo: CommitInfo | null = null
  /** null where the newest version came from a checkpoint and has no commit file any more. */
  identity: FileIdentity | null = null
  /** The newest among the commits that this state has seen one by one; a checkpoint does not tell. */
  lastRemoval: ForeignRemoval | null = null
  lastRestore: ForeignRemoval | null = null
  readonly #directory: string
  readonly #withVector = new Set<string>()
  #snapshot: DeltaSnapshot | null = null
  /** Whether what the log says was found to be readable. */
  #isChecked = false

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Begins with what a checkpoint says, as if it were one commit. */
  begin(checkpoint: DeltaCommit): void {
    this.#put(checkpoint)
    this.checkpoint = checkpoint.version
    this.identity = null
  }

  apply(commit: DeltaCommit, identity: FileIdentity): void {
    this.#put(commit)
    this.identity = identity
    const removal = foreignRemoval(commit)
    this.lastRemoval = removal ?? this.lastRemoval
    if (removal?.operation === 'RESTORE') this.lastRestore = removal
  }

  /** Takes over what an older state of the same table has seen. */
  remember(older: LogState): void {
    this.lastRemoval = newerOf(this.lastRemoval, older.lastRemoval)
    this.lastRestore = newerOf(this.lastRestore, older.lastRestore)
    this.expired = [...older.expired, ...this.expired].slice(0, expiredMax)
  }

  #put(commit: DeltaCommit): void {
    this.protocol = commit.protocol ?? this.protocol
    this.metadata = commit.metadata ?? this.metadata
    for (const { path, spelling, deletionTimestamp } of commit.removes) {
      this.files.delete(path)
      this.#withVector.delete(path)
      this.tombstones.delete(path) // So that it comes last.
      this.tombstones.set(
        path,
        spelling === undefined ? { deletionTimestamp } : { deletionTimestamp, spelling },
      )
      if (isOddPath(path)) this.oddPaths.add(path)
    }
    for (const file of commit.adds) {
      this.files.set(file.path, file)
      this.tombstones.delete(file.path)
      if (file.hasDeletionVector) this.#withVector.add(file.path)
      else this.#withVector.delete(file.path)
      if (isOddPath(file.path)) this.oddPaths.add(file.path)
    }
    for (const txn of commit.txns) this.txns.set(txn.appId, txn)
    this.lastCommitInfo = commit.commitInfo
    this.version = commit.version
    this.#snapshot = null
    this.#isChecked = false
    this.#expireTombstones()
  }

  /** The oldest come first, but for those of writers with other clocks, which stay until then. */
  #expireTombstones(): void {
    const retentionMs = this.metadata === null ? null : deletedFileRetentionMs(this.metadata)
    if (retentionMs === null) return
    const cutoffMs = clock() - retentionMs
    for (const [path, { deletionTimestamp }] of this.tombstones) {
      if (deletionTimestamp > cutoffMs) return
      this.tombstones.delete(path)
      if (this.expired.length < expiredMax) this.expired.push(path)
      if (!this.files.has(path)) this.oddPaths.delete(path)
    }
  }

  snapshot(): DeltaSnapshot {
    this.#snapshot ??= {
      version: this.version,
      ...this.essentials(),
      files: new Map(this.files),
      txns: new Map(this.txns),
      lastCommitInfo: this.lastCommitInfo,
      numRecords: sumRecords(this.files.values()),
    }
    return this.#snapshot
  }

  /** Fails with DELTA_FEATURE_UNSUPPORTED where rows of this version would be misread. */
  essentials(): { readonly protocol: Protocol; readonly metadata: Metadata } {
    const { protocol, metadata } = this
    if (protocol === null || metadata === null) {
      const what = `the log up to version ${this.version} has no protocol or no metaData action`
      throw new LakehouseError('DELTA_LOG_CORRUPT', `${this.#directory}: ${what}.`)
    }
    if (this.#isChecked) return { protocol, metadata }
    checkReadable(protocol, metadata, this.#directory)
    refuseVectors(
      [...this.#withVector].flatMap((path) => this.files.get(path) ?? []),
      this.#directory,
    )
    this.#isChecked = true
    return { protocol, metadata }
  }
}

function newerOf(left: ForeignRemoval | null, right: ForeignRemoval | null): ForeignRemoval | null {
  if (left === null || right === null) return left ?? right
  return left.version >= right.version ? left : right
}

/**
 * Builds the state at `upTo`, or the newest: from the newest checkpoint that can be read, then the commits
 * after it.
 */
export async function loadState(directory: string, upTo?: bigint): Promise<LogState> {
  const listing = await listLog(directory)
  const isEmpty = listing.commits.length === 0 && listing.checkpoints.length === 0
  if (isEmpty && !listing.hasUuidCheckpoints) throw notFound(directory)
  const failures: unknown[] = []
  for (const checkpoint of listing.checkpoints) {
    if (upTo !== undefined && checkpoint.version > upTo) continue
    const state = new LogState(directory)
    try {
      state.begin(await readCheckpoint(checkpoint))
    } catch (error) {
      // A damaged checkpoint is only a slower start, as long as an older one or the commits are there.
      if (error instanceof LakehouseError && error.code !== 'DELTA_LOG_CORRUPT') throw error
      failures.push(error)
      continue
    }
    return replay(directory, state, listing, upTo)
  }
  if (listing.commits[0] !== 0n) throw unreachableVersion(directory, listing, upTo, failures)
  return replay(directory, new LogState(directory), listing, upTo)
}

async function replay(
  directory: string,
  state: LogState,
  listing: LogListing,
  upTo?: bigint,
): Promise<LogState> {
  if (state.version >= 0n && listing.commits.includes(state.version)) {
    const head = await readCommit(directory, state.version)
    state.identity = head?.identity ?? null
    state.lastCommitInfo = head?.commit.commitInfo ?? null
  }
  const versions = listing.commits.filter((v) => v > state.version && (upTo === undefined || v <= upTo))
  for (let start = 0; start < versions.length; start += commitsReadAtOnce) {
    const slice = versions.slice(start, start + commitsReadAtOnce)
    const commits = await Promise.all(slice.map((version) => readCommit(directory, version)))
    for (const found of commits) if (found) applyNext(directory, state, found)
  }
  if (upTo !== undefined && state.version !== upTo) {
    const message = `${directory}: there is no version ${upTo}; the newest is ${state.version}.`
    throw new LakehouseError('DELTA_VERSION_NOT_FOUND', message)
  }
  state.essentials()
  return state
}

function applyNext(directory: string, state: LogState, found: CommitFile): void {
  if (found.commit.version !== state.version + 1n) {
    const what = `the log has no version ${state.version + 1n}, but later ones`
    const message = `${directory}: ${what}. Restore the file.`
    throw new LakehouseError('DELTA_LOG_CORRUPT', message)
  }
  state.apply(found.commit, found.identity)
}

function notFound(directory: string): LakehouseError {
  const message = `${directory}: there is no Delta table. Check the path; a table has a _delta_log directory.`
  return new LakehouseError('DELTA_TABLE_NOT_FOUND', message)
}

function unreachableVersion(
  directory: string,
  listing: LogListing,
  upTo: bigint | undefined,
  failures: readonly unknown[],
): LakehouseError {
  const details = {
    oldestCommit: listing.commits[0] ?? null,
    checkpoints: listing.checkpoints.map((c) => c.version),
  }
  if (failures.length === 0 && listing.hasUuidCheckpoints)
    throw unsupported(directory, 'read', 'v2Checkpoint')
  if (failures.length === 0 && upTo !== undefined) {
    const message = `${directory}: version ${upTo} can no longer be built; its log was cleaned up.`
    return new LakehouseError('DELTA_VERSION_NOT_FOUND', message, { details })
  }
  const message = `${directory}: no checkpoint can be read and the commits do not go back to version 0.`
  return new LakehouseError('DELTA_LOG_CORRUPT', `${message} Restore the log from a backup.`, {
    details,
    cause: new AggregateError(failures),
  })
}
