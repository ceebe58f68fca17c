// NDJSON files as an input: a file is a topic of its own with partition 0, an offset the byte position of a
// line.

import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OnNotice } from '../batches/notice.ts'
import { type OffsetRange, type Offsets, partitionKey } from '../batches/offsets.ts'
import type { Cut, RecordChunk, RecordSource } from '../batches/source.ts'
import { counted } from '../errors/counted.ts'
import { assert } from '../errors/errors.ts'
import type { NoticeCode } from '../errors/notices.ts'
import { CompressedText, codecOf } from './compressed.ts'
import { countLines, type LineFile, lineStart, readLines, shrank } from './lines.ts'
import { isNotFound, type ListedFile, listFiles, unreadable, vanished } from './listing.ts'
import { TextLengths } from './text-lengths.ts'

export type FileSourceOptions = {
  /** Whether a last line without LF is a record: only where the files grow no more. */
  readonly takeUnterminatedTail: boolean
  /** Reads what was there at the first look and nothing that comes after it. */
  readonly untilNow?: boolean
  /** Where the lengths of the texts of compressed files are kept from run to run; absent: nowhere. */
  readonly cachePath?: string
  readonly onNotice?: OnNotice
}

/** Pause between two looks at the files; where listing them is slow, a multiple of the time that it takes. */
const FILE_POLL_MS = 50
const FILE_POLL_MS_MAX = 5_000
const FILE_POLL_PAUSE_PER_LISTING = 10

/** Opens a file, or a directory that may grow, as an input. Fails when there is neither at `path`. */
export async function openFileSource(path: string, options: FileSourceOptions): Promise<RecordSource> {
  await listFiles(path, new AbortController().signal)
  return new FileSource(path, options)
}

/** What a run knows of a file besides the tables' progress. */
type FileMemory = {
  size: number
  /** Of a compressed file, once its end was met: how long its text is. */
  textLength: number | null
  /** There is no LF in [lineFreeFrom, lineFreeTo), so that a growing last line is scanned once. */
  lineFreeFrom: number
  lineFreeTo: number
}

/** The size tells a file that was replaced; null where it was not looked at. */
type OpenText = { readonly text: CompressedText; readonly size: number | null }

/** What the files were at one look, which took so long. */
type Listing = { readonly files: readonly ListedFile[]; readonly atMs: number; readonly tookMs: number }

type FileCut = { readonly lines: number; readonly end: number }

class FileSource implements RecordSource {
  readonly kind = 'files'
  readonly #root: string
  readonly #options: FileSourceOptions
  readonly #memory = new Map<string, FileMemory>()
  readonly #paths = new Map<string, string>()
  readonly #noticed = new Set<string>()
  /** The compressed file whose lines were counted last, and the one whose lines were read. */
  readonly #texts: Record<'counted' | 'read', OpenText | null> = { counted: null, read: null }
  readonly #lengths: TextLengths
  #listing: Listing | null = null
  /** The sizes at the first look; null before it, and where the run has no end. */
  #firstSizes: ReadonlyMap<string, number> | null = null

  constructor(root: string, options: FileSourceOptions) {
    this.#root = root
    this.#options = options
    this.#lengths = new TextLengths(options.cachePath ?? null)
  }

  async cut(next: Offsets, recordsMax: number, signal: AbortSignal): Promise<Cut> {
    assert(recordsMax > 0, 'recordsMax must be positive')
    // While much is waiting the files need not be looked at for every batch.
    const recent = this.#recentFiles()
    const cut = recent === null ? null : await this.#cutFiles(recent, next, recordsMax, signal)
    if (cut?.more === true) return cut
    const files = await this.#list(signal)
    this.#judgeMissing(files, next)
    await this.#lengths.prune(files)
    return await this.#cutFiles(files, next, recordsMax, signal)
  }

