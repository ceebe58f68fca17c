// What a record costs in the compiled row path, part by part, on one core: `npx node bench/row-path.ts
// [rows]`. The state is not in it: every transaction is its user's first.
import type { RecordChunk } from '../src/batches/source.ts'
import { addRecords, factsOutput, lakehouseRowPath } from '../src/engines/row-path.ts'
import { JudgedFacts, type RowPath, type RunningBatch } from '../src/javascript/index.ts'
import { JsonScanner } from '../src/json/scanner.ts'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import { createGenerator } from '../src/produce/generator.ts'

const { tables } = standardLakehouse

const rows = Number(process.argv[2] ?? 400_000)
const rowsPerChunk = 50_000
const rounds = 5
const fromMs = Date.UTC(2024, 9, 1)

/** Values as they lie in a fetched buffer, one behind the other. */
function chunksOf(count: number, size: number): RecordChunk[] {
  const dirty = { duplicateShare: 0.02, disorderShare: 0.1, lateShare: 0.02, malformedShare: 0.01 }
  const generator = createGenerator({ seed: 7, ...dirty })
  const chunks: RecordChunk[] = []
  for (let first = 0; first < count; first += size) {
    const records = Array.from({ length: Math.min(size, count - first) }, (_, index) =>
      generator.next(fromMs + ((first + index) * 86_400_000) / count),
    )
    const bytes = Buffer.concat(records.map(({ value }) => value))
    const ends: number[] = []
    for (const { value } of records) ends.push((ends.at(-1) ?? 0) + value.length)
    chunks.push({
      topic: 'transactions',
      partition: 0,
      count: records.length,
      offsets: BigInt64Array.from(records, (_, index) => BigInt(first + index)),
      timestampsMs: BigInt64Array.from(records, ({ timestampMs }) => BigInt(timestampMs)),
      keys: records.map(({ key }) => key),
      values: ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)),
      headers: records.map(() => null),
    })
  }
  return chunks
}

function started(path: RowPath, rowCountMax: number): RunningBatch {
  return path.start({
    rowCountMax,
    parameters: {
      processing_time: BigInt(fromMs) * 1000n + 90_000_000_000n,
      watermark: BigInt(fromMs) * 1000n - 3_600_000_000n,
      dedup_micros: 86_400_000_000n,
      high_risk_countries: ['Nigeria', 'Russia'],
    },
    states: path.states.map(({ kind }) => {
      return kind === 'over' ? { count: () => 1 } : { repeats: () => false }
    }),
    functions: { [factsOutput]: new JudgedFacts().add },
  })
}

/** The least of some rounds: what else runs on the machine only ever adds. */
function microsPerRecord(
  run: (chunks: readonly RecordChunk[]) => void,
  chunks: readonly RecordChunk[],
): string {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage()
    run(chunks)
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / rows)
  }
  return least.toFixed(2).padStart(6)
}

const chunks = chunksOf(rows, rowsPerChunk)
const small = chunksOf(rows, 500)
const fields = ['transaction_id', 'user_id', 'amount', 'merchant', 'payment_method', 'location', 'device_id']
const scanner = new JsonScanner([...fields, 'timestamp', 'is_fraud'].map((name) => [name]))
const scanned = (all: readonly RecordChunk[]): void => {
  for (const { values } of all) for (const value of values) scanner.scan(value!)
}
console.log(`${microsPerRecord(scanned, chunks)} us: the scanner alone`)

const parts: readonly (readonly [what: string, wanted: readonly string[]])[] = [
  ['judged', []],
  ['judged, silver', ['silver/transactions']],
  ['judged, silver, quarantine', ['silver/transactions', 'silver/quarantine']],
  ['judged, silver, quarantine, fraud', ['silver/transactions', 'silver/quarantine', 'fraud_detection']],
  ['and bronze', ['bronze/transactions', 'silver/transactions', 'silver/quarantine', 'fraud_detection']],
]
for (const [what, wanted] of parts) {
  const path = lakehouseRowPath(standardLakehouse, tables, 'input', wanted)
  const run = (all: readonly RecordChunk[]): void => {
    for (const chunk of all) addRecords(started(path, chunk.count), chunk)
  }
  console.log(`${microsPerRecord(run, chunks)} us, ${microsPerRecord(run, small)} in batches of 500: ${what}`)
}
const startedMs = performance.now()
lakehouseRowPath(standardLakehouse, tables, 'input', parts[4]![1])
console.log(`${(performance.now() - startedMs).toFixed(1)} ms to compile`)
