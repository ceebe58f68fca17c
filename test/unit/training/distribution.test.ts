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
    return there.filter((value) => value <= limit && (index === 0 || value > limits[index - 1]!)).length
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

/** So many of each value. */
const of = (...parts: readonly (readonly [count: number, value: number])[]): Float64Array =>
  Float64Array.from(parts.flatMap(([count, value]) => Array.from({ length: count }, () => value)))

test.for([
  ['5 % are true, then half are', of([950, 0], [50, 1]), of([500, 0], [500, 1])],
  ['5 % are false, then half are', of([50, 0], [950, 1]), of([500, 0], [500, 1])],
  ['none is true, then half are', of([1_000, 0]), of([500, 0], [500, 1])],
  ['all are one value, then most are a smaller one', of([1_000, 5]), of([900, 3], [100, 5])],
  ['a value comes between two', of([500, 0], [500, 10]), of([500, 0], [500, 1])],
  ['a value comes above all', of([500, 0], [500, 10]), of([500, 0], [500, 1_000])],
  ['a value comes below all', of([500, 0], [500, 10]), of([500, -1_000], [500, 10])],
  ['a few go from the least of many to below it', normals(1_000), normals(1_000, -60)],
  ['infinite ones come', of([500, 0], [500, 10]), of([500, 0], [500, Number.POSITIVE_INFINITY])],
  ['infinite ones go', of([500, Number.NEGATIVE_INFINITY], [500, 10]), of([500, 0], [500, 10])],
] as const)('it is found that of a feature %s', ([_, learned, later]) => {
  const from = JSON.parse(JSON.stringify(distributionOf(learned, null))) as Distribution
  expect(distanceOf(from, learned)).toMatchObject({ psi: 0, ks: 0, level: 'stable' })
  const { level, ks } = distanceOf(from, later)
  expect(level).toBe('drifted')
  expect(ks).toBeCloseTo(greatestDistance(learned, later), 12)
})

/** Of two samples, at each value of either. */
function greatestDistance(a: Float64Array, b: Float64Array): number {
  const share = (of: Float64Array, limit: number) => of.filter((value) => value <= limit).length / of.length
  return Math.max(...[...new Set([...a, ...b])].map((limit) => Math.abs(share(a, limit) - share(b, limit))))
}

test(`KS of any two samples is that of all their values within 0.02 (SEED=${seed})`, () => {
  const kinds = [
    () => random.normal(),
    () => random.whole(-3, 3),
    () => (random.float() < 0.6 ? 0 : Math.exp(random.normal())),
    () => (random.float() < 0.03 ? 1 : 0),
    () => Math.round(random.float() ** 4 * 30) / 30,
  ]
  for (let round = 0; round < 60; round++) {
    const [a, b] = [kinds[random.whole(0, 4)]!, kinds[random.whole(0, 4)]!]
    const shift = random.float() < 0.5 ? 0 : random.whole(-2, 2) / 2
    const learned = Float64Array.from({ length: random.whole(20, 800) }, a)
    const later = Float64Array.from({ length: random.whole(1, 400) }, () => b() + shift)
    const { ks } = distanceOf(distributionOf(learned, null), later)
    const all = greatestDistance(learned, later)
    expect(ks).toBeLessThanOrEqual(all + 1e-12)
    expect(ks).toBeGreaterThan(all - 0.0201)
  }
})

test('a card without cumulative shares is read as it was written', () => {
  // Of 5 % ones: one edge, a hundred quantiles, each of which stands for a hundredth.
  const old: Distribution = {
    ...{ kind: 'number', edges: [0], shares: [0.95, 0.05, 0] },
    quantiles: Array.from({ length: 100 }, (_, index) => (index < 94 ? 0 : 1)),
  }
  const same = distanceOf(old, of([950, 0], [50, 1]))
  expect(same).toMatchObject({ psi: 0, level: 'stable' })
  expect(same.ks).toBeCloseTo(0.01, 12)
  const moved = distanceOf(old, of([500, 0], [500, 1]))
  expect(moved.psi).toBeCloseTo(0.45 * Math.log(0.95 / 0.5) + 0.45 * Math.log(0.5 / 0.05), 12)
  expect(moved).toMatchObject({ level: 'drifted' })
  expect(moved.ks).toBeCloseTo(0.44, 12)
})
