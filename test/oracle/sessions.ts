// The sessions of users: cut row by row, each by the one before it, as the design's chapter on journeys says.
import { createHash } from 'node:crypto'
import { decimalText } from '../../src/verify/money.ts'
import { utcDate } from '../../src/verify/timestamp.ts'
import type { Cell, Row } from './rows.ts'
import type { SilverTransaction } from './silver.ts'
import { hour, minute } from './time.ts'

export type SessionLengths = { readonly gap: bigint; readonly max: bigint }
export const defaultLengths: SessionLengths = { gap: 30n * minute, max: 4n * hour }

export type Session = {
  readonly rows: readonly SilverTransaction[]
  /** No row can join it where a watermark has come here. */
  readonly closesAt: bigint
}

/** `rows` in the order of their arrival. */
export function sessionsOf(
  rows: readonly SilverTransaction[],
  { gap, max }: SessionLengths = defaultLengths,
): Session[] {
  const users = Map.groupBy(rows, ({ userId }) => userId)
  return [...users.values()].flatMap((ofUser) => {
    // Rows of one time stay in the order of their arrival.
    const ordered = ofUser.toSorted((a, b) => Number(a.eventTime - b.eventTime))
    const cut: SilverTransaction[][] = []
    for (const row of ordered) {
      const current = cut.at(-1)
      const isNew =
        current === undefined ||
        row.eventTime - current.at(-1)!.eventTime > gap ||
        row.eventTime - current[0]!.eventTime >= max
      if (isNew) cut.push([row])
      else current.push(row)
    }
    return cut.map((one) => {
      const [behindGap, atMax] = [one.at(-1)!.eventTime + gap + 1n, one[0]!.eventTime + max]
      return { rows: one, closesAt: behindGap < atMax ? behindGap : atMax }
    })
  })
}

/** All columns but aggregation_time. */
export function sessionColumns({ rows }: Session): Row {
  const [first, last] = [rows[0]!, rows.at(-1)!]
  const cents = rows.map((row) => row.cents)
  return {
    session_id: createHash('sha256').update(`${first.userId}|${first.eventTime}`).digest('hex').slice(0, 32),
    user_id: first.userId,
    session_start: first.eventTime,
    session_end: last.eventTime,
    duration_seconds: Number(last.eventTime - first.eventTime) / 1e6,
    transaction_count: BigInt(rows.length),
    total_amount: decimalText(cents.reduce((sum, one) => sum + one, 0n)),
    max_amount: decimalText(cents.reduce((most, one) => (one > most ? one : most))),
    unique_merchants: different(rows, (row) => row.merchant),
    unique_devices: different(rows, (row) => row.deviceId),
    unique_countries: different(rows, (row) => row.country),
    journey: rows.slice(0, 100).map((row) => row.merchant ?? '?'),
    country_changes: BigInt(changes(rows, (row) => row.country).length),
    device_changes: BigInt(changes(rows, (row) => row.deviceId).length),
    fraud_count: BigInt(rows.filter((row) => row.isFraud).length),
    is_card_testing: rows.some((row, at) => {
      const small = rows.slice(0, at).filter((one) => one.cents < 1_000n)
      return row.cents >= 50_000n && small.length >= 3
    }),
    is_impossible_travel: changes(rows, (row) => row.country).some(
      ([one, next]) => next.eventTime - one.eventTime <= 10n * minute,
    ),
    session_date: utcDate(first.eventTime),
  }
}

type Rows = readonly SilverTransaction[]

function different(rows: Rows, of: (row: SilverTransaction) => Cell): bigint {
  return BigInt(new Set(rows.map(of).filter((cell) => cell !== null)).size)
}

/** Neighbours with different values, both known. */
function changes(rows: Rows, of: (row: SilverTransaction) => Cell) {
  return rows.slice(1).flatMap((next, at): [SilverTransaction, SilverTransaction][] => {
    const one = rows[at]!
    const [before, after] = [of(one), of(next)]
    return before !== null && after !== null && before !== after ? [[one, next]] : []
  })
}
