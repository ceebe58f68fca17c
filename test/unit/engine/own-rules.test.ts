// A lakehouse with other rules than those that ship: what they calculate is in its rows, and the proof finds
// it.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { readTables } from '../../compare/read-in-process.ts'
import { type Lakehouse, newLakehouse, testOptions, writeInput } from './pipeline.ts'

const text = `
levels: { SEVERE: 100, ODD: 10 }
review_from: 100
lists: { high_risk_countries: [Chad], mules: ["m-1", "m-2"], limits: [10.01, 20.02] }
rules:
  - { name: share, when: amount / 3 == 3.336667, points: 1, says: 'a third of {amount}' }
  - { name: overflown, when: "user_id * 9223372036854775807 > 0 || amount > 1000", points: 2, says: x }
  - { name: listed, when: amount in lists.limits, points: 4, says: x }
  - { name: mule, when: 'merchant.lowerAscii() in lists.mules', points: 8, says: x }
  - { name: abroad, when: '!(country in lists.high_risk_countries)', points: 16, says: x }
  - { name: nowhere, when: '!has(country)', points: 32, says: x }
  - { name: late, when: event_time - timestamp("2026-10-01T00:00:00Z") >= duration("10h2m"), points: 64, says: x }
  - { name: often, when: 'tx_count_30min > 1 ? size(merchant) > 3 : false', points: -128, says: x }
`

let lakehouse: Lakehouse
beforeAll(async () => {
  lakehouse = await newLakehouse()
})
afterAll(() => lakehouse.remove())

const record = (index: number, more: object): Buffer => {
  const facts = { transaction_id: `t${index}`, user_id: index, amount: 10.01, merchant: 'M-1' }
  const timestamp = `2026-10-01T10:0${index}:00Z`
  return Buffer.from(JSON.stringify({ ...facts, timestamp, location: 'Nice, France', ...more }))
}

test('conditions that calculate decide rows as they say, and the proof agrees', async () => {
  vi.resetModules()
  vi.doMock('../../../src/lakehouse/rules.ts', async (original) => {
    const found = await original<typeof import('../../../src/lakehouse/rules.ts')>()
    const { validRules } = await import('../../../src/rules/index.ts')
    const names = { columns: found.ruleColumns, parameters: ['high_risk_countries'] }
    return { ...found, shopRules: validRules(text, { file: 'own.yaml', ...names }) }
  })
  try {
    const { runOnce, testOptions: options } = await import('./pipeline.ts')
    await writeInput(lakehouse, [
      record(0, {}),
      record(1, { amount: 20.02, location: 'Faya, Chad', merchant: 'shop' }),
      record(2, { amount: 5000, location: null }),
      record(3, { user_id: 2, merchant: null }),
      record(4, { user_id: 2, merchant: 'long name' }),
    ])
    const parameters = { ...options.parameters, high_risk_countries: ['Chad'] }
    await runOnce(lakehouse, { recordsPerBatchMax: 2, parameters })
    const rows = (await readTables(lakehouse.base)).fraud_detection
    expect(rows.map(({ reasons, fraud_score }) => [reasons, Number(fraud_score)])).toEqual([
      [['share', 'listed', 'mule', 'abroad'], 29],
      [['overflown', 'listed'], 6],
      [['overflown', 'mule', 'nowhere', 'late'], 106],
      [['share', 'listed', 'abroad', 'late'], 85],
      [['share', 'listed', 'abroad', 'late', 'often'], -43],
    ])
    expect(rows.map(({ risk_level }) => risk_level)).toEqual(['ODD', 'MINIMAL', 'SEVERE', 'ODD', 'MINIMAL'])
    const { verifyLakehouse } = await import('../../../src/verify/verify.ts')
    const found = await verifyLakehouse(
      {
        ...{ lakehouse: options.lakehouse, deltaBasePath: lakehouse.base, parameters, sinceMicros: null },
        ...{ delays: options.delays, duckdb: testOptions.duckdb },
      },
      null,
    )
    expect(found.checks.flatMap(({ findings }) => findings)).toEqual([])
    expect(found.ok).toBe(true)
  } finally {
    vi.doUnmock('../../../src/lakehouse/rules.ts')
    vi.resetModules()
  }
})
