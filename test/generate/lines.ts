// Random transactions for differential tests: disorder, repeats near and far, ties, late rows, bad rows of
// every kind.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'

/** 2026-10-31T20:00Z: hours, half hours, a day and a weekend turn within the data. */
const startMs = Date.UTC(2026, 9, 31, 20)
/** Before the clock of any machine, which judges what is in the future: 2024-03-09T20:00Z, a Saturday. */
const topicStartMs = Date.UTC(2024, 2, 9, 20)
/** What a step of a minute is for topics, so that their windows hold several rows. */
const topicStepMs = 6_000

type Shape = {
  /** Minutes by which the time of the data moves on before this record. */
  readonly step: number
  /** Minutes by which this record is behind (or, negative, ahead of) the time of the data. */
  readonly behind: number
  readonly id: number
  readonly user: number
  readonly amount: number
  readonly method: string | null
  readonly place: string | null
  readonly device: number | null
  readonly merchant: number | null
  readonly fraud: boolean | null
  readonly micros: number
}

const shapeOf = (userCount: number) =>
  fc.record<Shape>({
    step: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(0, 0, 1, 2) },
      { weight: 1, arbitrary: fc.integer({ min: 5, max: 70 }) },
    ),
    behind: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -1, max: 8 }) },
      { weight: 1, arbitrary: fc.integer({ min: 9, max: 12 }) },
      { weight: 1, arbitrary: fc.integer({ min: 20, max: 90 }) },
    ),
    id: fc.oneof(
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }) },
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 100_000 }) },
    ),
    user: fc.integer({ min: 1, max: userCount }),
    amount: fc.oneof(
      fc.double({ min: 0.01, max: 20_000, noNaN: true }),
      fc.constantFrom(1.005, 10, 100, 1000, 1000.01, 5000, 5000.01, 10000),
    ),
    method: fc.constantFrom('credit_card', 'debit_card', 'crypto', 'bank_transfer', 'paypal', null),
    place: fc.constantFrom(
      'Paris, France',
      'Lagos, Nigeria',
      'Moscow, Russia',
      'Oslo',
      ', France',
      'Washington, D.C., United States',
      null,
    ),
    device: fc.option(fc.integer({ min: 1, max: 5 })),
    merchant: fc.option(fc.integer({ min: 1, max: 3 })),
    fraud: fc.constantFrom(true, false, false, null),
    micros: fc.constantFrom(0, 0, 0, 1, 999_999),
  })

const shape = shapeOf(4)

function validLine(one: Shape, nowMs: number): Buffer {
  const at = new Date(nowMs - one.behind * 60_000).toISOString().slice(0, 19)
  const value = {
    transaction_id: `t${one.id}`,
    user_id: one.user,
    amount: one.amount,
    merchant: one.merchant === null ? null : `m${one.merchant}`,
    payment_method: one.method,
    location: one.place,
    device_id: one.device === null ? null : `d${one.device}`,
    timestamp: `${at}.${String(one.micros).padStart(6, '0')}Z`,
    is_fraud: one.fraud,
  }
  return Buffer.from(JSON.stringify(value))
}

type BadInput = {
  readonly name: string
  readonly value: Buffer | null
  readonly outcome: 'silver' | 'quarantine' | 'any'
}

/** The values that a topic can hold, tombstone included, and where each ends. */
export const badInput: readonly BadInput[] = readFileSync(
  join(import.meta.dirname, '../data/bad-input.ndjson'),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Omit<BadInput, 'value'> & { value_base64: string | null })
  .map(({ name, outcome, value_base64 }) => ({
    name,
    value: value_base64 === null ? null : Buffer.from(value_base64, 'base64'),
    outcome,
  }))

/** Those that fit on one line and do not depend on the parser's taste. */
export const badValues: readonly Buffer[] = badInput.flatMap(({ value, outcome }) =>
  value === null || outcome === 'any' || value.includes(10) ? [] : [value],
)

type Line = { readonly shape: Shape; readonly damage: Damage }
type Damage =
  | { readonly kind: 'none' }
  | { readonly kind: 'bad'; readonly index: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'byte'; readonly at: number; readonly byte: number }

const damage = fc.oneof<fc.WeightedArbitrary<Damage>[]>(
  { weight: 12, arbitrary: fc.constant({ kind: 'none' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('bad'), index: fc.nat(badValues.length - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut'), at: fc.nat(250) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('byte'),
      at: fc.nat(250),
      byte: fc.integer({ min: 0, max: 255 }),
    }),
  },
)

/** Record values without LF, in the order in which they arrive. */
export const lines = (sizeMax: number, sizeMin = 1): fc.Arbitrary<Buffer[]> =>
  fc
    .array(fc.record<Line>({ shape, damage: damage as fc.Arbitrary<Damage> }), {
      minLength: sizeMin,
      maxLength: sizeMax,
      size: 'max',
    })
    .map((all) => {
      let nowMs = startMs
      return all.map((one) => {
        nowMs += one.shape.step * 60_000
        return damaged(validLine(one.shape, nowMs), one.damage)
      })
    })

/** Nothing of it is late, whatever the batches: times go back by less than the watermark's delay. */
export const punctualLines = (sizeMax: number): fc.Arbitrary<Buffer[]> =>
  fc.array(shape, { minLength: 1, maxLength: sizeMax, size: 'max' }).map((all) => {
    let nowMs = startMs
    return all.map((one) => {
      nowMs += one.step * 60_000
      return validLine({ ...one, behind: Math.min(Math.max(one.behind, 0), 9) }, nowMs)
    })
  })

/** A record of a topic, with the time of the data when it arrives. */
export type TimedLine = { readonly user: number; readonly nowMs: number; readonly value: Buffer }

/** What a topic may hold that covers some hours, in the order in which it arrives. */
export const topicLines = (count: number, userCount: number): fc.Arbitrary<TimedLine[]> =>
  fc
    .array(fc.record<Line>({ shape: shapeOf(userCount), damage: damage as fc.Arbitrary<Damage> }), {
      minLength: count,
      maxLength: count,
    })
    .map((all) => {
      let nowMs = topicStartMs
      return all.map((one) => {
        nowMs += one.shape.step * topicStepMs
        const value = damaged(validLine(one.shape, nowMs), one.damage)
        return { user: one.shape.user, nowMs, value }
      })
    })

/**
 * As `topicLines`, but nothing of it is bad or late, and a transaction is repeated by its own user alone:
 * with a partition for each user, no batch can change what becomes of it.
 */
export const punctualTopicLines = (count: number, userCount: number): fc.Arbitrary<TimedLine[]> =>
  fc.array(shapeOf(userCount), { minLength: count, maxLength: count }).map((all) => {
    let nowMs = topicStartMs
    return all.map((one) => {
      nowMs += one.step * topicStepMs
      const id = one.user * 1_000_000 + one.id
      const behind = Math.min(Math.max(one.behind, 0), 9)
      return { user: one.user, nowMs, value: validLine({ ...one, id, behind }, nowMs) }
    })
  })

function damaged(line: Buffer, how: Damage): Buffer {
  switch (how.kind) {
    case 'none':
      return line
    case 'bad':
      return badValues[how.index]!
    case 'cut':
      return line.subarray(0, how.at)
    case 'byte': {
      const copy = Buffer.from(line)
      if (how.at < copy.length && how.byte !== 10) copy[how.at] = how.byte
      return copy
    }
  }
}
