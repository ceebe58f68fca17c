// The part of docs/guide/worked-example.md with a model: rules are made of the better ones, of the model that
// was trained, and of the rules that ask it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BacktestReport } from '../src/backtest/backtest.ts'
import type { ModelCard } from '../src/training/card.ts'
import type { DriftedDay } from '../src/training/drift.ts'

export type Side = BacktestReport['figures']['baseline']

/** The model and its rules, in a copy of the project: what `assay model train` said, and `with-model.yaml`. */
export function writeWithModel(project: string, said: string): ModelCard {
  const text = (file: string): string => readFileSync(join(project, file), 'utf8')
  const model = said.slice(said.indexOf('\nmodel:\n') + 1).trimEnd()
  const file = /^ {2}file: \.\/(\S+)$/m.exec(model)?.[1]
  if (file === undefined) throw new Error(`assay model train names no model: ${said}`)
  const added = text('model-rules.yaml').replaceAll(/^(?=.)/gm, '  ')
  const rules = text('better.yaml')
    .replace('HIGH: 40', 'HIGH: 50')
    .replace('review_from: 40', 'review_from: 50')
    .replace('\nrules:\n', `\n${model}\n\nrules:\n`)
  writeFileSync(join(project, 'with-model.yaml'), `${rules}\n${added}`)
  return JSON.parse(text(file.replace(/\.txt$/, '.card.json'))) as ModelCard
}

const featuresShown = 6

export function cardLines({
  overall,
  tested,
  capacityPerDay,
  features,
}: ModelCard): readonly (readonly string[])[] {
  const share = (value: number | null): string => (value === null ? '–' : `${(100 * value).toFixed(1)} %`)
  const interval = ({ value, low, high }: typeof overall.model.recallAtCapacity): string =>
    value === null ? '–' : `${share(value)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`
  const { model, rules } = overall
  return [
    ['', 'the model', '`better.yaml`'],
    ['judged by', `${day(tested.from)} to ${day(tested.to)}`, 'the same'],
    ['PR-AUC', share(model.averagePrecision), share(rules.averagePrecision)],
    [
      `recall among the ${capacityPerDay} highest scores a day`,
      interval(model.recallAtCapacity),
      interval(rules.recallAtCapacity),
    ],
    [
      'what it goes by',
      features
        .slice(0, featuresShown)
        .map(({ name, importance }) => `\`${name}\` ${share(importance)}`)
        .join(', '),
      '',
    ],
  ]
}

const day = (instant: string): string => instant.slice(0, 10)

/** The score, and the features that were farthest on any day. */
export function driftLines(days: readonly DriftedDay[]): readonly (readonly string[])[] {
  const named = days.flatMap(({ score, features }) => [{ name: 'the score', ...score }, ...features])
  const byName = [...Map.groupBy(named, ({ name }) => name)].map(([name, of]) => ({
    name,
    most: Math.max(...of.map(({ psi }) => psi)),
    drifted: of.filter(({ level }) => level === 'drifted').length,
    moderate: of.filter(({ level }) => level === 'moderate').length,
  }))
  const [score, ...features] = byName
  const shown = [score!, ...features.toSorted((a, b) => b.most - a.most).slice(0, featuresShown)]
  return [
    ['', `drifted, of ${days.length} days`, 'moved', 'greatest PSI of a day'],
    ...shown.map(({ name, most, drifted, moderate }) => [
      ...[name === 'the score' ? name : `\`${name}\``, String(drifted), String(moderate), most.toFixed(3)],
    ]),
  ]
}

const [width, height, left, bottom] = [640, 360, 52, 44]
const colours = ['#6b7280', '#b45309', '#1d5fd1'] as const

/** Precision over recall, a line for each set of rules, by the score from which transactions are reviewed. */
export function curvesPicture(sides: Readonly<Record<string, Side>>): string {
  const x = (recall: number): string => (left + recall * (width - left - 20)).toFixed(1)
  const y = (precision: number): string => (height - bottom - precision * (height - bottom - 12)).toFixed(1)
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (at) =>
      `<line x1="${x(0)}" x2="${x(1)}" y1="${y(at)}" y2="${y(at)}" stroke="#d5d9df"/>` +
      `<text x="${left - 6}" y="${y(at)}" text-anchor="end" dominant-baseline="middle">${at * 100} %</text>` +
      `<text x="${x(at)}" y="${height - bottom + 18}" text-anchor="middle">${at * 100} %</text>`,
  )
  const lines = Object.entries(sides).map(([name, { curve, averagePrecision }], index) => {
    const points = curve.flatMap(({ precision, recall }) =>
      precision === null || recall === null ? [] : [`${x(recall)},${y(precision)}`],
    )
    const area =
      averagePrecision.value === null ? '' : `, PR-AUC ${(100 * averagePrecision.value).toFixed(1)} %`
    return (
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colours[index]}" stroke-width="2"/>` +
      `<text x="${width - 16}" y="${26 + 20 * index}" text-anchor="end" fill="${colours[index]}">${name}${area}</text>`
    )
  })
  const label = `Precision over recall of ${Object.keys(sides).join(', ')}, on the months that were kept back`
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}" ` +
    'font-family="system-ui, sans-serif" font-size="12" fill="#1a1d21">' +
    `<rect width="${width}" height="${height}" fill="#ffffff"/>${grid.join('')}${lines.join('')}` +
    `<text x="${x(0.5)}" y="${height - 8}" text-anchor="middle">recall, upwards precision</text></svg>\n`
  )
}
