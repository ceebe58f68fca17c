// Does a batch get slower, or the process larger, as the lakehouse gets older? Carries many small batches
// through all tables in this process and compares the first hundred with the last hundred. Run: npx node
// bench/many-batches.ts [batches] [records per batch] [metrics]; with `metrics` they are counted, and
// asked for every 50 batches.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipelineOptions } from '../src/cli/pipeline-options.ts'
import { loadConfig } from '../src/config/config.ts'
import { embeddedEngine } from '../src/engines/embedded/run.ts'
import { listener, tellAll } from '../src/engines/events.ts'
import { RunMetrics } from '../src/engines/run-metrics.ts'
import { RunWatch } from '../src/engines/run-watch.ts'
import { openFileSource } from '../src/files/source.ts'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import { produce } from '../src/produce/produce.ts'
import type { BatchFigures } from './figures.ts'

const batchCount = Number(process.argv[2] ?? 2000)
const recordsPerBatch = Number(process.argv[3] ?? 500)
const directory = await mkdtemp(join(tmpdir(), 'assay-bench-'))
const [input, base] = [join(directory, 'input'), join(directory, 'lakehouse')]
const signal = new AbortController().signal
const batchMs: number[] = []
const residentMiB: number[] = []
const processorMs: number[] = []

/** Of the batches from one index to before another. */
function summary(from: number, to: number): BatchFigures {
  const times = batchMs.slice(from, to).sort((a, b) => a - b)
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)]!
  const processor = processorMs.slice(from, to)
  return {
    medianMs: at(0.5),
    p95Ms: at(0.95),
    processorMs: processor.reduce((sum, ms) => sum + ms, 0) / processor.length,
    residentMiB: residentMiB[to - 1]!,
  }
}

try {
  await produce({
    generator: { seed: 7 },
    count: batchCount * recordsPerBatch,
    ratePerSecond: null,
    to: { kind: 'directory', path: input, rotateRows: 10_000_000, rotateSeconds: 1e9 },
    period: { fromMs: Date.UTC(2026, 9, 1), toMs: Date.UTC(2026, 9, 2) },
    signal,
  })
  const options = pipelineOptions({
    ...loadConfig(standardLakehouse, {}, join(base, '.env')),
    deltaBasePath: base,
  })
  const { streams } = standardLakehouse
  const watch = new RunWatch()
  const metrics = new RunMetrics({ ...options, streams, engine: 'embedded', version: '0' }, watch)
  const metered = process.argv[4] === 'metrics' ? [watch.onEvent, metrics.onEvent] : []
  let before = process.cpuUsage()
  const source = await openFileSource(input, { takeUnterminatedTail: true })
  await embeddedEngine.run({
    ...options,
    streams,
    source,
    once: true,
    finalize: false,
    recordsPerBatchMax: recordsPerBatch,
    signal,
    tell: tellAll([
      ...metered,
      listener({
        batch: ({ report }) => {
          if (batchMs.length % 50 === 0) void metrics.collect()
          batchMs.push(report.batchMs)
          const { user, system } = process.cpuUsage(before)
          processorMs.push((user + system) / 1000)
          before = process.cpuUsage()
          residentMiB.push(process.memoryUsage.rss() / 1024 ** 2)
        },
        notice: ({ message }) => console.log(message),
      }),
    ]),
  })
  await source.close()
  console.log(`${batchMs.length} batches of ${recordsPerBatch} records`)
  const part = Math.min(100, Math.floor(batchMs.length / 2))
  const [first, last] = [summary(0, part), summary(batchMs.length - part, batchMs.length)]
  for (const [name, { medianMs, p95Ms, processorMs, residentMiB: memory }] of Object.entries({
    first,
    last,
  })) {
    console.log(
      `${name} ${part}: median ${medianMs} ms, p95 ${p95Ms} ms; ${processorMs.toFixed(1)} ms of processor time ` +
        `a batch; resident ${Math.round(memory)} MiB`,
    )
  }
  console.log(JSON.stringify(last satisfies BatchFigures))
} finally {
  await rm(directory, { recursive: true, force: true })
}
