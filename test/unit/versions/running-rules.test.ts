// A version that becomes active while a run goes on decides from a batch on, without a restart; a file that
// was changed between two starts is the next version.
import { readFileSync } from 'node:fs'
import { appendFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runBacktest } from '../../../src/cli/backtest.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { type OnEvent, tellNobody } from '../../../src/engines/events.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { anchorsIn } from '../../../src/versions/anchor.ts'
import { activateVersion, proposeVersion, rollBack } from '../../../src/versions/change-versions.ts'
import { changeLists, type ListChange } from '../../../src/versions/list-log.ts'
import type { ApprovalPolicy } from '../../../src/versions/rule-version.ts'
import {
  decidingRules,
  RulesInForce,
  type RulesOfLakehouse,
  startingRules,
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
const listed = shipped.replace('[Nigeria, Russia, China]', '[France]')

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

const record = (index: number): Buffer => {
  const facts = { transaction_id: `t${index}`, user_id: index, amount: 10, location: 'Paris, France' }
  return Buffer.from(JSON.stringify({ ...facts, timestamp: '2026-10-01T10:00:00Z' }))
}
const append = (index: number) =>
  appendFile(lakehouse.input, Buffer.concat([record(index), Buffer.from('\n')]))

async function scored(): Promise<string[]> {
  const { fraud_detection: rows } = await readTables(lakehouse.base)
  return rows.map((row) => `${row.transaction_id} ${row.rules_version} ${row.fraud_score}`).sort()
}

async function findings() {
  const { delays, duckdb } = testOptions
  const { lakehouse: now, parameters } = await decidingRules(rulesOfTest())
  const of = { lakehouse: now, deltaBasePath: lakehouse.base, parameters, delays, duckdb, sinceMicros: null }
  return (await verifyLakehouse(of, null)).checks.flatMap((check) => check.findings)
}

test('versions and a rollback come into force in a run that goes on, each from a batch on', async () => {
  const of = rulesOfTest()
  const changes = [
    () => withVersionLog(of, (log) => log.change((now) => activateVersion(now, 2, null, by, policy))),
    () => withVersionLog(of, (log) => log.change((now) => rollBack(now, null, by))),
  ]
  const stop = new AbortController()
  const told: string[] = []
  let index = 0
  await writeInput(lakehouse, [record(index)])
  await runOnce(lakehouse, {
    recordsPerBatchMax: 10,
    once: false,
    signal: stop.signal,
    inForce: new RulesInForce({ ...of, by, tell: tellNobody }),
    onBatch: ({ batch }) => void told.push(`batch ${batch}`),
    onEvent: async (event) => {
      // Each opening after the first is by other rules: it gets a record, and then the next change.
      if (event.kind !== 'opened') return
      if (index > 0) await append(index)
    },
    onWait: async () => {
      if (told.length <= index) return
      index = told.length
      const change = changes.shift()
      if (change === undefined) return stop.abort()
      if (index === 1)
        await withVersionLog(of, (log) =>
          log.change((now) => proposeVersion(now, { text: listed, hash: 'listed', reason: null }, by)),
        )
      await change()
    },
  })
  expect(told).toEqual(['batch 1', 'batch 2', 'batch 3'])
  // The list of the second version has the country, which is worth 15 points.
  expect(await scored()).toEqual(['t0 1 0', 't1 2 15', 't2 1 0'])
  expect(await findings()).toEqual([])
})

test('the lakehouse that a restart finds is that of the active version', async () => {
  const of = rulesOfTest()
  const inForce = () => new RulesInForce({ ...of, by, tell: tellNobody })
  await writeInput(lakehouse, [record(0)])
  await runOnce(lakehouse, { recordsPerBatchMax: 10, inForce: inForce() })
  await withVersionLog(of, async (log) => {
    await log.change((now) => proposeVersion(now, { text: listed, hash: 'listed', reason: 'France' }, by))
    await log.change((now) => activateVersion(now, 2, null, by, policy))
  })
  await append(1)
  await runOnce(lakehouse, { recordsPerBatchMax: 10, inForce: inForce() })
  expect(await scored()).toEqual(['t0 1 0', 't1 2 15'])
  expect(await findings()).toEqual([])
})

test('what is added to a list counts in batches before its end, and a snoozed rule does not fire for that person', async () => {
  const of = rulesOfTest()
  const inForce = () => new RulesInForce({ ...of, by, tell: tellNobody })
  const oneBatch = async (index: number, timeMicros: bigint) => {
    await append(index)
    await runOnce(lakehouse, { recordsPerBatchMax: 10, inForce: inForce(), clock: () => timeMicros })
  }
  const change = (more: Partial<ListChange>) => {
    const none = { event: 'added', list: null, rule: null, untilMicros: null, note: null } as const
    return changeLists(lakehouse.base, { ...none, value: 'France', ...more }, by, of.clock())
  }
  const now = of.clock()
  const hour = 3_600_000_000n
  await writeInput(lakehouse, [])
  await oneBatch(0, now)
  await change({ list: 'high_risk_countries', untilMicros: now + hour, note: 'a wave' })
  await oneBatch(1, now + 1n)
  await change({ rule: 'high_risk_country', value: '2', untilMicros: now + hour })
  await oneBatch(2, now + 2n)
  await oneBatch(3, now + hour - 1n)
  await oneBatch(4, now + hour)
  await change({ list: 'high_risk_countries', untilMicros: now + 9n * hour })
  await change({ event: 'removed', list: 'high_risk_countries' })
  await oneBatch(5, now + 2n * hour)
  expect(await scored()).toEqual(['t0 1 0', 't1 1 15', 't2 1 0', 't3 1 15', 't4 1 0', 't5 1 0'])
  expect(await findings()).toEqual([])
  await expect(change({ event: 'removed', list: 'high_risk_countries' })).rejects.toThrow('was not added')
})

test('a back-test knows what was added to the rules in the batches that were', async () => {
  const of = rulesOfTest()
  const oneBatch = async (index: number) => {
    await append(index)
    await runOnce(lakehouse, {
      ...{ recordsPerBatchMax: 10, inForce: new RulesInForce({ ...of, by, tell: tellNobody }) },
      clock: of.clock,
    })
  }
  const change = (more: Partial<ListChange>) => {
    const none = { event: 'added', list: null, rule: null, untilMicros: null, note: null } as const
    return changeLists(lakehouse.base, { ...none, value: 'France', ...more }, by, of.clock())
  }
  await writeInput(lakehouse, [])
  await oneBatch(0)
  await change({ list: 'high_risk_countries' })
  await oneBatch(1)
  await change({ rule: 'high_risk_country', value: '2', untilMicros: of.clock() + 3_600_000_000n })
  await oneBatch(2)
  await oneBatch(3)
  await change({ list: 'high_risk_countries', event: 'removed' })
  await oneBatch(4)
  expect(await scored()).toEqual(['t0 1 0', 't1 1 15', 't2 1 0', 't3 1 15', 't4 1 0'])

  const config = loadConfig(standardLakehouse, { DELTA_BASE_PATH: lakehouse.base }, 'no-env-file')
  const active = await runBacktest(config, undefined, { against: 'active', samples: 0 })
  expect(active.written).toEqual({ transactions: 5, same: 5 })
  // Another version has the list, too, and 20 points for it.
  const candidate = join(lakehouse.base, '../candidate.yaml')
  await writeFile(candidate, shipped.replace('points: 15', 'points: 20'))
  const { figures } = await runBacktest(config, candidate, { against: 'active', samples: 0 })
  expect(figures.candidate.rules.find(({ name }) => name === 'high_risk_country')).toMatchObject({
    fired: { transactions: 2 },
  })
})

test('what a start would make of the file is told before, and what it makes is the same', async () => {
  const file = `${lakehouse.base}.rules.yaml`
  const ofFile = { ...standardLakehouse, rulesFrom: { ...standardLakehouse.rulesFrom!, file } }
  const of = { ...rulesOfTest(), lakehouse: ofFile }
  const asking: RulesOfLakehouse = { ...of, policy: { kind: 'other_person', key: Buffer.alloc(32, 1) } }
  const start = async (text: string, rules: RulesOfLakehouse) => {
    await writeFile(file, text)
    const told = await startingRules(rules, by)
    const { version } = await new RulesInForce({ ...rules, by, tell: tellNobody }).now()
    expect(told.version).toBe(version)
    return [version, told.file]
  }
  expect(await start(shipped, of)).toEqual([1, { version: 1, becomes: 'active' }])
  expect(await start(`# another comment\n${shipped}`, of)).toEqual([1, null])
  expect(await start(listed, of)).toEqual([2, { version: 2, becomes: 'active' }])
  expect(await start(shipped, of)).toEqual([1, { version: 1, becomes: 'active' }])
  const third = shipped.replace('amount > 5000', 'amount > 1')
  expect(await start(third, asking)).toEqual([1, { version: 3, becomes: 'proposed' }])
  expect(await start(third, asking)).toEqual([1, null])
})

test('a table that was removed under approval is not begun anew, and a run goes on by what it knows', async () => {
  const anchors = anchorsIn(`${lakehouse.base}.sealed`)
  const of: RulesOfLakehouse = {
    ...rulesOfTest(),
    policy: { kind: 'other_person', key: Buffer.alloc(32, 1), anchors },
  }
  const told: string[] = []
  const tell: OnEvent = (event) => void (event.kind === 'notice' && told.push(event.code))
  const inForce = new RulesInForce({ ...of, by, tell })
  expect((await inForce.now()).version).toBe(1)
  await rm(`${lakehouse.base}/rules/versions`, { recursive: true })
  expect(await inForce.isOther()).toBe(false)
  expect((await inForce.now()).version).toBe(1)
  expect(told).toContain('RULES_LOG_BROKEN')
  await expect(new RulesInForce({ ...of, by, tell }).now()).rejects.toThrow('was altered or removed')
  await expect(decidingRules(of)).rejects.toThrow('was altered or removed')
})

test('two that write at once get numbers of their own', async () => {
  const of = rulesOfTest()
  const texts = Array.from({ length: 8 }, (_, index) => shipped.replace('amount > 5000', `amount > ${index}`))
  await Promise.all(
    texts.map((text, index) =>
      withVersionLog(of, (log) =>
        log.change((now) => proposeVersion(now, { text, hash: String(index), reason: null }, by)),
      ),
    ),
  )
  const { all } = await withVersionLog(of, (log) => log.read())
  expect(all.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(new Set(all.map(({ text }) => text)).size).toBe(8)
})
