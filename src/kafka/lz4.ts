// LZ4 frames as Kafka's producers write them, block by block: the library knows only frames that are
// decompressed at once, so a large frame is handed to it as several small ones.
import { compressionsAlgorithms } from '@platformatic/kafka'

const MAGIC = 0x184d2204
const SKIPPABLE_MAGIC = 0x184d2a50
const SKIPPABLE_MASK = 0xfffffff0
const VERSION_BITS = 0b1100_0000
const VERSION = 0b0100_0000
const INDEPENDENT_BLOCKS_BIT = 0b0010_0000
const BLOCK_CHECKSUM_BIT = 0b0001_0000
const CONTENT_SIZE_BIT = 0b0000_1000
const CONTENT_CHECKSUM_BIT = 0b0000_0100
const DICTIONARY_BIT = 0b0000_0001
const STORED_BLOCK_BIT = 0x8000_0000
const BLOCK_BYTES_MAX = 4 * 1024 * 1024
/** Blocks that are not independent refer back to so much of what comes before them. */
const HISTORY_BYTES = 64 * 1024
/** What no block of its size can be decompressed beyond. */
const RATIO_MAX = 255
/** Blocks are decompressed together while no more than this can come out of them. */
const PIECE_BYTES = 1024 * 1024

/** Magic number, flags, greatest block size (4 MiB) and the checksum of the two: no other flag is set. */
const independentHeader = Buffer.from('04224d18607073', 'hex')
const linkedHeader = Buffer.from('04224d184070df', 'hex')
const endMark = Buffer.alloc(4)

/** A block with its length before it; no more than `contentBytesMax` comes out of it. */
type Lz4Block = { readonly bytes: Buffer; readonly contentBytesMax: number }

export type Lz4Frame = {
  /** Where it is in what is stored. */
  readonly start: number
  readonly end: number
  readonly hasIndependentBlocks: boolean
  readonly blocks: readonly Lz4Block[]
}

/** The frames of `stored`, one after another; those that are to be skipped are. */
export function* lz4Frames(stored: Buffer): Generator<Lz4Frame> {
  let position = 0
  while (position < stored.length) {
    const magic = stored.readUInt32LE(position)
    if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
      position += 8 + stored.readUInt32LE(position + 4)
      continue
    }
    if (magic !== MAGIC) throw new Error(`No LZ4 frame begins at byte ${position}.`)
    const frame = readFrame(stored, position)
    yield frame
    position = frame.end
  }
}

function readFrame(stored: Buffer, start: number): Lz4Frame {
  const descriptor = start + 4
  const flags = stored.readUInt8(descriptor)
  if ((flags & VERSION_BITS) !== VERSION) throw new Error('The version of an LZ4 frame is not known.')
  if ((flags & DICTIONARY_BIT) !== 0) throw new Error('An LZ4 frame needs a dictionary.')
  const blockBytesMax = blockSizes.get((stored.readUInt8(descriptor + 1) >>> 4) & 0b111)
  if (blockBytesMax === undefined) throw new Error('The block size of an LZ4 frame is not known.')
  const checksumBytes = (flags & BLOCK_CHECKSUM_BIT) === 0 ? 0 : 4
  let position = descriptor + 2 + ((flags & CONTENT_SIZE_BIT) === 0 ? 0 : 8) + 1
  const blocks: Lz4Block[] = []
  for (;;) {
    const length = stored.readUInt32LE(position)
    if (length === 0) break
    const bytes = (length & ~STORED_BLOCK_BIT) >>> 0
    const end = position + 4 + bytes
    if (end > stored.length) throw new Error('An LZ4 block is cut off.')
    const contentBytesMax = Math.min(blockBytesMax, bytes * RATIO_MAX)
    blocks.push({ bytes: stored.subarray(position, end), contentBytesMax })
    position = end + checksumBytes
  }
  const end = position + 4 + ((flags & CONTENT_CHECKSUM_BIT) === 0 ? 0 : 4)
  const hasIndependentBlocks = (flags & INDEPENDENT_BLOCKS_BIT) !== 0
  return { start, end, hasIndependentBlocks, blocks }
}

const blockSizes: ReadonlyMap<number, number> = new Map([
  [4, 64 * 1024],
  [5, 256 * 1024],
  [6, 1024 * 1024],
  [7, BLOCK_BYTES_MAX],
])

/** No more than this comes out of the frame. */
export function lz4ContentBytesMax({ blocks }: Lz4Frame): number {
  return blocks.reduce((sum, { contentBytesMax }) => sum + contentBytesMax, 0)
}

/** What comes out of a frame, in pieces. */
export function* lz4Pieces({ hasIndependentBlocks, blocks }: Lz4Frame): Generator<Buffer> {
  let history: Buffer = Buffer.alloc(0)
  for (const group of groupsOf(blocks)) {
    if (hasIndependentBlocks) {
      yield decompressFrame([independentHeader, ...group, endMark])
      continue
    }
    // What the blocks refer back to goes before them, as a block that is not compressed.
    const length = Buffer.alloc(4)
    length.writeUInt32LE((history.length | STORED_BLOCK_BIT) >>> 0)
    const before = history.length === 0 ? [] : [length, history]
    const content = decompressFrame([linkedHeader, ...before, ...group, endMark])
    yield content.subarray(history.length)
    history = Buffer.from(content.subarray(Math.max(0, content.length - HISTORY_BYTES)))
  }
}

function* groupsOf(blocks: readonly Lz4Block[]): Generator<Buffer[]> {
  let group: Buffer[] = []
  let contentBytes = 0
  for (const { bytes, contentBytesMax } of blocks) {
    if (group.length > 0 && contentBytes + contentBytesMax > PIECE_BYTES) {
      yield group
      group = []
      contentBytes = 0
    }
    group.push(bytes)
    contentBytes += contentBytesMax
  }
  if (group.length > 0) yield group
}

function decompressFrame(parts: readonly Buffer[]): Buffer {
  return compressionsAlgorithms.lz4.decompressSync(Buffer.concat(parts))
}
