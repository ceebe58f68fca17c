// An experiment as one HTML file: each figure by day, with its interval.
import { escaped, reportPage } from '../backtest/report-html.ts'
import type { ExperimentFigure } from './figures.ts'
import type { ExperimentReport } from './report.ts'
import { experimentSections, figureTitles } from './report-text.ts'

export function experimentHtml(report: ExperimentReport): string {
  return reportPage(
    `Experiment ${report.name}`,
    `Experiment ${report.name}: version ${report.candidateVersion}`,
    report.figures.map(differenceSvg).join('\n'),
    experimentSections(report),
  )
}

const [width, height, left, bottom, top] = [640, 220, 72, 28, 12]

/** The difference day by day, in the band of its interval. */
function differenceSvg({ name, days }: ExperimentFigure): string {
  const title = figureTitles[name]
  const known = days.filter(({ interval }) => interval !== null)
  if (known.length < 2) return ''
  const ends = known.flatMap(({ interval }) => [interval!.low, interval!.high])
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)]
  const first = Date.parse(known[0]!.day)
  const last = Date.parse(known.at(-1)!.day)
  const x = (day: string): string =>
    (left + ((Date.parse(day) - first) / (last - first)) * (width - left - 16)).toFixed(1)
  const y = (value: number): string =>
    (top + ((high - value) / (high - low)) * (height - top - bottom)).toFixed(1)
  const upper = known.map(({ day, interval }) => `${x(day)},${y(interval!.high)}`)
  const lower = known.map(({ day, interval }) => `${x(day)},${y(interval!.low)}`)
  const line = known.map(({ day, difference }) => `${x(day)},${y(difference)}`)
  const ticks = [...new Set([low, 0, high])].map(
    (at) =>
      `<line class="grid" x1="${left}" x2="${width - 16}" y1="${y(at)}" y2="${y(at)}"/>` +
      `<text x="${left - 6}" y="${y(at)}" text-anchor="end" dominant-baseline="middle">${escaped(tickText(at))}</text>`,
  )
  const dates = [known[0]!.day, known.at(-1)!.day].map(
    (day, index) =>
      `<text x="${x(day)}" y="${height - 8}" text-anchor="${index === 0 ? 'start' : 'end'}">${escaped(day)}</text>`,
  )
  return (
    `<figure><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}: the difference by day">` +
    `${ticks.join('')}<polygon class="band" points="${[...upper, ...lower.reverse()].join(' ')}"/>` +
    `<polyline class="line-1" points="${line.join(' ')}"/>${dates.join('')}</svg>` +
    `<figcaption>${escaped(title)}: candidate less control, and where the difference lies</figcaption></figure>`
  )
}

function tickText(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 })
}
