// Deduplication and counts by their meaning, one row after another: what the SQL of every engine must give.
import fc from 'fast-check'
import { literal } from '../../../src/expr/index.ts'
import { deduplicate, input, over } from '../../../src/plan/index.ts'

export const schema = {
  id: 'string',
  user_id: 'int',
  at: 'timestamp',
  topic: 'string',
  offset: 'long',
  candidate: 'boolean',
} as const
const batch = input('batch', schema)
const history = input('history', { id: 'string', user_id: 'int', at: 'timestamp' })

/** `at` is microseconds; the offset of a row of the batch is its place. */
export type Row = { id: string; user: number; at: number; topic: string; candidate: boolean }
export type Case = { readonly past: readonly Row[]; readonly now: readonly Row[] }

function casesWith(times: { readonly min: number; readonly max: number }): fc.Arbitrary<Case> {
  const row = fc.record<Row>({
    id: fc.constantFrom('a', 'b', 'c'),
    user: fc.integer({ min: 1, max: 3 }),
    at: fc.integer(times),
    topic: fc.constantFrom('t', 'u'),
    candidate: fc.boolean(),
  })
  return fc.record({ past: fc.array(row, { maxLength: 15 }), now: fc.array(row, { maxLength: 30 }) })
}

const repeatRange = 10
export const repeatCases = casesWith({ min: 0, max: 60 })
/** Long enough to be counted by buckets of 3 microseconds; times are on both sides of the epoch. */
const velocityRange = 180
export const velocityCases = casesWith({ min: -200, max: 400 })

export const marked = deduplicate(batch, {
  history,
  candidate: (columns) => columns.candidate,
  key: 'id',
  eventTime: 'at',
  arrival: ['topic', 'offset'],
  rangeMicros: literal('long', BigInt(repeatRange)),
  as: 'is_repeat',
}).node

export const counted = over(batch, {
  history,
  key: 'user_id',
  eventTime: 'at',
  arrival: ['topic', 'offset'],
  rangeMicros: BigInt(velocityRange),
  aggregates: { count: { function: 'count' } },
}).node

/** For every row of `now`, whether it repeats one that stays. All of the past stays. */
export function naiveRepeats({ past, now }: Case): boolean[] {
  const stayed = [...past]
  const expected = new Array<boolean>(now.length).fill(false)
  for (const index of arrivalOrder(now)) {
    const one = now[index]!
    if (!one.candidate) continue
    if (repeats(one, stayed)) expected[index] = true
    else stayed.push(one)
  }
  return expected
}

/** For every row of `now`, how many of its user arrived no later and lie in the time before it. */
export function naiveCounts({ past, now }: Case): number[] {
  const order = arrivalOrder(now)
  return now.map((one, index) => {
    const arrived = [...past, ...order.slice(0, order.indexOf(index) + 1).map((place) => now[place]!)]
    return arrived.filter(
      (other) => other.user === one.user && other.at <= one.at && other.at >= one.at - velocityRange,
    ).length
  })
}

/** A at 0, B at 8, C at 16, ..: every second one repeats the one before it, that stays. */
export const longChain: Case = {
  past: [],
  now: Array.from(
    { length: 50 },
    (_, index): Row => ({ id: 'a', user: 1, at: index * 8, topic: 't', candidate: true }),
  ),
}

function repeats(one: Row, stayed: readonly Row[]): boolean {
  return stayed.some((other) => other.id === one.id && Math.abs(other.at - one.at) <= repeatRange)
}

/** The places of `now` in the order of arrival: topic, then offset. */
function arrivalOrder(now: readonly Row[]): number[] {
  return now
    .map((_, index) => index)
    .toSorted((a, b) => (now[a]!.topic < now[b]!.topic ? -1 : now[a]!.topic > now[b]!.topic ? 1 : a - b))
}
