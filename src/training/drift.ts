// Drift: how far the features and the score of each day are from those that a model learned from.
import type { ModelCard } from './card.ts'
import { type Distance, distanceOf } from './distribution.ts'
import type { TrainingRows } from './training-rows.ts'

export type DriftedDay = {
  readonly day: string
  readonly transactions: number
  readonly score: Distance
  /** Without those that follow from the day alone. */
  readonly features: readonly ({ readonly name: string } & Distance)[]
}

const dayMs = 86_400_000

/** Rows are in the order of their times. The features are those of the card. */
export function driftByDay(card: ModelCard, rows: TrainingRows, scores: Float64Array): readonly DriftedDay[] {
  const days: DriftedDay[] = []
  const dayOf = (row: number): number => Math.floor(rows.timesMs[row]! / dayMs)
  for (let from = 0, to = 0; from < scores.length; from = to) {
    while (to < scores.length && dayOf(to) === dayOf(from)) to++
    days.push({
      day: new Date(dayOf(from) * dayMs).toISOString().slice(0, 10),
      transactions: to - from,
      score: distanceOf(card.score, scores.subarray(from, to)),
      features: card.features.flatMap(({ name, isOfDay, distribution }) => {
        const index = rows.features.findIndex((feature) => feature.name === name)
        return index < 0 || isOfDay
          ? []
          : [{ name, ...distanceOf(distribution, rows.columns[index]!.subarray(from, to)) }]
      }),
    })
  }
  return days
}
