// The card of a model: what it learned from, and how it does on transactions that came later, beside the
// rules alone. docs/guide/model.md says what each figure means.
import { averagePrecision, type Estimate, rankArea, shareOf } from '../backtest/intervals.ts'
import { type Distribution, distributionOf, scoreDistribution } from './distribution.ts'
import type { TrainedTrees } from './lightgbm-trainer.ts'
import type { TrainingRows } from './training-rows.ts'

export type ModelCard = {
  readonly made: string
  readonly model: string
  readonly labelMaturityDays: number
  readonly learned: Part
  /** By what training stopped: it has learned from none of them, but they have chosen how long. */
  readonly stopped: Part
  /** All figures below are of these. */
  readonly tested: Part
  /** Transactions that have not matured: in none of the parts. */
  readonly pending: number
  readonly rounds: number
  readonly features: readonly CardFeature[]
  readonly capacityPerDay: number
  readonly overall: Compared
  readonly calibration: readonly CalibrationBin[]
  readonly byMonth: readonly ({ readonly month: string } & Compared)[]
  readonly byCountry: readonly ({ readonly country: string } & Compared)[]
  readonly rulesLeftOut: readonly string[]
  /** Of the rows that were learned from: what drift is measured against. */
  readonly score: Distribution
}

export type Part = {
  readonly from: string
  readonly to: string
  readonly transactions: number
  readonly fraud: number
}

export type CardFeature = {
  readonly name: string
  readonly source: string
  readonly kind: 'number' | 'category'
  /** Its share of what all splits gained. */
  readonly importance: number
  /** It follows from the day alone, as a weekday does: no day is like the others. */
  readonly isOfDay: boolean
  readonly distribution: Distribution
}

export type Compared = {
  readonly transactions: number
  readonly fraud: number
  readonly model: Side
  readonly rules: Side
}

type Side = {
  /** Of precision over recall; null without fraud. */
  readonly averagePrecision: number | null
  readonly rankArea: number | null
  /** Of all fraud, what is among the reviews of the capacity. */
  readonly recallAtCapacity: Estimate
}

/** Transactions of about the same score. */
export type CalibrationBin = {
  readonly transactions: number
  readonly predicted: number
  readonly observed: Estimate
}

export type CardFacts = {
  readonly rows: TrainingRows
  readonly scores: Float64Array
  readonly trees: TrainedTrees
  readonly validFrom: number
  readonly testFrom: number
  readonly made: string
  readonly model: string
  readonly labelMaturityDays: number
  /** null: as many as the rules ask for. */
  readonly capacityPerDay: number | null
  readonly reviewFrom: number
}

const binsMax = 10
/** Of countries with less fraud nothing is said. */
const fraudMin = 5
const countriesMax = 20
const dayMs = 86_400_000

export function modelCard(facts: CardFacts): ModelCard {
  const { rows, scores, trees, validFrom, testFrom } = facts
  const count = rows.labels.length
  const tested = Array.from({ length: count - testFrom }, (_, index) => testFrom + index)
  const days = Math.max(1, (rows.timesMs[count - 1]! - rows.timesMs[testFrom]!) / dayMs)
  const ofRules = tested.filter((row) => rows.ruleScores[row]! >= facts.reviewFrom).length / days
  const capacityPerDay = facts.capacityPerDay ?? Math.max(1, Math.round(ofRules))
  const budget = Math.round(capacityPerDay * days)
  // Whom the capacity reaches is decided once, over the whole time.
  const reached = {
    model: highest(tested, scores, budget),
    rules: highest(tested, rows.ruleScores, budget),
  }
  const compare = (part: readonly number[]): Compared => compared(part, facts, reached)
  const gained = trees.gains.reduce((sum, one) => sum + one, 0)
  const part = (from: number, to: number): Part => partOf(rows, from, to)
  return {
    ...{ made: facts.made, model: facts.model, labelMaturityDays: facts.labelMaturityDays },
    ...{ learned: part(0, validFrom), stopped: part(validFrom, testFrom), tested: part(testFrom, count) },
    ...{ pending: rows.pending, rounds: trees.rounds, capacityPerDay },
    features: rows.features
      .map(({ name, source, kind, categories }, index) => ({
        ...{ name, source, kind },
        isOfDay: isOfDay(rows.columns[index]!.subarray(0, testFrom), rows.timesMs),
        importance: gained === 0 ? 0 : trees.gains[index]! / gained,
        distribution: distributionOf(rows.columns[index]!.subarray(0, testFrom), categories),
      }))
      .toSorted((a, b) => b.importance - a.importance),
    overall: compare(tested),
    calibration: calibrationOf(tested, scores, rows.labels),
    byMonth: grouped(tested, (row) => new Date(rows.timesMs[row]!).toISOString().slice(0, 7))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([month, part]) => ({ month, ...compare(part) })),
    byCountry: grouped(tested, (row) => rows.countries[row] ?? '')
      .map(([country, part]) => ({ country, ...compare(part) }))
      .filter(({ country, fraud }) => country !== '' && fraud >= fraudMin)
      .toSorted((a, b) => b.fraud - a.fraud)
      .slice(0, countriesMax),
    rulesLeftOut: rows.rulesLeftOut,
    score: scoreDistribution(scores.subarray(0, testFrom)),
  }
}

