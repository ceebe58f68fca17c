// Committing: what a commit may do onto the state it meets, decided purely, and writing it put-if-absent.
import { randomUUID } from 'node:crypto'
import { LakehouseError, unreachable } from '../errors/errors.ts'
import { step } from '../steps/step.ts'
import {
  type AddFile,
  addToJson,
  type CommitInfo,
  type DeltaCommit,
  engineInfo,
  type Metadata,
  metadataToJson,
  type Protocol,
  protocolToJson,
  type RemoveFile,
  removeToJson,
  type Txn,
  txnToJson,
} from './actions.ts'
import { clock } from './disk.ts'
import { commitPath, logDirectory } from './log-files.ts'
import { storageOf } from './mounts.ts'
import { checkWritable } from './protocol.ts'
import { type DeltaTableDefinition, missingFields, typeText } from './schema.ts'
import type { LogState } from './state.ts'
import type { PendingText } from './storage.ts'

export const commitAttemptsMax = 100

export type CommitOptions = {
  /**
   * With `version`: a commit whose version is not greater than the recorded one of the application is
   * skipped.
   */
  readonly appId?: string
  readonly version?: bigint
  /** With `version`: what the application committed last. A log that no longer has it is a conflict. */
  readonly after?: bigint
  /**
   * Refuses the commit where the recorded version of this application is greater: another writer has taken
   * the table over.
   */
  readonly fence?: { readonly appId: string; readonly version: bigint }
  /** Further txn actions in the same commit; they are recorded, not judged. */
  readonly txns?: Readonly<Record<string, bigint>>
  /**
   * The version up to which the caller knows of rows that other writers removed: a commit onto a table that
   * was restored since is refused.
   */
  readonly removalsKnown?: bigint
  /** Which removals are refused: that a table was put back to an older version (the default), or any. */
  readonly removalsRefused?: 'restore' | 'any'
  readonly userMetadata?: string
  readonly operation?: string
  readonly operationParameters?: Readonly<Record<string, unknown>>
  readonly timestampMs?: number
}

export type CommitOutcome =
  | { readonly kind: 'committed'; readonly version: bigint }
  /**
   * The application's version was in the table already. `version` is the table's, `recorded` the
   * application's.
   */
  | { readonly kind: 'skipped'; readonly version: bigint; readonly recorded: bigint }
  /** Another writer has taken the table over: `recorded` is its version of the fence. */
  | { readonly kind: 'fenced'; readonly version: bigint; readonly recorded: bigint }
  /** Another writer removed rows in `version`, which the caller does not know of. */
  | { readonly kind: 'changed'; readonly version: bigint; readonly operation: string }

/** Everything a commit is to say, before it is known which version it becomes. */
export type CommitDraft = {
  readonly adds: readonly AddFile[]
  readonly removes: readonly RemoveFile[]
  readonly txns: readonly Txn[]
  /** The txn that makes the commit idempotent. */
  readonly guard: { readonly appId: string; readonly version: bigint; readonly after: bigint } | null
  readonly fence: { readonly appId: string; readonly version: bigint } | null
  /** The version up to which removals of others are known, and which later ones are refused. */
  readonly removals: { readonly known: bigint; readonly refused: 'restore' | 'any' } | null
  readonly metadata: Metadata | null
  readonly protocol: Protocol | null
  /** The schema that the added files were written with. */
  readonly writtenFor: Metadata | null
  readonly info: CommitInfo
}

export type CommitDecision =
  | { readonly kind: 'write'; readonly version: bigint }
  | { readonly kind: 'skip'; readonly recorded: bigint }
  | { readonly kind: 'fence'; readonly recorded: bigint }
  | { readonly kind: 'changed'; readonly version: bigint; readonly operation: string }
  | { readonly kind: 'conflict'; readonly reason: string }

/** The facts of the log that a decision rests on. */
export type LogFacts = Pick<
  LogState,
  'version' | 'files' | 'txns' | 'metadata' | 'lastRemoval' | 'lastRestore'
>

/**
 * Whether the draft can follow the newest version. Appends never disturb each other; removed files must be
 * there.
 */
