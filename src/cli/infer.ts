// assay infer: the fields of a config, from a sample of the records that are there.
import { Command } from 'commander'
import type { RecordChunk, RecordSource } from '../batches/source.ts'
import type { Config } from '../config/config.ts'
import { inHome } from '../config/values.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Project } from '../project/project.ts'
import { type InferredFields, inferFields } from '../transactions/infer-fields.ts'
import { sampleOf, writtenPath } from '../transactions/sample.ts'
import { decodedValues } from './decoded-values.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'
import { printable } from './printable.ts'
import { newestRanges, sampleRecordsMax } from './sample.ts'
import { schemaRegistryOf } from './schema-registry.ts'
import { openSession } from './session.ts'

type InferFlags = { readonly topic?: string; readonly from?: string }

const sampleMaxMs = 20_000
/** Brokers that have not answered by then are said to be away. */
const answerMaxMs = 5_000

export function inferCommand(project: Project): Command {
  return new Command('infer')
    .option('--topic <topic>', 'the topic whose newest records are read (default: KAFKA_TOPIC)')
    .option('--from <file|directory>', 'NDJSON files in place of Kafka', inHome)
    .action(async (flags: InferFlags) => {
      const { config } = openSession(project)
      const values = await sampleValues(config, flags)
      const sample = sampleOf(values)
      if (sample.records === 0) {
        const message = `of ${values.length} values none is a JSON object: nothing can be said of their fields.`
        throw new LakehouseError('CONFIG_INVALID', message)
      }
      const inferred = inferFields(sample)
      process.stdout.write(configText(inferred))
      process.stderr.write(printable(notesText(inferred, sample.records)))
    })
}

async function sampleValues(config: Config, { topic, from }: InferFlags): Promise<(Uint8Array | null)[]> {
  const signal = AbortSignal.timeout(sampleMaxMs)
  const chunks: RecordChunk[] = []
  const registry = schemaRegistryOf(config, { giveUpAfterMs: 0 })
  const decoded = () => decodedValues(chunks, registry, signal).finally(() => registry?.close())
  const read = async (source: RecordSource, ranges: Parameters<RecordSource['read']>[0]): Promise<void> => {
    await source.read(ranges, (chunk) => void chunks.push(chunk), signal)
  }
  if (from !== undefined) {
    const { openFileSource } = await import('../files/source.ts')
    const source = await openFileSource(from, { takeUnterminatedTail: true })
    try {
      await read(source, (await source.cut(new Map(), sampleRecordsMax, signal)).ranges)
    } finally {
      await source.close()
    }
    return await decoded()
  }
  const { openKafkaSource } = await import('../kafka/source.ts')
  const { kafka } = config
  const source = await openKafkaSource({
    ...kafkaConnectionOf(kafka),
    topic: topic ?? kafka.topic,
    groupId: kafka.groupId,
    startingOffsets: { kind: 'earliest' },
    onDataLoss: 'continue',
    giveUpAfterMs: answerMaxMs,
  })
  try {
    await read(source, await newestRanges(source, signal))
  } finally {
    await source.close()
  }
  return await decoded()
}

/** As it stands in a config. */
function configText({ fields, missing, others }: InferredFields): string {
  const lacking = missing.map(
    (field) => `  // ${field}: nothing was found for it, and every record must have one`,
  )
  const lines = Object.entries(fields).map(([field, value]) => `  ${field}: ${written(value)},`)
  const readers = others.map(({ as }) => (as === 'boolean' ? 'bool' : as))
  const extra = others.map(({ name, path }, index) => {
    return `  // ${name}: ${readers[index]}(${written(writtenPath(path))}),`
  })
  const imported = [...new Set(readers)].sort().join(', ')
  const heading = `// Columns that you may add, by import { ${imported} } from 'assay-lakehouse':`
  const further = extra.length === 0 ? [] : [heading, 'extra: {', ...extra, '},']
  return `${['fields: {', ...lacking, ...lines, '},', ...further].join('\n')}\n`
}

/** A value as TypeScript: what JSON writes, with single quotes, and names without any. */
function written(value: unknown): string {
  if (typeof value === 'string') {
    const text = JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
    // These end a line of a comment too.
    return `'${text.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}'`
  }
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).map(([name, one]) => `${name}: ${written(one)}`)
  return `{ ${entries.join(', ')} }`
}

function notesText({ notes, missing }: InferredFields, records: number): string {
  const lines = [
    `from ${counted(records, 'record')}; read it before you use it`,
    ...notes,
    ...missing.map((field) => `${field}: nothing was found for it`),
  ]
  return `${lines.map((line) => `# ${line}`).join('\n')}\n`
}
