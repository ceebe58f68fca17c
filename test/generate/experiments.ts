// Experiments that are made up: customers with habits of their own, who come over time, and frauds whose
// money has a long tail. What a customer does is drawn for both arms, so that the true difference is known.
import { hash } from 'node:crypto'
import { experimentAlpha, figureNames, sharesAlpha } from '../../src/experiments/figures.ts'
import {
  type BothArms,
  type Look,
  sequentialFigures,
  shareEvidence,
} from '../../src/experiments/sequential.ts'
import { armBound } from '../../src/fraud/arms.ts'
import { Random } from '../../src/produce/random.ts'

export type MadeExperiment = {
  readonly customers: number
  readonly days: number
  readonly share: number
  readonly alpha: number
  /** Of the frauds, the share that each arm lets through. */
  readonly letsThrough: BothArms<number>
  /** Of the transactions that the stricter one reviews, the share that each arm reviews. */
  readonly reviews: BothArms<number>
  /** Of the customers of the candidate's arm, the share that never gets into the table. */
  readonly lost: number
}

/** The first day, from 1 on, on which it was told; null where it never was. */
type Outcome = {
  readonly difference: number | null
  /** By a test that is made for one look, at the same looks. */
  readonly differenceOfFixed: number | null
  /** An interval did not hold the true difference. */
  readonly isMissed: boolean
  readonly shares: number | null
}

/** A tenth of 3,000 customers, for 60 days. */
export const withoutDifference: MadeExperiment = {
  ...{ customers: 3_000, days: 60, share: 0.1, alpha: experimentAlpha, lost: 0 },
  letsThrough: { control: 0.5, candidate: 0.5 },
  reviews: { control: 1, candidate: 1 },
}

/** The candidate catches more fraud with fewer reviews of good customers. */
export const withDifference: MadeExperiment = {
  ...withoutDifference,
  share: 0.5,
  letsThrough: { control: 0.5, candidate: 0.2 },
  reviews: { control: 1, candidate: 0.6 },
}

export type Outcomes = {
  readonly count: number
  readonly falseAlarms: number
  readonly falseAlarmsOfFixed: number
  readonly missed: number
  readonly sharesTold: number
  /** Infinity where less than half of them told it. */
  readonly medianDays: number
  readonly medianDaysOfShares: number
}

/** An alarm is false where the arms do not differ; else it is what one hopes for. */
export function outcomesOf(experiment: MadeExperiment, seed: number, count: number): Outcomes {
  const all = Array.from({ length: count }, (_, index) => madeOutcome(experiment, seed, index))
  const told = (of: (outcome: Outcome) => unknown): number => all.filter((one) => of(one)).length
  return {
    count,
    falseAlarms: told(({ difference }) => difference),
    falseAlarmsOfFixed: told(({ differenceOfFixed }) => differenceOfFixed),
    missed: told(({ isMissed }) => isMissed),
    sharesTold: told(({ shares }) => shares),
    medianDays: median(all.map(({ difference }) => difference)),
    medianDaysOfShares: median(all.map(({ shares }) => shares)),
  }
}

