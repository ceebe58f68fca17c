// Records of every kind through the SQL of the engine and through the compiled row path, cell by cell.
// Run: npm run test:row-path -- [records] [seed]
import fc from 'fast-check'
import { RowPathComparison } from '../compare/row-path.ts'
import { fuzzRecord } from '../generate/fuzz.ts'
import { topicLines } from '../generate/lines.ts'
import type { RawRecord } from '../oracle/rows.ts'

const recordsPerBatch = 10_000
/** Then all is forgotten, and another history begins. */
const batchesPerHistory = 5

/** Batches of any records, and of transactions with repeats, disorder and damage. */
function recordsOf(batch: number, seed: number, count: number): RawRecord[] {
  const contents =
    batch % 2 === 0
      ? fc.sample(fuzzRecord, { seed: seed + batch, numRuns: count })
      : fc
          .sample(topicLines(count, 50), { seed: seed + batch, numRuns: 1 })[0]!
          .map(({ value, nowMs }) => ({ value, key: null, headers: null, timestampMs: nowMs }))
  const first = BigInt(batch * recordsPerBatch)
  return contents.map((content, index): RawRecord => {
    return { ...content, topic: 'fuzz', partition: index < count / 3 ? 0 : 1, offset: first + BigInt(index) }
  })
}

async function main(count: number, seed: number): Promise<void> {
  console.log(`${count} records, seed ${seed}`)
  const startedMs = performance.now()
  let [wrong, silver, comparison] = [0, 0, null as RowPathComparison | null]
  const batchCount = Math.ceil(count / recordsPerBatch)
  for (let batch = 0; batch < batchCount; batch++) {
    if (batch % batchesPerHistory === 0) {
      comparison?.close()
      const dedupMinutes = [1n, 30n, 1440n][(batch / batchesPerHistory) % 3]!
      comparison = await RowPathComparison.start({
        dedupMicros: dedupMinutes * 60_000_000n,
        lateAfterMicros: 600_000_000n,
      })
    }
    const size = Math.min(recordsPerBatch, count - batch * recordsPerBatch)
    const { rows, differences } = await comparison!.compare(recordsOf(batch, seed, size))
    silver += rows.silver_batch
    wrong += differences.length
    for (const one of differences.slice(0, 5)) console.log(`  batch ${batch}: ${one}`)
    if (batch % 10 === 9) console.log(`  ${(batch + 1) * recordsPerBatch} done`)
  }
  comparison?.close()
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  console.log(`${count} records in ${seconds} s: ${silver} in silver, ${wrong} cells differ`)
  if (wrong > 0) process.exitCode = 1
}

if (import.meta.main) {
  await main(Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? Date.now() % 2 ** 31))
}