export function decideCommit(draft: CommitDraft, log: LogFacts): CommitDecision {
  const holder = draft.fence === null ? undefined : log.txns.get(draft.fence.appId)?.version
  if (draft.fence && holder !== undefined && holder > draft.fence.version)
    return { kind: 'fence', recorded: holder }
  const removal = draft.removals?.refused === 'any' ? log.lastRemoval : log.lastRestore
  if (draft.removals && removal !== null && removal.version > draft.removals.known)
    return { kind: 'changed', ...removal }
  const recorded = draft.guard === null ? undefined : log.txns.get(draft.guard.appId)?.version
  if (draft.guard && recorded !== undefined && recorded >= draft.guard.version)
    return { kind: 'skip', recorded }
  if (draft.guard && (recorded ?? 0n) < draft.guard.after) {
    const { appId, after } = draft.guard
    const reason = `the log lost version ${after} of ${appId}: another writer, or a backup, put another commit in its place`
    return { kind: 'conflict', reason }
  }
  const gone = draft.removes.find((file) => !log.files.has(file.path))
  if (gone) return { kind: 'conflict', reason: `another commit removed ${gone.path}` }
  // A new metaData replaces the whole of the old one, so it must have been made from the one that is there
  // now.
  if (draft.metadata && draft.writtenFor !== log.metadata)
    return { kind: 'conflict', reason: 'the metadata changed' }
  const change = draft.writtenFor && log.metadata ? schemaConflict(draft.writtenFor, log.metadata) : null
  if (change !== null) return { kind: 'conflict', reason: change }
  return { kind: 'write', version: log.version + 1n }
}

/** Why files of one schema do not fit the table's present one; null where they do. */
function schemaConflict(written: Metadata, table: Metadata): string | null {
  if (written === table) return null
  if (written.id !== table.id) return 'the table was deleted and made again'
  if (written.partitionColumns.join('\n') !== table.partitionColumns.join('\n'))
    return 'the partitioning changed'
  const now = new Map(table.fields.map((field) => [field.name, field]))
  for (const field of written.fields) {
    const found = now.get(field.name)
    now.delete(field.name)
    if (found === undefined) return `the column ${field.name} was dropped`
    const [was, is] = [typeText(field.type), typeText(found.type)]
    if (was !== is) return `the column ${field.name} was changed from ${was} to ${is}`
    if (field.nullable && !found.nullable) return `the column ${field.name} may no longer be null`
  }
  const added = [...now.values()].find((field) => !field.nullable)
  return added === undefined ? null : `a column ${added.name} was added that may not be null`
}

export function draftOf(
  options: CommitOptions,
  parts: Partial<CommitDraft> & { operation: string },
): CommitDraft {
  const timestamp = options.timestampMs ?? clock()
  const { operation, ...rest } = parts
  const { appId, version, after = 0n } = options
  if ((appId === undefined) !== (version === undefined)) {
    throw new LakehouseError('CONFIG_INVALID', 'A commit needs both appId and version, or neither.')
  }
  const guard = appId === undefined || version === undefined ? null : { appId, version, after }
  const versions = new Map(Object.entries(options.txns ?? {}))
  if (guard) versions.set(guard.appId, guard.version)
  return {
    adds: [],
    removes: [],
    metadata: null,
    protocol: null,
    writtenFor: null,
    ...rest,
    guard,
    fence: options.fence ?? null,
    removals:
      options.removalsKnown === undefined
        ? null
        : { known: options.removalsKnown, refused: options.removalsRefused ?? 'restore' },
    txns: [...versions].map(([id, of]) => ({ appId: id, version: of, lastUpdated: timestamp })),
    info: {
      timestamp,
      operation: options.operation ?? operation,
      operationParameters: options.operationParameters ?? {},
      ...(options.userMetadata === undefined ? {} : { userMetadata: options.userMetadata }),
      engineInfo,
      ...rest.info,
    },
  }
}

export type WriteOutcome = CommitOutcome | { readonly kind: 'conflict'; readonly reason: string }

/** The log of a table, of which others may have written more than is known here. */
export type CommittedLog = {
  /** Up to some version that the log still has. */
  readonly known: () => Promise<LogState>
  readonly newest: () => Promise<LogState>
}

/**
 * Commits the draft onto the newest version, and onto the next one when another writer was faster. The log's
 * state has the commit when this returns.
 */
