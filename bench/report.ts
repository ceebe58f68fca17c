// Writes what `npm run bench` measured into docs/guide/performance.md, between its two markers, and as a
// picture
// that README shows, too. Run: npm run bench:report -- [bench/results/latest.json]
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Figures, type MillionName, typicalRound } from './figures.ts'
import type { ProcessFigures } from './measured-process.ts'

const grouped = (value: number): string => Math.round(value).toLocaleString('en-US')
/** Two digits where the figure is small. */
const short = (value: number): string =>
  value >= 10 ? value.toFixed(1) : value >= 1 ? value.toFixed(2) : value.toPrecision(2)
const mebibytes = (value: number): string => `${grouped(value)} MiB`

const millionTexts: Readonly<Record<MillionName, string>> = {
  bareDuckdb: 'DuckDB alone, from files: one SQL statement for each table',
  assayFromFiles: 'Assay, from the same files through all tables',
  assayFromKafka: 'Assay, from Kafka through all tables',
  flink: 'Flink, from Kafka: four of the tables as Parquet files',
}

/** The figures as a table of Markdown, which is also how a terminal shows them. */
export function figuresTable(figures: Figures): string {
  const rows = [
    ...millionRows(figures),
    ...batchRows(figures),
    ...latencyRows(figures),
    ...sparkRows(figures.spark),
  ]
  const head = [
    ['what', 'time', 'processor time', 'peak memory', 'ratio'],
    ['---', '---', '---', '---', '---'],
  ]
  const machine = Object.entries(figures.machine).map(([name, value]) => `${name} ${value}`)
  const dirt = figures.areDirty ? ', of them 10 % in disorder, 1 % repeated and 1 % malformed' : ''
  const about = `${grouped(figures.records)} transactions${dirt}; ${machine.join('; ')}; ${figures.measuredAt.slice(0, 10)}.`
  const compared = (figures.flinkRows ?? []).map(
    ({ table, rows: count, different }) => `${table} ${grouped(count)} (${grouped(different)})`,
  )
  const check =
    compared.length === 0
      ? []
      : ['', `Rows that Flink wrote, and how many only one of the two has: ${compared.join(', ')}.`]
  return [about, '', ...[...head, ...rows].map((cells) => `| ${cells.join(' | ')} |`), ...check].join('\n')
}

function millionRows({ million }: Figures): string[][] {
  const bare = million.bareDuckdb && typicalRound(million.bareDuckdb)
  const kafka = million.assayFromKafka && typicalRound(million.assayFromKafka)
  return Object.entries(millionTexts).flatMap(([key, text]) => {
    const rounds = million[key as MillionName]
    if (rounds === undefined) return []
    const [base, name] = key === 'flink' ? [kafka, 'Assay from Kafka'] : [bare, 'DuckDB alone']
    const seconds = rounds.map((round) => round.seconds)
    const spread =
      rounds.length > 1 ? ` (${short(Math.min(...seconds))} to ${short(Math.max(...seconds))})` : ''
    const typical = typicalRound(rounds)
    return [[text, `${short(typical.seconds)} s${spread}`, ...costs(typical), ratio(typical, base, name)]]
  })
}

function costs({ processorSeconds, peakMiB }: ProcessFigures): string[] {
  return [`${short(processorSeconds)} s`, mebibytes(peakMiB)]
}

function ratio(of: ProcessFigures, base: ProcessFigures | undefined, name: string): string {
  if (base === undefined || base === of) return ''
  const [wall, processor] = [of.seconds / base.seconds, of.processorSeconds / base.processorSeconds]
  return `${short(wall)} times ${name}, ${short(processor)} times its processor time`
}

function batchRows({ batch }: Figures): string[][] {
  if (batch === null) return []
  const { medianMs, p95Ms, processorMs, residentMiB, durableCommitMs, records } = batch
  const commits = `${short(medianMs / durableCommitMs)} durable commits (write, fsync, link) of ${short(durableCommitMs)} ms`
  const time = `${grouped(medianMs)} ms (p95 ${grouped(p95Ms)} ms)`
  const text = `a batch of ${grouped(records)} through all tables`
  return [[text, time, `${short(processorMs)} ms`, mebibytes(residentMiB), commits]]
}

function latencyRows({ latency, million }: Figures): string[][] {
  const bare = million.bareDuckdb && typicalRound(million.bareDuckdb)
  return (latency ?? []).map(({ rate, p50Ms, p99Ms, processorShare }) => {
    const share = bare && `p99 is 1/${grouped((bare.seconds * 1000) / p99Ms)} of DuckDB alone`
    return [
      `${grouped(rate)} transactions/s, from event time to read by delta-rs`,
      `p50 ${grouped(p50Ms)} ms, p99 ${grouped(p99Ms)} ms`,
      `${short(processorShare)} s a second`,
      '',
      share ?? '',
    ]
  })
}

