// RecentTimes against the meaning of velocity, written naively.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Whole } from '../../../src/columns/whole.ts'
import { type KeyDigest, KeyHash } from '../../../src/state/key-hash.ts'
import { RecentTimes } from '../../../src/state/recent-times.ts'
import { naiveCounts, velocityCases } from '../sql/naive.ts'

/** The range of the naive form. */
const naiveRange = 180
const seed = [11, 22, 33, 44] as const
const [firstMicros, lastMicros] = [-62_135_596_800_000_000n, 253_402_300_799_999_999n]

/** All keys are in one shard and want the same place. */
class CrowdedHash extends KeyHash {
  override ofText(key: string): void {
    super.ofText(key)
    this.a = -1
    this.c = 0
  }
  override ofWhole(key: Whole): void {
    super.ofWhole(key)
    this.b = this.b ^ this.a // Still different for different keys of these tests.
    this.a = -1
    this.c = 0
  }
}

/** All keys are in one shard. */
class OneShardHash extends KeyHash {
  override ofText(key: string): void {
    super.ofText(key)
    this.c = 0
  }
  override ofWhole(key: Whole): void {
    super.ofWhole(key)
    this.c = 0
  }
}

const hashes: readonly (readonly [string, () => KeyDigest])[] = [
  ['the hash', () => new KeyHash(seed)],
  ['a hash of one shard', () => new OneShardHash(seed)],
  ['a hash that crowds all keys in one place', () => new CrowdedHash(seed)],
]

test.each(hashes)('a row counts what a naive pass says, with %s', (_, hash) => {
  fc.assert(
    fc.property(velocityCases, (one) => {
      const times = new RecentTimes({ hash: hash(), rangeMicros: naiveRange })
      for (const row of one.past) times.add(row.user, row.at)
      const counts = new Array<number>(one.now.length)
      const places = one.now.map((_, place) => place)
      const topicOf = (place: number) => (one.now[place]!.topic === 't' ? 0 : 1)
      for (const place of places.sort((a, b) => topicOf(a) - topicOf(b)))
        counts[place] = times.count(one.now[place]!.user, one.now[place]!.at)
      expect(counts).toEqual(naiveCounts(one))
    }),
    { numRuns: 500 },
  )
})

const isSafe = (value: bigint) => value >= -9007199254740991n && value <= 9007199254740991n
const wholeOf = (value: bigint): Whole => (isSafe(value) ? Number(value) : value)

const bases = [
  firstMicros,
  -(2n ** 53n),
  0n,
  2n ** 31n,
  2n ** 32n,
  1_700_000_000_000_000n,
  2n ** 53n,
  lastMicros,
]
const time = fc
  .tuple(
    fc.constantFrom(...bases),
    fc.oneof(fc.bigInt({ min: -40n, max: 40n }), fc.bigInt({ min: -(2n ** 33n), max: 2n ** 33n })),
  )
  .map(([base, off]) => base + off)
  .filter((at) => at >= firstMicros && at <= lastMicros)
const ranges = fc.constantFrom(0n, 20n, 1_800_000_000n, 86_400_000_000n, 2n ** 53n, 2n ** 60n)
const key = fc.oneof(
  fc.constantFrom<string | Whole>('a', 'b', '€', 1, -1, 2 ** 40, 2n ** 60n, -(2n ** 63n)),
  fc.integer({ min: 0, max: 30 }),
)

type Step =
  | { readonly kind: 'row'; readonly key: string | Whole; readonly at: bigint; readonly isHistory: boolean }
  | { readonly kind: 'many'; readonly key: string | Whole; readonly at: bigint; readonly seed: number }
  | { readonly kind: 'mark' | 'rollback' | 'commit' }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 20,
      arbitrary: fc.record({ kind: fc.constant('row' as const), key, at: time, isHistory: fc.boolean() }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('many' as const), key, at: time, seed: fc.nat() }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('mark' as const, 'rollback' as const, 'commit' as const),
      }),
    },
  ),
  { maxLength: 60, size: 'max' },
)

/** So many rows that a key's times are sorted, in some disorder. */
function manyTimes(at: bigint, start: number): bigint[] {
  let state = start
  return Array.from({ length: 150 }, (_, index) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    const moved = at + BigInt(index * 3) - BigInt(state % 60)
    return moved < firstMicros ? firstMicros : moved > lastMicros ? lastMicros : moved
  })
}

