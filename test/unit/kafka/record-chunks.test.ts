import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readBatchHeaders } from '../../../src/kafka/record-batches.ts'
import { CHUNK_BYTES_MAX, decodeBatches, KAFKA_RECORD_BYTES_MAX } from '../../../src/kafka/record-chunks.ts'
import { RecordReader } from '../../../src/kafka/record-reader.ts'
import { batchBytes, batchContent, varint } from '../../generate/record-batch.ts'

const origin = { topic: 'topic', partition: 3 }
const everything = { start: 0n, end: 1_000_000_000n }

test('a batch that holds more than memory should is read in bounded chunks, from any record on', async () => {
  const records = Array.from({ length: 60 }, (_, index) => ({ value: Buffer.alloc(1_000_000, index) }))
  const batch = batchBytes(records, 'zstd', zstdCompressSync(batchContent(records)))
  const chunks = await chunksOf(batch, { start: 7n, end: 55n })
  expect(chunks.flatMap(({ records: { offsets } }) => [...offsets])).toEqual(
    Array.from({ length: 48 }, (_, index) => BigInt(index + 7)),
  )
  for (const { records: chunk, behind } of chunks) {
    const bytes = chunk.values.reduce((sum, value) => sum + value!.length, 0)
    expect(bytes).toBeLessThanOrEqual(CHUNK_BYTES_MAX)
    expect(behind).toBe(chunk.offsets.at(-1)! + 1n)
    for (const [index, value] of chunk.values.entries())
      expect(Buffer.alloc(1_000_000, Number(chunk.offsets[index])).equals(value!)).toBe(true)
  }
})

test('many small records are read in bounded chunks', async () => {
  const records = Array.from({ length: 120_001 }, () => ({ value: null }))
  const batch = batchBytes(records, 'none', batchContent(records))
  const counts = (await chunksOf(batch, everything)).map(({ records: { count } }) => count)
  expect(counts).toEqual([50_000, 50_000, 20_001])
})

test('a record that is larger than what is held is refused with its topic, partition and offset', async () => {
  const large = Buffer.alloc(KAFKA_RECORD_BYTES_MAX + 1)
  const records = [{ value: null }, { value: null }, { value: large }]
  const batch = batchBytes(records, 'zstd', zstdCompressSync(batchContent(records)), 40n)
  await expect(chunksOf(batch, everything)).rejects.toMatchObject({
    code: 'KAFKA_RECORD_TOO_LARGE',
    message: expect.stringContaining('topic, partition 3: the record at offset 42 has'),
    details: { ...origin, offset: 42n },
  })
})

test('a batch that says more records than it holds is corrupt', async () => {
  const records = Array.from({ length: 3 }, () => ({ value: Buffer.from('x') }))
  const batch = batchBytes(records, 'none', batchContent(records.slice(1)))
  await expect(chunksOf(batch, everything)).rejects.toMatchObject({ code: 'KAFKA_RECORDS_CORRUPT' })
})

test('any 64 bits are a timestamp', async () => {
  const timestamp = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  await fc.assert(
    fc.asyncProperty(fc.array(timestamp, { minLength: 1, maxLength: 5 }), async (timestamps) => {
      const records = timestamps.map((timestampMs) => ({ timestampMs, value: null }))
      const [chunk] = await chunksOf(batchBytes(records, 'none', batchContent(records)), everything)
      expect([...chunk!.records.timestampsMs!]).toEqual(timestamps)
    }),
  )
})

test('records come out whole, wherever the pieces of their bytes end', async () => {
  const lengths = fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 20 })
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.property(lengths, cuts, (given, sizes) => {
      const records = given.map((length, index) => Buffer.alloc(length, index))
      const bytes = Buffer.concat(records.flatMap((one) => [varint(BigInt(one.length)), one]))
      const reader = new RecordReader()
      const read: Buffer[] = []
      for (let position = 0, turn = 0; position < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length]!
        reader.feed(bytes.subarray(position, position + size))
        position += size
        for (let length = reader.recordLength(1_000); length !== null; length = reader.recordLength(1_000)) {
          const record = reader.bytes(length)
          read.push(record)
        }
      }
      expect(read).toEqual(records)
    }),
  )
})

async function chunksOf(batch: Buffer, range: { readonly start: bigint; readonly end: bigint }) {
  const chunks = []
  const headers = readBatchHeaders(batch, origin)
  for await (const chunk of decodeBatches(batch, headers, range, origin)) chunks.push(chunk)
  return chunks
}
