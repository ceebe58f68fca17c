// A back-test as one HTML file, to be kept or sent on: it asks nothing of any network and runs no script.
import type { BacktestReport } from './backtest.ts'
import type { CurvePoint, SideFigures } from './figures.ts'
import type { ReportSection } from './report-section.ts'
import { sectionsOf } from './report-text.ts'

/** A whole document. Texts of the data stand in it as text. */
export function reportHtml(report: BacktestReport): string {
  const { baseline, candidate } = report.figures
  const title = `Back-test of ${candidate.name}`
  const curve = curveSvg([baseline, ...(candidate === baseline ? [] : [candidate])])
  return reportPage(title, `${title} against ${baseline.name}`, curve, sectionsOf(report))
}

/** `figure` is markup; all else is text. */
export function reportPage(
  title: string,
  heading: string,
  figure: string,
  sections: readonly ReportSection[],
): string {
  const parts = sections.map(({ title, lines, rows }) => {
    const list =
      lines.length === 0 ? '' : `<ul>${lines.map((line) => `<li>${escaped(line)}</li>`).join('')}</ul>`
    const table =
      rows === null
        ? ''
        : `<div class="wide" tabindex="0"><table><thead><tr>${rows.names.map(headCell(rows.isRight)).join('')}</tr></thead>` +
          `<tbody>${rows.cells.map((cells) => `<tr>${cells.map(bodyCell(rows.isRight)).join('')}</tr>`).join('')}</tbody></table></div>`
    return `<section><h2>${escaped(title)}</h2>${list}${table}</section>`
  })
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escaped(heading)}</h1>
${figure}
${parts.join('\n')}
</main>
</body>
</html>
`
}

const headCell = (isRight: readonly boolean[]) => (name: string, index: number) =>
  `<th scope="col"${isRight[index] ? ' class="right"' : ''}>${escaped(name)}</th>`
const bodyCell = (isRight: readonly boolean[]) => (cell: string, index: number) =>
  `<td${isRight[index] ? ' class="right"' : ''}>${escaped(cell)}</td>`

/** Characters that turn or hide others are shown as what they are. */
export function escaped(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

const [width, height, left, bottom] = [640, 360, 48, 40]

/** Precision over recall, a line for each set. */
function curveSvg(sides: readonly SideFigures[]): string {
  const x = (recall: number): string => (left + recall * (width - left - 24)).toFixed(1)
  const y = (precision: number): string => (height - bottom - precision * (height - bottom - 12)).toFixed(1)
  const known = ({ precision, recall }: CurvePoint): boolean => precision !== null && recall !== null
  const ticks = [0, 0.25, 0.5, 0.75, 1]
  const grid = ticks.map(
    (at) =>
      `<line class="grid" x1="${x(0)}" x2="${x(1)}" y1="${y(at)}" y2="${y(at)}"/>` +
      `<text x="${left - 6}" y="${y(at)}" text-anchor="end" dominant-baseline="middle">${at * 100} %</text>` +
      `<text x="${x(at)}" y="${height - bottom + 18}" text-anchor="middle">${at * 100} %</text>`,
  )
  const lines = sides.map(({ curve, name, averagePrecision: { value } }, index) => {
    const points = curve.filter(known).map(({ precision, recall }) => `${x(recall!)},${y(precision!)}`)
    const told = value === null ? '' : `, area ${value.toFixed(3)}`
    return (
      `<polyline class="line-${index}" points="${points.join(' ')}"/>` +
      `<text class="name-${index}" x="${width - 16}" y="${24 + index * 20}" text-anchor="end">${escaped(name)}${told}</text>`
    )
  })
  return (
    `<figure><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="precision over recall">` +
    `${grid.join('')}${lines.join('')}<text x="${x(0.5)}" y="${height - 6}" text-anchor="middle">recall</text></svg>` +
    '<figcaption>Precision over recall of matured transactions, by the score from which they are reviewed</figcaption></figure>'
  )
}

const style = `
:root { color-scheme: light dark }
:root { --ink: #1a1d21; --paper: #ffffff; --line: #d5d9df; --a: #6b7280; --b: #1d5fd1 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e9ec; --paper: #14171a; --line: #363c44; --a: #9aa3af; --b: #7aa9ff }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px }
h1 { font-size: 24px } h2 { font-size: 18px; margin: 32px 0 8px }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line) }
th, td { text-align: left; white-space: nowrap }
.right { text-align: right }
@media (max-width: 640px) { td, th { white-space: normal; min-width: 88px; vertical-align: top } }
figure { margin: 16px 0; max-width: ${width}px } svg { width: 100%; height: auto }
svg text { fill: var(--ink); font-size: 12px } .grid { stroke: var(--line) }
polyline { fill: none; stroke-width: 2 } .line-0 { stroke: var(--a) } .line-1 { stroke: var(--b) }
.band { fill: var(--b); opacity: 0.2 }
svg .name-0 { fill: var(--a) } svg .name-1 { fill: var(--b) }
figcaption { font-size: 13px }
`
