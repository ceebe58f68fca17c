// Record batches (message format 2) byte by byte, so that they may hold what no producer would write.
import { compressionsAlgorithms, crc32c } from '@platformatic/kafka'

export type BatchRecord = {
  readonly timestampMs?: bigint
  readonly key?: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: readonly { readonly key: Uint8Array; readonly value: Uint8Array | null }[]
}

const baseTimestampMs = 1_790_848_800_000n

/** The numbers that stand for compressions in a batch. */
export const codecNumbers = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

/** What a batch holds before it is compressed. */
export function batchContent(records: readonly BatchRecord[]): Buffer {
  const base = records[0]?.timestampMs ?? baseTimestampMs
  return Buffer.concat(records.map((record, index) => recordBytes(record, index, base)))
}

function recordBytes(record: BatchRecord, offset: number, base: bigint): Buffer {
  const { timestampMs = base, key = null, value, headers = [] } = record
  const parts = [
    Buffer.from([0]),
    varint(BigInt.asIntN(64, timestampMs - base)),
    varint(BigInt(offset)),
    ...lengthAndBytes(key),
    ...lengthAndBytes(value),
    varint(BigInt(headers.length)),
    ...headers.flatMap((header) => [...lengthAndBytes(header.key), ...lengthAndBytes(header.value)]),
  ]
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([varint(BigInt(length)), ...parts])
}

function lengthAndBytes(bytes: Uint8Array | null): Uint8Array[] {
  return bytes === null ? [varint(-1n)] : [varint(BigInt(bytes.length)), bytes]
}

