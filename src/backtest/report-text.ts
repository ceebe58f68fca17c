// A back-test for a terminal.
import { counted } from '../errors/counted.ts'
import type { BacktestReport } from './backtest.ts'
import type { SideFigures } from './figures.ts'
import type { Estimate } from './intervals.ts'
import { amountText, countText, type ReportSection, sectionRows, shareText } from './report-section.ts'

export type TextTable = (
  names: readonly string[],
  rows: readonly (readonly string[])[],
  isRight: readonly boolean[],
) => string

/** `table` draws one; texts of the data are still to be made harmless for a terminal. */
export function reportText(report: BacktestReport, table: TextTable): string {
  return sectionsText(sectionsOf(report), table)
}

export function sectionsText(sections: readonly ReportSection[], table: TextTable): string {
  return sections
    .map(({ title, lines, rows }) => {
      const drawn = rows === null ? '' : table(rows.names, rows.cells, rows.isRight)
      return `${title}\n${lines.map((line) => `  ${line}\n`).join('')}${drawn}`
    })
    .join('\n')
}

/** What the report says, in the order in which people read it. */
export function sectionsOf(report: BacktestReport): readonly ReportSection[] {
  const { figures } = report
  const { baseline, candidate } = figures
  return [
    ...decisionSections(report),
    ...[baseline, ...(candidate === baseline ? [] : [candidate])].map(rulesSection),
    {
      title: `Rules of ${candidate.name} that fire together`,
      lines: [],
      rows: sectionRows(
        ['', ...candidate.rules.map((_, index) => `${index + 1}`)],
        candidate.overlap.map((counts, index) => [
          `${index + 1} ${candidate.rules[index]!.name}`,
          ...counts.map(countText),
        ]),
        1,
      ),
    },
    {
      title: `Scores of ${candidate.name}`,
      lines: [],
      rows: sectionRows(
        ['reviewed from', 'reviews a day', 'precision', 'recall'],
        candidate.curve.map((point) => [
          ...[String(point.reviewFrom), decimal(point.reviewsPerDay)],
          ...[shareText(point.precision), shareText(point.recall)],
        ]),
        0,
      ),
    },
  ]
}

/** What is decided, without what single rules say. Of what was written nobody knows from which score on. */
export function decisionSections(report: BacktestReport, isWritten = false): readonly ReportSection[] {
  const { figures } = report
  const { baseline, candidate } = figures
  return [
    { title: 'Transactions', lines: transactionLines(report), rows: null },
    {
      title: 'Decisions',
      lines: [],
      rows: sectionRows(
        ['', baseline.name, candidate.name],
        decisionRows(baseline, candidate, report.reviewCapacityPerDay, isWritten),
        1,
      ),
    },
    {
      title: 'Changed decisions',
      lines: changedLines(report),
      rows:
        report.samples.length === 0
          ? null
          : sectionRows(
              ['transaction', 'time', 'amount', 'label', baseline.name, candidate.name],
              report.samples.map((one) => [
                ...[one.id, one.eventTime.slice(0, 19), one.amount, one.label],
                ...[one.baseline, one.candidate].map(({ score, level, rules }) =>
                  `${score} ${level} ${rules.join(', ')}`.trimEnd(),
                ),
              ]),
              6,
            ),
    },
  ]
}

function rulesSection(side: SideFigures): ReportSection {
  const leftOut = side.rulesLeftOut.join(', ')
  const names = ['rule', 'points', 'fired', 'fraud', 'good', 'precision', 'recall', 'money caught']
  return {
    title: `Rules of ${side.name}`,
    lines: leftOut === '' ? [] : [`left out, because they ask the record's own label: ${leftOut}`],
    rows: sectionRows(
      [...names, 'adds reviews', 'of them fraud'],
      side.rules.map((rule) => [
        ...[
          rule.name,
          signed(rule.points),
          countText(rule.fired.transactions),
          countText(rule.fraud.transactions),
        ],
        ...[countText(rule.good.transactions), percent(rule.precision), percent(rule.recall)],
        ...[money(rule.moneyCaught), signed(rule.adds.reviews.transactions)],
        signed(rule.adds.fraud.transactions),
      ]),
      1,
    ),
  }
}

