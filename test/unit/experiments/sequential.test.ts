// Experiments that one looks at every day: how often they tell what is not so, and how soon what is.
import { expect, test } from 'vitest'
import { experimentAlpha } from '../../../src/experiments/figures.ts'
import { logGamma, sequentialFigures, shareEvidence } from '../../../src/experiments/sequential.ts'
import {
  type MadeExperiment,
  outcomesOf,
  withDifference,
  withoutDifference,
} from '../../generate/experiments.ts'
import { turnSeed } from '../../turns.ts'

test(`daily looks are misled no more often than was said; the fixed test is (SEED=${turnSeed})`, () => {
  const count = 150
  const told = outcomesOf(withoutDifference, turnSeed, count)
  // By more than this in so many experiments the risk would be exceeded once in 100,000 times only.
  const most = count * experimentAlpha + 4.3 * Math.sqrt(count * experimentAlpha)
  expect(told.falseAlarms).toBeLessThanOrEqual(most)
  expect(told.missed).toBeLessThanOrEqual(most)
  expect(told.falseAlarmsOfFixed).toBeGreaterThan(count / 5)
  expect(told.sharesTold).toBeLessThanOrEqual(most)
})

test('a difference is seen within the days of the experiment, and the intervals hold the true one', () => {
  const told = outcomesOf(withDifference, turnSeed, 30)
  expect(told.medianDays).toBeLessThan(40)
  expect(told.missed).toBeLessThanOrEqual(10)
})

test('shares off plan are told', () => {
  const lost: MadeExperiment = { ...withoutDifference, share: 0.5, lost: 0.15 }
  expect(outcomesOf(lost, turnSeed, 20).medianDaysOfShares).toBeLessThan(60)
})

test('the logarithm of the gamma function is that of factorials, and of halves', () => {
  let factorial = 0
  for (let n = 1; n <= 60; n++) {
    expect(logGamma(n)).toBeCloseTo(factorial, 10)
    factorial += Math.log(n)
  }
  expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 12)
})

test('the evidence against the share is a fair bet: over all counts it is 1 on average', () => {
  const [customers, share] = [40, 0.3]
  let mean = 0
  for (let candidate = 0; candidate <= customers; candidate++) {
    const ways = Math.exp(
      logGamma(customers + 1) - logGamma(candidate + 1) - logGamma(customers - candidate + 1),
    )
    const chance = ways * share ** candidate * (1 - share) ** (customers - candidate)
    mean += chance * shareEvidence({ control: customers - candidate, candidate }, share)
  }
  expect(mean).toBeCloseTo(1, 9)
})

test('a figure that few customers carry has no interval', () => {
  const look = { control: { sum: 9, squares: 9 }, candidate: { sum: 3, squares: 3 } }
  expect(sequentialFigures([look], { share: 0.25, alpha: 0.05 })[0]).toMatchObject({
    ...{ control: 12, candidate: 12, difference: 0, interval: null, carriers: 12 },
  })
})
