// What is decided of records beforehand is what the next batch writes of them, to the cell.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decideAll, linesOf } from '../../../src/cli/decide.ts'
import { type Config, loadConfig } from '../../../src/config/config.ts'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { createGenerator } from '../../../src/produce/generator.ts'
import { readTables } from '../../compare/read-in-process.ts'
import type { Row } from '../../oracle/rows.ts'
import { turnSeed as seed } from '../../turns.ts'
import { type Lakehouse, newLakehouse, runOnce, writeInput } from '../engine/pipeline.ts'

const [known, asked] = [3_000, 1_000]
const startMs = Date.parse('2026-10-31T12:00:00Z')

let lakehouse: Lakehouse
let config: Config
let values: readonly Buffer[]
/** Where the first record that is asked for begins in the file. */
let start = 0
beforeAll(async () => {
  console.log(`seed ${seed}`)
  lakehouse = await newLakehouse()
  config = loadConfig(standardLakehouse, { DELTA_BASE_PATH: lakehouse.base }, `${lakehouse.base}/.env`)
  const generator = createGenerator({
    ...{ seed, users: 200, fraudShare: 0.1, startMs },
    ...{ duplicateShare: 0.05, disorderShare: 0.2, lateShare: 0.05, malformedShare: 0.1 },
  })
  values = Array.from({ length: known + asked }, (_, index) => {
    // A line is a record: one that breaks it is two.
    return Buffer.from(generator.next(startMs + index * 500).value).map((byte) => (byte === 10 ? 32 : byte))
  }).map((bytes) => Buffer.from(bytes))
  start = values.slice(0, known).reduce((sum, { length }) => sum + length + 1, 0)
  await writeInput(lakehouse, values.slice(0, known))
  await runOnce(lakehouse, { recordsPerBatchMax: 700, once: true })
})
afterAll(() => lakehouse?.remove())

const nowMicros = BigInt(Date.parse('2026-11-02T12:00:00Z')) * 1000n

async function decisions(): Promise<Decision[]> {
  const lines = values.slice(known).flatMap((value) => [value, Buffer.from('\n')])
  return await decideAll(config, linesOf(Buffer.concat(lines), 'input'), nowMicros)
}

test('each record that comes has the score, reasons and features, or the refusal, that it gets in the tables', async () => {
  const decided = await decisions()
  // Nothing is remembered of what was asked.
  expect(await decisions()).toEqual(decided)
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax: 100_000, once: true })
  const tables = await readTables(lakehouse.base)
  const at = (rows: readonly Row[]) => new Map(rows.map((row) => [Number(row.offset) - start, row]))
  const [scored, refused] = [at(tables.fraud_detection), at(tables['silver/quarantine'])]
  const kinds = { scored: 0, refused: 0 }
  for (const decision of decided) {
    kinds[decision.decision]++
    const offset = Number(decision.offset)
    if (decision.decision === 'refused') {
      expect(decision.id).toBe(`input/0/${offset}`)
      expect(decision.reasons.map(({ name }) => name)).toEqual(refused.get(offset)?.reasons)
      continue
    }
    const row = scored.get(offset)
    expect(row, decision.id).toBeDefined()
    expect(decision).toMatchObject({
      id: row!.transaction_id,
      fraud_score: Number(row!.fraud_score),
      risk_level: row!.risk_level,
      requires_review: row!.requires_review,
      features: { tx_count_30min: Number(row!.tx_count_30min), is_high_velocity: row!.is_high_velocity },
    })
    expect(decision.rules.map(({ name }) => name)).toEqual(row!.reasons)
  }
  expect(kinds.scored).toBeGreaterThan(asked / 2)
  expect(kinds.refused).toBeGreaterThan(asked / 20)
})

test('rows that take more memory than they may are no reason for wrong decisions', async () => {
  const { decisions: of, ...others } = config
  const little = { ...others, decisions: { ...of, stateBytesMax: 1_000 } }
  const deciding = decideAll(little, linesOf(Buffer.from('{}'), 'x'), nowMicros)
  await expect(deciding).rejects.toMatchObject({ code: 'DECISIONS_STATE_FULL' })
})

test('a lakehouse without a row decides all the same', async () => {
  const none = await newLakehouse()
  const empty = loadConfig(standardLakehouse, { DELTA_BASE_PATH: none.base }, `${none.base}/.env`)
  const record = {
    ...{ transaction_id: 'a', user_id: 1, amount: 6000, timestamp: '2026-11-02T10:00:00Z' },
    payment_method: 'crypto',
  }
  const [decision] = await decideAll(
    empty,
    linesOf(Buffer.from(JSON.stringify(record, null, 2)), 'x'),
    nowMicros,
  )
  expect(decision).toMatchObject({ decision: 'scored', fraud_score: 50, features: { tx_count_30min: 1 } })
  await none.remove()
})
