// Does a batch on Spark cost more on top of an old lakehouse? Fills lakehouses of one and five million rows
// with the embedded engine, at the same density in time, then carries batches of 5,000 records on Spark
// through all tables of both, on one server. Run: npx node bench/spark/steady.ts [batches] [rows] [rows ..]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipelineOptions } from '../../src/cli/pipeline-options.ts'
import { sparkOptions } from '../../src/cli/spark-options.ts'
import { loadConfig } from '../../src/config/config.ts'
import { embeddedEngine } from '../../src/engines/embedded/run.ts'
import { listener } from '../../src/engines/events.ts'
import { installSpark } from '../../src/engines/spark/install.ts'
import { sparkEngine } from '../../src/engines/spark/run.ts'
import { SparkServer } from '../../src/engines/spark/server.ts'
import { openKafkaSource } from '../../src/kafka/source.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { packagesDirectory } from '../../src/packages/packages.ts'
import { produce } from '../../src/produce/produce.ts'
import { startBroker } from '../../test/services/broker.ts'

const batchCount = Number(process.argv[2] ?? 30)
const sizes = process.argv.slice(3).map(Number)
if (sizes.length === 0) sizes.push(1_000_000, 5_000_000)
const recordsPerBatch = 5_000
const [hourMs, rowsPerHour] = [3_600_000, 50_000]
const endMs = Date.UTC(2026, 9, 20)
const { signal } = new AbortController()
const installation = await installSpark({ directory: packagesDirectory(null), sparkHome: null, signal })
const broker = await startBroker()
const directory = await mkdtemp(join(tmpdir(), 'assay-bench-'))
const settings = { 'spark.driver.memory': '3g' }
const server = await SparkServer.start({ installation, master: 'local[2]', settings, signal })
const address = `sc://127.0.0.1:${server.address.port}/;token=${server.address.token}`

/** Produces to the topic of a lakehouse and carries it through all tables; the milliseconds of each batch. */
async function carry(
  engine: 'embedded' | 'spark',
  size: number,
  count: number,
  fromMs: number,
): Promise<number[]> {
  const topic = `rows-${size}`
  const base = join(directory, topic)
  const environment = {
    KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers.join(','),
    KAFKA_TOPIC: topic,
    DELTA_BASE_PATH: base,
    SPARK_MASTER: address,
    SPARK_SHUFFLE_PARTITIONS: '2',
    MAX_RECORDS_PER_BATCH: String(engine === 'spark' ? recordsPerBatch : 200_000),
  }
  const config = loadConfig(standardLakehouse, environment, join(directory, '.env'))
  const connection = { bootstrapServers: config.kafka.bootstrapServers }
  await produce({
    generator: { seed: fromMs % 1000 },
    count,
    ratePerSecond: null,
    to: { kind: 'kafka', connection, topic, partitions: 4, compression: 'lz4' },
    period: { fromMs, toMs: fromMs + (count / rowsPerHour) * hourMs },
    signal,
  })
  const { groupId, startingOffsets, onDataLoss } = config.kafka
  const source = await openKafkaSource({ ...connection, topic, groupId, startingOffsets, onDataLoss })
  const batchMs: number[] = []
  const chosen = engine === 'spark' ? sparkEngine(sparkOptions(config, source)) : embeddedEngine
  await chosen.run({
    ...pipelineOptions(config),
    streams: standardLakehouse.streams,
    source,
    once: true,
    finalize: false,
    signal,
    tell: listener({
      batch: ({ report }) => void batchMs.push(report.batchMs),
      notice: ({ message }) => console.log(message),
    }),
  })
  await source.close()
  return batchMs
}

try {
  for (const size of sizes) {
    await broker.createTopic(`rows-${size}`, 4, { 'retention.ms': '-1' })
    await carry('embedded', size, size, endMs - (size / rowsPerHour) * hourMs)
  }
  // The first round warms the server up, and is not told.
  for (const round of ['warm-up', 'measured']) {
    for (const [index, size] of sizes.entries()) {
      const laterMs = round === 'warm-up' ? 0 : ((batchCount * recordsPerBatch) / rowsPerHour) * hourMs
      const times = (await carry('spark', size, batchCount * recordsPerBatch, endMs + laterMs + index)).sort(
        (a, b) => a - b,
      )
      if (round === 'warm-up') continue
      const at = (share: number) => Math.round(times[Math.floor((times.length - 1) * share)]!)
      console.log(`${size} rows of silver: ${times.length} batches, median ${at(0.5)} ms, p90 ${at(0.9)} ms`)
    }
  }
} finally {
  await server.stop()
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
}
