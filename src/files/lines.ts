// Finds lines in a file of any size: a line ends with LF, and its position is the position of its first byte.

import type { RecordChunk } from '../batches/source.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'

/** Memory that one line may take; a longer one is more likely a file that is not NDJSON at all. */
export const FILE_LINE_BYTES_MAX = 64 * 1024 * 1024

/** A batch of a few records has its lines in less. */
const SCAN_FIRST_BYTES = 128 * 1024
const SCAN_BUFFER_BYTES = 1024 * 1024
/** Bytes of one chunk of records, unless a single line is longer. */
const CHUNK_BYTES = 4 * 1024 * 1024
const LF = 10

/** Reads some bytes at a position, none behind the end: a file's handle, or the text of a compressed file. */
export type TextHandle = {
  read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>
}

export type LineFile = { readonly topic: string; readonly path: string; readonly handle: TextHandle }

export type LineCount = {
  readonly lines: number
  /** The position behind the LF of the last line counted; where there was none, the start. */
  readonly end: number
  /** Up to here there is no LF behind `end`: a later scan may start here. */
  readonly scannedTo: number
}

/**
 * Counts the lines that end within [start, size), at most `linesMax`. `scanFrom` skips bytes known to hold no
 * LF. A size that is not known is infinite: the lines end where the file does.
 */
export async function countLines(
  file: LineFile,
  range: { readonly start: number; readonly scanFrom: number; readonly size: number },
  linesMax: number,
  signal: AbortSignal,
): Promise<LineCount> {
  let buffer = Buffer.allocUnsafe(Math.max(1, Math.min(SCAN_FIRST_BYTES, range.size - range.scanFrom)))
  let lines = 0
  let end = range.start
  let position = range.scanFrom
  while (lines < linesMax && position < range.size) {
    signal.throwIfAborted()
    const wanted = Math.min(buffer.length, range.size - position)
    const { bytesRead } = await file.handle.read(buffer, 0, wanted, position)
    if (bytesRead === 0 && range.size === Number.POSITIVE_INFINITY) break
    if (bytesRead === 0) throw shrank(file, range.size, position)
    const part = buffer.subarray(0, bytesRead)
    let at = part.indexOf(LF)
    while (at !== -1 && lines < linesMax) {
      lines += 1
      end = position + at + 1
      at = part.indexOf(LF, at + 1)
    }
    position += bytesRead
    if (lines === linesMax) break
    refuseLongLine(file, end, position)
    if (buffer.length < SCAN_BUFFER_BYTES) buffer = Buffer.allocUnsafe(SCAN_BUFFER_BYTES)
  }
  return { lines, end, scannedTo: lines === linesMax ? end : position }
}

/**
 * Reads the lines of [start, end) as chunks of records. Bytes behind the last LF are a record too: such a
 * range was cut when the last line was taken although it had no LF.
 */
export async function readLines(
  file: LineFile,
  range: { readonly start: number; readonly end: number },
  onChunk: (chunk: RecordChunk) => void | Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let position = range.start
  let rest: Buffer = Buffer.alloc(0)
  while (position < range.end) {
    signal.throwIfAborted()
    const wanted = Math.min(Math.max(CHUNK_BYTES, rest.length), range.end - position)
    // Every chunk has memory of its own, because its values are views that live as long as the caller needs
    // them.
    const bytes = Buffer.allocUnsafeSlow(rest.length + wanted)
    rest.copy(bytes)
    await readFully(file, bytes, rest.length, position, range.end)
    const bytesStart = position - rest.length
    position += wanted
    const chunk = chunkOf(file.topic, bytes, bytesStart, position === range.end)
    rest = bytes.subarray(chunk.bytesUsed)
    refuseLongLine(file, position - rest.length, position)
    if (chunk.records.count > 0) await onChunk(chunk.records)
  }
}

function chunkOf(
  topic: string,
  bytes: Buffer,
  bytesStart: number,
  isLast: boolean,
): { records: RecordChunk; bytesUsed: number } {
  const values: Uint8Array[] = []
  const starts: number[] = []
  let used = 0
  let at = bytes.indexOf(LF)
  while (at !== -1) {
    starts.push(used)
    values.push(bytes.subarray(used, at))
    used = at + 1
    at = bytes.indexOf(LF, used)
  }
  if (isLast && used < bytes.length) {
    starts.push(used)
    values.push(bytes.subarray(used))
    used = bytes.length
  }
  const offsets = new BigInt64Array(values.length)
  for (let index = 0; index < starts.length; index += 1) offsets[index] = BigInt(bytesStart + starts[index]!)
  const nulls = new Array<null>(values.length).fill(null)
  const records = {
    topic,
    partition: 0,
    count: values.length,
    offsets,
    timestampsMs: null,
    keys: nulls,
    values,
    headers: nulls,
  }
  return { records, bytesUsed: used }
}

async function readFully(
  file: LineFile,
  bytes: Buffer,
  from: number,
  position: number,
  end: number,
): Promise<void> {
  let filled = from
  while (filled < bytes.length) {
    const at = position + filled - from
    const { bytesRead } = await file.handle.read(bytes, filled, bytes.length - filled, at)
    if (bytesRead === 0) throw shrank(file, end, at)
    filled += bytesRead
  }
}

/** One byte of the file, or null behind its end. */
export async function byteAt(file: LineFile, position: number): Promise<number | null> {
  const buffer = Buffer.alloc(1)
  const { bytesRead } = await file.handle.read(buffer, 0, 1, position)
  return bytesRead === 0 ? null : buffer[0]!
}

/**
 * Where the first line at or behind `offset` starts. An offset that is not at the start of a line stands
 * behind a last line that was taken without its LF: the LF that was written since then belongs to that line
 * and is skipped.
 */
export async function lineStart(
  file: LineFile,
  offset: number,
): Promise<{ start: number; insideLine: boolean }> {
  if (offset === 0 || (await byteAt(file, offset - 1)) === LF) return { start: offset, insideLine: false }
  const byte = await byteAt(file, offset)
  if (byte === LF) return { start: offset + 1, insideLine: false }
  return { start: offset, insideLine: byte !== null }
}

function refuseLongLine(file: LineFile, start: number, position: number): void {
  if (position - start <= FILE_LINE_BYTES_MAX) return
  throw new LakehouseError(
    'FILE_LINE_TOO_LONG',
    `The line at byte ${start} of ${file.path} is longer than ${FILE_LINE_BYTES_MAX} bytes. ` +
      'Is this a file of lines that end with LF? Split the line or move the file away.',
    { details: { path: file.path, position: start, bytesMax: FILE_LINE_BYTES_MAX } },
  )
}

export function shrank(file: { readonly path: string }, expected: number, size: number): LakehouseError {
  return new LakehouseError(
    'FILE_SHRANK',
    `${file.path} has ${counted(size, 'byte')}, but ${expected} were there when it was read last. A file may ` +
      'only grow: ' +
      'restore it, or give the new contents a new name.',
    { details: { path: file.path, expected, size } },
  )
}
