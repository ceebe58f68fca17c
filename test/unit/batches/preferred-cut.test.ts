import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { preferredCut } from '../../../src/batches/preferred-cut.ts'

type Partition = { readonly timestamps: readonly number[]; readonly start: number }

describe('a cut with partitions that hold the watermark back', () => {
  /** Its first record is stamped ahead of all that the other holds. */
  const ahead = partition([1_000, 1, 2, 3, 4, 5, 6, 7])
  const other = partition([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])

  test('one that would get nothing gets half of the batch by offset', async () => {
    expect(await endsOf([ahead, other], 6, [])).toEqual([0n, 6n])
    expect(await endsOf([ahead, other], 6, [0])).toEqual([3n, 3n])
    // Behind the record that is ahead, the others still are what a timestamp would give first.
    expect(await endsOf([partition(ahead.timestamps, 3), partition(other.timestamps, 3)], 6, [0])).toEqual([
      6n,
      6n,
    ])
  })

  test('one that has less than half leaves the rest to the others', async () => {
    expect(
      await endsOf([partition(ahead.timestamps, 7), partition([900, ...ahead.timestamps]), other], 8, [0, 1]),
    ).toEqual([8n, 3n, 4n])
  })

  test('only those before the first that the timestamp serves are preferred', async () => {
    expect(await endsOf([ahead, other], 6, [1, 0])).toEqual([0n, 6n])
    // Without a record of its own, a partition says nothing.
    expect(await endsOf([ahead, other, partition([], 0)], 6, [2, 0])).toEqual([3n, 3n, 0n])
  })

  test('a batch of one record goes to the preferred one', async () => {
    expect(await endsOf([ahead, other], 1, [0])).toEqual([1n, 0n])
  })

  test('any partitions and preferences: cut after cut reads every record once, within the limit', async () => {
    const timestamp = fc.oneof(fc.integer({ min: -1, max: 50 }), fc.constant(2 ** 60), fc.constant(5_000))
    const partitions = fc.array(fc.array(timestamp, { maxLength: 20 }), { minLength: 1, maxLength: 4 })
    const preferences = fc.infiniteStream(fc.uniqueArray(fc.nat({ max: 3 }), { maxLength: 4 }))
    await fc.assert(
      fc.asyncProperty(
        partitions,
        preferences,
        fc.integer({ min: 1, max: 8 }),
        async (given, orders, max) => {
          let left = given.map((timestamps) => partition(timestamps))
          while (left.some(({ start, timestamps }) => start < timestamps.length)) {
            const preferred = orders.next().value.filter((index: number) => index < left.length)
            const ends = await endsOf(left, max, preferred)
            const taken = ends.map((end, index) => Number(end) - left[index]!.start)
            for (const count of taken) expect(count).toBeGreaterThanOrEqual(0)
            const total = taken.reduce((sum, count) => sum + count, 0)
            expect(total).toBeGreaterThan(0)
            expect(total).toBeLessThanOrEqual(max)
            // The one that holds most always goes on.
            const first = preferred.find(
              (index: number) => left[index]!.start < left[index]!.timestamps.length,
            )
            if (first !== undefined) expect(taken[first]).toBeGreaterThan(0)
            left = left.map(({ timestamps }, index) => partition(timestamps, Number(ends[index])))
          }
        },
      ),
    )
  })
})

function partition(timestamps: readonly number[], start = 0): Partition {
  return { timestamps, start }
}

async function endsOf(
  partitions: readonly Partition[],
  recordsMax: number,
  preferred: readonly number[],
): Promise<readonly bigint[]> {
  const { ends } = await preferredCut({
    bounds: partitions.map(({ timestamps, start }) => ({
      start: BigInt(start),
      end: BigInt(timestamps.length),
    })),
    recordsMax,
    preferred,
    ...{ fromMs: 0, toMs: 100 },
    async offsetsAfter(timestampMs) {
      return partitions.map(({ timestamps }) => {
        const index = timestamps.findIndex((each) => each > timestampMs)
        return index === -1 ? null : BigInt(index)
      })
    },
  })
  return ends
}
