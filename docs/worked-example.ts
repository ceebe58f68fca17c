// Makes the figures of docs/guide/worked-example.md by the commands that stand there, and writes them between
// the page's markers: npm run example:fraud-team [-- --transactions 1000000] [--page <file>] [--picture <file>]
// With --without-model it leaves out what needs Python.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { BacktestReport } from '../src/backtest/backtest.ts'
import type { DriftedDay } from '../src/training/drift.ts'
import { cardLines, curvesPicture, driftLines, type Side, writeWithModel } from './worked-example-model.ts'

const root = join(import.meta.dirname, '..')
const example = join(root, 'examples', 'fraud-team')
const capacity = 20
const period = '2026-01-01/2026-07-01'

const grouped = (value: number): string => Math.round(value).toLocaleString('en-US')
const percent = (share: number | null): string => (share === null ? '–' : `${(100 * share).toFixed(1)} %`)
const perDay = (value: number): string => value.toFixed(1)

const { values } = parseArgs({
  options: {
    transactions: { type: 'string', default: '1000000' },
    page: { type: 'string', default: join(root, 'docs', 'guide', 'worked-example.md') },
    picture: { type: 'string', default: join(root, 'docs', 'pictures', 'worked-example.svg') },
    'without-model': { type: 'boolean', default: false },
  },
})

const work = mkdtempSync(join(tmpdir(), 'assay-worked-example-'))
try {
  const page = figuresOf(work, Number(values.transactions)).reduce(
    withFigures,
    readFileSync(values.page, 'utf8'),
  )
  writeFileSync(values.page, page)
} finally {
  rmSync(work, { recursive: true, force: true })
}

type Figures = { readonly name: string; readonly lines: readonly string[] }

/** The commands of the page, one after another, in a copy of the project, and what they tell. */
function figuresOf(directory: string, transactions: number): readonly Figures[] {
  const project = join(directory, 'fraud-team')
  cpSync(example, project, { recursive: true })
  const assay = (...args: string[]): string => {
    const env = { ...process.env, NO_COLOR: '1', DELTA_BASE_PATH: join(directory, 'lakehouse') }
    const command = [join(root, 'bin', 'assay.js'), ...args]
    const { status, stdout, stderr } = spawnSync(process.execPath, command, {
      ...{ cwd: project, env, encoding: 'utf8', maxBuffer: 2 ** 28 },
    })
    if (status !== 0) throw new Error(`assay ${args.join(' ')} ended with ${status}: ${stderr}`)
    return stdout
  }
  const world = ['--scenario', 'realistic', '--seed', '7', '--period', period]
  assay('produce', '--to', 'data', ...world, '--count', String(transactions), '--labels', 'chargebacks.csv')
  assay('run', 'kafka-to-delta', 'fraud-detection', '--once', '--from', 'data')
  assay('labels', 'import', 'chargebacks.csv')
  const backtest = (rules: string, ...more: string[]): BacktestReport =>
    JSON.parse(assay('backtest', rules, ...more, '--capacity', String(capacity), '--samples', '0', '--json'))
  const tuned = backtest('better.yaml', '--to', '2026-04-30')
  const later = backtest('better.yaml', '--from', '2026-05-01')
  const labels = readFileSync(join(project, 'chargebacks.csv'), 'utf8')
  return [
    { name: 'data', lines: dataTable(labels, transactions) },
    { name: 'shipped', lines: sidesTable({ 'rules.yaml': tuned.figures.baseline }) },
    { name: 'shipped rules', lines: rulesTable(tuned.figures.baseline) },
    { name: 'better', lines: sidesTable(sidesOf(tuned)) },
    { name: 'better rules', lines: rulesTable(tuned.figures.candidate) },
    { name: 'later', lines: sidesTable(sidesOf(later)) },
    ...(values['without-model'] ? [] : modelFigures(project, assay, backtest, later)),
  ]
}