test.each(hashes)('times at all extremes, busy keys and batches taken back, with %s', (_, hash) => {
  fc.assert(
    fc.property(steps, ranges, (all, range) => {
      const times = new RecentTimes({ hash: hash(), rangeMicros: wholeOf(range) })
      let rows: { readonly key: string | Whole; readonly at: bigint }[] = []
      let marked: typeof rows | null = null
      const put = (one: string | Whole, at: bigint, isHistory: boolean) => {
        rows = [...rows, { key: one, at }]
        if (isHistory) times.add(one, wholeOf(at))
        else {
          const expected = rows.filter((row) => row.key === one && row.at >= at - range && row.at <= at)
          expect(times.count(one, wholeOf(at))).toBe(expected.length)
        }
      }
      for (const step of all) {
        if (step.kind === 'row') put(step.key, step.at, step.isHistory)
        else if (step.kind === 'many')
          for (const [index, at] of manyTimes(step.at, step.seed).entries())
            put(step.key, at, index % 2 === 0)
        else if (step.kind === 'mark') {
          times.mark()
          marked = rows
        } else if (step.kind === 'commit') {
          times.commit()
          marked = null
        } else if (marked !== null) {
          times.rollback()
          rows = marked
        }
      }
      expect(times.rowCount).toBe(rows.length)
    }),
    { numRuns: 200 },
  )
})

test('a busy key counts exactly in any order of arrival, also when rows are taken back and forgotten', () => {
  const order = fc.constantFrom('in order', 'backwards', 'shuffled', 'one instant', 'far apart')
  fc.assert(
    fc.property(order, fc.nat(), fc.integer({ min: 1, max: 4000 }), (kind, start, rangeMicros) => {
      const times = new RecentTimes({ hash: new KeyHash(seed), rangeMicros })
      let state = start
      const random = (): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
        return state >> 8
      }
      const kept: number[] = []
      const rows = 6000
      for (let index = 0; index < rows; index++) {
        const far = 10_000_000_000 * (index % 7)
        const at = { 'in order': index, backwards: rows - index, shuffled: random() % rows, 'one instant': 5 }
        const micros = kind === 'far apart' ? far + (random() % rows) : at[kind]
        if (index % 600 === 599) {
          times.mark()
          for (let more = 0; more < 200; more++) times.add(7, random() % rows)
          times.rollback()
        }
        const expected = kept.filter((other) => other >= micros - rangeMicros && other <= micros).length + 1
        // The naive count takes long, so most rows are only added.
        if (index % 20 === 0) expect(times.count(7, micros)).toBe(expected)
        else times.add(7, micros)
        kept.push(micros)
      }
      expect(times.countBetween(7, 0, 2 ** 50)).toBe(rows)
      for (let call = 0; call < 130; call++) times.forgetBefore(rows / 2)
      const from = rows / 2 + 100
      const later = kept.filter((at) => at >= from).length
      expect(times.countBetween(7, from, 2 ** 50)).toBe(later)
      expect(times.rowCount).toBeLessThan(kept.filter((at) => at >= rows / 2).length + 600)
    }),
    { numRuns: 25 },
  )
})

test('what a later row can ask for is never forgotten, and the rest gives its memory back', () => {
  const [batches, rows, rangeMicros, users] = [600, 500, 60_000, 300]
  const times = new RecentTimes({ hash: new KeyHash(seed), rangeMicros })
  const bytes: number[] = []
  const kept = new Map<number, number[]>()
  for (let batch = 0; batch < batches; batch++) {
    for (let index = 0; index < rows; index++) {
      const user = index < 100 ? 0 : (index * 7919 + batch) % users
      const at = batch * 1000 + 5000 - ((index * 31) % 5000)
      const ofUser = kept.get(user) ?? []
      kept.set(user, ofUser)
      ofUser.push(at)
      const count = times.count(user, at)
      if (index % 97 === 0)
        expect(count).toBe(ofUser.filter((other) => other >= at - rangeMicros && other <= at).length)
    }
    times.forgetBefore(batch * 1000 - rangeMicros)
    bytes.push(times.bytes)
  }
  const live = 65 * rows
  expect(times.rowCount).toBeLessThan(live * 1.3)
  expect(bytes.at(-1)).toBeLessThan(bytes[150]! * 1.2)
  for (let call = 0; call < 130; call++) times.forgetBefore(batches * 1000 + 10_000)
  expect(times.rowCount).toBe(0)
  // What is left are the objects of the shards.
  expect(times.bytes).toBeLessThan(300 * 1100)
})

test('a key that leaves for another era is counted over both, and the first is forgotten whole', () => {
  const times = new RecentTimes({ hash: new KeyHash(seed), rangeMicros: 100 })
  times.add('a', Number.MAX_SAFE_INTEGER)
  times.add('a', Number.MAX_SAFE_INTEGER - 200)
  expect(times.count('a', 2n ** 53n + 50n)).toBe(2)
  times.forgetBefore(2n ** 53n + 10n)
  expect(times.count('a', 2n ** 53n + 60n)).toBe(2)
  expect(times.rowCount).toBe(2)
})
