// A model of one's own, by the commands alone: trained on the older transactions of the generator it finds more
// of the later fraud than the rules, says probabilities that come true, and tells a population that changed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import type { ModelCard } from '../../../src/training/card.ts'
import type { DriftedDay } from '../../../src/training/drift.ts'
import { pythonAvailable } from '../tools.ts'
import { type ModelProject, modelProject } from './project.ts'

const config = `import { transactions } from 'assay-lakehouse'
export default transactions({ topic: 'shop', rules: './rules.yaml' })
`
const shopRules = readFileSync(rulesFile, 'utf8')
const produced = (period: string, count: number, labels: string, more: readonly string[] = []) => [
  ...['produce', '--to', 'data', '--period', period, '--count', String(count), '--users', '1500'],
  ...['--fraud', '1%', '--labels', labels, ...more],
]

describe.skipIf(pythonAvailable !== null)('a model of the generator', () => {
  let project: ModelProject
  let card: ModelCard
  beforeAll(async () => {
    project = await modelProject(config, shopRules)
    await project.assay(...produced('2026-03-01/2026-06-29', 90_000, 'labels.csv'))
    await project.assay('run', '--once', '--finalize', '--from', 'data')
    await project.assay('labels', 'import', 'labels.csv')
    const said = await project.assay('model', 'train', '--capacity', '20')
    const file = /^ {2}file: \.\/(\S+)$/m.exec(said)![1]!
    card = JSON.parse(readFileSync(join(project.directory, file.replace('.txt', '.card.json')), 'utf8'))
    const rule = `  - { name: model, when: model_score > 0.3, points: 60, says: 'the model gives {model_score}' }`
    const snippet = said.slice(said.indexOf('\nmodel:') + 1)
    await project.write('rules.yaml', shopRules.replace('\nrules:\n', `\n${snippet}\nrules:\n${rule}\n`))
    await project.assay('rules', 'test')
  })
  afterAll(() => project?.remove())

  test('finds more of the later fraud at the same number of reviews than the rules alone', () => {
    const { model, rules, fraud } = card.overall
    expect(fraud).toBeGreaterThan(100)
    expect(model.averagePrecision).toBeGreaterThan(rules.averagePrecision! + 0.1)
    expect(model.recallAtCapacity.low).toBeGreaterThan(rules.recallAtCapacity.high)
    expect(card.features.map(({ name }) => name)).not.toContain('is_fraud')
    expect(card.learned.to < card.tested.from).toBe(true)
  })

  test('says probabilities that come true within 2 %, where there are enough rows', () => {
    const many = card.calibration.filter(({ transactions }) => transactions >= 1_000)
    expect(many.length).toBeGreaterThanOrEqual(4)
    for (const { predicted, observed } of many) {
      expect(Math.abs(predicted - observed.value!)).toBeLessThan(0.02)
    }
  })

  test('is in the rows of the batches that follow, and the proof agrees', async () => {
    await project.assay(...produced('2026-06-30/2026-07-09', 8_000, 'later.csv'))
    await project.assay('run', '--once', '--finalize', '--from', 'data')
    const row = JSON.parse(
      await project.assay(
        ...['query', '--json'],
        `SELECT count(*) AS rows, count(model_score) AS scored,
          count(*) FILTER (list_contains(reasons, 'model') <> (model_score > 0.3)) AS other
          FROM fraud_detection WHERE event_time >= TIMESTAMP '2026-06-30'`,
      ),
    )
    expect(row).toMatchObject({ rows: 8_000, scored: 8_000, other: 0 })
    expect(await project.assay('verify')).toContain('none failed')
    const plain = JSON.parse(await project.assay('model', 'card', '--json')) as ModelCard
    expect(plain).toEqual(card)
    expect(await project.assay('model', 'card', '--html')).toContain(card.model)
  })

  test('tells the days of a population that changed, and none before', async () => {
    // Customers pay with another amount and at another hour from a day on.
    await project.assay(
      ...produced('2026-07-10/2026-07-12', 1_600, 'changed.csv', ['--users', '3', '--seed', '9']),
    )
    await project.assay('run', '--once', '--finalize', '--from', 'data')
    const days = JSON.parse(
      await project.assay('model', 'drift', '--from', '2026-06-01', '--json'),
    ) as DriftedDay[]
    const drifted = days
      .filter(({ features }) => features.some((one) => one.level === 'drifted'))
      .map(({ day }) => day)
    expect(drifted).toEqual(['2026-07-10', '2026-07-11'])
    expect(days.length).toBeGreaterThan(38)
    expect(await project.assay('model', 'drift', '--from', '2026-07-01')).toContain('2026-07-11')
    // The run has measured the days that the model scored, each within the day after it.
    const written = JSON.parse(
      await project.assay(
        ...['query', '--json'],
        `SELECT count(DISTINCT day) AS days, count(*) - count(DISTINCT (day, feature)) AS twice,
          list_sort(list_distinct(list(strftime(day, '%Y-%m-%d')) FILTER (level = 'drifted'))) AS drifted
          FROM quality.drift`,
      ),
    )
    expect(written).toEqual({ days: 11, twice: 0, drifted: ['2026-07-10', '2026-07-11'] })
  })
})
