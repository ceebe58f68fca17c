// How far a figure may be off by chance alone, at 95 %: transactions are taken as independent, which those of
// one customer are not, so the true width is rather more.

import { Random } from '../produce/random.ts'

/** Of the normal distribution: 95 % lie not further from its middle. */
const z = 1.959963984540054

/** `value` is null where there is nothing to count. */
export type Estimate = { readonly value: number | null; readonly low: number; readonly high: number }

/** A share, with Wilson's interval (E. B. Wilson, 1927). */
export function shareOf(part: number, whole: number): Estimate {
  if (whole === 0) return { value: null, low: 0, high: 1 }
  const p = part / whole
  const middle = (p + z ** 2 / (2 * whole)) / (1 + z ** 2 / whole)
  const half = (z * Math.sqrt((p * (1 - p)) / whole + z ** 2 / (4 * whole ** 2))) / (1 + z ** 2 / whole)
  // Rounding may put a bound on the wrong side of the share itself.
  return {
    value: p,
    low: Math.max(0, Math.min(p, middle - half)),
    high: Math.min(1, Math.max(p, middle + half)),
  }
}

/** A sum of amounts that come at random: its variance is the sum of their squares. */
export function moneyOf(sum: number, squares: number): Estimate {
  const half = z * Math.sqrt(squares)
  return { value: sum, low: Math.max(0, sum - half), high: sum + half }
}

/** Fraud and good transactions of one score. */
export type ScoreCounts = { readonly score: number; readonly fraud: number; readonly good: number }

/**
 * The area under the curve of precision over recall, in steps: the precision at each score from the highest
 * down, weighed by the share of fraud that has this score. null without fraud.
 */
export function averagePrecision(counts: readonly ScoreCounts[]): number | null {
  const total = counts.reduce((sum, { fraud }) => sum + fraud, 0)
  if (total === 0) return null
  let [caught, reviewed, area] = [0, 0, 0]
  for (const { fraud, good } of highestFirst(counts)) {
    caught += fraud
    reviewed += fraud + good
    if (fraud > 0) area += (fraud / total) * (caught / reviewed)
  }
  return area
}

/**
 * How often a fraud has a higher score than a good transaction, where equal ones count half: the area under
 * the ROC curve. null where there are none of one kind.
 */
export function rankArea(counts: readonly ScoreCounts[]): number | null {
  const [fraudAll, goodAll] = [sum(counts, 'fraud'), sum(counts, 'good')]
  if (fraudAll === 0 || goodAll === 0) return null
  let [goodBelow, area] = [0, 0]
  for (const { fraud, good } of highestFirst(counts).reverse()) {
    area += fraud * (goodBelow + good / 2)
    goodBelow += good
  }
  return area / (fraudAll * goodAll)
}

/** A figure of scores, with the interval of a bootstrap: each count is drawn anew so many times. */
export function bootstrapped(
  counts: readonly ScoreCounts[],
  figureOf: (counts: readonly ScoreCounts[]) => number | null,
): Estimate {
  const value = figureOf(counts)
  if (value === null) return { value, low: 0, high: 1 }
  const draw = poissonDraws(bootstrapSeed)
  const ordered = highestFirst(counts) // As they come they have no order.
  const drawn: number[] = []
  for (let round = 0; round < bootstrapRounds; round++) {
    const figure = figureOf(
      ordered.map(({ score, fraud, good }) => ({ score, fraud: draw(fraud), good: draw(good) })),
    )
    if (figure !== null) drawn.push(figure)
  }
  drawn.sort((a, b) => a - b)
  const at = (share: number): number => drawn[Math.min(drawn.length - 1, Math.floor(share * drawn.length))]!
  if (drawn.length === 0) return { value, low: 0, high: 1 }
  return { value, low: Math.min(value, at(0.025)), high: Math.max(value, at(0.975)) }
}

const bootstrapRounds = 400
/** The same report has the same figures each time. */
const bootstrapSeed = 20_261_031
/** Above it a normal distribution stands for Poisson's. */
const poissonMeanMax = 50

/** Draws of Poisson's distribution, by their mean. */
function poissonDraws(seed: number): (mean: number) => number {
  const random = new Random(seed, 'bootstrap')
  return (mean) => {
    if (mean > poissonMeanMax) return Math.max(0, Math.round(mean + Math.sqrt(mean) * random.normal()))
    const least = Math.exp(-mean)
    let [count, product] = [0, random.float()]
    while (product > least) {
      product *= random.float()
      count++
    }
    return count
  }
}

function highestFirst(counts: readonly ScoreCounts[]): ScoreCounts[] {
  return [...counts].sort((a, b) => b.score - a.score)
}

function sum(counts: readonly ScoreCounts[], of: 'fraud' | 'good'): number {
  return counts.reduce((total, one) => total + one[of], 0)
}
