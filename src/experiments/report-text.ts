// An experiment for a terminal, and the sections that its page has too.
import {
  amountText,
  countText,
  type ReportSection,
  sectionRows,
  shareText,
} from '../backtest/report-section.ts'
import { counted } from '../errors/counted.ts'
import type { ExperimentFigure, FigureDay, FigureName } from './figures.ts'
import type { ExperimentReport } from './report.ts'

export const figureTitles: Readonly<Record<FigureName, string>> = {
  fraudMoneyLetThrough: 'fraud money let through a day',
  goodCustomersReviewed: 'good customers reviewed',
  reviews: 'reviews a day',
}

/** The last days that the text shows. */
const daysShown = 14

/** What the report says, in the order in which people read it. */
export function experimentSections(report: ExperimentReport): readonly ReportSection[] {
  const { figures } = report
  return [
    { title: 'Experiment', lines: aboutLines(report), rows: null },
    { title: 'Shares', lines: shareLines(report), rows: null },
    {
      title: 'What differs',
      lines: [
        ...figures.map(outcomeLine),
        `the intervals hold all at once, on every day that one looks, with ${shareText(report.confidence)}`,
      ],
      rows: sectionRows(
        ['', 'by the control', 'by the candidate', 'difference', 'it lies within'],
        figures.map((figure) => figureCells(figure)),
        1,
      ),
    },
    ...figures.filter(({ days }) => days.length > 1).map(daysSection),
  ]
}

function aboutLines(report: ExperimentReport): string[] {
  const { candidateVersion, by, share, startedAt, endedAt, transactions, labelMaturityDays } = report
  const { control, candidate, pending, withoutKey } = transactions
  return [
    `version ${candidateVersion} decides for ${percentText(share)} of the customers, by ${by}`,
    `from ${startedAt} ${endedAt === null ? 'on' : `to ${endedAt}`}; labels as of ${report.asOf}, matured after ${labelMaturityDays} days`,
    `transactions: ${countText(control)} by the control, ${countText(candidate)} by the candidate; ${countText(pending)} of them pending: not known as fraud nor as good`,
    ...(withoutKey === 0
      ? []
      : [`${counted(withoutKey, 'transaction')} without ${by}: the control decides, and no figure has them`]),
    ...versionLines(report),
  ]
}

/** Each arm is by one version; another one is told, for the arms are not alike any more. */
function versionLines({ versions }: ExperimentReport): string[] {
  return (['control', 'candidate'] as const).flatMap((arm) => {
    const its = versions.filter((one) => one.arm === arm)
    if (its.length < 2) return []
    const told = its.map(
      ({ version, transactions }) => `${version} (${counted(transactions, 'transaction')})`,
    )
    return [`the ${arm} was decided by several versions, and the figures are of all: ${told.join(', ')}`]
  })
}

function shareLines({ shares, share, transactions }: ExperimentReport): string[] {
  const { control, candidate, toldOn } = shares
  return [
    `${countText(candidate)} of ${counted(control + candidate, 'customer')} in the candidate's arm: ${shareText(shares.share)}, planned ${percentText(share)}`,
    toldOn === null
      ? 'as planned, by what is there'
      : `NOT as planned (seen on ${toldOn}): customers of one arm are missing, and what differs below may come from that alone`,
    ...(transactions.misplaced === 0
      ? []
      : [
          `${counted(transactions.misplaced, 'transaction')} in another arm than the name and the key say: nobody counts them`,
        ]),
  ]
}

function outcomeLine({ name, outcome, seenOn, carriers, carriersMin, days }: ExperimentFigure): string {
  const title = figureTitles[name]
  const last = days.at(-1)
  switch (outcome) {
    case 'too few':
      return `${title}: too few customers to say (they weigh as much as ${countText(carriers)} equal ones, ${countText(carriersMin)} are needed)`
    case 'unclear':
      return seenOn === null
        ? `${title}: no difference seen`
        : `${title}: a difference was seen on ${seenOn}, and is not clear any more`
    case 'less':
    case 'more':
      return `${title}: ${outcome} by the candidate${last === undefined ? '' : ` (${ratioText(last)})`}, seen since ${seenOn}`
    default:
      return outcome satisfies never
  }
}

function ratioText({ control, difference }: FigureDay): string {
  if (control === 0) return 'the control has none'
  const percent = (difference / control) * 100
  return `${percent < 0 ? '-' : '+'}${Math.abs(percent).toFixed(0)} %`
}

function figureCells({ name, days }: ExperimentFigure): string[] {
  const last = days.at(-1)
  return [figureTitles[name], ...(last === undefined ? ['-', '-', '-', '-'] : dayCells(name, last))]
}

function dayCells(name: FigureName, { control, candidate, difference, interval }: FigureDay): string[] {
  const value = (of: number): string => valueText(name, of)
  const signed = (of: number): string => `${of < 0 ? '-' : '+'}${value(Math.abs(of))}`
  const within = interval === null ? '-' : `${signed(interval.low)} to ${signed(interval.high)}`
  return [value(control), value(candidate), signed(difference), within]
}

function valueText(name: FigureName, value: number): string {
  if (name === 'fraudMoneyLetThrough') return amountText(value)
  return name === 'reviews' ? value.toLocaleString('en-US', { maximumFractionDigits: 1 }) : countText(value)
}

function daysSection({ name, days }: ExperimentFigure): ReportSection {
  const left = days.length - daysShown
  return {
    title: `By day: ${figureTitles[name]}`,
    lines: left > 0 ? [`the last ${daysShown} of ${days.length} days; --json has all`] : [],
    rows: sectionRows(
      ['up to', 'by the control', 'by the candidate', 'difference', 'it lies within'],
      days.slice(-daysShown).map((day) => [day.day, ...dayCells(name, day)]),
      1,
    ),
  }
}

export const percentText = (share: number): string => `${Number((share * 100).toPrecision(6))} %`
