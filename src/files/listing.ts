// Which files an input holds: one file, or every regular file below a directory, in the order of their names.
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LakehouseError } from '../errors/errors.ts'
import { inputMissing } from './file-missing.ts'

/**
 * A file as it was when it was listed. `topic` is its path below the directory, with `/` between the parts.
 */
export type ListedFile = {
  readonly topic: string
  readonly path: string
  readonly size: number
  readonly modifiedMs: number
}

/** Stats that are under way at the same time: enough to hide the latency of a network file system. */
const STATS_IN_FLIGHT_MAX = 64

/**
 * Lists the files to read. In a directory: regular files at every depth, in the order of the UTF-8 bytes of
 * their relative paths; names that start with `.` or `_` (files and directories) and symbolic links are left
 * out.
 */
export async function listFiles(root: string, signal: AbortSignal): Promise<ListedFile[]> {
  const rootStat = await statOrNull(root)
  if (rootStat === null) throw inputMissing(root)
  if (rootStat.isFile()) {
    const topic = basename(root)
    refuseUnusableName(topic, root)
    return [{ topic, path: root, size: rootStat.size, modifiedMs: rootStat.mtimeMs }]
  }
  if (!rootStat.isDirectory()) throw unusable(root, 'is neither a file nor a directory')
  const topics = await collectTopics(root, '', signal)
  const sorted = topics
    .map((topic) => ({ topic, bytes: Buffer.from(topic) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  const files: ListedFile[] = []
  for (let start = 0; start < sorted.length; start += STATS_IN_FLIGHT_MAX) {
    signal.throwIfAborted()
    const listed = await Promise.all(
      sorted.slice(start, start + STATS_IN_FLIGHT_MAX).map(({ topic }) => describe(root, topic)),
    )
    for (const file of listed) if (file !== null) files.push(file)
  }
  return files
}

async function collectTopics(root: string, below: string, signal: AbortSignal): Promise<string[]> {
  signal.throwIfAborted()
  const directory = join(root, below)
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    // A directory may go away between its listing and its reading; what it held is judged by the caller.
    if (below !== '' && isNotFound(cause)) return []
    throw unreadable(directory, cause)
  })
  const topics: string[] = []
  for (const entry of entries) {
    if (entry.name === '_delta_log') throw unusable(directory, 'is a Delta table')
    if (entry.name.startsWith('.') || entry.name.startsWith('_')) continue
    const topic = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) {
      for (const inner of await collectTopics(root, topic, signal)) topics.push(inner)
    } else if (entry.isFile()) {
      refuseUnusableName(topic, join(root, topic))
      topics.push(topic)
    }
  }
  return topics
}

function unusable(path: string, why: string): LakehouseError {
  const message = `${path} ${why}. Give the path of an NDJSON file or of a directory of such files.`
  return new LakehouseError('FILE_UNREADABLE', message, { details: { path } })
}

async function describe(root: string, topic: string): Promise<ListedFile | null> {
  const path = join(root, topic)
  const fileStat = await statOrNull(path)
  return fileStat === null ? null : { topic, path, size: fileStat.size, modifiedMs: fileStat.mtimeMs }
}

/**
 * A newline would make keys of partitions ambiguous, and a name that is not UTF-8 cannot be opened by its
 * text.
 */
function refuseUnusableName(topic: string, path: string): void {
  if (!topic.includes('\n') && !topic.includes('\ufffd')) return
  throw new LakehouseError(
    'FILE_NAME_INVALID',
    `The name of the file ${JSON.stringify(path)} holds a newline or is not UTF-8. Rename the file.`,
    { details: { path } },
  )
}

async function statOrNull(path: string) {
  return await stat(path).catch((cause: unknown) => {
    if (isNotFound(cause)) return null
    throw unreadable(path, cause)
  })
}

export function isNotFound(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
}

export function unreadable(path: string, cause: unknown): LakehouseError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new LakehouseError(
    'FILE_UNREADABLE',
    `${path} cannot be read: ${why}. Check its permissions and the disk.`,
    {
      cause,
      details: { path },
    },
  )
}

export function vanished(path: string, cause?: unknown): LakehouseError {
  return new LakehouseError(
    'FILE_VANISHED',
    `${path} is gone, but it held lines that were not read yet. Put it back under its old name; a ` +
      'file may be removed when all of it has been read.',
    { cause, details: { path } },
  )
}
