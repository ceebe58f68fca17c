// Runs the real engine over files for a test, with a clock of its own.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OnNotice, SourceNotice } from '../../../src/batches/notice.ts'
import type { RecordSource } from '../../../src/batches/source.ts'
import type { BatchReport } from '../../../src/engines/batch-report.ts'
import { embeddedEngine } from '../../../src/engines/embedded/run.ts'
import type { PipelineOptions } from '../../../src/engines/engine.ts'
import { listener, type OnEvent, tellNobody } from '../../../src/engines/events.ts'
import { openFileSource } from '../../../src/files/source.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import type { RawRecord } from '../../oracle/rows.ts'

const minute = 60_000_000n
/** All batches of all tests are after the data: 2026-11-02. */
const firstBatchMicros = BigInt(Date.UTC(2026, 10, 2)) * 1000n

export type Lakehouse = { readonly base: string; readonly input: string; remove(): Promise<void> }

export async function newLakehouse(): Promise<Lakehouse> {
  const directory = await mkdtemp(join(tmpdir(), 'assay-engine-'))
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true })
  return { base: join(directory, 'tables'), input: join(directory, 'input.ndjson'), remove }
}

export async function writeInput(lakehouse: Lakehouse, values: readonly Buffer[]): Promise<void> {
  await writeFile(lakehouse.input, Buffer.concat(values.flatMap((value) => [value, Buffer.from('\n')])))
}

let clockMicros = firstBatchMicros

export async function runOnce(
  lakehouse: Lakehouse,
  options: Partial<PipelineOptions> & Heard & { readonly recordsPerBatchMax: number },
  input: RecordSource | null = null,
): Promise<BatchReport[]> {
  const reports: BatchReport[] = []
  const streams = options.streams ?? standardLakehouse.streams
  const reads = streams.includes('kafka-to-delta')
  const open = () => openFileSource(lakehouse.input, { takeUnterminatedTail: false })
  const source = reads ? (input ?? (await open())) : null
  try {
    await embeddedEngine.run({
      ...testOptions,
      ...options,
      deltaBasePath: lakehouse.base,
      streams,
      source,
      tell: heard({
        ...options,
        onBatch: (report) => {
          reports.push(report)
          options.onBatch?.(report)
        },
      }),
    })
  } finally {
    await source?.close()
  }
  return reports
}

export type Heard = {
  readonly onBatch?: (report: BatchReport) => void
  readonly onNotice?: OnNotice
  readonly onWait?: () => void
  readonly onEvent?: OnEvent
}

/** A fault is a notice as well. */
function heard({ onBatch, onNotice, onWait, onEvent }: Heard): OnEvent {
  const hear = ({ code, message, details }: SourceNotice) => onNotice?.({ code, message, details })
  const byKind = listener({
    batch: ({ report }) => onBatch?.(report),
    notice: hear,
    fault: hear,
    waiting: () => onWait?.(),
  })
  return (event) => {
    onEvent?.(event)
    byKind(event)
  }
}

export const testParameters = {
  dedup_micros: 10n * minute,
  high_risk_countries: ['Nigeria', 'Russia', 'China'],
}

/** The options of a run to the end of its input, with a clock that counts. */
export const testOptions: Omit<PipelineOptions, 'deltaBasePath' | 'source'> = {
  lakehouse: standardLakehouse,
  streams: standardLakehouse.streams,
  once: true,
  finalize: false,
  recordsPerBatchMax: 1_000_000,
  bytesPerBatchMax: 2 ** 27,
  stateRowsMax: 25_000_000,
  latencyTargetMs: 0,
  triggerIntervalMs: null,
  delays: {
    silver: 10n * minute,
    gold: 10n * minute,
    merchant: 15n * minute,
    user: 60n * minute,
    country: 30n * minute,
    hourly_summary: 60n * minute,
    sessions: 30n * minute,
  },
  parameters: testParameters,
  tableProperties: {},
  smallFileBytes: null,
  filesBeforeCompaction: 64,
  leaseMs: 30_000,
  retryFirstMs: 1,
  duckdb: { memoryLimitBytes: null, threads: 1 },
  clock: () => ++clockMicros,
  signal: new AbortController().signal,
  tell: tellNobody,
  alertsMax: 3,
}

/** The records that `writeInput` makes of the values. */
export function recordsOf(values: readonly Uint8Array[]): RawRecord[] {
  let offset = 0n
  return values.map((value) => {
    const record = {
      topic: 'input.ndjson',
      partition: 0,
      offset,
      key: null,
      value,
      headers: null,
      timestampMs: null,
    }
    offset += BigInt(value.length) + 1n
    return record
  })
}
