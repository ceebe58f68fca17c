import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AlignedCut, alignedCut } from '../../../src/batches/aligned-cut.ts'

/**
 * A partition is the timestamps of its records; the offset of a record is its index. `start` records are
 * read.
 */
type Partition = { readonly timestamps: readonly number[]; readonly start: number }

describe('a cut at one timestamp', () => {
  test('takes everything when it fits', async () => {
    const cut = await cutOf([partition([1, 2]), partition([5])], 3)
    expect(cut).toEqual({ timestampMs: null, ends: [2n, 1n] })
  })

  test('takes the greatest timestamp whose records fit, from every partition', async () => {
    const cut = await cutOf([partition([1, 2, 3, 9, 10]), partition([2, 4])], 4)
    expect(cut).toEqual({ timestampMs: 3, ends: [3n, 1n] })
  })

  test('shares a millisecond that holds more than the limit', async () => {
    const cut = await cutOf([partition([7, 7, 7, 8]), partition([7, 9])], 2)
    expect(cut).toEqual({ timestampMs: 7, ends: [2n, 0n] })
    const larger = await cutOf([partition(new Array(60).fill(7)), partition(new Array(20).fill(7))], 40)
    expect(larger).toEqual({ timestampMs: 7, ends: [30n, 10n] })
  })

  test.each([
    ['without a timestamp', -1],
    ['in nanoseconds', 1_700_000_000_000_000_000],
  ])('records %s are taken within the limit, with few requests', async (_, timestampMs) => {
    let requests = 0
    let left = [partition(new Array(1_000).fill(timestampMs)), partition(new Array(500).fill(timestampMs))]
    for (let cuts = 0; left.some(({ start, timestamps }) => start < timestamps.length); cuts += 1) {
      expect(cuts).toBeLessThan(15)
      const guess = { fromMs: 1_700_000_000_000, toMs: 1_700_100_000_000 }
      const { ends } = await cutOf(left, 100, guess, () => {
        requests += 1
      })
      expect(total(left, ends)).toBe(100)
      left = left.map(({ timestamps }, index) => partition(timestamps, Number(ends[index])))
    }
    expect(requests).toBeLessThanOrEqual(15 * 3)
  })

  test('goes on where an earlier record has a later timestamp', async () => {
    // The record at offset 0 is read and later than everything: the broker answers with it until time passes
    // it.
    const cut = await cutOf([partition([100, 1, 2, 3], 1), partition([50, 60, 70])], 2)
    expect(cut.ends).toEqual([1n, 2n])
  })

  test('needs few requests for evenly spaced records, and is exact', async () => {
    const start = 1_700_000_000_000
    const partitions = [0, 1, 2, 3].map((shift) =>
      partition(Array.from({ length: 25_000 }, (_, index) => start + index * 40 + shift * 7)),
    )
    let requests = 0
    const cut = await cutOf(partitions, 10_000, { fromMs: start, toMs: start + 5_000_000_000 }, () => {
      requests += 1
    })
    expect(cut.ends.reduce((sum, end) => sum + Number(end), 0)).toBe(10_000)
    expect(requests).toBeLessThanOrEqual(12)
  })

  test('any partitions, limits and guesses: it is the cut that trying every timestamp finds', async () => {
    const timestamps = fc.array(
      fc.oneof(fc.integer({ min: -1, max: 30 }), fc.integer({ min: 0, max: 2 ** 44 }), fc.constant(2 ** 60)),
      {
        maxLength: 12,
      },
    )
    const partitions = fc.array(
      timestamps.chain((times) =>
        fc.integer({ min: 0, max: times.length }).map((start) => partition(times, start)),
      ),
      { minLength: 1, maxLength: 4 },
    )
    const guess = fc.integer({ min: -5, max: 2 ** 45 })
    await fc.assert(
      fc.asyncProperty(
        partitions,
        fc.integer({ min: 1, max: 10 }),
        guess,
        guess,
        async (given, max, fromMs, toMs) => {
          const cut = await cutOf(given, max, { fromMs, toMs })
          const model = modelEnds(given, max)
          if (total(given, model) <= max) {
            expect(cut.ends).toEqual(model)
            return
          }
          expect(total(given, cut.ends)).toBe(max)
          for (const [index, end] of cut.ends.entries()) expect(end).toBeLessThanOrEqual(model[index]!)
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('any partitions: cut after cut reads every record once', async () => {
    const timestamps = fc.oneof(fc.integer({ min: -1, max: 50 }), fc.constant(2 ** 60))
    const partitions = fc.array(fc.array(timestamps, { maxLength: 20 }), {
      minLength: 1,
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(partitions, fc.integer({ min: 1, max: 8 }), async (given, max) => {
        let left = given.map((timestamps) => partition(timestamps))
        while (left.some(({ start, timestamps }) => start < timestamps.length)) {
          const { ends } = await cutOf(left, max)
          const taken = ends.reduce((sum, end, index) => sum + Number(end) - left[index]!.start, 0)
          expect(taken).toBeGreaterThan(0)
          expect(taken).toBeLessThanOrEqual(max)
          left = left.map(({ timestamps }, index) => partition(timestamps, Number(ends[index])))
        }
      }),
    )
  })
})

function partition(timestamps: readonly number[], start = 0): Partition {
  return { timestamps, start }
}

async function cutOf(
  partitions: readonly Partition[],
  recordsMax: number,
  guess: { fromMs: number; toMs: number } = { fromMs: 0, toMs: 100 },
  onRequest: () => void = () => {},
): Promise<AlignedCut> {
  return await alignedCut({
    bounds: partitions.map(({ timestamps, start }) => ({
      start: BigInt(start),
      end: BigInt(timestamps.length),
    })),
    recordsMax,
    ...guess,
    async offsetsAfter(timestampMs) {
      onRequest()
      return partitions.map(({ timestamps }) => firstLater(timestamps, timestampMs))
    },
  })
}

function firstLater(timestamps: readonly number[], timestampMs: number): bigint | null {
  const index = timestamps.findIndex((each) => each > timestampMs)
  return index === -1 ? null : BigInt(index)
}

/** Every timestamp that matters is one of a record. */
function modelEnds(partitions: readonly Partition[], recordsMax: number): bigint[] {
  const everything = partitions.map(({ timestamps }) => BigInt(timestamps.length))
  if (total(partitions, everything) <= recordsMax) return everything
  const candidates = [...new Set(partitions.flatMap(({ timestamps }) => timestamps))].sort((a, b) => a - b)
  const cuts = [...candidates, ...candidates.map((each) => each - 1)]
    .filter((each) => each >= -1)
    .sort((a, b) => a - b)
    .map((timestampMs) =>
      partitions.map(({ timestamps, start }) => {
        const after = firstLater(timestamps, timestampMs) ?? BigInt(timestamps.length)
        return after < BigInt(start) ? BigInt(start) : after
      }),
    )
    .filter((ends) => total(partitions, ends) > 0)
  return cuts.findLast((ends) => total(partitions, ends) <= recordsMax) ?? cuts[0]!
}

function total(partitions: readonly Partition[], ends: readonly bigint[]): number {
  return ends.reduce((sum, end, index) => sum + Number(end) - partitions[index]!.start, 0)
}
