// The card of a model for people: its sections, for a terminal and for HTML, and its curve.

import type { Estimate } from '../backtest/intervals.ts'
import { reportPage } from '../backtest/report-html.ts'
import type { ReportSection } from '../backtest/report-section.ts'
import type { TextTable } from '../backtest/report-text.ts'
import { counted } from '../errors/counted.ts'
import type { CalibrationBin, Compared, ModelCard, Part } from './card.ts'

export function cardText(card: ModelCard, table: TextTable): string {
  return cardSections(card)
    .map(({ title, lines, rows }) => {
      const drawn = rows === null ? '' : table(rows.names, rows.cells, rows.isRight)
      return `${title}\n${lines.map((line) => `  ${line}\n`).join('')}${drawn}`
    })
    .join('\n')
}

export function cardHtml(card: ModelCard): string {
  const title = `Model ${card.model}`
  return reportPage(title, title, calibrationSvg(card.calibration), cardSections(card))
}

function cardSections(card: ModelCard): readonly ReportSection[] {
  const { overall } = card
  const both = (one: Compared): string[] => [
    ...[count(one.transactions), count(one.fraud)],
    ...[share(one.model.averagePrecision), share(one.rules.averagePrecision)],
    ...[estimate(one.model.recallAtCapacity), estimate(one.rules.recallAtCapacity)],
  ]
  const figures = ['transactions', 'fraud', 'PR-AUC', 'rules', 'recall', 'rules']
  const left = card.rulesLeftOut
  return [
    {
      title: 'What it learned from',
      lines: [
        `made ${card.made}, ${card.rounds} trees; labels are final ${card.labelMaturityDays} days after a transaction, ${count(card.pending)} are not yet`,
        `learned: ${partText(card.learned)}`,
        `stopped by: ${partText(card.stopped)}`,
        `tested on: ${partText(card.tested)}; all figures below are of these`,
      ],
      rows: null,
    },
    {
      title: 'Against the rules alone',
      lines: [
        `recall is the share of fraud among ${count(card.capacityPerDay)} reviews a day, those of the highest scores`,
        ...(left.length === 0
          ? []
          : [`rules that ask the label or a model are left out: ${left.join(', ')}`]),
      ],
      rows: table(
        ['', 'model', 'rules'],
        [
          ['PR-AUC', share(overall.model.averagePrecision), share(overall.rules.averagePrecision)],
          ['ROC-AUC', share(overall.model.rankArea), share(overall.rules.rankArea)],
          ['recall', estimate(overall.model.recallAtCapacity), estimate(overall.rules.recallAtCapacity)],
        ],
      ),
    },
    {
      title: 'Features',
      lines: [],
      rows: table(
        ['feature', 'what it is', 'importance'],
        card.features.map(({ name, source, importance }) => [name, source, share(importance)]),
        2,
      ),
    },
    {
      title: 'Calibration',
      lines: ['transactions of about the same score: what the model said, and what came'],
      rows: table(
        ['transactions', 'predicted', 'fraud'],
        card.calibration.map(({ transactions, predicted, observed }) => [
          ...[count(transactions), share(predicted), estimate(observed)],
        ]),
        0,
      ),
    },
    {
      title: 'By month',
      lines: [],
      rows: table(
        ['month', ...figures],
        card.byMonth.map((one) => [one.month, ...both(one)]),
      ),
    },
    {
      title: 'By country',
      lines: ['those with the most fraud'],
      rows: table(
        ['country', ...figures],
        card.byCountry.map((one) => [one.country, ...both(one)]),
      ),
    },
  ]
}

function table(
  names: readonly string[],
  cells: readonly (readonly string[])[],
  rightFrom = 1,
): ReportSection['rows'] {
  return { names, cells, isRight: names.map((_, index) => index >= rightFrom) }
}

function partText({ from, to, transactions, fraud }: Part): string {
  return `${from.slice(0, 16)} to ${to.slice(0, 16)}, ${counted(transactions, 'transaction')}, ${count(fraud)} fraud`
}

const count = (value: number): string => value.toLocaleString('en-US')
const share = (value: number | null): string => (value === null ? '-' : `${(value * 100).toFixed(2)} %`)
const estimate = ({ value, low, high }: Estimate): string =>
  value === null ? '-' : `${share(value)} (${share(low)} to ${share(high)})`

const size = 320
const margin = 40

/** What came over what was said; a model that is right lies on the diagonal. */
function calibrationSvg(bins: readonly CalibrationBin[]): string {
  const most = Math.max(0.01, ...bins.flatMap(({ predicted, observed }) => [predicted, observed.value ?? 0]))
  const x = (value: number): string => (margin + (value / most) * (size - margin - 10)).toFixed(1)
  const y = (value: number): string => (size - margin - (value / most) * (size - margin - 10)).toFixed(1)
  const points = bins.map(({ predicted, observed }) => `${x(predicted)},${y(observed.value ?? 0)}`)
  return (
    `<figure><svg viewBox="0 0 ${size} ${size}" role="img" aria-label="Calibration: the tables below have its points">` +
    `<line class="grid" x1="${x(0)}" y1="${y(0)}" x2="${x(most)}" y2="${y(most)}"/>` +
    `<polyline class="line-1" points="${points.join(' ')}"/>` +
    `<text x="${margin}" y="${size - 12}">predicted, to ${share(most)}</text><text x="4" y="14">fraud</text></svg>` +
    '<figcaption>Calibration</figcaption></figure>'
  )
}