function median(days: readonly (number | null)[]): number {
  const sorted = days.map((day) => day ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}

const arms = ['control', 'candidate'] as const

function madeOutcome(experiment: MadeExperiment, seed: number, index: number): Outcome {
  const { share, alpha, days } = experiment
  const { looks, truths, counts } = madeLooks(
    experiment,
    new Random(seed, `experiment ${index}`),
    `e-${seed}-${index}`,
  )
  const each = alpha / figureNames.length
  const bound = normalQuantile(1 - each / 2)
  const figures = looks.map((ofFigure) => sequentialFigures(ofFigure, { share, alpha: each }))
  const firstDay = (isTold: (day: number) => boolean): number | null => {
    for (let day = 0; day < days; day++) if (isTold(day)) return day + 1
    return null
  }
  const isOutside = (interval: { low: number; high: number } | null, truth: number): boolean =>
    interval !== null && (truth < interval.low || truth > interval.high)
  return {
    difference: firstDay((day) => figures.some((one) => isOutside(one[day]!.interval, 0))),
    differenceOfFixed: firstDay((day) => looks.some((one) => isFixedOutside(one[day]!, counts[day]!, bound))),
    isMissed: figures.some((one, figure) =>
      one.some(({ interval }, day) => isOutside(interval, truths[figure]![day]!)),
    ),
    shares: firstDay((day) => shareEvidence(counts[day]!, share) >= 1 / sharesAlpha),
  }
}

type MadeLooks = {
  /** By figure, by day. */
  readonly looks: readonly (readonly Look[])[]
  readonly truths: readonly (readonly number[])[]
  readonly counts: readonly BothArms<number>[]
}

function madeLooks(experiment: MadeExperiment, random: Random, name: string): MadeLooks {
  const { customers, days } = experiment
  const people = Array.from({ length: customers }, (_, key) => {
    const digits = hash('sha256', `${name}|${key}`, 'hex')
    const arm = digits < armBound(experiment.share) ? 'candidate' : 'control'
    const isLost = arm === 'candidate' && random.chance(experiment.lost)
    // Half of them are there at the begin. A few do most of what is done.
    const from = random.chance(0.5) ? 0 : random.whole(0, days - 1)
    return { arm, isLost, from, habit: random.normal() ** 2 } as const
  })
  const totals = figureNames.map(() => people.map(() => ({ control: 0, candidate: 0 })))
  const sums = figureNames.map(() => ({ control: { sum: 0, squares: 0 }, candidate: { sum: 0, squares: 0 } }))
  const truth = figureNames.map(() => 0)
  const add = (figure: number, person: number, by: BothArms<number>): void => {
    const total = totals[figure]![person]!
    const { arm, isLost } = people[person]!
    truth[figure]! += by.candidate - by.control
    const [before, after] = [total[arm], total[arm] + by[arm]]
    for (const one of arms) total[one] += by[one]
    if (isLost) return
    sums[figure]![arm].sum += by[arm]
    sums[figure]![arm].squares += after ** 2 - before ** 2
  }
  const looks: Look[][] = figureNames.map(() => [])
  const truths: number[][] = figureNames.map(() => [])
  const counts: BothArms<number>[] = []
  for (let day = 0; day < days; day++) {
    for (const [person, { from, habit }] of people.entries()) {
      if (from > day) continue
      const event = random.float()
      if (event < 0.02 * habit) addReview(random, experiment, totals, person, add)
      else if (event > 1 - 0.002) addFraud(random, experiment, person, add)
    }
    for (const [figure, { control, candidate }] of sums.entries()) {
      looks[figure]!.push({ control: { ...control }, candidate: { ...candidate } })
      truths[figure]!.push(truth[figure]!)
    }
    const come = people.filter(({ from, isLost }) => from <= day && !isLost)
    const candidate = come.filter(({ arm }) => arm === 'candidate').length
    counts.push({ control: come.length - candidate, candidate })
  }
  return { looks, truths, counts }
}

type Add = (figure: number, person: number, by: BothArms<number>) => void
const [moneyFigure, goodFigure, reviewFigure] = [
  figureNames.indexOf('fraudMoneyLetThrough'),
  figureNames.indexOf('goodCustomersReviewed'),
  figureNames.indexOf('reviews'),
]

/** A review of a good transaction; a customer counts once among the good ones. */
function addReview(
  random: Random,
  { reviews }: MadeExperiment,
  totals: readonly (readonly BothArms<number>[])[],
  person: number,
  add: Add,
): void {
  const strictness = random.float()
  const isReviewed = {
    control: +(strictness < reviews.control),
    candidate: +(strictness < reviews.candidate),
  }
  const been = totals[goodFigure]![person]!
  add(reviewFigure, person, isReviewed)
  add(goodFigure, person, {
    control: been.control > 0 ? 0 : isReviewed.control,
    candidate: been.candidate > 0 ? 0 : isReviewed.candidate,
  })
}

/** A stolen card is used some times on one day, each time for a similar amount. */
function addFraud(random: Random, { letsThrough }: MadeExperiment, person: number, add: Add): void {
  const amount = Math.exp(5 + random.normal())
  for (let use = random.whole(1, 4); use > 0; use--) {
    const luck = random.float()
    const isThrough = { control: luck < letsThrough.control, candidate: luck < letsThrough.candidate }
    add(moneyFigure, person, {
      control: amount * +isThrough.control,
      candidate: amount * +isThrough.candidate,
    })
    add(reviewFigure, person, { control: +!isThrough.control, candidate: +!isThrough.candidate })
  }
}

/** The test for the difference of two means, as if this look were the only one. */
function isFixedOutside(look: Look, counts: BothArms<number>, bound: number): boolean {
  const means = arms.map((arm) => look[arm].sum / counts[arm])
  const errors = arms.map(
    (arm, index) => (look[arm].squares / counts[arm] - means[index]! ** 2) / counts[arm],
  )
  const error = Math.sqrt(errors[0]! + errors[1]!)
  return error > 0 && Math.abs(means[1]! - means[0]!) > bound * error
}

/** By bisection of the distribution, whose density is summed up by Simpson's rule. */
function normalQuantile(probability: number): number {
  const below = (x: number): number => {
    const [steps, density] = [100, (at: number) => Math.exp((-at * at) / 2) / Math.sqrt(2 * Math.PI)]
    let sum = density(0) + density(x)
    for (let step = 1; step < steps; step++) sum += density((x * step) / steps) * (step % 2 === 1 ? 4 : 2)
    return 0.5 + (sum * x) / steps / 3
  }
  let [low, high] = [0, 8]
  for (let round = 0; round < 50; round++) {
    const middle = (low + high) / 2
    if (below(middle) < probability) low = middle
    else high = middle
  }
  return low
}
