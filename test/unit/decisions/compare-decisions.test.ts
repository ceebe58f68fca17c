// Decisions of records as they came against the rows that batches made of them: what differs has a cause,
// and where nothing can differ nothing does.
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { RecordChunk } from '../../../src/batches/source.ts'
import { type ComparedDecisions, compareDecisions } from '../../../src/decisions/compare-decisions.ts'
import { Decider } from '../../../src/decisions/decider.ts'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import type { DecidedLine } from '../../../src/decisions/read-decisions.ts'
import { settingsOf } from '../../../src/engines/batch-rules.ts'
import { Database } from '../../../src/engines/database.ts'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import { definitionsOf } from '../../../src/ops/definitions.ts'
import type { Lakehouse } from '../../../src/plan/index.ts'
import { createGenerator, type GeneratorOptions } from '../../../src/produce/generator.ts'
import { randomOf } from '../../generate/random.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { turnSeed as seed } from '../../turns.ts'
import { memorySource } from '../engine/memory-source.ts'
import { newLakehouse, runOnce, testOptions } from '../engine/pipeline.ts'

console.log(`seed ${seed}`)

const startMs = Date.parse('2026-10-31T12:00:00Z')
const nowMicros = BigInt(Date.parse('2026-11-02T00:00:00Z')) * 1000n
const { signal } = new AbortController()
const random = randomOf(seed)
const below = (count: number): number => Math.floor(random() * count)

function recordsOf(count: number, partitions: number, more: Partial<GeneratorOptions>): RawRecord[] {
  const generator = createGenerator({ seed, users: 40, fraudShare: 0.1, startMs, ...more })
  const ends = new Array<bigint>(partitions).fill(0n)
  return Array.from({ length: count }, (_, index) => {
    const timestampMs = startMs + index * 2_000
    const { key, value } = generator.next(timestampMs)
    const partition = below(partitions)
    return {
      ...{ topic: 't', partition, offset: ends[partition]!++, timestampMs, headers: null },
      ...{ key: Buffer.from(key), value: Buffer.from(value) },
    }
  })
}

type Decided = { readonly decision: Decision } & DecidedLine

type Other = { readonly lakehouse: Lakehouse; readonly from: number }

/** So many that have a process of their own. */
let processes = 0

/** As many records a poll as have come since the last; by another lakehouse once so many are decided. */
async function decidedOf(
  records: readonly RawRecord[],
  other: Other | null = null,
  lakehouse: Lakehouse = testOptions.lakehouse,
  pollMax = 100,
): Promise<Decided[]> {
  const { base, remove } = await newLakehouse()
  const decider = await Decider.open({
    ...{ ...testOptions, lakehouse, deltaBasePath: base, registry: null, stateBytesMax: 2 ** 30 },
  })
  const decided: Decided[] = []
  const by = `process-${processes++}`
  let come = 0
  while (come < records.length || decided.length < records.length) {
    come = Math.min(records.length, come + 1 + below(0.6 * pollMax))
    if (other !== null && decided.length >= other.from)
      decider.goBy({ lakehouse: other.lakehouse, parameters: testOptions.parameters })
    const source = memorySource(records.slice(0, come))
    const { ranges, waiting } = await source.cut(decider.offsets, 1 + below(pollMax), signal)
    const chunks: RecordChunk[] = []
    await source.read(ranges, (chunk) => void chunks.push(chunk), signal)
    chunks.sort((a, b) => a.partition - b.partition)
    const keys = chunks.flatMap((chunk) => chunk.keys)
    for (const [index, decision] of decider.follow({ chunks, ranges, waiting }, nowMicros).entries()) {
      const record_key = Buffer.from(keys[index]!).toString('hex')
      decided.push({
        ...{ decision, record_key, decided_by: by, decided_as: decided.length },
      })
    }
  }
  await decider.close()
  await remove()
  return decided
}

async function compared(
  records: readonly RawRecord[],
  decided: readonly Decided[],
  options: Partial<Parameters<typeof runOnce>[1]> = {},
): Promise<ComparedDecisions> {
  const { base, remove } = await newLakehouse()
  const directory = await mkdtemp(join(tmpdir(), 'assay-compared-'))
  const database = await Database.open({ ...testOptions.duckdb, spillDirectory: directory })
  onTestFinished(async () => {
    database.close()
    await rm(directory, { recursive: true })
    await remove()
  })
  await runOnce({ base, input: '', remove }, { recordsPerBatchMax: 300, ...options }, memorySource(records))
  const file = join(directory, 'decisions.ndjson')
  await writeFile(file, decided.map((one) => `${JSON.stringify(one)}\n`).join(''))
  const { lakehouse, delays } = testOptions
  const current = definitionsOf(lakehouse, settingsOf(testOptions))
  return await compareDecisions(database.load, { lakehouse, deltaBasePath: base, delays, current, file })
}

