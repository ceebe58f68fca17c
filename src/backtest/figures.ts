// The figures of a back-test, from its tally: what the rules decide, what it costs and what it brings.
// docs/guide/backtest.md says what each means.
import {
  averagePrecision,
  bootstrapped,
  type Estimate,
  moneyOf,
  rankArea,
  type ScoreCounts,
  shareOf,
} from './intervals.ts'
import { levelOf, type RuleSide } from './rule-side.ts'
import {
  type Amounts,
  type Combination,
  type Day,
  type Judgement,
  labelNames,
  noAmounts,
  sumOf,
  type Tally,
} from './tally.ts'

/** Transactions and their money, in units of the currency. */
export type Quantity = { readonly transactions: number; readonly money: number }

export type RuleFigures = {
  readonly name: string
  readonly points: number
  /** Transactions for which it fires, matured or not. */
  readonly fired: Quantity
  readonly fraud: Quantity
  readonly good: Quantity
  /** Of the matured transactions for which it fires, the share that is fraud. */
  readonly precision: Estimate
  /** Of all matured fraud, the share for which it fires. */
  readonly recall: Estimate
  readonly moneyCaught: Estimate
  /** So many fewer reviews there would be without its points; below 0, so many more. */
  readonly adds: { readonly reviews: Quantity; readonly fraud: Quantity; readonly good: Quantity }
}

export type CurvePoint = {
  /** Transactions of this score or a higher one are reviewed. */
  readonly reviewFrom: number
  readonly reviewsPerDay: number
  readonly precision: number | null
  readonly recall: number | null
}

export type SideFigures = {
  readonly name: string
  readonly rulesLeftOut: readonly string[]
  readonly reviewFrom: number
  /** Highest first. */
  readonly levels: readonly ({ readonly level: string } & Quantity)[]
  readonly reviewed: Quantity
  readonly reviewsPerDay: {
    readonly mean: number
    readonly most: number
    readonly daysOverCapacity: number | null
  }
  /** Of matured transactions. */
  readonly caught: Quantity
  readonly missed: Quantity
  readonly goodReviewed: Quantity
  readonly precision: Estimate
  readonly recall: Estimate
  readonly moneyCaught: Estimate
  readonly moneyOfGoodReviewed: Estimate
  readonly averagePrecision: Estimate
  readonly rankArea: Estimate
  readonly curve: readonly CurvePoint[]
  /** The point of the curve with the most reviews that fit; null without a capacity, or where none fits. */
  readonly atCapacity: CurvePoint | null
  readonly rules: readonly RuleFigures[]
  /** In how many transactions both rules fire, in the order of `rules`. */
  readonly overlap: readonly (readonly number[])[]
}

export type Figures = {
  readonly all: Quantity
  readonly byLabel: Readonly<Record<(typeof labelNames)[number], Quantity>>
  /** Of all transactions, the share that has matured. */
  readonly maturedShare: number | null
  readonly days: readonly Day[]
  readonly baseline: SideFigures
  readonly candidate: SideFigures
  readonly changed: ChangedFigures
  readonly unknown: Tally['unknown']
}

export type ChangedFigures = {
  /** By the level that each set gives. */
  readonly levels: readonly ({ readonly from: string; readonly to: string } & Quantity)[]
  readonly newlyReviewed: ChangedQuantity
  readonly noLongerReviewed: ChangedQuantity
}

export type ChangedQuantity = Quantity & Readonly<Record<(typeof labelNames)[number], Quantity>>

export function backtestFigures(
  tally: Tally,
  sides: { readonly baseline: RuleSide; readonly candidate: RuleSide },
  capacityPerDay: number | null,
): Figures {
  const { combinations, days, unknown } = tally
  const ofLabel = (label: (typeof labelNames)[number]) =>
    sumOf(combinations.map(({ byLabel }) => byLabel[label]))
  const byLabel = { fraud: ofLabel('fraud'), good: ofLabel('good'), pending: ofLabel('pending') }
  const all = sumOf(Object.values(byLabel))
  const side = (of: 'baseline' | 'candidate'): SideFigures =>
    sideFigures(sides[of], of, { combinations, days, capacityPerDay })
  const baseline = side('baseline')
  return {
    all: quantityOf(all),
    byLabel: {
      fraud: quantityOf(byLabel.fraud),
      good: quantityOf(byLabel.good),
      pending: quantityOf(byLabel.pending),
    },
    maturedShare: all.count === 0 ? null : 1 - byLabel.pending.count / all.count,
    ...{ days, unknown },
    baseline,
    candidate: sides.candidate === sides.baseline ? baseline : side('candidate'),
    changed: changedFigures(combinations),
  }
}

