// A lakehouse whose rules have a model: its score is in the rows and decides them, and the proof, a rebuild
// and a back-test have it again.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backTest } from '../../../src/backtest/backtest.ts'
import { rebuildTable } from '../../../src/engines/rebuild.ts'
import type { Lakehouse as LakehouseValue } from '../../../src/plan/index.ts'
import { transactions } from '../../../src/project/index.ts'
import { besideRules } from '../../../src/project/model-file.ts'
import { modelFileName, validRules } from '../../../src/rules/index.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, writeInput } from '../engine/pipeline.ts'
import { smallModel, smallModelRaw } from './small-model.ts'

const rulesText = (model: string) => `
levels: { HIGH: 50, LOW: 10 }
review_from: 50
${model}
rules:
  - { name: model, when: model_score > 0.9, points: 50, says: 'the model gives {model_score}' }
  - { name: dear, when: amount > 1000, points: 10, says: x }
`
const withModel = `model: { file: ./${modelFileName(smallModel, 'txt')}, features: { hour: transaction_hour } }`

let directory: string
let lakehouse: Lakehouse
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-model-'))
  lakehouse = await newLakehouse()
  await writeFile(join(directory, modelFileName(smallModel, 'txt')), smallModel)
})
afterAll(async () => {
  await lakehouse.remove()
  await rm(directory, { recursive: true, force: true })
})

async function project(text: string): Promise<LakehouseValue> {
  await writeFile(join(directory, 'rules.yaml'), text)
  return transactions({ topic: 'shop', rules: './rules.yaml' }).in(directory)
}

const methods = ['card', 'crypto', 'wallet', 'cheque', null]
const given = Array.from({ length: 60 }, (_, index) => ({
  amount: [10, 1000, 1000.01, 4000][index % 4]!,
  hour: [3, 22, 23][index % 3]!,
  method: methods[index % 5]!,
}))
const records = given.map(({ amount, hour, method }, index) => {
  const timestamp = new Date(Date.UTC(2026, 6, 1 + index, hour)).toISOString()
  const facts = {
    transaction_id: `t${index}`,
    user_id: index,
    amount,
    merchant: 'm',
    timestamp,
    location: 'Nice, France',
  }
  return Buffer.from(JSON.stringify({ ...facts, ...(method === null ? {} : { payment_method: method }) }))
})
const options = {
  ...testOptions,
  parameters: { ...testOptions.parameters, dedup_micros: 1n },
  recordsPerBatchMax: 7,
}

async function failedChecks(of: LakehouseValue): Promise<readonly string[]> {
  const { parameters, duckdb, delays } = options
  const { checks } = await verifyLakehouse(
    { lakehouse: of, deltaBasePath: lakehouse.base, delays, parameters, duckdb },
    null,
  )
  return checks.filter(({ ok }) => !ok).map(({ table, check, message }) => `${table} ${check}: ${message}`)
}

const scores = async () =>
  (await readTables(lakehouse.base)).fraud_detection.toSorted(
    (a, b) => Number(String(a.transaction_id).slice(1)) - Number(String(b.transaction_id).slice(1)),
  )

test('each row has the score of the model of its batch, and the proof, a rebuild and a back-test agree', async () => {
  const without = await project(
    rulesText('').replace('model_score > 0.9', 'amount > 3000').replace('{model_score}', 'x'),
  )
  await writeInput(lakehouse, records.slice(0, 20))
  await runOnce(lakehouse, { ...options, lakehouse: without })
  const of = await project(rulesText(withModel))
  await writeInput(lakehouse, records)
  await runOnce(lakehouse, { ...options, lakehouse: of })
  const rows = await scores()
  expect(rows).toHaveLength(60)
  for (const [index, row] of rows.entries()) {
    const { amount, hour, method } = given[index]!
    const probability = 1 / (1 + Math.exp(-smallModelRaw(amount, hour, method)))
    if (index < 20) expect(row.model_score).toBeNull()
    else expect(row.model_score).toBeCloseTo(probability, 12)
    const isRisky = index < 20 ? amount > 3000 : probability > 0.9
    expect(row.reasons).toEqual([...(isRisky ? ['model'] : []), ...(amount > 1000 ? ['dear'] : [])])
  }
  expect(rows.filter(({ reasons }) => (reasons as string[]).includes('model')).length).toBeGreaterThan(4)
  expect(await failedChecks(of)).toEqual([])
  expect(await failedChecks(without)).toEqual([])
  const { rows: rebuilt } = await rebuildTable(
    { ...options, lakehouse: of, deltaBasePath: lakehouse.base, pauseMaxMs: 1_000 },
    'fraud_detection',
  )
  expect(rebuilt).toBe(60n)
  expect(await scores()).toEqual(rows)
  expect(await failedChecks(of)).toEqual([])

  const file = join(directory, 'rules.yaml')
  const { columns } = of.rulesFrom!
  const named = (name: string, text: string) => {
    const rules = validRules(text, {
      file,
      columns,
      parameters: ['high_risk_countries'],
      beside: besideRules(file),
    })
    return { name, rules, parameters: {} }
  }
  const report = await backTest({
    ...{
      lakehouse: of,
      deltaBasePath: lakehouse.base,
      fromMicros: BigInt(Date.UTC(2026, 6, 21)) * 1000n,
      toMicros: null,
      isBaselineActive: true,
    },
    ...{
      asOfMicros: 0n,
      maturityMicros: 1n,
      capacityPerDay: null,
      countsRecordLabel: true,
      samplesMax: 5,
      duckdb: {},
    },
    versions: new Map(),
    baseline: named('active', rulesText(withModel)),
    candidate: named('other', rulesText(withModel).replace('0.9', '0.2')),
  })
  expect(report.written).toEqual({ transactions: 40, same: 40 })
  const risky = given
    .slice(20)
    .filter((one) => smallModelRaw(one.amount, one.hour, one.method) > Math.log(0.2 / 0.8))
  const { fired } = report.figures.candidate.rules.find(({ name }) => name === 'model')!
  expect(fired.transactions).toBe(risky.length)
})
