// Does a transaction cost more as tables grow, as there are more users, in smaller batches, on more threads?
// Fills lakehouses with synthetic transactions in large batches, and carries the same numbers of batches of
// each size on top of them: microseconds of processor time of the whole process for a transaction, without
// making the records. Rows are rounded to whole hours of event time (900,000), so that the same windows close
// in each measurement. Run: npx node bench/scaling.ts [rows ..] [--users a,b] [--threads a,b]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { RecordChunk, RecordSource } from '../src/batches/source.ts'
import { pipelineOptions } from '../src/cli/pipeline-options.ts'
import { loadConfig } from '../src/config/config.ts'
import { embeddedEngine } from '../src/engines/embedded/run.ts'
import { listener } from '../src/engines/events.ts'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import { createGenerator, type GeneratedRecord } from '../src/produce/generator.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    users: { type: 'string', default: '1000,10000,1000000' },
    threads: { type: 'string', default: '1,2' },
  },
})
const numbers = (text: string) => text.split(',').map(Number)
const rowsOfHour = 900_000
const hours = (positionals.length > 0 ? positionals : ['1000000', '10000000']).map((rows) =>
  Math.max(1, Math.round(Number(rows) / rowsOfHour)),
)
const userCounts = numbers(values.users)
const threadCounts = numbers(values.threads)
/** Of the table of rows; the tables of users and threads have the least number of rows. */
const usersOfRows = 10_000

/** Batches of each size, enough for small files to be compacted; the first tenth is not measured. */
const measurements = [
  { size: 100, batches: 256 },
  { size: 1_000, batches: 192 },
  { size: 10_000, batches: 64 },
  { size: 100_000, batches: 11 },
]
const fillSize = 100_000
const startMs = Date.UTC(2026, 0, 1)
const msBetween = 3_600_000 / rowsOfHour
const topic = 'bench.transactions'

/** A lakehouse that grows. */
class Growing {
  readonly #base: string
  readonly #generator: ReturnType<typeof createGenerator>
  #rowCount = 0

  constructor(base: string, users: number) {
    this.#base = base
    this.#generator = createGenerator({
      seed: 7,
      users,
      duplicateShare: 0.01,
      disorderShare: 0.1,
      malformedShare: 0.001,
    })
  }

  get rowCount(): number {
    return this.#rowCount
  }

  async fillTo(rows: number): Promise<void> {
    await this.#carry(rows - this.#rowCount, fillSize, null)
  }

  /** Microseconds of processor time for a transaction. */
  async measure(size: number, batches: number, threads: number | null): Promise<number> {
    const skipped = Math.max(1, Math.floor(batches / 10))
    const spent = await this.#carry(size * batches, size, threads)
    const first = spent[skipped - 1]!
    return (spent.at(-1)! - first) / (size * (batches - skipped))
  }

  /** Carries so many records, and gives the microseconds that the process had spent after each batch. */
  async #carry(count: number, size: number, threads: number | null): Promise<number[]> {
    const spent: number[] = []
    if (count <= 0) return spent
    const first = this.#rowCount
    // What is measured has its records before; what fills makes them as it goes on.
    const made = threads === null ? null : this.#records(count)
    const source = sourceOf(first, first + count, (from, end) => {
      return made === null ? this.#records(end - from) : made.slice(from - first, end - first)
    })
    const environment = threads === null ? {} : { DUCKDB_THREADS: String(threads) }
    await embeddedEngine.run({
      ...pipelineOptions({
        ...loadConfig(standardLakehouse, environment, join(this.#base, '.env')),
        deltaBasePath: this.#base,
      }),
      streams: standardLakehouse.streams,
      source,
      once: true,
      finalize: false,
      recordsPerBatchMax: size,
      signal: new AbortController().signal,
      tell: listener({
        batch: () => {
          const { user, system } = process.cpuUsage()
          spent.push(user + system)
        },
        notice: ({ code, message }) => {
          if (code !== 'DEFINITIONS_CHANGED') console.log(message) // The size of batches is what changes here.
        },
      }),
    })
    this.#rowCount = first + count
    return spent
  }

  #records(count: number): GeneratedRecord[] {
    const first = this.#generated
    this.#generated += count
    return Array.from({ length: count }, (_, row) => {
      return this.#generator.next(startMs + (first + row) * msBetween)
    })
  }
  #generated = 0
}

/** One partition whose records from `first` to before `end` are there. */
function sourceOf(
  first: number,
  end: number,
  recordsOf: (from: number, end: number) => readonly GeneratedRecord[],
): RecordSource {
  const place = { topic, partition: 0 }
  return {
    kind: 'kafka',
    cut: async (next, recordsMax) => {
      const from = Number(next.values().next().value?.offset ?? BigInt(first))
      const to = Math.min(from + recordsMax, end)
      const ranges = from < to ? [{ ...place, start: BigInt(from), end: BigInt(to) }] : []
      return { ranges, more: to < end, waiting: [] }
    },
    read: async (ranges, onChunk) => {
      for (const range of ranges)
        await onChunk(chunkOf(range.start, recordsOf(Number(range.start), Number(range.end))))
    },
    waitForData: async () => undefined,
    lag: async () => 0n,
    reportProgress: async () => undefined,
    close: async () => undefined,
  }
}

function chunkOf(start: bigint, records: readonly GeneratedRecord[]): RecordChunk {
  return {
    topic,
    partition: 0,
    count: records.length,
    offsets: BigInt64Array.from(records, (_, index) => start + BigInt(index)),
    timestampsMs: BigInt64Array.from(records, ({ timestampMs }) => BigInt(timestampMs)),
    keys: records.map(({ key }) => key),
    values: records.map(({ value }) => value),
    headers: records.map(() => null),
  }
}

async function measured(lakehouse: Growing, what: string, threads: number): Promise<void> {
  const figures: string[] = []
  for (const { size, batches } of measurements) {
    const micros = await lakehouse.measure(size, batches, threads)
    figures.push(`${micros.toFixed(1)}`.padStart(8))
  }
  console.log(`${what.padEnd(34)}${figures.join('')}`)
}

const work = await mkdtemp(join(tmpdir(), 'assay-scaling-'))
try {
  const sizes = measurements.map(({ size }) => String(size).padStart(8)).join('')
  console.log(`${'µs of processor time, by batch size'.padEnd(34)}${sizes}`)
  const lakehouse = new Growing(join(work, 'rows'), usersOfRows)
  for (const hour of hours.toSorted((a, b) => a - b)) {
    await lakehouse.fillTo(hour * rowsOfHour)
    await measured(lakehouse, `${hour * rowsOfHour} rows, ${usersOfRows} users`, 1)
  }
  for (const threads of threadCounts) {
    await lakehouse.fillTo(Math.ceil(lakehouse.rowCount / rowsOfHour) * rowsOfHour)
    await measured(lakehouse, `${lakehouse.rowCount} rows, ${threads} threads`, threads)
  }
  await rm(join(work, 'rows'), { recursive: true })
  for (const users of userCounts) {
    const ofUsers = new Growing(join(work, String(users)), users)
    await ofUsers.fillTo(Math.min(...hours) * rowsOfHour)
    await measured(ofUsers, `${ofUsers.rowCount} rows, ${users} users`, 1)
    await rm(join(work, String(users)), { recursive: true })
  }
} finally {
  await rm(work, { recursive: true, force: true })
}