function transactionLines({ figures, from, to, asOf, labelMaturityDays, written }: BacktestReport): string[] {
  const { all, byLabel, maturedShare, unknown } = figures
  const period =
    from === null && to === null ? 'all there are' : `${from ?? 'the first'} to ${to ?? 'the last'}`
  const gaps = Object.entries(unknown).filter(([, count]) => count > 0)
  return [
    `${countText(all.transactions)} of ${amountText(all.money)} in all, on ${counted(figures.days.length, 'day')}; period: ${period}`,
    `labels as of ${asOf}, matured after ${decimal(labelMaturityDays)} days: ${shareText(maturedShare)} of the transactions`,
    `fraud ${countText(byLabel.fraud.transactions)} (${amountText(byLabel.fraud.money)}), good ${countText(byLabel.good.transactions)}, ` +
      `pending ${countText(byLabel.pending.transactions)}: pending ones count for no precision and no recall`,
    ...(written === null
      ? []
      : [
          `the rules, each row by its version, give score and reasons as written for ${countText(written.same)} of ${countText(written.transactions)}`,
        ]),
    ...gaps.map(
      ([name, count]) =>
        `${name} has no value in ${countText(count)}: a rule that needs it does not fire there`,
    ),
  ]
}

function decisionRows(
  a: SideFigures,
  b: SideFigures,
  capacity: number | null,
  isWritten: boolean,
): string[][] {
  const row = (name: string, of: (side: SideFigures) => string): string[] => [name, of(a), of(b)]
  const levels = [...new Set([...a.levels, ...b.levels].map(({ level }) => level))]
  const level = (side: SideFigures, name: string): string => {
    const found = side.levels.find((one) => one.level === name)
    return found === undefined ? '' : `${countText(found.transactions)} (${amountText(found.money)})`
  }
  return [
    ...levels.map((name) => row(name, (side) => level(side, name))),
    row(
      'reviewed',
      ({ reviewed, reviewFrom }) =>
        `${countText(reviewed.transactions)}${isWritten ? '' : ` from score ${reviewFrom}`}`,
    ),
    row(
      'reviews a day',
      ({ reviewsPerDay: { mean, most } }) => `${decimal(mean)}, at most ${countText(most)}`,
    ),
    ...(capacity === null
      ? []
      : [
          row(`days with more than ${countText(capacity)}`, ({ reviewsPerDay }) =>
            countText(reviewsPerDay.daysOverCapacity ?? 0),
          ),
          row('best that fits', ({ atCapacity }) =>
            atCapacity === null
              ? 'nothing fits'
              : `from score ${atCapacity.reviewFrom}: recall ${shareText(atCapacity.recall)}, precision ${shareText(atCapacity.precision)}`,
          ),
        ]),
    row('precision', ({ precision }) => percent(precision)),
    row('recall', ({ recall }) => percent(recall)),
    row('fraud caught', ({ caught }) => countText(caught.transactions)),
    row('fraud missed', ({ missed }) => `${countText(missed.transactions)} (${amountText(missed.money)})`),
    row('money caught', ({ moneyCaught }) => money(moneyCaught)),
    row('good ones reviewed', ({ goodReviewed }) => countText(goodReviewed.transactions)),
    row('money of good ones', ({ moneyOfGoodReviewed }) => money(moneyOfGoodReviewed)),
    row('PR area', ({ averagePrecision }) => figure(averagePrecision)),
    row('ROC area', ({ rankArea }) => figure(rankArea)),
  ]
}

function changedLines({ figures: { changed } }: BacktestReport): string[] {
  const { newlyReviewed: more, noLongerReviewed: fewer, levels } = changed
  if (levels.length === 0 && more.transactions + fewer.transactions === 0) return ['none']
  const labelled = (of: typeof more): string =>
    `${countText(of.transactions)} (fraud ${countText(of.fraud.transactions)}, good ${countText(of.good.transactions)}, ` +
    `pending ${countText(of.pending.transactions)})`
  return [
    `newly reviewed: ${labelled(more)}`,
    `no longer reviewed: ${labelled(fewer)}`,
    ...levels.map(
      (one) => `${one.from} -> ${one.to}: ${countText(one.transactions)} (${amountText(one.money)})`,
    ),
  ]
}

const decimal = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 })
const signed = (value: number): string => `${value < 0 ? '-' : '+'}${countText(Math.abs(value))}`

function percent({ value, low, high }: Estimate): string {
  return value === null
    ? '-'
    : `${shareText(value)} (${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)})`
}

function money({ value, low, high }: Estimate): string {
  return value === null ? '-' : `${amountText(value)} (${countText(low)} to ${countText(high)})`
}

function figure({ value, low, high }: Estimate): string {
  return value === null ? '-' : `${value.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`
}
