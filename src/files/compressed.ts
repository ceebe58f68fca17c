// Compressed files, read as the text that they hold: positions are those of the text. Nothing of it is
// written anywhere, and little of it is in memory.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createGunzip, createZstdDecompress, type Zlib } from 'node:zlib'
import { LakehouseError } from '../errors/errors.ts'
import { isNotFound, unreadable, vanished } from './listing.ts'

export type FileCodec = 'gzip' | 'zstd'

const PIECE_BYTES = 256 * 1024
/** How far back may be read without decompressing the file from its beginning. */
const LOOKBACK_BYTES = 4 * 1024 * 1024

/** null for a file that is its text. */
export function codecOf(name: string): FileCodec | null {
  const extension = name.slice(name.lastIndexOf('.')).toLowerCase()
  if (extension === '.gz') return 'gzip'
  return extension === '.zst' ? 'zstd' : null
}

/** The text of a compressed file, to be read at growing positions, or a little before the last one. */
export class CompressedText {
  readonly path: string
  readonly #codec: FileCodec
  #pieces: AsyncGenerator<Buffer>
  /** The last pieces, and the positions of their first byte and behind their last one. */
  #kept: Buffer[] = []
  #keptStart = 0
  #keptEnd = 0
  /** How long the text is; null until its end was met. */
  length: number | null = null
  /** Ends a read, which may have to pass over much of the text. */
  signal: AbortSignal | null = null

  constructor(path: string, codec: FileCodec) {
    this.path = path
    this.#codec = codec
    this.#pieces = piecesOf(path, codec)
  }

  /** As FileHandle.read does: some of the bytes at `position`, none at the end. */
  async read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }> {
    if (position < this.#keptStart) await this.#restart()
    while (this.#keptEnd <= position && this.length === null) await this.#advance()
    let start = this.#keptStart
    for (const piece of this.#kept) {
      const from = position - start
      start += piece.length
      if (from >= piece.length) continue
      return { bytesRead: piece.copy(buffer, offset, from, Math.min(piece.length, from + length)) }
    }
    return { bytesRead: 0 }
  }

  async close(): Promise<void> {
    await this.#pieces.return(undefined)
  }

  async #restart(): Promise<void> {
    await this.close()
    this.#pieces = piecesOf(this.path, this.#codec)
    this.#kept = []
    this.#keptStart = 0
    this.#keptEnd = 0
  }

  async #advance(): Promise<void> {
    this.signal?.throwIfAborted()
    const { value: piece, done } = await this.#pieces.next().catch((cause: unknown) => {
      throw failureOf(this.path, this.#keptEnd, cause)
    })
    if (done || piece === undefined) {
      this.length = this.#keptEnd
      return
    }
    this.#kept.push(piece)
    this.#keptEnd += piece.length
    while (this.#keptEnd - this.#keptStart - this.#kept[0]!.length >= LOOKBACK_BYTES)
      this.#keptStart += this.#kept.shift()!.length
  }
}

/** Members and frames, one after another. */
async function* piecesOf(path: string, codec: FileCodec): AsyncGenerator<Buffer> {
  const { size } = await stat(path)
  if (size === 0) return
  if (codec === 'gzip') {
    // Node goes on with the next member by itself, and passes over zeros behind the last one.
    yield* decompressed(path, 0, createGunzip({ chunkSize: PIECE_BYTES }))
    return
  }
  for (let start = 0; start < size; ) {
    const decompressor = createZstdDecompress({ chunkSize: PIECE_BYTES })
    yield* decompressed(path, start, decompressor)
    if (decompressor.bytesWritten === 0) throw new Error('there is nothing to decompress')
    start += decompressor.bytesWritten
  }
}

async function* decompressed(
  path: string,
  start: number,
  decompressor: Zlib & NodeJS.ReadWriteStream & { destroy(error?: Error): void },
): AsyncGenerator<Buffer> {
  const stored = createReadStream(path, { start, highWaterMark: PIECE_BYTES })
  stored.on('error', (error) => decompressor.destroy(error))
  stored.pipe(decompressor)
  try {
    for await (const piece of decompressor) yield piece as Buffer
  } finally {
    stored.destroy()
    decompressor.destroy()
  }
}

function failureOf(path: string, position: number, cause: unknown): LakehouseError {
  if (isNotFound(cause)) return vanished(path, cause)
  if (cause instanceof Error && 'syscall' in cause) return unreadable(path, cause)
  const why = cause instanceof Error ? cause.message : String(cause)
  return new LakehouseError(
    'FILE_CORRUPT',
    `${path} cannot be decompressed behind byte ${position} of its text: ${why}. It is cut off, damaged or not ` +
      'compressed: replace it by the whole file. A file that is still being written needs a name that begins with . or _.',
    { cause, details: { path, position } },
  )
}