function isOfDay(values: Float64Array, timesMs: Float64Array): boolean {
  const dayOf = (row: number): number => Math.floor(timesMs[row]! / dayMs)
  return values.every(
    (value, row) => row === 0 || dayOf(row) !== dayOf(row - 1) || Object.is(value, values[row - 1]),
  )
}

function partOf(rows: TrainingRows, from: number, to: number): Part {
  const at = (row: number): string => new Date(rows.timesMs[row]!).toISOString()
  return {
    ...{ from: at(from), to: at(to - 1), transactions: to - from },
    fraud: rows.labels.subarray(from, to).reduce((sum, one) => sum + one, 0),
  }
}

type Reached = { readonly model: ReadonlySet<number>; readonly rules: ReadonlySet<number> }

function compared(part: readonly number[], { rows, scores }: CardFacts, reached: Reached): Compared {
  const fraud = part.filter((row) => rows.labels[row] === 1)
  const side = (given: Float64Array, those: ReadonlySet<number>): Side => {
    const counts = countsOf(part, given, rows.labels)
    return {
      averagePrecision: averagePrecision(counts),
      rankArea: rankArea(counts),
      recallAtCapacity: shareOf(fraud.filter((row) => those.has(row)).length, fraud.length),
    }
  }
  return {
    ...{ transactions: part.length, fraud: fraud.length },
    model: side(scores, reached.model),
    rules: side(rows.ruleScores, reached.rules),
  }
}

function countsOf(part: readonly number[], scores: Float64Array, labels: Uint8Array) {
  const counts = new Map<number, { score: number; fraud: number; good: number }>()
  for (const row of part) {
    const score = scores[row]!
    const known = counts.get(score) ?? { score, fraud: 0, good: 0 }
    if (labels[row] === 1) known.fraud++
    else known.good++
    counts.set(score, known)
  }
  return [...counts.values()]
}

/** The rows with the highest scores; of equal ones the first. */
function highest(part: readonly number[], scores: Float64Array, budget: number): ReadonlySet<number> {
  return new Set(part.toSorted((a, b) => scores[b]! - scores[a]! || a - b).slice(0, budget))
}

/** By rank, those of one score together; the last bins are small, because that is where decisions are. */
function calibrationOf(part: readonly number[], scores: Float64Array, labels: Uint8Array): CalibrationBin[] {
  const sorted = part.toSorted((a, b) => scores[a]! - scores[b]!)
  const bins: CalibrationBin[] = []
  let from = 0
  for (let bin = 0; bin < binsMax && from < sorted.length; bin++) {
    const isLast = bin === binsMax - 1
    let to = isLast ? sorted.length : Math.max(from + 1, Math.round(sorted.length * (1 - 0.5 ** (bin + 1))))
    while (to < sorted.length && scores[sorted[to]!] === scores[sorted[to - 1]!]) to++
    const inBin = sorted.slice(from, to)
    const fraud = inBin.filter((row) => labels[row] === 1).length
    bins.push({
      transactions: inBin.length,
      predicted: inBin.reduce((sum, row) => sum + scores[row]!, 0) / inBin.length,
      observed: shareOf(fraud, inBin.length),
    })
    from = to
  }
  return bins
}

function grouped(part: readonly number[], keyOf: (row: number) => string): [string, number[]][] {
  const groups = new Map<string, number[]>()
  for (const row of part) {
    const key = keyOf(row)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return [...groups]
}