const odd = { duplicateShare: 0.08, disorderShare: 0.2, lateShare: 0.06, malformedShare: 0.1 }

test('with disorder, repeats, late records and partitions each difference has a cause', async () => {
  const records = recordsOf(2_400, 3, odd)
  const decided = await decidedOf(records)
  const { compared: count, withoutRow, differing, unexplained } = await compared(records, decided)
  expect([count, withoutRow]).toEqual([records.length, 0])
  expect(unexplained).toEqual([])
  expect(differing.unexplained).toBeUndefined()
  for (const cause of ['late', 'order'] as const) expect(differing[cause], cause).toBeGreaterThan(0)
  // What is decided twice is one, and what has not come yet is no difference.
  const half = decided.slice(0, 1_200)
  const behind = await compared(records.slice(0, 800), [...half, ...half.slice(0, 500)])
  expect(behind.compared).toBeLessThanOrEqual(800)
  expect(behind.compared + behind.withoutRow).toBe(1_200)
  expect(behind.differing.unexplained).toBeUndefined()
})

test('a process that meets records in another order than the one before is no fault', async () => {
  const records = recordsOf(2_400, 3, odd)
  const before = await decidedOf(records)
  // Much has come by then, of one partition after the other.
  const after = await decidedOf(records, null, testOptions.lakehouse, 1_500)
  // The second goes on where the first has ended, by what it has met itself.
  const isOf = ({ decision }: Decided): boolean => Number(decision.offset) < 400
  const {
    compared: count,
    differing,
    unexplained,
  } = await compared(records, [...before.filter(isOf), ...after.filter((one) => !isOf(one))])
  expect(count).toBe(records.length)
  expect(unexplained).toEqual([])
  expect(differing.order).toBeGreaterThan(0)
})

test('of one partition without late records nothing differs, in polls and batches of whatever size', async () => {
  const records = recordsOf(1_200, 1, { duplicateShare: 0.08, malformedShare: 0.1 })
  const decided = await decidedOf(records)
  const { compared: count, differing } = await compared(records, decided)
  expect([count, differing]).toEqual([records.length, {}])
})

test('a decision that is another one has no cause, whatever is wrong about it', async () => {
  const records = recordsOf(600, 1, { duplicateShare: 0.08, malformedShare: 0.1 })
  const decided = await decidedOf(records)
  const scored = decided.filter(({ decision }) => decision.decision === 'scored')
  const falsified = (one: Decided, change: object): Decided => ({
    ...one,
    decision: { ...one.decision, ...change },
  })
  const wrong = [
    falsified(scored[3]!, { fraud_score: 99 }),
    falsified(scored[7]!, { rules: [{ name: 'late_night', points: 1, says: '' }] }),
    falsified(scored[11]!, { features: { is_high_velocity: false, tx_count_30min: 77 } }),
    falsified(scored[13]!, { decision: 'refused', reasons: [{ name: 'duplicate', meaning: '' }] }),
    falsified(scored[17]!, { decision: 'refused', reasons: [{ name: 'amount_missing', meaning: '' }] }),
    falsified(scored.at(-1)!, { decision: 'refused', reasons: [{ name: 'late', meaning: '' }] }),
  ]
  const places = new Set(wrong.map(({ decision }) => decision.offset))
  const others = decided.filter(({ decision }) => !places.has(decision.offset))
  const { differing, unexplained } = await compared(records, [...others, ...wrong])
  expect(differing).toEqual({ unexplained: wrong.length })
  expect(unexplained[0]).toMatchObject({ topic: 't', column: 'fraud_score', decided: '99' })
})

test('by other lists or rules than the batch has a decision may be another one', async () => {
  const records = recordsOf(300, 1, {})
  const decided = await decidedOf(records)
  const parameters = { ...testOptions.parameters, high_risk_countries: ['United States', 'Germany'] }
  const { differing } = await compared(records, decided, { parameters })
  expect(Object.keys(differing)).toEqual(['version'])
})

test('another version of the rules decides what comes next, by all that came before', async () => {
  const text = readFileSync(rulesFile, 'utf8').replace('amount > 5000', 'amount > 50')
  const lakehouse = testOptions.lakehouse.rulesFrom!.by({ version: 2, text })
  const records = recordsOf(600, 1, { duplicateShare: 0.08 })
  const changed = await decidedOf(records, { lakehouse, from: 300 })
  const throughout = await decidedOf(records, null, lakehouse)
  const versionOf = ({ decision }: Decided): string => decision.version
  const at = changed.findIndex((one) => versionOf(one) === versionOf(throughout[0]!))
  expect(at).toBeGreaterThanOrEqual(300)
  const decisionsFrom = (all: readonly Decided[]) => all.slice(at).map(({ decision }) => decision)
  expect(decisionsFrom(changed)).toEqual(decisionsFrom(throughout))
  expect(new Set(changed.map(versionOf)).size).toBe(2)
})