export function quantityOf({ count, cents }: Amounts): Quantity {
  return { transactions: count, money: Number(cents) / 100 }
}

type Given = {
  readonly combinations: readonly Combination[]
  readonly days: readonly Day[]
  readonly capacityPerDay: number | null
}

/** Transactions by what one set says of them. */
type Judged = { readonly judgement: Judgement; readonly byLabel: Combination['byLabel'] }

function sideFigures(side: RuleSide, of: 'baseline' | 'candidate', given: Given): SideFigures {
  const { combinations, days, capacityPerDay } = given
  const judged: Judged[] = combinations.map((one) => ({ judgement: one[of], byLabel: one.byLabel }))
  const reviewed = judged.filter(({ judgement }) => judgement.isReviewed)
  const [fraud, caught, good] = [
    count(judged, ['fraud']),
    count(reviewed, ['fraud']),
    count(reviewed, ['good']),
  ]
  const perDay = days.map((day) => day.reviewed[of])
  const scores = scoreCounts(judged)
  const curve = curveOf(judged, days.length)
  return {
    name: side.name,
    rulesLeftOut: side.leftOut,
    reviewFrom: side.reviewFrom,
    levels: levelsOf(side, judged),
    reviewed: quantityOf(count(reviewed)),
    reviewsPerDay: {
      mean: days.length === 0 ? 0 : perDay.reduce((sum, one) => sum + one, 0) / days.length,
      most: perDay.reduce((most, one) => Math.max(most, one), 0),
      daysOverCapacity:
        capacityPerDay === null ? null : perDay.filter((reviews) => reviews > capacityPerDay).length,
    },
    caught: quantityOf(caught),
    missed: quantityOf(
      count(
        judged.filter(({ judgement }) => !judgement.isReviewed),
        ['fraud'],
      ),
    ),
    goodReviewed: quantityOf(good),
    precision: shareOf(caught.count, caught.count + good.count),
    recall: shareOf(caught.count, fraud.count),
    moneyCaught: moneyOf(quantityOf(caught).money, caught.squares),
    moneyOfGoodReviewed: moneyOf(quantityOf(good).money, good.squares),
    averagePrecision: bootstrapped(scores, averagePrecision),
    rankArea: bootstrapped(scores, rankArea),
    curve,
    atCapacity:
      capacityPerDay === null
        ? null
        : (curve.findLast(({ reviewsPerDay }) => reviewsPerDay <= capacityPerDay) ?? null),
    rules: side.rules.map((_, index) => ruleFigures(side, index, judged, fraud.count)),
    overlap: overlapOf(side, judged),
  }
}

/** Of these labels; of all where none is named. */
function count(
  judged: readonly Judged[],
  labels: readonly (typeof labelNames)[number][] = labelNames,
): Amounts {
  return sumOf(judged.flatMap(({ byLabel }) => labels.map((label) => byLabel[label])))
}

function levelsOf(side: RuleSide, judged: readonly Judged[]): SideFigures['levels'] {
  const names = [...side.levels.map(({ name }) => name), levelOf(side, Number.NEGATIVE_INFINITY)]
  return [...new Set(names)].map((level) => {
    return { level, ...quantityOf(count(judged.filter(({ judgement }) => judgement.level === level))) }
  })
}

