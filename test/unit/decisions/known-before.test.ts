// From which batch on decisions go: found exactly, and where the first batch is not decided, from its begin.
import { expect, test } from 'vitest'
import { type Offsets, partitionKey } from '../../../src/batches/offsets.ts'
import type { BatchPlan } from '../../../src/batches/plan.ts'
import { noProgress, type Progress } from '../../../src/batches/progress.ts'
import { type Batches, knownBefore } from '../../../src/decisions/known-before.ts'

const topic = 't'
const at = (offsets: Readonly<Record<number, bigint>>): Offsets =>
  new Map(
    Object.entries(offsets).map(([partition, offset]) => {
      const of = { topic, partition: Number(partition) }
      return [partitionKey(of), { ...of, offset }]
    }),
  )

/** Each batch takes ten records of partition 0, from offset 100 on, and from the third on of partition 1. */
function lakehouse(count: number): Batches & { readonly newest: Progress } {
  const all = Array.from({ length: count }, (_, index) => {
    const batch = BigInt(index + 1)
    const first = 100n + 10n * BigInt(index)
    const second =
      index < 2 ? [] : [{ topic, partition: 1, start: 10n * BigInt(index), end: 10n * BigInt(index + 1) }]
    const ranges = [{ topic, partition: 0, start: first, end: first + 10n }, ...second]
    const offsets = at({ 0: first + 10n, ...(index < 2 ? {} : { 1: 10n * BigInt(index + 1) }) })
    return { plan: { batch, ranges } as unknown as BatchPlan, progress: { ...noProgress, batch, offsets } }
  })
  return {
    newest: all.at(-1)!.progress,
    progressAt: async (batch) => (batch === 0n ? noProgress : all[Number(batch) - 1]!.progress),
    async *after(batch) {
      yield* all.slice(Number(batch))
    },
  }
}

test('each place has the newest batch before it', async () => {
  const batches = lakehouse(40)
  for (let decided = 110n; decided <= 500n; decided++) {
    const { batch } = await knownBefore(batches, batches.newest, at({ 0: decided, 1: 10_000n }))
    expect(batch).toBe((decided - 100n) / 10n)
  }
  // The partition that is least far decides.
  expect((await knownBefore(batches, batches.newest, at({ 0: 500n, 1: 45n }))).batch).toBe(4n)
})

test('what lies in the first batch is read from where that batch began', async () => {
  const batches = lakehouse(40)
  const known = await knownBefore(batches, batches.newest, at({ 0: 105n, 1: 25n, 2: 7n }))
  expect(known.batch).toBe(0n)
  expect([...known.offsets.values()].map(({ partition, offset }) => [partition, offset])).toEqual([
    ...[
      [0, 100n],
      [1, 20n],
      [2, 7n],
    ],
  ])
})

test('what lies before the first batch is read from there', async () => {
  const batches = lakehouse(3)
  const { offsets } = await knownBefore(batches, batches.newest, at({ 0: 90n, 1: 0n }))
  expect(offsets).toEqual(at({ 0: 90n, 1: 0n }))
})