export async function writeCommit(
  directory: string,
  draft: CommitDraft,
  log: CommittedLog,
): Promise<WriteOutcome> {
  let pending: PendingText | null = null
  try {
    // Most logs have one writer, so what is known is the newest. Where it is not, the next version has its
    // name already; and where that forbids the commit, the newest may allow it.
    let state = await log.known()
    if (decideCommit(draft, state).kind !== 'write') state = await log.newest()
    for (let attempt = 0; attempt < commitAttemptsMax; attempt++) {
      const decision = decideCommit(draft, state)
      switch (decision.kind) {
        case 'skip':
          return { kind: 'skipped', version: state.version, recorded: decision.recorded }
        case 'fence':
          return { kind: 'fenced', version: state.version, recorded: decision.recorded }
        case 'changed':
        case 'conflict':
          return decision
        case 'write': {
          checkWritable(...protocolAfter(draft, state), directory)
          const info = { ...draft.info, readVersion: Number(state.version) }
          pending ??= await prepare(directory, { ...draft, info })
          await step('commit decided')
          const identity = await pending.putIfAbsent(commitPath(directory, decision.version))
          if (identity === null) {
            state = await log.newest()
            break
          }
          state.apply(asCommit({ ...draft, info }, decision.version), identity)
          return { kind: 'committed', version: decision.version }
        }
        default:
          return unreachable(decision)
      }
    }
    const message = `${directory}: ${commitAttemptsMax} attempts to commit met a faster writer each time.`
    throw new LakehouseError('DELTA_COMMIT_CONFLICT', `${message} Are there too many writers on the table?`)
  } finally {
    await pending?.discard()
  }
}

/** Writes version 0; false where another writer made the table first. */
export async function writeFirstCommit(directory: string, draft: CommitDraft): Promise<boolean> {
  const pending = await prepare(directory, draft)
  try {
    return (await pending.putIfAbsent(commitPath(directory, 0n))) !== null
  } finally {
    await pending.discard()
  }
}

function protocolAfter(draft: CommitDraft, state: LogState): [Protocol, Metadata] {
  const { protocol, metadata } = state.essentials()
  return [draft.protocol ?? protocol, draft.metadata ?? metadata]
}

function prepare(directory: string, draft: CommitDraft): Promise<PendingText> {
  return storageOf(directory).prepare(logDirectory(directory), commitText(draft))
}

function commitText(draft: CommitDraft): string {
  const actions = [
    ...(draft.protocol ? [{ protocol: protocolToJson(draft.protocol) }] : []),
    ...(draft.metadata ? [{ metaData: metadataToJson(draft.metadata) }] : []),
    ...draft.txns.map((txn) => ({ txn: txnToJson(txn) })),
    ...draft.removes.map((file) => ({ remove: removeToJson(file) })),
    ...draft.adds.map((file) => ({ add: addToJson(file) })),
  ]
  // Their count tells a reader whether the file is whole.
  const commitInfo = { ...draft.info, txnId: randomUUID(), actionCount: actions.length }
  return `${[{ commitInfo }, ...actions].map((action) => JSON.stringify(action)).join('\n')}\n`
}

function asCommit(draft: CommitDraft, version: bigint): DeltaCommit {
  const { adds, removes, txns, metadata, protocol, info } = draft
  const dataChange = adds.some((file) => file.dataChange) || removes.some((file) => file.dataChange)
  const timestamp = info.timestamp ?? 0
  return { version, timestamp, adds, removes, dataChange, txns, metadata, protocol, commitInfo: info }
}

export function rowMetrics(adds: readonly AddFile[], rowCount: bigint): Record<string, string> {
  const bytes = adds.reduce((sum, file) => sum + file.size, 0n)
  return { numFiles: String(adds.length), numOutputRows: String(rowCount), numOutputBytes: String(bytes) }
}

/** A change of the metadata, with the name that other writers have for it. */
export type Evolution = {
  readonly operation: 'ADD COLUMNS' | 'SET TBLPROPERTIES'
  readonly operationParameters: Readonly<Record<string, unknown>>
  readonly metadata: Metadata
}

/** What the table lacks of the definition: columns and properties; null where it has them all. */
export function evolved(
  metadata: Metadata,
  definition: DeltaTableDefinition,
  where: string,
): Evolution | null {
  const columns = missingFields(metadata, definition, where)
  const properties = Object.fromEntries(
    Object.entries(definition.properties ?? {}).filter(
      ([name, value]) => metadata.configuration[name] !== value,
    ),
  )
  if (columns.length === 0 && Object.keys(properties).length === 0) return null
  const fields = [...metadata.fields, ...columns]
  const configuration = { ...metadata.configuration, ...properties }
  const after = { ...metadata, fields, configuration }
  if (columns.length === 0) {
    const operationParameters = { properties: JSON.stringify(properties) }
    return { operation: 'SET TBLPROPERTIES', operationParameters, metadata: after }
  }
  const operationParameters = { columns: JSON.stringify(columns.map((column) => ({ column }))) }
  return { operation: 'ADD COLUMNS', operationParameters, metadata: after }
}
