import { gzipSync, zstdCompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { describe, expect, test } from 'vitest'
import { decompress } from '../../../src/kafka/decompress.ts'
import {
  codecNumbers,
  lz4Frame,
  skippableFrame,
  withLongHeader,
  xerialStream,
} from '../../generate/record-batch.ts'

const MiB = 1024 * 1024
/** More than is decompressed at once, and less: both have to give the same. */
const large = contentOf(17 * MiB)
const small = contentOf(300_000)
const parts = (content: Buffer) => [
  content.subarray(0, 1),
  content.subarray(1, 7_777),
  content.subarray(7_777),
]
// The library cannot take nothing.
const snappy = (content: Buffer) =>
  content.length === 0 ? Buffer.from([0]) : compressionsAlgorithms.snappy.compressSync(content)
/** The fastest level: how well it compresses is not what is tested. */
const gzip = (content: Buffer) => gzipSync(content, { level: 1 })
const garbage = Buffer.from('no member and no frame')

const forms: Readonly<
  Record<string, readonly [keyof typeof codecNumbers, (content: Buffer) => readonly Uint8Array[]]>
> = {
  'not compressed': ['none', (content) => [content]],
  'a gzip member': ['gzip', (content) => [gzip(content)]],
  'several gzip members': ['gzip', (content) => parts(content).map((part) => gzip(part))],
  'gzip members with names': ['gzip', (content) => parts(content).map((one) => withLongHeader(gzip(one)))],
  'raw snappy': ['snappy', (content) => [snappy(content)]],
  "xerial's snappy": ['snappy', (content) => [xerialStream(content)]],
  "several of xerial's streams": ['snappy', (content) => parts(content).map((part) => xerialStream(part))],
  "xerial's snappy in large blocks": ['snappy', (content) => [xerialStream(content, 3 * MiB)]],
  'an LZ4 frame': ['lz4', (content) => [compressionsAlgorithms.lz4.compressSync(content)]],
  'several LZ4 frames': ['lz4', (content) => parts(content).map((part) => lz4Frame(part))],
  'LZ4 with checksums': [
    'lz4',
    (content) => [lz4Frame(content, { contentSize: true, blockChecksums: true, contentChecksum: true })],
  ],
  'LZ4 in blocks of 4 MiB': ['lz4', (content) => [lz4Frame(content, { blockSize: 7 })]],
  'LZ4 in blocks that refer back': ['lz4', (content) => [lz4Frame(content, { linked: true })]],
  'LZ4 behind what is to be skipped': ['lz4', (content) => [skippableFrame(garbage), lz4Frame(content)]],
  'a zstd frame': ['zstd', (content) => [zstdCompressSync(content)]],
  'several zstd frames': ['zstd', (content) => parts(content).map((part) => zstdCompressSync(part))],
  'zstd frames among what is to be skipped': [
    'zstd',
    (content) => [
      skippableFrame(garbage),
      ...parts(content).flatMap((part) => [zstdCompressSync(part), skippableFrame(Buffer.alloc(0))]),
    ],
  ],
}

describe.each(Object.entries(forms))('%s', (_, [codec, compress]) => {
  test.each([
    ['at once', small],
    ['in pieces', large],
    ['empty', Buffer.alloc(0)],
  ])('is decompressed: %s', async (__, content) => {
    const pieces = await piecesOf(Buffer.concat(compress(content)), codec)
    expect(Buffer.concat(pieces).equals(content)).toBe(true)
    if (codec !== 'none') for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(4 * MiB)
  })

  test('is refused where it is cut off', async () => {
    if (codec === 'none') return
    const whole = Buffer.concat(compress(small))
    await expect(piecesOf(whole.subarray(0, whole.length / 2), codec)).rejects.toThrow()
  })
})

test.each([
  ['gzip', gzip],
  ['zstd', zstdCompressSync],
  ['lz4', (content: Buffer) => lz4Frame(content)],
] as const)('what follows the last frame of %s is met only behind all records', async (codec, compress) => {
  const content = decompress(Buffer.concat([compress(small), garbage]), codecNumbers[codec])!
  const pieces: Buffer[] = []
  const reading = (async () => {
    for await (const piece of content) pieces.push(piece)
  })()
  await expect(reading).rejects.toThrow()
  expect(Buffer.concat(pieces).equals(small)).toBe(true)
})

test('a snappy block that says a length which it does not have is refused before memory is taken for it', async () => {
  const lying = Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), snappy(small).subarray(3)])
  await expect(piecesOf(lying, 'snappy')).rejects.toThrow()
})

test('a compression that Kafka does not have is none', () => {
  expect(decompress(small, 7)).toBeNull()
})

async function piecesOf(stored: Buffer, codec: keyof typeof codecNumbers): Promise<Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of decompress(stored, codecNumbers[codec])!) pieces.push(piece)
  return pieces
}

/** Repeats itself near and far, with stretches that do not. */
function contentOf(bytes: number): Buffer {
  const content = Buffer.alloc(bytes)
  let hash = 1
  for (let index = 0; index < bytes; index += 1) {
    hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995) + index
    const isNoise = (index >>> 12) % 3 === 0
    content[index] = isNoise ? hash >>> 24 : index >= 50_000 ? content[index - 50_000]! : 97 + (index % 26)
  }
  return content
}
