// An experiment that starts and ends while a run goes on: each customer is scored by the version of the arm,
// from a batch on, and the proof holds.
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { tellNobody } from '../../../src/engines/events.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import {
  activateVersion,
  promoteExperiment,
  proposeVersion,
  startExperiment,
  stopExperiment,
} from '../../../src/versions/change-versions.ts'
import { checkExperiment } from '../../../src/versions/experiment-check.ts'
import type { ApprovalPolicy } from '../../../src/versions/rule-version.ts'
import {
  decidingRules,
  RulesInForce,
  type RulesOfLakehouse,
  readVersions,
} from '../../../src/versions/rules-in-force.ts'
import { withVersionLog } from '../../../src/versions/version-log.ts'
import { readTables } from '../../compare/read-in-process.ts'
import {
  type Lakehouse,
  newLakehouse,
  runOnce,
  testOptions,
  testParameters,
  writeInput,
} from '../engine/pipeline.ts'

const policy: ApprovalPolicy = { kind: 'none' }
const by = { user: 'ann', role: null, origin: 'command line' } as const
const shipped = readFileSync(rulesFile, 'utf8')
/** Each row has a point more, other levels, and another score from which it is reviewed. */
const other = shipped
  .replace('rules:\n', 'rules:\n  - { name: any_amount, when: amount > 0, points: 1, says: an amount }\n')
  .replace(/review_from: \d+/, 'review_from: 1')
const plan = { name: 'spring', share: 0.4, by: 'user_id' }
const customers = Array.from({ length: 12 }, (_, user) => user)

const armOf = (user: number): 'control' | 'candidate' =>
  Number.parseInt(hash('sha256', `spring|${user}`, 'hex').slice(0, 13), 16) / 16 ** 13 < plan.share
    ? 'candidate'
    : 'control'

let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

function rulesOfTest(): RulesOfLakehouse {
  const { base: deltaBasePath } = lakehouse
  return {
    ...{ lakehouse: standardLakehouse, parameters: testParameters, deltaBasePath, policy },
    clock: () => BigInt(Date.now()) * 1000n,
  }
}

const change = (decide: Parameters<Parameters<Parameters<typeof withVersionLog>[1]>[0]['change']>[0]) =>
  withVersionLog(rulesOfTest(), (log) => log.change(decide))

/** A record of each customer. */
const records = (part: number): Buffer[] =>
  customers.map((user) => {
    const facts = { transaction_id: `t${part}-${user}`, user_id: user, amount: 10, location: 'Paris, France' }
    return Buffer.from(JSON.stringify({ ...facts, timestamp: '2026-10-01T10:00:00Z' }))
  })

async function propose(text = other): Promise<void> {
  await change((now) => proposeVersion(now, { text, hash: String(text.length), reason: null }, by))
}

async function findings() {
  const { delays, duckdb } = testOptions
  const { lakehouse: now, parameters } = await decidingRules(rulesOfTest())
  const of = { lakehouse: now, deltaBasePath: lakehouse.base, parameters, delays, duckdb, sinceMicros: null }
  return (await verifyLakehouse(of, null)).checks.flatMap((check) => check.findings)
}