function ruleFigures(
  side: RuleSide,
  index: number,
  judged: readonly Judged[],
  fraudAll: number,
): RuleFigures {
  const { name, points } = side.rules[index]!
  const its = judged.filter(({ judgement }) => judgement.fired.includes(index))
  const [fraud, good] = [count(its, ['fraud']), count(its, ['good'])]
  const isReviewedWithout = ({ judgement }: Judged): boolean => judgement.score - points >= side.reviewFrom
  const more = its.filter((one) => one.judgement.isReviewed && !isReviewedWithout(one))
  const fewer = its.filter((one) => !one.judgement.isReviewed && isReviewedWithout(one))
  const added = (labels?: readonly (typeof labelNames)[number][]): Quantity => {
    const [plus, minus] = [quantityOf(count(more, labels)), quantityOf(count(fewer, labels))]
    return { transactions: plus.transactions - minus.transactions, money: plus.money - minus.money }
  }
  return {
    ...{ name, points },
    fired: quantityOf(count(its)),
    fraud: quantityOf(fraud),
    good: quantityOf(good),
    precision: shareOf(fraud.count, fraud.count + good.count),
    recall: shareOf(fraud.count, fraudAll),
    moneyCaught: moneyOf(quantityOf(fraud).money, fraud.squares),
    adds: { reviews: added(), fraud: added(['fraud']), good: added(['good']) },
  }
}

/** Of matured transactions, by score. */
function scoreCounts(judged: readonly Judged[]): ScoreCounts[] {
  const byScore = new Map<number, { fraud: number; good: number }>()
  for (const { judgement, byLabel } of judged) {
    const counts = byScore.get(judgement.score) ?? { fraud: 0, good: 0 }
    byScore.set(judgement.score, counts)
    counts.fraud += byLabel.fraud.count
    counts.good += byLabel.good.count
  }
  return [...byScore].map(([score, counts]) => ({ score, ...counts }))
}

/** A point for each score that occurs, the highest first. */
function curveOf(judged: readonly Judged[], days: number): CurvePoint[] {
  const scores = [...new Set(judged.map(({ judgement }) => judgement.score))].sort((a, b) => b - a)
  const bySame = Map.groupBy(judged, ({ judgement }) => judgement.score)
  const fraudAll = count(judged, ['fraud']).count
  let [reviewed, fraud, good] = [0, 0, 0]
  return scores.map((reviewFrom) => {
    const same = bySame.get(reviewFrom)!
    reviewed += count(same).count
    fraud += count(same, ['fraud']).count
    good += count(same, ['good']).count
    return {
      reviewFrom,
      reviewsPerDay: days === 0 ? 0 : reviewed / days,
      precision: shareOf(fraud, fraud + good).value,
      recall: shareOf(fraud, fraudAll).value,
    }
  })
}

function overlapOf({ rules }: RuleSide, judged: readonly Judged[]): number[][] {
  const matrix = rules.map(() => rules.map(() => 0))
  for (const { judgement, byLabel } of judged) {
    const { count } = sumOf(Object.values(byLabel))
    for (const a of judgement.fired) for (const b of judgement.fired) matrix[a]![b]! += count
  }
  return matrix
}

function changedFigures(combinations: readonly Combination[]): ChangedFigures {
  const changed = combinations.filter(({ baseline, candidate }) => baseline.level !== candidate.level)
  const byLevels = Map.groupBy(changed, ({ baseline, candidate }) => `${baseline.level} ${candidate.level}`)
  const quantity = (of: readonly Combination[]): ChangedQuantity => {
    const amounts = (label: (typeof labelNames)[number]) => sumOf(of.map(({ byLabel }) => byLabel[label]))
    const [fraud, good, pending] = [amounts('fraud'), amounts('good'), amounts('pending')]
    return {
      ...quantityOf(sumOf([fraud, good, pending])),
      fraud: quantityOf(fraud),
      good: quantityOf(good),
      pending: quantityOf(pending),
    }
  }
  return {
    levels: [...byLevels.values()]
      .map((of) => ({
        from: of[0]!.baseline.level,
        to: of[0]!.candidate.level,
        ...quantityOf(of.map(({ byLabel }) => sumOf(Object.values(byLabel))).reduce(plus, noAmounts)),
      }))
      .sort((a, b) => b.transactions - a.transactions),
    newlyReviewed: quantity(
      combinations.filter(({ baseline, candidate }) => !baseline.isReviewed && candidate.isReviewed),
    ),
    noLongerReviewed: quantity(
      combinations.filter(({ baseline, candidate }) => baseline.isReviewed && !candidate.isReviewed),
    ),
  }
}

const plus = (a: Amounts, b: Amounts): Amounts => sumOf([a, b])
