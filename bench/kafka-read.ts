// How fast a topic is read: 1,000,000 transactions of 272 bytes, lz4, 4 partitions, from a broker on this
// machine. `npx node bench/kafka-read.ts` compares Assay's reader with the stream of the library that it is
// built on.
import { Consumer } from '@platformatic/kafka'
import { openKafkaProducer } from '../src/kafka/producer.ts'
import { openKafkaSource } from '../src/kafka/source.ts'
import { startBroker } from '../test/services/broker.ts'

const topic = 'bench'
const recordCount = 1_000_000
const valueBytes = 272
const batchRecords = 20_000
const runs = 3

const broker = await startBroker()
const { bootstrapServers } = broker
const signal = new AbortController().signal
try {
  await broker.createTopic(topic, 4)
  await fill()
  for (let run = 0; run < runs; run += 1) await measure('source', readWithSource)
  await measure('stream of the library', readWithStream)
} finally {
  await broker.stop()
}

async function measure(name: string, read: () => Promise<number>): Promise<void> {
  const begun = performance.now()
  const records = await read()
  const ms = Math.round(performance.now() - begun)
  console.log(`${name}: ${records} records in ${ms} ms, ${Math.round((records / ms) * 1000)} a second`)
}

async function readWithSource(): Promise<number> {
  const source = await openKafkaSource({
    bootstrapServers,
    topic,
    groupId: 'bench',
    startingOffsets: { kind: 'earliest' },
    onDataLoss: 'fail',
  })
  const { ranges } = await source.cut(new Map(), recordCount, signal)
  let records = 0
  await source.read(
    ranges,
    (chunk) => {
      records += chunk.count
    },
    signal,
  )
  await source.close()
  return records
}

async function readWithStream(): Promise<number> {
  const consumer = new Consumer({
    clientId: 'bench',
    groupId: 'bench-stream',
    bootstrapBrokers: [...bootstrapServers],
  })
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'earliest',
    autocommit: false,
    maxBytes: 8 * 1024 * 1024,
    highWaterMark: 8192,
  })
  let records = 0
  for await (const _ of stream) {
    records += 1
    if (records === recordCount) break
  }
  await consumer.close(true)
  return records
}

async function fill(): Promise<void> {
  const producer = await openKafkaProducer({ bootstrapServers, topic, compression: 'lz4' })
  let ms = 0
  for (let first = 0; first < recordCount; first += batchRecords) {
    const records = Array.from({ length: batchRecords }, (_, index) => recordOf(first + index))
    const begun = performance.now()
    await producer.send(records)
    ms += performance.now() - begun
  }
  await producer.close()
  console.log(`producer: ${recordCount} records sent in ${Math.round(ms)} ms`)
}

/** Text that lz4 halves, as it does with transactions: half of it is a hash of the index. */
function recordOf(index: number): { key: Buffer; value: Buffer } {
  let hash = index + 1
  let noise = ''
  while (noise.length < valueBytes / 2) {
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    noise += (hash >>> 0).toString(36)
  }
  const json = `{"transaction_id":"${index}","user_id":${index % 100_000},"device_id":"${noise}","note":"`
  return {
    key: Buffer.from(`${index % 100_000}`),
    value: Buffer.from(`${json.padEnd(valueBytes - 2, 'x')}"}`),
  }
}
