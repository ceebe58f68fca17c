// Records of every kind through the whole engine, each judged by the oracle: it is in silver with the right
// cells or in quarantine with the right reasons, and in one of the two.
// Run: npm run test:fuzz -- [records] [seed]
import fc from 'fast-check'
import { batchesOfLog } from '../compare/batches-of-log.ts'
import { judgeLakehouse } from '../compare/judge-lakehouse.ts'
import { readTables } from '../compare/read-in-process.ts'
import { fuzzRecord } from '../generate/fuzz.ts'
import { defaultConfig } from '../oracle/oracle.ts'
import type { RawRecord, Tables } from '../oracle/rows.ts'
import { memorySource } from '../unit/engine/memory-source.ts'
import { newLakehouse, runOnce } from '../unit/engine/pipeline.ts'

export type FuzzOptions = {
  readonly seed: number
  readonly records: number
  readonly recordsPerBatchMax: number
}

export type FuzzFigures = {
  readonly silver: number
  readonly quarantined: number
  readonly reasons: ReadonlyMap<string, number>
  /** What is not as the oracle says. */
  readonly wrong: readonly string[]
}

/** One lakehouse, two partitions. */
export async function fuzz({ seed, records: count, recordsPerBatchMax }: FuzzOptions): Promise<FuzzFigures> {
  const records = fc.sample(fuzzRecord, { seed, numRuns: count }).map((record, index): RawRecord => {
    return { ...record, topic: 'fuzz', partition: index % 2, offset: BigInt(index >> 1) }
  })
  const lakehouse = await newLakehouse()
  try {
    await runOnce(lakehouse, { recordsPerBatchMax, finalize: true }, memorySource(records))
    const tables = await readTables(lakehouse.base)
    const batches = await batchesOfLog(lakehouse.base)
    const found = judgeLakehouse(records, tables, defaultConfig, batches)
    const wrong = [...found, ...notInOne(records, tables)]
    const reasons = new Map<string, number>()
    for (const row of tables['silver/quarantine']) {
      for (const reason of row.reasons as string[]) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    }
    const silver = tables['silver/transactions'].length
    return { silver, quarantined: tables['silver/quarantine'].length, reasons, wrong }
  } finally {
    await lakehouse.remove()
  }
}

/** Records that are in neither or in both of silver and quarantine. */
function notInOne(records: readonly RawRecord[], tables: Tables): string[] {
  const counts = new Map<string, number>()
  for (const row of [...tables['silver/transactions'], ...tables['silver/quarantine']]) {
    const place = `${row.partition} ${row.offset}`
    counts.set(place, (counts.get(place) ?? 0) + 1)
  }
  return records
    .map(({ partition, offset }) => `${partition} ${offset}`)
    .filter((place) => counts.get(place) !== 1)
    .map((place) => `the record at ${place} is in ${counts.get(place) ?? 0} rows of silver and quarantine`)
}

const recordsPerRound = 20_000

async function main(count: number, seed: number): Promise<void> {
  const startedMs = performance.now()
  console.log(`${count} records, seed ${seed}`)
  const reasons = new Map<string, number>()
  let [done, silver, wrong] = [0, 0, 0]
  for (let round = 0; done < count; round++) {
    const records = Math.min(recordsPerRound, count - done)
    // In one batch nothing is late; in several nearly everything is, after the first.
    const recordsPerBatchMax = round % 5 === 4 ? records / 4 : records
    const figures = await fuzz({ seed: seed + round, records, recordsPerBatchMax })
    done += records
    silver += figures.silver
    wrong += figures.wrong.length
    for (const one of figures.wrong.slice(0, 10)) console.log(`  round ${round}: ${one}`)
    for (const [reason, number] of figures.reasons) reasons.set(reason, (reasons.get(reason) ?? 0) + number)
  }
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  console.log(
    `${done} records in ${seconds} s: ${silver} in silver, ${done - silver} in quarantine, ${wrong} wrong`,
  )
  for (const [reason, number] of [...reasons].sort()) console.log(`  ${reason.padEnd(24)} ${number}`)
  if (wrong > 0) process.exitCode = 1
}

if (import.meta.main) {
  await main(Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? Date.now() % 2 ** 31))
}
