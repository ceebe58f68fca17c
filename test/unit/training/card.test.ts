// The card: its figures are what a naive count of the same rows gives, and no data is markup in its HTML.
import { expect, test } from 'vitest'
import { Random } from '../../../src/produce/random.ts'
import { type CardFacts, modelCard } from '../../../src/training/card.ts'
import { cardHtml, cardText } from '../../../src/training/card-text.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = new Random(seed, 'card')
const count = 4_000
const [validFrom, testFrom] = [2_000, 3_000]
const probabilities = Float64Array.from({ length: count }, () => random.float() ** 6)
const labels = Uint8Array.from(probabilities, (one) => (random.float() < one ? 1 : 0))
const first = Date.parse('2026-01-01T00:00:00Z')
const timesMs = Float64Array.from({ length: count }, (_, row) => first + row * 3_600_000)
const ruleScores = Float64Array.from({ length: count }, () => random.whole(0, 4) * 10)
const countries = Array.from({ length: count }, (_, row) => [null, '<b>Chad</b>', 'Peru'][row % 3]!)
const facts: CardFacts = {
  rows: {
    features: [
      { name: 'amount', source: 'amount', kind: 'number', categories: null },
      { name: 'weekday', source: 'dayOfWeek(event_time)', kind: 'number', categories: null },
    ],
    columns: [probabilities, timesMs.map((time) => new Date(time).getUTCDay())],
    ...{ labels, timesMs, ruleScores, countries, rulesLeftOut: ['known_fraud'], pending: 7 },
  },
  ...{ scores: probabilities, trees: { text: '', gains: [3, 1], rounds: 9 }, validFrom, testFrom },
  ...{ made: '2026-07-01T00:00:00.000Z', model: 'model-0.txt', labelMaturityDays: 30 },
  ...{ capacityPerDay: 2, reviewFrom: 30 },
}
const card = modelCard(facts)
const tested = Array.from({ length: count - testFrom }, (_, index) => testFrom + index)

test(`recall at the capacity is the fraud among the highest scores (SEED=${seed})`, () => {
  const days = (timesMs.at(-1)! - timesMs[testFrom]!) / 86_400_000
  const reached = tested
    .toSorted((a, b) => probabilities[b]! - probabilities[a]!)
    .slice(0, Math.round(2 * days))
  const fraud = tested.filter((row) => labels[row] === 1).length
  const caught = reached.filter((row) => labels[row] === 1).length
  expect(card.overall.model.recallAtCapacity.value).toBeCloseTo(caught / fraud, 12)
  expect(card.overall.fraud).toBe(fraud)
})

test('PR-AUC is the mean precision at each fraud, from the highest score down', () => {
  const sorted = tested.toSorted((a, b) => probabilities[b]! - probabilities[a]!)
  const precisions = sorted.flatMap((row, index) => {
    if (labels[row] !== 1) return []
    return [sorted.slice(0, index + 1).filter((one) => labels[one] === 1).length / (index + 1)]
  })
  const mean = precisions.reduce((sum, one) => sum + one, 0) / precisions.length
  expect(card.overall.model.averagePrecision).toBeCloseTo(mean, 10)
  expect(card.overall.model.averagePrecision).toBeGreaterThan(card.overall.rules.averagePrecision!)
})

test('bins of the calibration have every row once, and a probability that is true lies in their intervals', () => {
  expect(card.calibration.reduce((sum, bin) => sum + bin.transactions, 0)).toBe(count - testFrom)
  const outside = card.calibration.filter(({ predicted, observed }) => {
    return predicted < observed.low || predicted > observed.high
  })
  // Each interval misses one of twenty.
  expect(outside.length).toBeLessThanOrEqual(3)
})

test('parts, months and countries add up, and features have their share', () => {
  expect(card.learned.transactions + card.stopped.transactions + card.tested.transactions).toBe(count)
  expect(card.byMonth.reduce((sum, one) => sum + one.transactions, 0)).toBe(count - testFrom)
  expect(card.byCountry.map(({ country }) => country).sort()).toEqual(['<b>Chad</b>', 'Peru'])
  expect(card.features.map(({ name, importance, isOfDay }) => [name, importance, isOfDay])).toEqual([
    ['amount', 0.75, false],
    ['weekday', 0.25, true],
  ])
})

test('texts of the data stand in the HTML as text', () => {
  const html = cardHtml(card)
  expect(html).not.toContain('<b>')
  expect(html).not.toMatch(/<script|https?:/)
  expect(html).toContain('known_fraud')
  expect(cardText(card, () => 'TABLE\n')).toContain('tested on: 2026-05-06T00:00')
})
