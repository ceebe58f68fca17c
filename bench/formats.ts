// The same transactions as JSON and as Avro by a registry, through all tables of the embedded engine.
// Run: npm run bench:formats -- [records] [rounds]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avsc from 'avsc'
import type { RecordChunk, RecordSource } from '../src/batches/source.ts'
import { embeddedEngine } from '../src/engines/embedded/run.ts'
import { createGenerator, generatorDefaults } from '../src/produce/generator.ts'
import { SchemaRegistry } from '../src/registry/registry.ts'
import { testOptions } from '../test/unit/engine/pipeline.ts'
import { RegistryServer } from '../test/unit/engine/registry-server.ts'

const schema = {
  type: 'record',
  name: 'Transaction',
  fields: [
    ['transaction_id', 'string'],
    ['user_id', 'int'],
    ['amount', { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 }],
    ['merchant', ['null', 'string']],
    ['payment_method', 'string'],
    ['location', 'string'],
    ['device_id', 'string'],
    ['timestamp', { type: 'long', logicalType: 'timestamp-micros' }],
    ['is_fraud', 'boolean'],
  ].map(([name, type]) => ({ name, type })),
}
const partitions = 6
const recordsPerBatch = 100_000

type Values = readonly Uint8Array[]

function generate(count: number): {
  readonly json: Values
  readonly avro: Values
  readonly times: BigInt64Array
} {
  const generator = createGenerator({ ...generatorDefaults, seed: 7, startMs: 0, malformedShare: 0 })
  const type = avsc.Type.forSchema(schema as avsc.Schema)
  const [json, avro]: [Uint8Array[], Uint8Array[]] = [[], []]
  const times = new BigInt64Array(count)
  const head = Buffer.from([0, 0, 0, 0, 1])
  for (let index = 0; index < count; index++) {
    const record = generator.next(Date.UTC(2026, 9, 1) + index)
    const of = JSON.parse(Buffer.from(record.value).toString())
    const amount = Buffer.alloc(4)
    amount.writeInt32BE(Math.round(of.amount * 100))
    const millis = Date.parse(of.timestamp)
    const micros = millis * 1000 + Number(of.timestamp.slice(23, 26))
    json.push(record.value)
    avro.push(Buffer.concat([head, type.toBuffer({ ...of, amount, timestamp: micros })]))
    times[index] = BigInt(record.timestampMs)
  }
  return { json, avro, times }
}

function sourceOf(values: Values, times: BigInt64Array): RecordSource {
  const perPartition = Math.floor(values.length / partitions)
  const start = (partition: number): number => partition * perPartition
  return {
    kind: 'kafka',
    async cut(next) {
      const each = recordsPerBatch / partitions
      const ranges = Array.from({ length: partitions }, (_, partition) => {
        const at = [...next.values()].find((one) => one.partition === partition)?.offset ?? 0n
        const end = Math.min(perPartition, Number(at) + Math.floor(each))
        return { topic: 't', partition, start: at, end: BigInt(end) }
      }).filter((range) => range.start < range.end)
      return { ranges, more: false, waiting: [] }
    },
    async read(ranges, onChunk) {
      for (const { partition, start: from, end } of ranges) {
        const [first, last] = [start(partition) + Number(from), start(partition) + Number(end)]
        const count = last - first
        const chunk: RecordChunk = {
          ...{ topic: 't', partition, count },
          offsets: BigInt64Array.from({ length: count }, (_, index) => from + BigInt(index)),
          timestampsMs: times.slice(first, last),
          keys: new Array(count).fill(null),
          values: values.slice(first, last),
          headers: new Array(count).fill(null),
        }
        await onChunk(chunk)
      }
    },
    waitForData: async () => undefined,
    lag: async () => 0n,
    reportProgress: async () => undefined,
    close: async () => undefined,
  }
}

async function run(values: Values, times: BigInt64Array, registry: SchemaRegistry): Promise<number> {
  const deltaBasePath = await mkdtemp(join(tmpdir(), 'assay-bench-formats-'))
  const before = process.cpuUsage()
  try {
    await embeddedEngine.run({
      ...testOptions,
      ...{ deltaBasePath, registry, source: sourceOf(values, times), recordsPerBatchMax: recordsPerBatch },
      duckdb: { memoryLimitBytes: null, threads: null },
    })
  } finally {
    await rm(deltaBasePath, { recursive: true, force: true })
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / values.length
}

async function main(count: number, rounds: number): Promise<void> {
  const server = new RegistryServer()
  const url = await server.listen()
  server.schemas.set('1', { schema: JSON.stringify(schema) })
  const registry = new SchemaRegistry({ connection: { urls: [url], login: { kind: 'none' }, tls: {} } })
  const { json, avro, times } = generate(count)
  const micros: Record<'json' | 'avro', number[]> = { json: [], avro: [] }
  for (let round = 0; round < rounds; round++) {
    micros.json.push(await run(json, times, registry))
    micros.avro.push(await run(avro, times, registry))
    console.log(
      `round ${round + 1}: JSON ${micros.json.at(-1)!.toFixed(2)}, Avro ${micros.avro.at(-1)!.toFixed(2)} us of processor a record`,
    )
  }
  const [least, leastOfAvro] = [Math.min(...micros.json), Math.min(...micros.avro)]
  console.log(
    `${count} records, the least of ${rounds}: Avro takes ${(leastOfAvro / least).toFixed(2)} times as long as JSON`,
  )
  registry.close()
  await server.close()
}

if (import.meta.main) {
  const [count, rounds] = process.argv.slice(2)
  await main(Number(count ?? 1_000_000), Number(rounds ?? 3))
}
