// Days of transactions for tests of retention: each day is carried by runs of its own, at noon.
import type { PipelineOptions } from '../../../src/engines/engine.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { type Heard, type Lakehouse, runOnce, testOptions, writeInput } from './pipeline.ts'

export const day = 86_400_000_000n
const firstMs = Date.UTC(2026, 9, 1)

/** Noon of a day, counted from 0, as the clock of its runs says it all the time. */
export const noonOf = (index: number): bigint => BigInt(firstMs) * 1000n + BigInt(index) * day + day / 2n

const perDay = 24

function valueAt(at: number): Buffer {
  const ms = firstMs + Math.floor(at / perDay) * 86_400_000 + (at % perDay) * 600_000 + 8 * 3_600_000
  const timestamp = new Date(ms).toISOString()
  // One in eight repeats the id of the one before it, one is no transaction.
  const id = at % 8 === 7 ? at - 1 : at
  if (at % 12 === 5) return Buffer.from('not a transaction')
  const facts = { transaction_id: `t${id}`, user_id: at % 3, amount: (at % 7) * 1000 + 1, timestamp }
  return Buffer.from(JSON.stringify({ ...facts, merchant: `m${at % 2}`, location: 'Oslo, Norway' }))
}

export const valuesOf = (days: number): Buffer[] =>
  Array.from({ length: days * perDay }, (_, at) => valueAt(at))

/** Carries all days up to the given one that were not carried, at noon of that day. */
export async function runDay(
  lakehouse: Lakehouse,
  index: number,
  more: Partial<PipelineOptions> & Heard = {},
): Promise<void> {
  await writeInput(lakehouse, valuesOf(index + 1))
  await runOnce(lakehouse, { recordsPerBatchMax: 12, clock: () => noonOf(index), ...more })
}

/** The records of these days, as a topic of one partition has them. */
export function recordsOfDays(days: number): RawRecord[] {
  return valuesOf(days).map((value, at): RawRecord => {
    const about = { topic: 'payments', partition: 0, key: null, headers: null }
    return { ...about, offset: BigInt(at), value, timestampMs: firstMs + at }
  })
}

export async function verifiedChecks(base: string, lakehouse = standardLakehouse) {
  const { delays, parameters, duckdb } = testOptions
  return (await verifyLakehouse({ lakehouse, deltaBasePath: base, delays, parameters, duckdb }, null)).checks
}

export const retention = {
  'bronze/transactions': day,
  'silver/transactions': 2n * day,
  'silver/quarantine': day,
  'gold/transactions': 2n * day,
}