  async #cutFiles(
    files: readonly ListedFile[],
    next: Offsets,
    recordsMax: number,
    signal: AbortSignal,
  ): Promise<Cut> {
    const ranges: OffsetRange[] = []
    let left = recordsMax
    for (const file of files) {
      const offset = offsetOf(next, file.topic)
      this.#judgeSize(file, offset)
      // When the batch is full, one line more is enough to know that something waits.
      const taken = await this.#cutFile(file, offset, Math.max(left, 1), signal)
      if (taken.lines === 0) continue
      if (left === 0) return { ranges, more: true, waiting: [] }
      ranges.push({ topic: file.topic, partition: 0, start: BigInt(offset), end: BigInt(taken.end) })
      left -= taken.lines
      if (left === 0 && (await this.#cutFile(file, taken.end, 1, signal)).lines > 0)
        return { ranges, more: true, waiting: [] }
    }
    return { ranges, more: false, waiting: [] }
  }

  async read(
    ranges: readonly OffsetRange[],
    onChunk: (chunk: RecordChunk) => void | Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const range of ranges) {
      signal.throwIfAborted()
      const { topic } = range
      const path = await this.#pathOf(topic, signal)
      const end = Number(range.end)
      const readFrom = async (file: LineFile): Promise<void> => {
        const { start } = await lineStart(file, Number(range.start))
        await readLines(file, { start, end }, onChunk, signal)
      }
      if (codecOf(topic) !== null) {
        await this.#withText({ topic, path }, 'read', readFrom, signal)
        continue
      }
      await withFile({ topic, path }, async (file) => {
        const { size } = await file.handle.stat()
        if (size < end) throw shrank(file, end, size)
        await readFrom(file)
      })
    }
  }

  async waitForData(next: Offsets, waitMaxMs: number, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + waitMaxMs
    for (;;) {
      const begun = performance.now()
      const files = await this.#list(signal)
      if (files.some((file) => this.#mayHoldMore(file, offsetOf(next, file.topic)))) return
      if (this.#missingUnread(files, next).length > 0) return // The next cut says what is wrong.
      const now = performance.now()
      const pause = Math.max(FILE_POLL_MS, (now - begun) * FILE_POLL_PAUSE_PER_LISTING)
      const remaining = deadline - now
      if (remaining <= 0) return
      const pauseMs = Math.min(pause, FILE_POLL_MS_MAX, remaining)
      await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }

  /**
   * Bytes, not records: counting lines would mean reading everything that is waiting. Of a compressed file
   * they are those of its text once that has been read to its end, before that its own.
   */
  async lag(next: Offsets, signal: AbortSignal): Promise<bigint> {
    const files = this.#listing?.files ?? (await this.#list(signal))
    return files.reduce((sum, file) => {
      const size = this.#memory.get(file.topic)?.textLength ?? file.size
      return sum + BigInt(Math.max(0, size - offsetOf(next, file.topic)))
    }, 0n)
  }

  async reportProgress(): Promise<void> {}

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#texts).map((open) => open?.text.close()))
  }

  /** The last look, where that is so recent that looking again would take much of the time. */
  #recentFiles(): readonly ListedFile[] | null {
    if (this.#listing === null) return null
    const { files, atMs, tookMs } = this.#listing
    const ageMsMax = Math.min(tookMs * FILE_POLL_PAUSE_PER_LISTING, FILE_POLL_MS_MAX)
    return performance.now() - atMs < ageMsMax ? files : null
  }

  async #list(signal: AbortSignal): Promise<readonly ListedFile[]> {
    const begunMs = performance.now()
    const files = this.#untilFirst(await listFiles(this.#root, signal))
    for (const file of files) this.#paths.set(file.topic, file.path)
    const atMs = performance.now()
    this.#listing = { files, atMs, tookMs: atMs - begunMs }
    return files
  }

  /** Where a run has an end, what was there at its first look. */
  #untilFirst(files: readonly ListedFile[]): readonly ListedFile[] {
    if (this.#options.untilNow !== true) return files
    this.#firstSizes ??= new Map(files.map(({ topic, size }) => [topic, size]))
    const first = this.#firstSizes
    return files
      .filter(({ topic }) => first.has(topic))
      .map((file) => ({ ...file, size: Math.min(file.size, first.get(file.topic)!) }))
  }

  /** The path of a listed file: a topic is never joined to a path, for it may come from a table. */
  async #pathOf(topic: string, signal: AbortSignal): Promise<string> {
    if (!this.#paths.has(topic)) await this.#list(signal)
    const path = this.#paths.get(topic)
    if (path === undefined) throw vanished(`${topic} below ${this.#root}`)
    return path
  }

  /** At most `linesMax` lines of one file from `offset` on. */
  async #cutFile(file: ListedFile, offset: number, linesMax: number, signal: AbortSignal): Promise<FileCut> {
    const nothing = { lines: 0, end: offset }
    const memory = this.#remember(file)
    if (codecOf(file.topic) !== null) return await this.#cutText(file, memory, offset, linesMax, signal)
    const known = memory.lineFreeFrom === offset ? memory.lineFreeTo : offset
    if (known >= file.size) return nothing
    return await withFile(file, async (opened) => {
      const { start, insideLine } = await lineStart(opened, offset)
      if (insideLine) this.#noticeInsideLine(file, offset)
      const scanFrom = Math.max(start, known)
      const found = await countLines(opened, { start, scanFrom, size: file.size }, linesMax, signal)
      if (found.lines === linesMax) return found
      const hasTail = found.end < file.size
      if (hasTail && this.#options.takeUnterminatedTail) return { lines: found.lines + 1, end: file.size }
      // Where only the LF of a taken tail was skipped, the position of progress is still the offset before
      // it.
      memory.lineFreeFrom = found.lines === 0 ? offset : found.end
      memory.lineFreeTo = found.scannedTo
      if (hasTail) this.#noticeTail(file, found.end)
      return found
    })
  }

  /** As #cutFile; a compressed file is whole, so that its last line is one without an LF, too. */
  async #cutText(
    file: ListedFile,
    memory: FileMemory,
    offset: number,
    linesMax: number,
    signal: AbortSignal,
  ): Promise<FileCut> {
    memory.textLength ??= await this.#lengths.of(file)
    if (memory.textLength === offset) return { lines: 0, end: offset }
    return await this.#withText(
      file,
      'counted',
      async (opened) => {
        const { start, insideLine } = await lineStart(opened, offset)
        if (insideLine) this.#noticeInsideLine(file, offset)
        const range = { start, scanFrom: start, size: Number.POSITIVE_INFINITY }
        const found = await countLines(opened, range, linesMax, signal)
        memory.textLength = opened.handle.length
        if (memory.textLength !== null && memory.textLength < offset)
          throw shrank(file, offset, memory.textLength)
        if (memory.textLength !== null) await this.#lengths.keep(file, memory.textLength)
        const hasTail = memory.textLength !== null && found.end < memory.textLength
        if (found.lines === linesMax || !hasTail) return found
        return { lines: found.lines + 1, end: memory.textLength! }
      },
      signal,
    )
  }

  /** One text is kept open for each purpose: batches go on where the one before has ended. */
  async #withText<Result>(
    { topic, path }: { readonly topic: string; readonly path: string },
    purpose: 'counted' | 'read',
    use: (file: LineFile & { readonly handle: CompressedText }) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    const size = this.#memory.get(topic)?.size ?? null
    let open = this.#texts[purpose]
    if (open === null || open.text.path !== path || open.size !== size) {
      await open?.text.close()
      const codec = codecOf(topic)
      assert(codec !== null, 'only compressed files have a text of their own')
      open = { text: new CompressedText(path, codec), size }
      this.#texts[purpose] = open
    }
    try {
      open.text.signal = signal
      return await use({ topic, path, handle: open.text })
    } catch (error) {
      this.#texts[purpose] = null
      await open.text.close()
      throw error
    }
  }

  #mayHoldMore(file: ListedFile, offset: number): boolean {
    const memory = this.#memory.get(file.topic)
    if (codecOf(file.topic) !== null)
      return memory?.size !== file.size || memory.textLength === null || offset < memory.textLength
    if (memory !== undefined && file.size < memory.size) return true
    return file.size !== offset && file.size > (memory?.lineFreeFrom === offset ? memory.lineFreeTo : offset)
  }

  #remember(file: ListedFile): FileMemory {
    const known = this.#memory.get(file.topic)
    const memory = known ?? { size: 0, textLength: null, lineFreeFrom: -1, lineFreeTo: -1 }
    // It was replaced, or another member was put behind it: its text is another one.
    if (memory.size !== file.size) memory.textLength = null
    memory.size = file.size
    this.#memory.set(file.topic, memory)
    return memory
  }

  #judgeSize(file: ListedFile, offset: number): void {
    if (codecOf(file.topic) !== null) return // The size says nothing of the text.
    const expected = Math.max(offset, this.#memory.get(file.topic)?.size ?? 0)
    if (file.size < expected) throw shrank(file, expected, file.size)
  }

  /** A file that was read to its end may go; one with unread lines may not. */
  #judgeMissing(files: readonly ListedFile[], next: Offsets): void {
    const unread = this.#missingUnread(files, next)
    if (unread.length > 0) throw vanished(this.#paths.get(unread[0]!) ?? unread[0]!)
    const present = new Set(files.map((file) => file.topic))
    const unknown = [...next.values()].filter(({ topic }) => !present.has(topic) && !this.#memory.has(topic))
    if (unknown.length > 0) {
      this.#notice('FILES_GONE', this.#root, {
        message:
          `${counted(unknown.length, 'input')} that the tables have read, such as ${unknown[0]!.topic}, cannot be ` +
          `found in ${this.#root} any more. Lines written to them since then cannot be read.`,
        details: { root: this.#root, count: unknown.length, first: unknown[0]!.topic },
      })
    }
  }

  #missingUnread(files: readonly ListedFile[], next: Offsets): string[] {
    const present = new Set(files.map((file) => file.topic))
    const missing: string[] = []
    for (const [topic, memory] of this.#memory) {
      const end = codecOf(topic) === null ? memory.size : (memory.textLength ?? Number.POSITIVE_INFINITY)
      if (!present.has(topic) && end > offsetOf(next, topic)) missing.push(topic)
    }
    return missing
  }

  #noticeTail(file: ListedFile, position: number): void {
    this.#notice('FILE_TAIL_UNTERMINATED', file.topic, {
      message:
        `The last line of ${file.path}, from byte ${position} on, has no LF yet. ` +
        'It becomes a record when the LF is written; --finalize takes it as it is.',
      details: { path: file.path, position, bytes: file.size - position },
    })
  }

  #noticeInsideLine(file: ListedFile, position: number): void {
    this.#notice('FILE_LINE_CONTINUED', file.topic, {
      message:
        `The line of ${file.path} that ended at byte ${position} when it was taken without its LF has grown. ` +
        'What was added is a record of its own.',
      details: { path: file.path, position },
    })
  }

  #notice(
    code: NoticeCode,
    subject: string,
    notice: { message: string; details: Record<string, unknown> },
  ): void {
    const key = `${code}\n${subject}`
    if (this.#noticed.has(key)) return
    this.#noticed.add(key)
    this.#options.onNotice?.({ code, ...notice })
  }
}

function offsetOf(next: Offsets, topic: string): number {
  return Number(next.get(partitionKey({ topic, partition: 0 }))?.offset ?? 0n)
}

async function withFile<Result>(
  file: { readonly topic: string; readonly path: string },
  use: (file: LineFile & { readonly handle: FileHandle }) => Promise<Result>,
): Promise<Result> {
  let handle: FileHandle
  try {
    handle = await open(file.path, 'r')
  } catch (cause) {
    throw isNotFound(cause) ? vanished(file.path, cause) : unreadable(file.path, cause)
  }
  try {
    return await use({ topic: file.topic, path: file.path, handle })
  } catch (cause) {
    throw isSystemError(cause) ? unreadable(file.path, cause) : cause
  } finally {
    await handle.close()
  }
}

function isSystemError(cause: unknown): boolean {
  return cause instanceof Error && 'syscall' in cause && cause.syscall === 'read'
}
