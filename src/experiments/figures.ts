// What an experiment found: each figure by day, from the sums of both arms. docs/guide/experiments.md says
// what the figures mean.
import {
  type ArmCounts,
  type BothArms,
  carriersMin,
  type Look,
  sequentialFigures,
  shareEvidence,
} from './sequential.ts'

export const figureNames = ['fraudMoneyLetThrough', 'goodCustomersReviewed', 'reviews'] as const
export type FigureName = (typeof figureNames)[number]

/** All that was there up to a day, that day included. */
export type DayLook = Look & {
  readonly day: string
  /** By so many days the sums are divided; 1 where the figure counts customers. */
  readonly days: number
}
export type DayCounts = ArmCounts & { readonly day: string }

export type FigureDay = {
  readonly day: string
  /** What there would be if all customers were in the one arm, or in the other. */
  readonly control: number
  readonly candidate: number
  readonly difference: number
  /** null while too few customers carry the figure. */
  readonly interval: { readonly low: number; readonly high: number } | null
}

export type ExperimentFigure = {
  readonly name: FigureName
  readonly days: readonly FigureDay[]
  readonly carriers: number
  readonly carriersMin: number
  /** The first day whose interval does not hold 0. */
  readonly seenOn: string | null
  /** As the last day has it: `unclear` where its interval holds 0. */
  readonly outcome: 'too few' | 'unclear' | 'less' | 'more'
}

export type SharesFound = BothArms<number> & {
  /** Of the candidate's arm. */
  readonly share: number | null
  /** How much more likely the counts are under another share than under the planned one. */
  readonly evidence: number
  /** The first day on which the evidence said that the shares are not as planned. */
  readonly toldOn: string | null
}

/** The risk that any figure ever shows a difference where there is none. */
export const experimentAlpha = 0.05
/** The risk that shares are ever told to be off where they are as planned. */
export const sharesAlpha = 0.01

/** Each figure takes an equal part of the risk. */
export function experimentFigure(
  name: FigureName,
  looks: readonly DayLook[],
  share: number,
): ExperimentFigure {
  const found = sequentialFigures(looks, { share, alpha: experimentAlpha / figureNames.length })
  const days = found.map(({ control, candidate, difference, interval }, index): FigureDay => {
    const { day, days } = looks[index]!
    return {
      day,
      control: control / days,
      candidate: candidate / days,
      difference: difference / days,
      interval: interval === null ? null : { low: interval.low / days, high: interval.high / days },
    }
  })
  return {
    name,
    days,
    carriers: found.at(-1)?.carriers ?? 0,
    carriersMin: carriersMin(share),
    seenOn: days.find(({ interval }) => isOfOneSign(interval))?.day ?? null,
    outcome: outcomeOf(days.at(-1)),
  }
}

function outcomeOf(last: FigureDay | undefined): ExperimentFigure['outcome'] {
  if (last === undefined || last.interval === null) return 'too few'
  if (!isOfOneSign(last.interval)) return 'unclear'
  return last.difference < 0 ? 'less' : 'more'
}

function isOfOneSign(interval: FigureDay['interval']): boolean {
  return interval !== null && (interval.low > 0 || interval.high < 0)
}

export function sharesFound(counts: readonly DayCounts[], share: number): SharesFound {
  const evidence = counts.map((one) => shareEvidence(one, share))
  const told = evidence.findIndex((one) => one >= 1 / sharesAlpha)
  const { control, candidate } = counts.at(-1) ?? { control: 0, candidate: 0 }
  const customers = control + candidate
  return {
    control,
    candidate,
    share: customers === 0 ? null : candidate / customers,
    evidence: evidence.at(-1) ?? 1,
    toldOn: counts[told]?.day ?? null,
  }
}
