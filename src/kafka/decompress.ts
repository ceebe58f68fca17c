// Decompresses what a record batch holds: at once where it is not much, else in pieces, so that a few
// kilobytes that become gigabytes are never in memory as a whole. Everything is read that a broker lets
// through: several gzip members, snappy raw and in xerial's stream, LZ4 and zstd in several frames.
import {
  createInflateRaw,
  createZstdDecompress,
  gunzipSync,
  type Zlib,
  type ZlibOptions,
  zstdDecompressSync,
} from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { lz4ContentBytesMax, lz4Frames, lz4Pieces } from './lz4.ts'
import { snappyBlocks, snappyContentBytes, snappyPieces, snappyWhole } from './snappy.ts'

/** What is decompressed at once; batches of ordinary producers are smaller. */
const WHOLE_BYTES_MAX = 16 * 1024 * 1024
const PIECE_BYTES = 1024 * 1024

/** The content as one piece, or as pieces of some megabytes at most. */
export type Content = Iterable<Buffer> | AsyncIterable<Buffer>

/** By the number that stands for it in a batch. */
const codecs: Readonly<Record<number, (stored: Buffer) => Content>> = {
  0: (stored) => [stored],
  1: gzip,
  2: snappy,
  3: lz4,
  4: zstd,
}

/** What `stored` was compressed from; null where Kafka has no such compression. Fails with any error. */
export function decompress(stored: Buffer, compression: number): Content | null {
  return codecs[compression]?.(stored) ?? null
}

function gzip(stored: Buffer): Content {
  try {
    return [gunzipSync(stored, { maxOutputLength: WHOLE_BYTES_MAX })]
  } catch {
    return gzipPieces(stored) // It is too much, or something follows that is no member: this tells.
  }
}

function zstd(stored: Buffer): Content {
  const parts: Buffer[] = []
  let left = WHOLE_BYTES_MAX
  try {
    for (let position = 0; position < stored.length; ) {
      const { content, storedBytes } = zstdFrame(stored.subarray(position), left)
      parts.push(content)
      position += storedBytes
      left -= content.length
    }
  } catch {
    return zstdPieces(stored) // As for gzip.
  }
  return [parts.length === 1 ? parts[0]! : Buffer.concat(parts)]
}

/** The first frame of `stored`, which may hold as much as `contentBytesMax`, at once. */
function zstdFrame(
  stored: Buffer,
  contentBytesMax: number,
): { readonly content: Buffer; readonly storedBytes: number } {
  const options = { maxOutputLength: Math.max(1, contentBytesMax), info: true }
  // With `info` the engine comes along, which knows how much of the input it has used.
  const { buffer, engine } = zstdDecompressSync(stored, options) as unknown as {
    readonly buffer: Buffer
    readonly engine: Zlib
  }
  if (engine.bytesWritten === 0) throw new Error('No zstd frame begins here.')
  return { content: buffer, storedBytes: engine.bytesWritten }
}

function snappy(stored: Buffer): Content {
  const blocks = snappyBlocks(stored)
  const contentBytes = blocks.reduce((sum, block) => sum + snappyContentBytes(block), 0)
  if (contentBytes > WHOLE_BYTES_MAX) return snappyBlockPieces(blocks)
  const parts = blocks.map(snappyWhole)
  return [parts.length === 1 ? parts[0]! : Buffer.concat(parts)]
}

function* snappyBlockPieces(blocks: readonly Buffer[]): Generator<Buffer> {
  for (const block of blocks) {
    if (snappyContentBytes(block) > PIECE_BYTES) yield* snappyPieces(block)
    else yield snappyWhole(block)
  }
}

function lz4(stored: Buffer): Content {
  const [first] = lz4Frames(stored)
  const isAlone = first?.start === 0 && first.end === stored.length
  if (isAlone && lz4ContentBytesMax(first) <= WHOLE_BYTES_MAX)
    return [compressionsAlgorithms.lz4.decompressSync(stored)]
  return lz4FramePieces(stored)
}

function* lz4FramePieces(stored: Buffer): Generator<Buffer> {
  for (const frame of lz4Frames(stored)) yield* lz4Pieces(frame)
}

async function* zstdPieces(stored: Buffer): AsyncGenerator<Buffer> {
  for (let position = 0; position < stored.length; ) {
    const decompressor = createZstdDecompress({ chunkSize: PIECE_BYTES })
    yield* piecesOf(decompressor, stored.subarray(position))
    if (decompressor.bytesWritten === 0) throw new Error(`No zstd frame begins at byte ${position}.`)
    position += decompressor.bytesWritten
  }
}

async function* gzipPieces(stored: Buffer): AsyncGenerator<Buffer> {
  for (let position = 0; position < stored.length; ) {
    const start = gzipContentStart(stored, position)
    const options: ZlibOptions = { chunkSize: PIECE_BYTES }
    const decompressor = createInflateRaw(options)
    yield* piecesOf(decompressor, stored.subarray(start))
    position = start + decompressor.bytesWritten + GZIP_TRAILER_BYTES
  }
}

/** The stream ends where what it decompresses does; the rest of `stored` is left. */
async function* piecesOf(
  decompressor: Zlib & NodeJS.ReadWriteStream,
  stored: Buffer,
): AsyncGenerator<Buffer> {
  decompressor.end(stored)
  for await (const piece of decompressor) yield piece as Buffer
}

const GZIP_TRAILER_BYTES = 8
const GZIP_HEADER_BYTES = 10
const GZIP_MAGIC_AND_DEFLATE = Buffer.from('1f8b08', 'hex')
const [HEADER_CHECKSUM, EXTRA, NAME, COMMENT] = [0b10, 0b100, 0b1000, 0b1_0000] as const

/** Where the compressed bytes of the gzip member that begins at `position` do. */
function gzipContentStart(stored: Buffer, position: number): number {
  if (!stored.subarray(position, position + 3).equals(GZIP_MAGIC_AND_DEFLATE))
    throw new Error(`No gzip member begins at byte ${position}.`)
  const flags = stored.readUInt8(position + 3)
  let start = position + GZIP_HEADER_BYTES
  if ((flags & EXTRA) !== 0) start += 2 + stored.readUInt16LE(start)
  for (const text of [NAME, COMMENT]) {
    if ((flags & text) === 0) continue
    const end = stored.indexOf(0, start)
    if (end === -1) throw new Error('The header of a gzip member is cut off.')
    start = end + 1
  }
  return (flags & HEADER_CHECKSUM) === 0 ? start : start + 2
}
