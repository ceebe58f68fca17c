// examples/payments on the embedded engine, against an oracle that states its config, rules and tables anew.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  failedProofs,
  judgePayments,
  paymentsLakehouse,
  paymentsOptions,
  readPayments,
} from '../../compare/payments-project.ts'
import { type PaymentLine, payments } from '../../generate/payments.ts'
import type { RawRecord, Tables } from '../../oracle/rows.ts'
import { memorySource } from '../engine/memory-source.ts'
import { type Lakehouse, newLakehouse, runOnce } from '../engine/pipeline.ts'

/** Some of no time, some of one that no calendar has. */
function recordOf({ value, nowMs, user }: PaymentLine, index: number): RawRecord {
  const timestampMs = index % 17 === 16 ? null : index % 19 === 18 ? -1 : nowMs
  const key = index % 5 === 4 ? null : Buffer.from(user)
  const place = { topic: 'payments', partition: index % 3, offset: BigInt(index) }
  return { ...place, key, value, headers: null, timestampMs }
}

async function check(
  lakehouse: Lakehouse,
  records: readonly RawRecord[],
  size: number,
  parts: number,
): Promise<void> {
  // The input grows between runs; each run starts from the tables alone.
  for (let part = 1; part <= parts; part++) {
    const source = memorySource(records.slice(0, Math.ceil((records.length * part) / parts)))
    const options = { ...paymentsOptions, recordsPerBatchMax: size, finalize: part === parts }
    await runOnce(lakehouse, options, source)
  }
  expect(await judgePayments(lakehouse.base, records)).toEqual([])
}

test('all tables are what the oracle computes, in any batches', async () => {
  const sizes = fc.integer({ min: 10, max: 40 })
  const once = async (lines: readonly PaymentLine[], size: number, parts: number): Promise<void> => {
    const lakehouse = await newLakehouse()
    try {
      await check(lakehouse, lines.map(recordOf), size, parts)
    } finally {
      await lakehouse.remove()
    }
  }
  const property = fc.asyncProperty(payments(80), sizes, fc.integer({ min: 1, max: 3 }), once)
  await fc.assert(property, { numRuns: Number(process.env.RUNS ?? 2), endOnFailure: true })
})

test('records that come to every reason, rule and table are in the tables as both the oracle and the proof say', async () => {
  const [lines] = fc.sample(payments(1_000, 30_000), { seed: 5, numRuns: 1 })
  const lakehouse = await newLakehouse()
  try {
    await check(lakehouse, lines!.map(recordOf), 300, 1)
    expect(await failedProofs(lakehouse.base)).toEqual([])
    const tables = await readPayments(lakehouse.base)
    const reasonsOf = (name: keyof Tables) => new Set(tables[name].flatMap(({ reasons }) => reasons))
    const told = [reasonsOf('silver/quarantine'), reasonsOf('fraud_detection')]
    // Values by schemas have tests of their own.
    const ofSchemas = ['schema_unknown', 'undecodable']
    const reasons = Object.keys(paymentsLakehouse.reasons).filter((name) => !ofSchemas.includes(name))
    const names = [reasons, paymentsLakehouse.rules.map(({ name }) => name)]
    expect(names.map((all, index) => all.filter((name) => !told[index]!.has(name)))).toEqual([[], []])
    expect(Object.entries(tables).flatMap(([name, rows]) => (rows.length === 0 ? [name] : []))).toEqual([])
  } finally {
    await lakehouse.remove()
  }
})
