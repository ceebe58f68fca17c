// What a run would make of the records that the input holds: the real engine carries a sample of them into
// tables that are thrown away.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OffsetRange } from '../batches/offsets.ts'
import type { RecordChunk, RecordSource } from '../batches/source.ts'
import type { Config } from '../config/config.ts'
import { embeddedEngine } from '../engines/embedded/run.ts'
import { listener } from '../engines/events.ts'
import type { KafkaPositions } from '../kafka/source.ts'
import { inputStream } from '../plan/index.ts'
import { decodedValues } from './decoded-values.ts'
import { pipelineOptions } from './pipeline-options.ts'
import { noTotals, type RunTotals, withBatch } from './run-totals.ts'
import { schemaRegistryOf } from './schema-registry.ts'

export const sampleRecordsMax = 1_000

/** What a run would make of the sample, and the values of its records. */
export type JudgedSample = { readonly totals: RunTotals; readonly values: readonly (Uint8Array | null)[] }

/** Judges the newest records of each partition of Kafka. */
export async function judgeNewest(
  config: Config,
  source: RecordSource & KafkaPositions,
  signal: AbortSignal,
): Promise<JudgedSample> {
  return await judge(config, source, await newestRanges(source, signal), signal)
}

/** The newest records of each partition, as many of each. */
export async function newestRanges(source: KafkaPositions, signal: AbortSignal): Promise<OffsetRange[]> {
  const partitions = await source.positions(new Map(), signal)
  const each = BigInt(Math.max(1, Math.floor(sampleRecordsMax / Math.max(1, partitions.length))))
  const newest = partitions.map((range) => ({ ...range, start: later(range.start, range.end - each) }))
  return newest.filter(({ start, end }) => end > start)
}

/** Judges the first records of files. */
export async function judgeFirst(
  config: Config,
  source: RecordSource,
  signal: AbortSignal,
): Promise<JudgedSample> {
  const { ranges } = await source.cut(new Map(), sampleRecordsMax, signal)
  return await judge(config, source, ranges, signal)
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

async function judge(
  config: Config,
  source: RecordSource,
  ranges: readonly OffsetRange[],
  signal: AbortSignal,
): Promise<JudgedSample> {
  if (ranges.length === 0) return { totals: noTotals, values: [] }
  const chunks: RecordChunk[] = []
  const registry = schemaRegistryOf(config, { giveUpAfterMs: 0 })
  const deltaBasePath = await mkdtemp(join(tmpdir(), 'assay-check-'))
  let totals = noTotals
  try {
    await embeddedEngine.run({
      ...pipelineOptions({ ...config, engine: 'embedded', deltaBasePath }),
      streams: [inputStream(config.lakehouse)],
      source: onlyRanges(source, ranges, chunks),
      registry,
      once: true,
      finalize: false,
      signal,
      tell: listener({
        batch({ report }) {
          totals = withBatch(totals, report)
        },
      }),
    })
  } finally {
    await rm(deltaBasePath, { recursive: true, force: true })
  }
  const values = await decodedValues(chunks, registry, signal).finally(() => registry?.close())
  return { totals, values }
}

/** An input that holds those ranges and nothing else, and tells nobody how far it was read. */
function onlyRanges(
  source: RecordSource,
  ranges: readonly OffsetRange[],
  chunks: RecordChunk[],
): RecordSource {
  let left = ranges
  return {
    kind: source.kind,
    async cut() {
      const cut = { ranges: left, more: false, waiting: [] }
      left = []
      return cut
    },
    read: (taken, onChunk, signal) =>
      source.read(
        taken,
        (chunk) => {
          chunks.push(chunk)
          return onChunk(chunk)
        },
        signal,
      ),
    waitForData: async () => undefined,
    lag: async () => 0n,
    reportProgress: async () => undefined,
    close: async () => undefined,
  }
}
