// Snappy as Kafka's producers write it: one raw block, or xerial's stream of blocks. The library knows only
// blocks that are decompressed at once; a large one is decompressed here, in pieces.
import { compressionsAlgorithms } from '@platformatic/kafka'

/** The first bytes of xerial's stream; two version numbers of 4 bytes follow. */
const streamMagic = Buffer.from('82534e4150505900', 'hex')
const STREAM_HEADER_BYTES = 16
const STREAM_MAGIC_START = streamMagic.readUInt32BE(0)
const PIECE_BYTES = 1024 * 1024
/** How far back a copy may reach: encoders reach back 64 KiB, few of them 4 MiB. */
const HISTORY_BYTES = 16 * 1024 * 1024
const COPY_BYTES_MAX = 64

/** The raw blocks of `stored`. */
export function snappyBlocks(stored: Buffer): Buffer[] {
  if (!stored.subarray(0, streamMagic.length).equals(streamMagic)) return [stored]
  const blocks: Buffer[] = []
  let position = STREAM_HEADER_BYTES
  while (position < stored.length) {
    const length = stored.readUInt32BE(position)
    if (length === STREAM_MAGIC_START) {
      position += STREAM_HEADER_BYTES // Another stream follows.
      continue
    }
    const end = position + 4 + length
    if (end > stored.length) throw new Error('A snappy block is cut off.')
    blocks.push(stored.subarray(position + 4, end))
    position = end
  }
  return blocks
}

/** How many bytes a block says that it holds. */
export function snappyContentBytes(block: Buffer): number {
  return readPreamble(block).contentBytes
}

function readPreamble(block: Buffer): { readonly contentBytes: number; readonly start: number } {
  let contentBytes = 0
  for (let start = 0, factor = 1; start < 5; start += 1, factor *= 128) {
    const byte = block.readUInt8(start)
    contentBytes += (byte & 0x7f) * factor
    if (byte < 0x80) return { contentBytes, start: start + 1 }
  }
  throw new Error('The length of a snappy block is not one.')
}

/** What comes out of a block, at once. */
export function snappyWhole(block: Buffer): Buffer {
  return compressionsAlgorithms.snappy.decompressSync(block)
}

/** What comes out of a block, in pieces. */
export function* snappyPieces(block: Buffer): Generator<Buffer> {
  const { contentBytes, start } = readPreamble(block)
  const window = Buffer.alloc(HISTORY_BYTES + PIECE_BYTES + COPY_BYTES_MAX)
  let position = start
  let left = contentBytes
  let filled = 0
  let taken = 0
  const piece = (): Buffer => {
    const bytes = Buffer.from(window.subarray(taken, filled))
    const kept = Math.min(filled, HISTORY_BYTES)
    if (filled >= HISTORY_BYTES) window.copyWithin(0, filled - kept, filled)
    filled = kept
    taken = kept
    return bytes
  }
  while (left > 0) {
    const tag = block.readUInt8(position)
    const element = readElement(block, position, tag)
    position = element.behind
    if (element.length > left) throw new Error('A snappy block holds more than it says.')
    left -= element.length
    if (element.kind === 'copy') {
      if (element.offset === 0 || element.offset > filled)
        throw new Error(`A snappy block refers back ${element.offset} bytes of ${HISTORY_BYTES}.`)
      // Byte by byte: a copy may overlap what it writes.
      for (let count = 0; count < element.length; count += 1, filled += 1)
        window[filled] = window[filled - element.offset]!
      if (filled - taken >= PIECE_BYTES) yield piece()
      continue
    }
    const end = position + element.length
    if (end > block.length) throw new Error('A snappy block is cut off.')
    while (position < end) {
      const count = Math.min(end - position, PIECE_BYTES - (filled - taken))
      block.copy(window, filled, position, position + count)
      filled += count
      position += count
      if (filled - taken >= PIECE_BYTES) yield piece()
    }
  }
  if (filled > taken) yield piece()
}

type Element =
  | { readonly kind: 'literal'; readonly length: number; readonly behind: number }
  | { readonly kind: 'copy'; readonly length: number; readonly offset: number; readonly behind: number }

/** The element whose tag is at `position`; of a literal `behind` is where its bytes begin. */
function readElement(block: Buffer, position: number, tag: number): Element {
  const upper = tag >>> 2
  switch (tag & 0b11) {
    case 0: {
      const lengthBytes = Math.max(0, upper - 59) // From 60 on so many bytes hold the length.
      const length = lengthBytes === 0 ? upper : block.readUIntLE(position + 1, lengthBytes)
      return { kind: 'literal', length: length + 1, behind: position + 1 + lengthBytes }
    }
    case 1: {
      const offset = ((tag >>> 5) << 8) | block.readUInt8(position + 1)
      return { kind: 'copy', length: (upper & 0b111) + 4, offset, behind: position + 2 }
    }
    case 2:
      return {
        kind: 'copy',
        length: upper + 1,
        offset: block.readUInt16LE(position + 1),
        behind: position + 3,
      }
    default:
      return {
        kind: 'copy',
        length: upper + 1,
        offset: block.readUInt32LE(position + 1),
        behind: position + 5,
      }
  }
}
