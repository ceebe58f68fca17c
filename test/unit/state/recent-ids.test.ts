// RecentIds against the meaning of deduplicate, written naively.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Whole } from '../../../src/columns/whole.ts'
import { type KeyDigest, KeyHash } from '../../../src/state/key-hash.ts'
import { RecentIds } from '../../../src/state/recent-ids.ts'
import { type Case, longChain, naiveRepeats, repeatCases } from '../sql/naive.ts'

/** The range of the naive form. */
const naiveRange = 10
const seed = [11, 22, 33, 44] as const
/** Years 1 and 9999. */
const [firstMicros, lastMicros] = [-62_135_596_800_000_000n, 253_402_300_799_999_999n]

/** All keys are in one shard and want the same place; digests differ in the second word only. */
class CrowdedHash extends KeyHash {
  override ofText(key: string): void {
    super.ofText(key)
    this.a = -1
    this.c = 0
  }
}

/** Texts of one length have one digest. */
class LengthHash extends KeyHash {
  override ofText(key: string): void {
    this.a = key.length
    this.b = 0
    this.c = key.length << 7
  }
}

/** All keys are in one shard. */
class OneShardHash extends KeyHash {
  override ofText(key: string): void {
    super.ofText(key)
    this.c = 0
  }
}

const hashes: readonly (readonly [string, () => KeyDigest])[] = [
  ['the hash', () => new KeyHash(seed)],
  ['a hash of one shard', () => new OneShardHash(seed)],
  ['a hash that crowds all keys in one place', () => new CrowdedHash(seed)],
]

function resultsOf(ids: RecentIds, { past, now }: Case): boolean[] {
  for (const row of past) ids.add(row.id, row.at)
  const results = new Array<boolean>(now.length).fill(false)
  const inOrder = now.map((row, index) => ({ row, index })).sort((a, b) => compare(a.row.topic, b.row.topic))
  for (const { row, index } of inOrder) if (row.candidate) results[index] = ids.repeats(row.id, row.at)
  return results
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

test.each(hashes)('a candidate repeats what a naive pass says, with %s', (_, hash) => {
  fc.assert(
    fc.property(repeatCases, (one) => {
      const ids = new RecentIds({ hash: hash(), rangeMicros: naiveRange })
      expect(resultsOf(ids, one)).toEqual(naiveRepeats(one))
    }),
    { numRuns: 500 },
  )
  const ids = new RecentIds({ hash: hash(), rangeMicros: naiveRange })
  expect(resultsOf(ids, longChain)).toEqual(naiveRepeats(longChain))
})

const isSafe = (value: bigint) => value >= -9007199254740991n && value <= 9007199254740991n
const wholeOf = (value: bigint): Whole => (isSafe(value) ? Number(value) : value)

/** Times near the ends of the years, of what a number holds, and of words of 32 bits. */
const time = fc
  .tuple(
    fc.constantFrom(firstMicros, -(2n ** 53n), -(2n ** 32n), 0n, 2n ** 32n, 2n ** 53n, 2n ** 54n, lastMicros),
    fc.bigInt({ min: -40n, max: 40n }),
  )
  .map(([base, off]) => base + off)
  .filter((at) => at >= firstMicros && at <= lastMicros)
const range = fc.oneof(fc.bigInt({ min: 0n, max: 50n }), fc.constant(2n ** 53n), fc.constant(2n ** 60n))

type Step =
  | { readonly kind: 'row'; readonly id: string; readonly at: bigint; readonly isHistory: boolean }
  | { readonly kind: 'range'; readonly micros: bigint }
  | { readonly kind: 'mark' | 'rollback' | 'commit' }

const row: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('row' as const),
  id: fc.oneof(fc.constantFrom('a', 'b', 'ä', '€', ''), fc.integer({ min: 0, max: 40 }).map(String)),
  at: time,
  isHistory: fc.boolean(),
})
const steps = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: row },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('range' as const), micros: range }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('mark' as const, 'rollback' as const, 'commit' as const),
      }),
    },
  ),
  { maxLength: 200, size: 'max' },
)