function modelFigures(
  project: string,
  assay: (...args: string[]) => string,
  backtest: (rules: string, ...more: string[]) => BacktestReport,
  before: BacktestReport,
): readonly Figures[] {
  cpSync(join(project, 'better.yaml'), join(project, 'rules.yaml'))
  const months = ['--from', '2026-02-01', '--to', '2026-04-30']
  const card = writeWithModel(project, assay('model', 'train', ...months, '--capacity', String(capacity)))
  assay('rules', 'test', 'with-model.yaml')
  const later = backtest('with-model.yaml', '--against', 'better.yaml', '--from', '2026-05-01')
  const sides = { ...sidesOf(before), 'with-model.yaml': later.figures.candidate }
  writeFileSync(values.picture, curvesPicture(sides))
  cpSync(join(project, 'with-model.yaml'), join(project, 'rules.yaml'))
  const days: DriftedDay[] = JSON.parse(assay('model', 'drift', '--from', '2026-05-01', '--json'))
  const tableOf = ([head, ...rows]: readonly (readonly string[])[]) => table(head!, rows)
  return [
    { name: 'model', lines: tableOf(cardLines(card)) },
    { name: 'with model', lines: sidesTable(sides) },
    { name: 'model rules', lines: rulesTable(later.figures.candidate) },
    { name: 'drift', lines: tableOf(driftLines(days)) },
  ]
}

function sidesOf({ figures }: BacktestReport): Readonly<Record<string, Side>> {
  return { 'rules.yaml': figures.baseline, 'better.yaml': figures.candidate }
}

function dataTable(csv: string, transactions: number): readonly string[] {
  const [, ...rows] = csv.trimEnd().split('\n')
  const counts = Map.groupBy(rows, (row) => row.split(',')[4]!)
  const patterns = [...counts].map(([pattern, of]) => [`\`${pattern}\``, grouped(of.length)]).sort()
  return [
    `${grouped(transactions)} transactions of six months; ${grouped(rows.length)} of them (${percent(rows.length / transactions)}) became known as fraud.`,
    '',
    ...table(['what it was', 'transactions'], patterns),
  ]
}

/** The two sets of rules at their own threshold, and at the one that fits the reviewers best. */
function sidesTable(sides: Readonly<Record<string, Side>>): readonly string[] {
  const all = Object.values(sides)
  const row = (what: string, of: (side: Side) => string): string[] => [what, ...all.map(of)]
  return table(
    ['', ...Object.keys(sides).map((name) => `\`${name}\``)],
    [
      row('review from score', ({ reviewFrom }) => String(reviewFrom)),
      row('reviews a day', ({ reviewsPerDay }) => perDay(reviewsPerDay.mean)),
      row('precision', ({ precision }) => interval(precision)),
      row('recall', ({ recall }) => interval(recall)),
      row('PR-AUC of the score', ({ averagePrecision }) => percent(averagePrecision.value)),
      row('money of the frauds that are caught', ({ caught }) => grouped(caught.money)),
      row('money of those that are missed', ({ missed }) => grouped(missed.money)),
      row('good ones reviewed', ({ goodReviewed }) => grouped(goodReviewed.transactions)),
      row(`best for ${capacity} reviews a day: from score`, ({ atCapacity }) =>
        String(atCapacity?.reviewFrom ?? '–'),
      ),
      row('.. reviews a day', ({ atCapacity }) =>
        atCapacity === null ? '–' : perDay(atCapacity.reviewsPerDay),
      ),
      row('.. precision', ({ atCapacity }) => percent(atCapacity?.precision ?? null)),
      row('.. recall', ({ atCapacity }) => percent(atCapacity?.recall ?? null)),
    ],
  )
}

function interval(share: Side['precision']): string {
  if (share === null) return '–'
  return `${percent(share.value)} (${(100 * share.low).toFixed(1)} to ${(100 * share.high).toFixed(1)})`
}

function rulesTable({ rules }: Side): readonly string[] {
  return table(
    ['rule', 'points', 'fired', 'of them fraud', 'precision', 'adds reviews', 'of them fraud'],
    rules.map(({ name, points, fired, fraud, precision, adds }) => [
      ...[`\`${name}\``, String(points), grouped(fired.transactions), grouped(fraud.transactions)],
      ...[percent(precision?.value ?? null), grouped(adds.reviews.transactions)],
      grouped(adds.fraud.transactions),
    ]),
  )
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
}

/** The page with what stands between the markers of these figures replaced. */
function withFigures(page: string, { name, lines }: Figures): string {
  const [begin, end] = [`<!-- figures: ${name} -->`, '<!-- end of figures -->']
  const from = page.indexOf(begin)
  const to = page.indexOf(end, from)
  if (from < 0 || to < 0) throw new Error(`the page has no ${begin} with ${end} behind it`)
  return `${page.slice(0, from + begin.length)}\n\n${lines.join('\n')}\n\n${page.slice(to)}`
}
