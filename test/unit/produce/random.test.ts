import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  Random,
  ShareSampler,
  shuffledIndexes,
  WeightedIndex,
  zipfWeights,
} from '../../../src/produce/random.ts'

describe('seeded randomness', () => {
  test('differs between the streams of a seed, and between neighbouring seeds', () => {
    const first = (seed: number, stream: string): number => new Random(seed, stream).uint32()
    const firsts = [first(1, 'a'), first(1, 'b'), first(2, 'a'), first(-1, 'a'), first(0, 'a')]
    expect(new Set(firsts).size).toBe(firsts.length)
    expect(first(1, 'a')).toBe(firsts[0])
  })

  test('is uniform, and normal with mean 0 and deviation 1', () => {
    const random = new Random(7, 'distribution')
    const deciles = new Array<number>(10).fill(0)
    let sum = 0
    let squares = 0
    for (let draw = 0; draw < 100_000; draw++) {
      deciles[Math.floor(random.float() * 10)]!++
      const value = random.normal()
      sum += value
      squares += value * value
    }
    for (const count of deciles) expect(Math.abs(count - 10_000)).toBeLessThan(400)
    expect(Math.abs(sum / 100_000)).toBeLessThan(0.015)
    expect(Math.abs(squares / 100_000 - 1)).toBeLessThan(0.02)
  })

  test('shuffles every index to exactly one place', () => {
    const shuffled = shuffledIndexes(1_000, new Random(7, 'shuffle'))
    expect([...shuffled].sort((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
    expect([...shuffled.slice(0, 5)]).not.toEqual([0, 1, 2, 3, 4])
  })
})

test('a weighted choice follows its weights, those of zero never', () => {
  const weights = [5, 0, 3, ...zipfWeights(50, 1)]
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const choice = new WeightedIndex(weights)
  const random = new Random(7, 'weights')
  const counts = new Array<number>(weights.length).fill(0)
  const draws = 200_000
  for (let draw = 0; draw < draws; draw++) counts[choice.pick(random)]!++
  for (const [index, weight] of weights.entries()) {
    const share = weight / total
    const deviation = Math.sqrt((share * (1 - share)) / draws)
    expect(Math.abs(counts[index]! / draws - share), `index ${index}`).toBeLessThanOrEqual(5 * deviation)
  }
})

test('a share is exact within one, after any number of records', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 3_000 }),
      fc.integer(),
      (share, count, seed) => {
        const sampler = new ShareSampler(share, new Random(seed, 'share'))
        let taken = 0
        for (let index = 0; index < count; index++) if (sampler.take(index)) taken++
        expect(Math.abs(taken - share * count)).toBeLessThanOrEqual(1.000001)
      },
    ),
  )
})