test.each(hashes)('times at all extremes, changing ranges and batches taken back, with %s', (_, hash) => {
  fc.assert(
    fc.property(steps, (all) => {
      const ids = new RecentIds({ hash: hash(), rangeMicros: 5 })
      let range = 5n
      let stayed: { readonly id: string; readonly at: bigint }[] = []
      let marked: typeof stayed | null = null
      for (const step of all) {
        if (step.kind === 'row') {
          const { id, at } = step
          const isNear = (other: (typeof stayed)[number]) =>
            other.id === id && other.at >= at - range && other.at <= at + range
          const repeats = !step.isHistory && stayed.some(isNear)
          if (step.isHistory) ids.add(id, wholeOf(at))
          else expect(ids.repeats(id, wholeOf(at))).toBe(repeats)
          if (!repeats) stayed = [...stayed, { id, at }]
        } else if (step.kind === 'range') {
          range = step.micros
          ids.rangeMicros = wholeOf(range)
        } else if (step.kind === 'mark') {
          ids.mark()
          marked = stayed
        } else if (step.kind === 'commit') {
          ids.commit()
          marked = null
        } else if (marked !== null) {
          ids.rollback()
          stayed = marked
        }
        expect(ids.rowCount).toBe(stayed.length)
      }
    }),
    { numRuns: 500 },
  )
})

test('keys of one digest are taken for one', () => {
  const ids = new RecentIds({ hash: new LengthHash(seed), rangeMicros: 5 })
  expect(ids.repeats('one', 0)).toBe(false)
  expect(ids.repeats('two', 5)).toBe(true)
  expect(ids.repeats('three', 5)).toBe(false)
})

test('one id with many rows that stay costs no more than others', () => {
  const ids = new RecentIds({ hash: new KeyHash(seed), rangeMicros: 0 })
  const rows = 200_000
  for (let at = 0; at < rows; at++) expect(ids.repeats('always', (at * 7919) % rows)).toBe(false)
  expect(ids.rowCount).toBe(rows)
  for (let at = 0; at < rows; at += 997) expect(ids.repeats('always', at)).toBe(true)
  ids.mark()
  ids.add('always', 5)
  ids.rollback()
  expect(ids.rowCount).toBe(rows)
})

test('what a later row can ask for is never forgotten, and the rest gives its memory back', () => {
  const [batches, rows, rangeMicros] = [600, 500, 60_000]
  const ids = new RecentIds({ hash: new KeyHash(seed), rangeMicros })
  const bytes: number[] = []
  for (let batch = 0; batch < batches; batch++) {
    const from = batch * 1000
    for (let index = 0; index < rows; index++)
      expect(ids.repeats(`${batch} ${index}`, from + index)).toBe(false)
    // Rows of the oldest batch that still matters, and of some between.
    const oldest = Math.max(0, batch - 59)
    for (const other of [oldest, (oldest + batch) >> 1])
      for (let index = 0; index < rows; index += 50)
        expect(ids.repeats(`${other} ${index}`, other * 1000 + index)).toBe(true)
    ids.forgetBefore(from - rangeMicros)
    bytes.push(ids.bytes)
  }
  const live = 61 * rows
  expect(ids.rowCount).toBeGreaterThanOrEqual(live - rows)
  expect(ids.rowCount).toBeLessThan(live * 1.3)
  expect(bytes.at(-1)).toBeLessThan(bytes[150]! * 1.2)
  for (let call = 0; call < 130; call++) ids.forgetBefore(batches * 1000)
  expect(ids.rowCount).toBe(0)
  expect(ids.bytes).toBeLessThan(bytes.at(-1)! / 1.5)
})

test('a time outside of all years is refused', () => {
  const ids = new RecentIds({ hash: new KeyHash(seed), rangeMicros: 0 })
  expect(() => ids.add('a', 2n ** 58n)).toThrow('out of all years')
})