test('an experiment starts and ends in a run that goes on, each from a batch on', async () => {
  const changes = [
    async () => {
      await propose()
      await change((now) => startExperiment(now, { ...plan, candidate: 2 }, null, by, policy))
    },
    () => change((now) => stopExperiment(now, 'spring', null, by)),
    () => change((now) => startExperiment(now, { ...plan, name: 'again', candidate: 2 }, null, by, policy)),
    () => change((now) => promoteExperiment(now, 'again', null, by)),
  ]
  const stop = new AbortController()
  let [part, batches] = [0, 0]
  await writeInput(lakehouse, records(part))
  await runOnce(lakehouse, {
    recordsPerBatchMax: 100,
    once: false,
    signal: stop.signal,
    inForce: new RulesInForce({ ...rulesOfTest(), by, tell: tellNobody }),
    onBatch: () => void batches++,
    onEvent: async (event) => {
      // Each opening after the first is by other rules, and gets records of its own.
      if (event.kind !== 'opened' || part === 0) return
      await appendFile(
        lakehouse.input,
        Buffer.concat(records(part).flatMap((one) => [one, Buffer.from('\n')])),
      )
    },
    onWait: async () => {
      if (batches <= part) return
      part = batches
      const next = changes.shift()
      if (next === undefined) return stop.abort()
      await next()
    },
  })
  const { fraud_detection: rows } = await readTables(lakehouse.base)
  const found = rows.map((row) => {
    const [, part] = /^t(\d)-/.exec(String(row.transaction_id))!
    return [
      part,
      Number(row.user_id),
      row.variant,
      Number(row.rules_version),
      Number(row.fraud_score),
      row.requires_review,
    ]
  })
  const byVersion = { 1: [1, 0, false], 2: [2, 1, true] } as const
  const armed = (part: string, armOfUser: (user: number) => string) =>
    customers.map((user) => {
      const arm = armOfUser(user)
      return [part, user, arm, ...byVersion[arm === 'candidate' ? 2 : 1]]
    })
  const whole = (part: string, version: 1 | 2) =>
    customers.map((user) => [part, user, null, ...byVersion[version]])
  const again = new Map(
    rows
      .filter((row) => String(row.transaction_id).startsWith('t3-'))
      .map((row) => [Number(row.user_id), String(row.variant)]),
  )
  const order = (a: readonly unknown[], b: readonly unknown[]) =>
    String(a[0]).localeCompare(String(b[0])) || Number(a[1]) - Number(b[1])
  expect(found.sort(order)).toEqual([
    ...whole('0', 1),
    ...armed('1', armOf),
    ...whole('2', 1),
    ...armed('3', (user) => again.get(user)!),
    ...whole('4', 2),
  ])
  expect(new Set(customers.map(armOf)).size).toBe(2)
  expect(await findings()).toEqual([])
  const { experiments } = await readVersions(rulesOfTest())
  expect(experiments.map(({ name, status }) => `${name} ${status}`)).toEqual([
    'spring stopped',
    'again promoted',
  ])
})

test('one experiment at a time, of a version that may decide, under a name of its own', async () => {
  const start = (name: string, candidate: number) =>
    change((now) => startExperiment(now, { ...plan, name, candidate }, null, by, policy))
  const refused = (part: RegExp) =>
    expect.objectContaining({ code: 'RULES_VERSION_REFUSED', message: expect.stringMatching(part) })
  await propose(shipped)
  await propose()
  await expect(start('a', 2)).rejects.toEqual(refused(/no version decides yet/))
  await change((now) => activateVersion(now, 1, null, by, policy))
  await expect(start('a', 1)).rejects.toEqual(refused(/is active/))
  await expect(start('a', 7)).rejects.toEqual(refused(/no version 7/))
  await start('a', 2)
  await expect(start('b', 2)).rejects.toEqual(refused(/experiment a goes on/))
  await expect(change((now) => stopExperiment(now, 'b', null, by))).rejects.toEqual(refused(/goes on is a/))
  // Whatever becomes active decides for all.
  await change((now) => activateVersion(now, 2, null, by, policy))
  const { experiment, experiments } = await readVersions(rulesOfTest())
  expect([experiment, experiments[0]?.status]).toEqual([null, 'promoted'])
  await expect(start('a', 1)).rejects.toEqual(refused(/there was an experiment a/))
})

test('what this lakehouse cannot carry out is refused before it is written', async () => {
  await propose(shipped)
  await change((now) => activateVersion(now, 1, null, by, policy))
  await propose()
  await propose(shipped.replace('[Nigeria, Russia, China]', '[France]'))
  const versions = await readVersions(rulesOfTest())
  const check = (of: Partial<typeof plan>, version: number) => () =>
    checkExperiment(rulesOfTest(), versions, { ...plan, ...of }, versions.all[version - 1]!)
  expect(check({}, 2)).not.toThrow()
  expect(check({ by: 'device_id' }, 2)).not.toThrow()
  expect(check({ by: 'wallet' }, 2)).toThrow(/no column wallet/)
  expect(check({ by: 'amount' }, 2)).toThrow(/column of text or whole numbers/)
  expect(check({}, 3)).toThrow(/other elements in the list high_risk_countries/)
})
