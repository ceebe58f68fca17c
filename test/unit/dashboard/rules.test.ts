// What the Rules page asks: mistakes with their places, changes in words, and a back-test for analysts alone.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BacktestAnswer, RulesAnswer, RulesCheckAnswer } from '../../../src/dashboard/api.ts'
import type { Dashboard } from '../../../src/dashboard/server.ts'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import { type SmallLakehouse, smallLakehouse } from '../cli/small-lakehouse.ts'
import { Client, serve } from './served.ts'

let lakehouse: SmallLakehouse
let dashboard: Dashboard
let client: Client
beforeAll(async () => {
  lakehouse = await smallLakehouse()
  dashboard = await serve(lakehouse.config)
  client = new Client(dashboard.url)
  await client.session()
})
afterAll(async () => {
  await dashboard?.close()
  await lakehouse?.remove()
})

const active = readFileSync(rulesFile, 'utf8')

async function checked(text: string): Promise<RulesCheckAnswer> {
  const { status, body } = await client.post('/api/rules/check', { text })
  expect(status).toBe(200)
  return JSON.parse(body) as RulesCheckAnswer
}

test('the rules are those of the file, with their text', async () => {
  const answer = JSON.parse((await client.get('/api/rules')).body) as RulesAnswer
  expect(answer).toMatchObject({ file: 'rules.yaml', text: active, reviewFrom: 50 })
  expect(answer.rules[1]).toMatchObject({ name: 'high_amount', points: 30, when: 'amount > 5000' })
})

test('the active rules have no mistake and no change', async () => {
  expect(await checked(active)).toEqual({ mistakes: [], wrongExamples: [], changes: [] })
})

test('a mistake has its place, an example that is wrong its line', async () => {
  const line = active.split('\n').findIndex((one) => one.includes('amount > 5000')) + 1
  const { mistakes } = await checked(active.replace('amount > 5000', 'amounts > 5000'))
  expect(mistakes).toHaveLength(1)
  expect(mistakes[0]).toMatchObject({ line })
  expect(mistakes[0]!.message).toContain('amount')
  const { wrongExamples, changes } = await checked(active.replace('amount > 5000', 'amount > 6000'))
  expect(wrongExamples).toHaveLength(1)
  expect(wrongExamples[0]!.text).toContain('high_amount does not fire, and should')
  expect(changes).toEqual(['high_amount: where amount > 6000; before where amount > 5000'])
})

test('what is new, gone, or worth other points is told, as are levels, lists and the score of review', async () => {
  const text = `
levels: { HIGH: 60 }
review_from: 40
lists: { high_risk_countries: [Peru] }
rules:
  - { name: high_amount, when: amount > 5000, points: 31, says: x }
  - { name: mine, when: amount > 1, points: -2, says: x }
`
  const { changes } = await checked(text)
  expect(changes).toEqual([
    'high_amount: 31 points, 30 before',
    'mine: new, -2 points where amount > 1',
    ...['known_fraud', 'crypto_payment', 'high_risk_country', 'late_night', 'weekend', 'high_velocity'].map(
      (name) => `${name}: gone`,
    ),
    'levels: HIGH 60; before CRITICAL 75, HIGH 50, MEDIUM 25, LOW 10',
    'reviewed from 40, from 50 before',
    'lists: other elements than before',
  ])
})

test('a back-test needs the token, rules without mistakes, and days that are days', async () => {
  const ask = (more: object, headers = {}) => client.post('/api/backtest', { text: active, ...more }, headers)
  expect((await ask({}, { 'x-assay-token': 'wrong' })).status).toBe(403)
  expect((await ask({ text: 'rules: [' })).status).toBe(422)
  expect((await ask({ from: '2026-02-30' })).status).toBe(400)
  expect((await ask({ capacity: -1 })).status).toBe(400)
  const answer = JSON.parse((await ask({ from: '2024-03-01', to: '2024-03-10' })).body) as BacktestAnswer
  expect(answer.sections.map(({ title }) => title)).toContain('Rules of candidate')
  expect(answer.curves.map(({ name }) => name)).toEqual(['active', 'candidate'])
})