function sparkRows(spark: Figures['spark']): string[][] {
  const base = spark?.['hand-written PySpark']
  return Object.entries(spark ?? {}).map(([name, figures]) => [
    `${name}, the same from Kafka with some dirt`,
    `${short(figures.seconds)} s`,
    ...costs(figures),
    ratio(figures, base, 'hand-written'),
  ])
}

type Bar = {
  readonly label: string
  readonly value: number
  readonly text: string
  readonly isAssay: boolean
}

/** A dark card, as the other pictures: it is read on a light page and on a dark one. */
function picture(figures: Figures): string {
  const million = Object.entries(figures.million).map(([key, rounds]): Bar => {
    const { seconds, processorSeconds, peakMiB } = typicalRound(rounds)
    const text = `${short(seconds)} s · processor ${short(processorSeconds)} s · ${mebibytes(peakMiB)}`
    return { label: millionTexts[key as MillionName], value: seconds, text, isAssay: key.startsWith('assay') }
  })
  const spark = Object.entries(figures.spark ?? {})
    .filter(([name]) => name !== 'embedded')
    .map(([label, { seconds, processorSeconds, peakMiB }]): Bar => {
      const text = `${short(seconds)} s · processor ${short(processorSeconds)} s · ${mebibytes(peakMiB)}`
      return { label, value: seconds, text, isAssay: label.startsWith('Assay') }
    })
  const latency = (figures.latency ?? []).map(({ rate, p50Ms, p99Ms }): Bar => {
    const text = `p99 ${grouped(p99Ms)} ms · p50 ${grouped(p50Ms)} ms`
    return { label: `${grouped(rate)} transactions/s`, value: p99Ms, text, isAssay: true }
  })
  return cardOf([
    [`${grouped(figures.records)} transactions: less is better`, [...million, ...spark]],
    ['From a transaction to its score in the hands of another reader', latency],
  ])
}

const cardWidth = 860
const labelHeight = 20
const barHeight = 14
const barStep = 46
const titleStep = 44
const margin = 24
const colours = { card: '#1e1e2e', title: '#ffffff', label: '#cdd6f4', assay: '#a6e3a1', other: '#89b4fa' }
/** What a bar's figures need to its right. */
const figuresWidth = 330

function cardOf(groups: readonly (readonly [title: string, bars: readonly Bar[]])[]): string {
  const parts: string[] = []
  let y = margin
  const text = (x: number, content: string, style: string): void => {
    parts.push(`<text x="${x}" y="${y}" ${style}>${escaped(content)}</text>`)
  }
  for (const [title, bars] of groups.filter(([, shown]) => shown.length > 0)) {
    y += 18
    text(margin, title, `fill="${colours.title}" font-size="17" font-weight="600"`)
    const most = Math.max(...bars.map(({ value }) => value))
    y += titleStep - 18
    for (const bar of bars) {
      const width = Math.max(2, (bar.value / most) * (cardWidth - 2 * margin - figuresWidth))
      text(margin, bar.label, `fill="${colours.label}" font-size="14"`)
      const fill = bar.isAssay ? colours.assay : colours.other
      const top = y + labelHeight - barHeight + 2
      parts.push(
        `<rect x="${margin}" y="${top}" width="${width.toFixed(1)}" height="${barHeight}" rx="3" fill="${fill}"/>`,
      )
      y += labelHeight
      text(Math.round(margin + width + 10), bar.text, `fill="${colours.title}" font-size="14"`)
      y += barStep - labelHeight
    }
  }
  const font = 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${cardWidth} ${y}" width="${cardWidth}" height="${y}" font-family="${font}">`,
    `<rect width="${cardWidth}" height="${y}" rx="10" fill="${colours.card}"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** The page with what stands between its markers replaced. */
export function pageWith(page: string, content: string): string {
  const [begin, end] = ['<!-- figures -->', '<!-- end of figures -->']
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`the page has no ${begin} before ${end}`)
  return `${page.slice(0, from + begin.length)}\n${content}\n${page.slice(to)}`
}

function main(): void {
  const root = dirname(import.meta.dirname)
  const path = process.argv[2] ?? join(root, 'bench', 'results', 'latest.json')
  const figures = JSON.parse(readFileSync(path, 'utf8')) as Figures
  const image = (from: string) => `![The times of the run as bars](${from}pictures/performance.svg)`
  const contents = {
    'README.md': image('docs/'),
    'docs/guide/performance.md': `${image('../')}\n\n${figuresTable(figures)}`,
  }
  for (const [name, content] of Object.entries(contents)) {
    const page = join(root, name)
    writeFileSync(page, pageWith(readFileSync(page, 'utf8'), `\n${content}\n`))
  }
  writeFileSync(join(root, 'docs', 'pictures', 'performance.svg'), picture(figures))
}

if (import.meta.main) main()