export function varint(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: number[] = []
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

/** A batch whose content is `stored`, compressed as `codec` says. */
export function batchBytes(
  records: readonly BatchRecord[],
  codec: keyof typeof codecNumbers,
  stored: Uint8Array,
  baseOffset = 0n,
): Buffer {
  const header = Buffer.alloc(61)
  const timestamps = records.map(({ timestampMs }) => timestampMs ?? baseTimestampMs)
  header.writeBigInt64BE(baseOffset, 0)
  header.writeInt32BE(61 - 12 + stored.length, 8)
  header.writeInt32BE(-1, 12)
  header.writeInt8(2, 16)
  header.writeInt16BE(codecNumbers[codec], 21)
  header.writeInt32BE(records.length - 1, 23)
  header.writeBigInt64BE(timestamps[0] ?? baseTimestampMs, 27)
  header.writeBigInt64BE(
    timestamps.reduce((a, b) => (a > b ? a : b)),
    35,
  )
  header.writeBigInt64BE(-1n, 43)
  header.writeInt16BE(-1, 51)
  header.writeInt32BE(-1, 53)
  header.writeInt32BE(records.length, 57)
  const bytes = Buffer.concat([header, stored])
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

/** The content in blocks of xerial's stream, as Kafka's Java client writes snappy. */
export function xerialStream(content: Buffer, blockBytes = 32_768): Buffer {
  const parts: Buffer[] = [Buffer.from('82534e41505059000000000100000001', 'hex')]
  for (let start = 0; start < content.length; start += blockBytes) {
    const block = compressionsAlgorithms.snappy.compressSync(content.subarray(start, start + blockBytes))
    parts.push(uint32BE(block.length), block)
  }
  return Buffer.concat(parts)
}

export type Lz4Options = {
  readonly blockSize?: 4 | 5 | 6 | 7
  readonly blockChecksums?: boolean
  readonly contentSize?: boolean
  readonly contentChecksum?: boolean
  /** Blocks refer back to the ones before them. */
  readonly linked?: boolean
}

/** An LZ4 frame; linked blocks are one copy of all that came before, where they can be. */
export function lz4Frame(content: Buffer, options: Lz4Options = {}): Buffer {
  const { blockSize = 4, blockChecksums, contentSize, contentChecksum, linked } = options
  const flags =
    0x40 |
    (linked ? 0 : 0x20) |
    (blockChecksums ? 0x10 : 0) |
    (contentSize ? 0x08 : 0) |
    (contentChecksum ? 0x04 : 0)
  const size = Buffer.alloc(contentSize ? 8 : 0)
  if (contentSize) size.writeBigUInt64LE(BigInt(content.length))
  const descriptor = Buffer.concat([Buffer.from([flags, blockSize << 4]), size])
  const parts: Buffer[] = [
    Buffer.from('04224d18', 'hex'),
    descriptor,
    Buffer.from([(xxh32(descriptor) >>> 8) & 0xff]),
  ]
  const blockBytes = 2 ** (8 + 2 * blockSize)
  for (let start = 0; start < content.length; start += blockBytes) {
    const part = content.subarray(start, start + blockBytes)
    const block = linked && start > 0 ? linkedBlock(content, start, part.length) : storedOrCompressed(part)
    parts.push(block)
    if (blockChecksums) parts.push(uint32LE(xxh32(block.subarray(4))))
  }
  parts.push(uint32LE(0))
  if (contentChecksum) parts.push(uint32LE(xxh32(content)))
  return Buffer.concat(parts)
}

/** A block with its length, taken from a frame of the library. */
function storedOrCompressed(part: Buffer): Buffer {
  const frame = compressionsAlgorithms.lz4.compressSync(part)
  const length = frame.readUInt32LE(7)
  const end = 11 + (length & 0x7fffffff)
  if (frame.length === end + 4) return frame.subarray(7, end)
  return Buffer.concat([uint32LE((part.length | 0x80000000) >>> 0), part])
}

/** A match of the 1,000 bytes that are 50,000 before it, where they are the same, then literals. */
function linkedBlock(content: Buffer, start: number, length: number): Buffer {
  const [distance, matched] = [50_000, 1_000]
  const repeats = content
    .subarray(start, start + matched)
    .equals(content.subarray(start - distance, start - distance + matched))
  if (!repeats || length < matched + 20)
    return Buffer.concat([uint32LE((length | 0x80000000) >>> 0), content.subarray(start, start + length)])
  const literals = content.subarray(start + matched, start + length)
  const block = Buffer.concat([
    Buffer.from([0x0f, distance & 0xff, distance >>> 8]),
    lengthBytes(matched - 4 - 15),
    Buffer.from([0xf0]),
    lengthBytes(literals.length - 15),
    literals,
  ])
  return Buffer.concat([uint32LE(block.length), block])
}

function lengthBytes(rest: number): Buffer {
  return Buffer.from([...new Array<number>(Math.floor(rest / 255)).fill(255), rest % 255])
}

/** A frame that decompressors pass over: of LZ4 and of zstd. */
export function skippableFrame(content: Buffer): Buffer {
  return Buffer.concat([Buffer.from('502a4d18', 'hex'), uint32LE(content.length), content])
}

/** A gzip member with everything that its header may have. */
export function withLongHeader(member: Buffer): Buffer {
  const header = Buffer.from(member.subarray(0, 10))
  header[3] = 0b1_1100
  const extra = Buffer.from([4, 0, 1, 2, 0, 4])
  return Buffer.concat([header, extra, Buffer.from('a name\0and a comment\0'), member.subarray(10)])
}

function uint32BE(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function uint32LE(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

/** The checksum of LZ4 frames. */
function xxh32(bytes: Buffer): number {
  const [one, two, three, four, five] = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1]
  const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits))
  const round = (sum: number, value: number) => Math.imul(rotate(sum + Math.imul(value, two), 13), one)
  let position = 0
  let hash = five
  if (bytes.length >= 16) {
    const sums = [one + two, two, 0, -one].map((seed) => seed | 0)
    for (; position + 16 <= bytes.length; position += 16) {
      for (let lane = 0; lane < 4; lane += 1)
        sums[lane] = round(sums[lane]!, bytes.readInt32LE(position + 4 * lane))
    }
    hash = sums.reduce((sum, value, lane) => (sum + rotate(value, [1, 7, 12, 18][lane]!)) | 0, 0)
  }
  hash = (hash + bytes.length) | 0
  for (; position + 4 <= bytes.length; position += 4)
    hash = Math.imul(rotate(hash + Math.imul(bytes.readInt32LE(position), three), 17), four)
  for (; position < bytes.length; position += 1)
    hash = Math.imul(rotate(hash + Math.imul(bytes[position]!, five), 11), one)
  hash = Math.imul(hash ^ (hash >>> 15), two)
  hash = Math.imul(hash ^ (hash >>> 13), three)
  return (hash ^ (hash >>> 16)) >>> 0
}
