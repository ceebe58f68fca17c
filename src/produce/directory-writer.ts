// Records into a directory of NDJSON files, for `assay run --from <dir>`: whole lines are appended to one
// file at a time, and a new file begins when it is full. A reader takes only lines that end with LF, so it
// may read along.
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { makeDirectory } from '../delta/local-storage.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { GeneratedRecord } from './generator.ts'
import type { RecordWriter } from './record-writer.ts'

export type DirectoryWriterOptions = {
  readonly path: string
  /** A file is full with this many rows, or after this many seconds of `nowMs`, whichever comes first. */
  readonly rotateRows: number
  readonly rotateSeconds: number
  /** Names the first file: the wall clock, or the start of the period that is produced. */
  readonly startMs: number
  readonly nowMs: () => number
}

const NAME_PATTERN = /^transactions-(\d{8}T\d{9}Z)-\d{6}\.ndjson$/
const STAMP_PATTERN = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z$/
const LINE_FEED = Uint8Array.of(10)

/**
 * Files are `transactions-<start>-<number>.ndjson` and sort by name in the order they were written, behind
 * those that the directory already holds. Fails with PRODUCE_DIRECTORY_UNWRITABLE.
 */
export async function openDirectoryWriter(options: DirectoryWriterOptions): Promise<RecordWriter> {
  const stamp = await explained(options.path, async () => {
    await makeDirectory(resolve(options.path))
    return stampBehind(await readdir(options.path), options.startMs)
  })
  let file: FileHandle | null = null
  let fileNumber = 0
  let rowsInFile = 0
  let openedMs = 0

  const closeFile = async (): Promise<void> => {
    await file?.close()
    file = null
  }
  const openNext = async (): Promise<FileHandle> => {
    await closeFile()
    fileNumber++
    rowsInFile = 0
    openedMs = options.nowMs()
    const name = `transactions-${stamp}-${String(fileNumber).padStart(6, '0')}.ndjson`
    return open(join(options.path, name), 'ax')
  }
  const isFull = (): boolean =>
    rowsInFile >= options.rotateRows || options.nowMs() - openedMs >= options.rotateSeconds * 1000

  return {
    write: (records) =>
      explained(options.path, async () => {
        for (let start = 0; start < records.length; ) {
          if (file === null || isFull()) file = await openNext()
          const rows = records.slice(start, start + options.rotateRows - rowsInFile)
          await file.appendFile(linesOf(rows))
          rowsInFile += rows.length
          start += rows.length
        }
      }),
    close: () => explained(options.path, closeFile),
  }
}

function linesOf(records: readonly GeneratedRecord[]): Buffer {
  return Buffer.concat(records.flatMap(({ value }) => [value, LINE_FEED]))
}

/** The start time as it stands in file names, moved behind every file that is there. */
function stampBehind(names: readonly string[], startMs: number): string {
  const stampOf = (ms: number): string => new Date(ms).toISOString().replace(/[-:.]/g, '')
  const latest =
    names
      .flatMap((name) => NAME_PATTERN.exec(name)?.[1] ?? [])
      .sort()
      .at(-1) ?? ''
  const stamp = stampOf(startMs)
  if (stamp > latest) return stamp
  return stampOf(Date.parse(latest.replace(STAMP_PATTERN, '$1-$2-$3T$4:$5:$6.$7Z')) + 1)
}

async function explained<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `Cannot write transactions to ${path}: ${reason}. Name a directory that this user can write to.`
    throw new LakehouseError('PRODUCE_DIRECTORY_UNWRITABLE', message, { cause, details: { path } })
  }
}
