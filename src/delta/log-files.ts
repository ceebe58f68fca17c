// The files of `_delta_log`: their names, and reading them.
import { join } from 'node:path'
import type { DeltaCommit } from './actions.ts'
import { parseCommit } from './commit-parse.ts'
import { emptyWhenAbsent, type FileIdentity } from './disk.ts'
import { storageOf } from './mounts.ts'

export function logDirectory(table: string): string {
  return join(table, '_delta_log')
}

export function versionDigits(version: bigint): string {
  return version.toString().padStart(20, '0')
}

export function commitPath(table: string, version: bigint): string {
  return join(logDirectory(table), `${versionDigits(version)}.json`)
}

const commitNameLength = versionDigits(0n).length + '.json'.length

/** A checkpoint whose parts are all there; a classic one has a single part. */
export type CheckpointFiles = { readonly version: bigint; readonly paths: readonly string[] }

export type LogListing = {
  /** Ascending. */
  readonly commits: readonly bigint[]
  /** Newest first. */
  readonly checkpoints: readonly CheckpointFiles[]
  /** Checkpoints of a form that is not read: there are some. */
  readonly hasUuidCheckpoints: boolean
}

export async function listLog(table: string): Promise<LogListing> {
  const directory = logDirectory(table)
  return listingOf(directory, await emptyWhenAbsent(storageOf(directory).list(directory), []))
}

/** A log may have some hundred thousand commits: what is asked of every name is cheap. */
export function listingOf(directory: string, names: readonly string[]): LogListing {
  const versions: number[] = []
  const parts = new Map<string, { version: bigint; wanted: number; paths: string[] }>()
  let hasUuidCheckpoints = false
  for (const name of names) {
    if (name.length === commitNameLength && name.endsWith('.json')) {
      const version = Number(name.slice(0, -'.json'.length))
      if (Number.isSafeInteger(version)) versions.push(version)
      continue
    }
    hasUuidCheckpoints ||= /^\d{20}\.checkpoint\.[0-9a-f-]{36}\./.test(name)
    const checkpoint = /^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$/.exec(name)
    if (!checkpoint?.[1]) continue
    const key = `${checkpoint[1]} ${checkpoint[3] ?? ''}`
    const [version, wanted] = [BigInt(checkpoint[1]), Number(checkpoint[3] ?? 1)]
    const found = parts.get(key) ?? { version, wanted, paths: [] }
    found.paths.push(join(directory, name))
    parts.set(key, found)
  }
  const complete = [...parts.values()].filter((checkpoint) => checkpoint.paths.length === checkpoint.wanted)
  for (const { paths } of complete) paths.sort()
  return {
    commits: Array.from(Float64Array.from(versions).sort(), BigInt),
    checkpoints: complete.sort((a, b) => Number(b.version - a.version)),
    hasUuidCheckpoints,
  }
}

/** Whether the checkpoint is there that the log names as its last: a look at two files of all. */
export async function hasHintedCheckpoint(table: string): Promise<boolean> {
  const directory = logDirectory(table)
  const hint = await emptyWhenAbsent(storageOf(directory).read(join(directory, '_last_checkpoint')), null)
  const version = /"version":\s*(\d{1,18})\b/.exec(hint?.text ?? '')?.[1]
  if (version === undefined) return false
  return (await identityOf(join(directory, `${versionDigits(BigInt(version))}.checkpoint.parquet`))) !== null
}

/** null where there is no such file. */
export async function identityOf(path: string): Promise<FileIdentity | null> {
  return emptyWhenAbsent(storageOf(path).head(path), null)
}

export type CommitFile = {
  readonly commit: DeltaCommit
  readonly identity: FileIdentity
}

/** Reads one version; null where the log does not have it. */
export async function readCommit(table: string, version: bigint): Promise<CommitFile | null> {
  const path = commitPath(table, version)
  const found = await emptyWhenAbsent(storageOf(path).read(path), null)
  if (found === null) return null
  const { text, facts } = found
  return { commit: parseCommit(version, text, facts.changedMs, path), identity: facts }
}
