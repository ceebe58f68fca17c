// Distances of distributions: what is put in is found, what chance makes is not, and both figures are what
// their definitions say.
import { expect, test } from 'vitest'
import { Random } from '../../../src/produce/random.ts'
import {
  type Distribution,
  distanceOf as distanceOfTally,
  distributionOf,
  limitsOf,
} from '../../../src/training/distribution.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = new Random(seed, 'drift')
/** Counted one by one, as the definition of a tally says. */
function distanceOf(from: Distribution, values: Float64Array) {
  const limits = limitsOf(from)
  const there = [...values].filter((value) => {
    return from.kind === 'category' ? limits.includes(value) : !Number.isNaN(value)
  })
  const counts = limits.map((limit, index) => {
    return there.filter((value) => value <= limit && value > (limits[index - 1] ?? Number.NEGATIVE_INFINITY))
      .length
  })
  return distanceOfTally(from, { rows: values.length, present: there.length, counts })
}
const normals = (count: number, shift = 0, missing = 0): Float64Array =>
  Float64Array.from({ length: count }, () =>
    random.float() < missing ? Number.NaN : random.normal() + shift,
  )
const categories = (count: number, weights: readonly number[]): Float64Array =>
  Float64Array.from({ length: count }, () => {
    const at = random.float()
    const code = weights.findIndex((_, index) => at < weights.slice(0, index + 1).reduce((a, b) => a + b))
    return code < 0 ? Number.NaN : code
  })

test(`no day of 1,000 days of the same kind has drifted (SEED=${seed})`, () => {
  const learned = distributionOf(normals(50_000, 0, 0.1), null)
  const texts = distributionOf(categories(50_000, [0.6, 0.3, 0.08]), ['a', 'b', 'c'])
  let drifted = 0
  for (let day = 0; day < 1_000; day++) {
    const rows = [120, 300, 1_000][day % 3]!
    if (distanceOf(learned, normals(rows, 0, 0.1)).level === 'drifted') drifted++
    if (distanceOf(texts, categories(rows, [0.6, 0.3, 0.08])).level === 'drifted') drifted++
  }
  expect(drifted).toBe(0)
})

test('a value that moves, one that goes missing and a category that comes are found in a day', () => {
  const learned = distributionOf(normals(50_000, 0, 0.1), null)
  const texts = distributionOf(categories(50_000, [0.6, 0.3, 0.08]), ['a', 'b', 'c'])
  expect(distanceOf(learned, normals(500, 0.8, 0.1))).toMatchObject({ level: 'drifted' })
  expect(distanceOf(learned, normals(500, 0, 0.6))).toMatchObject({ level: 'drifted' })
  expect(distanceOf(texts, categories(500, [0.2, 0.7, 0.08]))).toMatchObject({ level: 'drifted' })
  expect(distanceOf(texts, categories(500, [0.3, 0.2, 0.05]))).toMatchObject({ level: 'drifted' })
})

test('PSI and KS are what their definitions say', () => {
  const learned = distributionOf(
    Float64Array.from({ length: 1_000 }, (_, index) => index),
    null,
  )
  // All of the lower half: five of the ten bins have a fifth each, five have nothing.
  const half = distanceOf(
    learned,
    Float64Array.from({ length: 500 }, (_, index) => index),
  )
  const expected = 5 * (0.2 - 0.1) * Math.log(0.2 / 0.1) + 5 * (1e-3 - 0.1) * Math.log(1e-3 / 0.1)
  expect(half.psi).toBeCloseTo(expected, 1)
  expect(half.ks).toBeCloseTo(0.5, 2)
  expect(
    distanceOf(
      learned,
      Float64Array.from({ length: 1_000 }, (_, index) => index),
    ),
  ).toMatchObject({
    psi: 0,
    level: 'stable',
  })
  const texts = distributionOf(Float64Array.of(0, 0, 1, 1), ['a', 'b'])
  const moved = distanceOf(texts, Float64Array.of(0, 0, 0, 1))
  expect(moved.psi).toBeCloseTo(0.25 * Math.log(1.5) - 0.25 * Math.log(0.5), 10)
  expect(moved.ks).toBeCloseTo(0.25, 10)
})

test('a feature without a value, of one value, and a day without rows are no mistake', () => {
  const nothing = distributionOf(new Float64Array(10).fill(Number.NaN), null)
  expect(distanceOf(nothing, new Float64Array(200).fill(Number.NaN))).toMatchObject({ psi: 0, ks: 0 })
  const one = distributionOf(new Float64Array(10).fill(3), null)
  expect(distanceOf(one, new Float64Array(200).fill(3))).toMatchObject({ psi: 0, ks: 0, level: 'stable' })
  expect(distanceOf(one, new Float64Array(0)).level).toBe('too_few')
})
