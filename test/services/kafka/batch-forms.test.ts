import { gzipSync, constants as zlibConstants, zstdCompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { RecordChunk } from '../../../src/batches/source.ts'
import {
  type BatchRecord,
  batchBytes,
  batchContent,
  type codecNumbers,
  lz4Frame,
  skippableFrame,
  withLongHeader,
  xerialStream,
} from '../../generate/record-batch.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { type JavaConsumer, openJavaConsumer } from './java-consumer.ts'
import { produceBatch } from './raw-producer.ts'
import { NO_SIGNAL, openSource, readAll, text } from './records.ts'

type Codec = keyof typeof codecNumbers

const split = (content: Buffer) => [
  content.subarray(0, 100),
  content.subarray(100, 101),
  content.subarray(101, 30_000),
  content.subarray(30_000),
]
const snappy = (content: Buffer) => compressionsAlgorithms.snappy.compressSync(content)
const garbage = Buffer.from('neither a member nor a frame')
const zstdParameters = (params: Record<number, number>) => ({ params })

/** What a batch may hold for the same records; `refused` is what no broker takes. */
const forms: Readonly<
  Record<string, readonly [Codec, (content: Buffer) => readonly Uint8Array[], 'taken' | 'refused']>
> = {
  'no compression': ['none', (content) => [content], 'taken'],
  gzip: ['gzip', (content) => [gzipSync(content)], 'taken'],
  'gzip members': ['gzip', (content) => split(content).map((part) => gzipSync(part)), 'taken'],
  'gzip with a name': ['gzip', (content) => [withLongHeader(gzipSync(content))], 'taken'],
  'gzip and garbage': ['gzip', (content) => [gzipSync(content), garbage], 'taken'],
  'gzip and zeros': ['gzip', (content) => [gzipSync(content), Buffer.alloc(50)], 'taken'],
  'raw snappy': ['snappy', (content) => [snappy(content)], 'taken'],
  'snappy stream': ['snappy', (content) => [xerialStream(content)], 'taken'],
  'snappy streams': ['snappy', (content) => split(content).map((part) => xerialStream(part)), 'taken'],
  lz4: ['lz4', (content) => [lz4Frame(content)], 'taken'],
  'lz4 with checksums': [
    'lz4',
    (content) => [lz4Frame(content, { contentSize: true, blockChecksums: true, contentChecksum: true })],
    'taken',
  ],
  'lz4 large blocks': ['lz4', (content) => [lz4Frame(content, { blockSize: 7 })], 'taken'],
  'lz4 and garbage': ['lz4', (content) => [lz4Frame(content), garbage], 'taken'],
  'lz4 linked': ['lz4', (content) => [lz4Frame(content, { linked: true })], 'refused'],
  'lz4 frames': ['lz4', (content) => split(content).map((part) => lz4Frame(part)), 'refused'],
  zstd: ['zstd', (content) => [zstdCompressSync(content)], 'taken'],
  'zstd frames': ['zstd', (content) => split(content).map((part) => zstdCompressSync(part)), 'taken'],
  'zstd with a checksum': [
    'zstd',
    (content) => [zstdCompressSync(content, zstdParameters({ [zlibConstants.ZSTD_c_checksumFlag]: 1 }))],
    'taken',
  ],
  'zstd with a large window': [
    'zstd',
    (content) => [zstdCompressSync(content, zstdParameters({ [zlibConstants.ZSTD_c_windowLog]: 27 }))],
    'taken',
  ],
  'zstd and skippable frames': [
    'zstd',
    (content) => [
      skippableFrame(garbage),
      ...split(content).map((part) => zstdCompressSync(part)),
      skippableFrame(garbage),
    ],
    'taken',
  ],
  'zstd and garbage': ['zstd', (content) => [zstdCompressSync(content), garbage], 'refused'],
}

let broker: SharedBroker
let consumer: JavaConsumer

describe.skipIf(javaAvailable !== null)('batches that no producer of ours writes', () => {
  beforeAll(async () => {
    broker = await sharedBroker()
    consumer = await openJavaConsumer(broker.bootstrapServers)
  })
  afterAll(async () => {
    await consumer?.close()
    await broker?.leave()
  })

  const records = Array.from({ length: 700 }, (_, index) => oddRecord(index))

  test.each(Object.entries(forms))('%s: what the broker takes is read as by Java', async (name, form) => {
    const [codec, compress, verdict] = form
    const topic = `form-${name.replaceAll(' ', '-')}`
    await broker.createTopic(topic, 1, anyTime)
    const batch = batchBytes(records, codec, Buffer.concat(compress(batchContent(records))))
    const errorCode = await produceBatch(broker.bootstrapServers[0]!, { topic, partition: 0 }, batch)
    expect(errorCode === 0 ? 'taken' : 'refused').toBe(verdict)
    if (errorCode !== 0) return
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
    onTestFinished(() => source.close())
    const byJava = (await consumer.read(topic)).map(({ key, value, headers, ...rest }) => ({
      partition: rest.partition,
      offset: rest.offset,
      timestampMs: rest.timestampMs,
      key: text(key),
      value: text(value),
      headers: headers?.map((header) => [header.key, text(header.value)]) ?? null,
    }))
    const read = await readAll(source)
    expect(read).toHaveLength(records.length)
    expect(read).toEqual(byJava)
  })

  test('a few kilobytes that become gigabytes are handed over in bounded chunks', async () => {
    const topic = 'bomb'
    await broker.createTopic(topic, 1, anyTime)
    // 300 records of 1 MB.
    const large = Array.from({ length: 300 }, () => ({ value: Buffer.alloc(1_000_000, 'x') }))
    const batch = batchBytes(large, 'zstd', zstdCompressSync(batchContent(large)))
    expect(batch.length).toBeLessThan(100_000)
    expect(await produceBatch(broker.bootstrapServers[0]!, { topic, partition: 0 }, batch)).toBe(0)
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
    onTestFinished(() => source.close())
    const chunks: { readonly first: bigint; readonly count: number; readonly bytes: number }[] = []
    const onChunk = ({ offsets, count, values }: RecordChunk) => {
      const bytes = values.reduce((sum, value) => sum + value!.length, 0)
      chunks.push({ first: offsets[0]!, count, bytes })
    }
    await source.read([{ topic, partition: 0, start: 3n, end: 290n }], onChunk, NO_SIGNAL)
    expect(chunks.reduce((sum, { count }) => sum + count, 0)).toBe(287)
    expect(chunks.length).toBeGreaterThan(10)
    for (const { bytes } of chunks) expect(bytes).toBeLessThanOrEqual(16 * 1024 * 1024)
    let next = 3n
    for (const { first, count } of chunks) {
      expect(first).toBe(next)
      next += BigInt(count)
    }
  })

  test('keys of headers that are not UTF-8 keep their bytes', async () => {
    const topic = 'header-keys'
    await broker.createTopic(topic, 1, anyTime)
    const keys = ['plain', '\u00fcber', '\\x is text', 'a\\x'].map((key) => Buffer.from(key))
    const odd = [...keys, Buffer.from([0xff, 0x61]), Buffer.from([0xc3]), Buffer.from([0xed, 0xa0, 0x80])]
    const sent = [{ value: Buffer.from('1'), headers: odd.map((key) => ({ key, value: key })) }]
    const batch = batchBytes(sent, 'none', batchContent(sent))
    expect(await produceBatch(broker.bootstrapServers[0]!, { topic, partition: 0 }, batch)).toBe(0)
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
    onTestFinished(() => source.close())
    const [record] = await readAll(source)
    const read = record!.headers!.map(([key]) => key)
    const hex = (bytes: Buffer) => `\\x${bytes.toString('hex')}`
    expect(read).toEqual(['plain', '\u00fcber', hex(odd[2]!), 'a\\x', '\\xff61', '\\xc3', '\\xeda080'])
    const back = read.map((key) =>
      key.startsWith('\\x') ? Buffer.from(key.slice(2), 'hex') : Buffer.from(key),
    )
    expect(back).toEqual(odd)
  })
})

/** The broker refuses records of a wrong clock unless it is told not to. */
const anyTime = {
  'message.timestamp.before.max.ms': '9223372036854775807',
  'message.timestamp.after.max.ms': '9223372036854775807',
}

/** Without a timestamp, backward, in nanoseconds, and with every shape of a value. */
function oddRecord(index: number): BatchRecord {
  const base = 1_790_848_800_000n
  const timestamps = [base + BigInt(index), -1n, base - BigInt(index), base * 1_000_000n + 7n, 0n, -5n]
  const value = Buffer.from(`{"transaction_id":"${index}","note":"${'\u00e9x'.repeat(index % 80)}"}`)
  return {
    timestampMs: timestamps[index === 0 ? 0 : index % timestamps.length]!,
    key: index % 7 === 0 ? null : Buffer.from(index % 11 === 0 ? '' : `key ${index}`),
    value: index % 13 === 0 ? null : value,
    headers: index % 5 === 0 ? [{ key: Buffer.from('trace'), value: Buffer.from([0, 255]) }] : [],
  }
}
