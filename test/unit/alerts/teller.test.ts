// What is told of a real lakehouse: each risky transaction once, history never, a storm as a digest.
import { rm } from 'node:fs/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AlertLog } from '../../../src/alerts/alert-log.ts'
import type { HealthFinding } from '../../../src/alerts/plan-notifications.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { erasePersons } from '../../../src/engines/erase.ts'
import { rebuildTable } from '../../../src/engines/rebuild.ts'
import type { AlertLogRow } from '../../../src/ops/alerts.ts'
import { opsDirectory } from '../../../src/ops/tables.ts'
import { eraseOptions } from '../engine/erased-person.ts'
import { type Lakehouse, newLakehouse, testOptions } from '../engine/pipeline.ts'
import { carry, Receiver, type Told, tellOf, transactions } from './alerted-lakehouse.ts'
import { pagerDutyPayload } from './published-limits.ts'

let lakehouse: Lakehouse
let receiver: Receiver
let told: Told | null
beforeEach(async () => {
  lakehouse = await newLakehouse()
  receiver = await Receiver.open()
  told = null
})
afterEach(async () => {
  await told?.close()
  await receiver.close()
  await lakehouse.remove()
})

const hook = `sinks:
  hook: { webhook: { url: RECEIVER/hook, secret: { env: HOOK_SECRET } } }
routes:
  - { name: high, level: HIGH, to: hook, limit: { notifications: 100, every: 1 minute } }
`
const bodies = () => receiver.bodies('/hook')
const ids = () => bodies().flatMap((body) => body.transactions.map((one) => one.transaction_id))

test('risky transactions are told once and masked; history, a rebuild, an erasure and a compaction never', async () => {
  const scored = opsDirectory(lakehouse.base, 'fraud_detection')
  await carry(lakehouse, transactions(3))
  told = await tellOf(lakehouse, receiver, hook)
  await carry(lakehouse, transactions(9))
  await told.until(() => bodies().length >= 2)
  await told.close(10_000)
  expect(ids().sort()).toEqual(['t3', 't6'])
  expect(bodies().flatMap((body) => body.transactions.map((one) => one.user_id))).toEqual([
    expect.stringMatching(/^id-[0-9a-f]{10}$/),
    expect.stringMatching(/^id-[0-9a-f]{10}$/),
  ])

  const rebuild = () => {
    const options = { ...testOptions, deltaBasePath: lakehouse.base, recordsPerBatchMax: 100 }
    return rebuildTable({ ...options, pauseMaxMs: 1_000 }, 'fraud_detection')
  }
  await rebuild()
  await erasePersons({ ...eraseOptions, deltaBasePath: lakehouse.base }, [101n])
  const instance = await DuckDBInstance.create(':memory:')
  await (await DeltaTable.open(scored)).optimize(await instance.connect())
  told = await tellOf(lakehouse, receiver, hook)
  await rm(scored, { recursive: true })
  await rebuild()
  await carry(lakehouse, transactions(12))
  await told.until(() => bodies().length >= 3)
  await told.close(10_000)
  instance.closeSync()
  expect(ids().sort()).toEqual(['t3', 't6', 't9'])
  expect(told.events.every(({ outcome }) => outcome === 'sent')).toBe(true)
})

test('a storm of 10,000 risky transactions is a few notifications and one digest, and none is forgotten', async () => {
  await carry(lakehouse, transactions(1))
  const storm = hook.replace('notifications: 100', 'notifications: 5')
  told = await tellOf(lakehouse, receiver, storm)
  await carry(
    lakehouse,
    transactions(10_001, () => true),
  )
  await told.until(() => bodies().some(({ kind }) => kind === 'digest'))
  await told.close(10_000)
  const digests = bodies().filter(({ kind }) => kind === 'digest')
  const single = bodies().filter(({ kind }) => kind === 'transactions')
  expect(single.length).toBe(5)
  expect(digests.map(({ count, levels }) => [count, levels])).toEqual([[9_995, { HIGH: 9_995 }]])
  expect(digests[0]!.transactions).toHaveLength(10)
})

test('alerts of one group share a notification; a condition and a silence are kept to', async () => {
  await carry(lakehouse, transactions(1))
  const yaml = `${hook.split('routes')[0]}routes:
  - { name: shops, when: amount > 6003 && payment_method == "crypto", group_by: merchant, to: hook, ids: plain }
silences:
  - { until: 2030-01-01T00:00:00Z, when: 'merchant == "m1"', reason: known }
`
  told = await tellOf(lakehouse, receiver, yaml)
  await carry(lakehouse, transactions(19))
  await told.until(() => bodies().length >= 1)
  await told.close(10_000)
  expect(ids().sort()).toEqual(['t12', 't18', 't6'])
  expect(bodies().map(({ count }) => count)).toEqual([3])
  expect(bodies()[0]!.transactions[0]!.user_id).toBeGreaterThan(100)
})

/** What a command writes beside the teller. */
async function command(row: AlertLogRow): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const log = await AlertLog.open(lakehouse.base, await instance.connect())
  await log.append([row])
  instance.closeSync()
}

test('what a sink refuses is a dead letter until it is asked for again; commands count while a run tells', async () => {
  await carry(lakehouse, transactions(1))
  receiver.answer = (_, response) => response.writeHead(400).end('bad')
  told = await tellOf(lakehouse, receiver, hook)
  await carry(lakehouse, transactions(4))
  await told.until(() => told!.notices.length > 0)
  expect(told.notices).toMatchObject([
    {
      code: 'ALERT_NOT_SENT',
      message: 'the sink hook did not take an alert of the route high: it answered 400',
    },
  ])
  expect(told.events).toEqual([{ kind: 'alert', sink: 'hook', outcome: 'failed' }])
  receiver.answer = (_, response) => response.writeHead(200).end()
  const { id } = bodies()[0]!
  const at = told.clock.nowMs * 1000 + 60_000_000
  // The clock of who asks is behind.
  await command({ at: 0, event: 'replayed', notification: id, sinks: ['hook'] })
  await told.until(() => told!.events.length >= 2)
  expect(bodies().map((body) => body.id)).toEqual([id, id])
  await command({ at, event: 'silence', silence: 's', route: 'high', until: Date.UTC(2030, 0, 1) * 1000 })
  await carry(lakehouse, transactions(7))
  await told.close(10_000)
  expect(bodies()).toHaveLength(2)
})

test('a process that is killed before it told leaves that to the next one; an older one tells nothing any more', async () => {
  await carry(lakehouse, transactions(1))
  receiver.answer = () => undefined
  const first = await tellOf(lakehouse, receiver, hook)
  await carry(lakehouse, transactions(10))
  await first.until(() => bodies().length > 0)
  receiver.answer = (_, response) => response.writeHead(200).end()
  told = await tellOf(lakehouse, receiver, hook)
  await told.until(() => new Set(ids()).size === 3)
  await carry(lakehouse, transactions(13))
  await told.until(() => new Set(ids()).size === 4)
  await told.close(10_000)
  await first.close()
  expect(first.events).toEqual([])
  expect(told.events).toHaveLength(4)
})

test('trouble opens an incident, and closes it when it is over', async () => {
  const yaml = `sinks:
  pager: { pagerduty: { routing_key: { env: PAGER_KEY }, url: RECEIVER/pager } }
routes:
  - { name: platform, health: [lag, stalled], to: pager, severity: critical }
`
  await carry(lakehouse, transactions(1))
  let findings: HealthFinding[] = []
  told = await tellOf(lakehouse, receiver, yaml, { health: async () => findings })
  const pages = () => receiver.bodies('/pager').map((body) => pagerDutyPayload.parse(body))
  const lag = { kind: 'lag', key: 'lag/all', severity: 'warn', text: '5 records wait', help: 'docs' } as const
  findings = [lag, { ...lag, kind: 'disk', key: 'disk/all' }]
  await told.until(() => pages().length >= 1)
  findings = []
  await told.until(() => pages().length >= 2)
  expect(pages()).toMatchObject([
    {
      ...{ event_action: 'trigger', dedup_key: expect.stringMatching(/^assay\/platform\/[0-9a-f]{32}$/) },
      payload: { summary: 'lag: 5 records wait', severity: 'critical' },
    },
    { event_action: 'resolve', dedup_key: pages()[0]!.dedup_key },
  ])
  // A run that ends soon knows of the trouble of an earlier one, and looks for it at its end.
  findings = [lag]
  await told.until(() => told!.events.length >= 3)
  await told.close()
  told = await tellOf(lakehouse, receiver, yaml, { nowMs: () => Date.UTC(2027, 0, 1) })
  await told.close(10_000)
  expect(pages()[3]).toEqual(pages()[1])
})

test('figures far from usual are trouble until the next windows are as usual', async () => {
  const yaml = `sinks:
  pager: { pagerduty: { routing_key: { env: PAGER_KEY }, url: RECEIVER/pager } }
routes:
  - { name: data, health: anomaly, to: pager }
`
  /** Five transactions in each window of ten minutes; in one that is odd no device is named. */
  const windows = (count: number, isOdd: (window: number) => boolean): Buffer[] =>
    Array.from({ length: count * 5 }, (_, index) => {
      const window = Math.floor(index / 5)
      const timestamp = new Date(Date.UTC(2026, 9, 1) + window * 600_000 + (index % 5) * 1_000).toISOString()
      const device = isOdd(window) ? null : `d${index % 5}`
      const record = {
        transaction_id: `t${index}`,
        user_id: index % 5,
        amount: 10 + (index % 5),
        merchant: 'm',
      }
      return Buffer.from(JSON.stringify({ ...record, device_id: device, timestamp }))
    })
  const isOdd = (window: number) => window === 20
  await carry(lakehouse, windows(20, isOdd))
  told = await tellOf(lakehouse, receiver, yaml)
  const pages = () => receiver.bodies('/pager').map((body) => pagerDutyPayload.parse(body))
  // The twenty-first window closes with the first transactions two windows later.
  await carry(lakehouse, windows(23, isOdd))
  await told.until(() => pages().length >= 1)
  await carry(lakehouse, windows(25, isOdd))
  await told.until(() => pages().length >= 2)
  expect(pages()).toMatchObject([
    {
      event_action: 'trigger',
      payload: {
        severity: 'warning',
        summary:
          'anomaly: device_id in the window of 2026-10-01T03:20Z: distinct_count is 0, usually 5; null_count is 5, usually 0',
      },
    },
    { event_action: 'resolve', dedup_key: pages()[0]!.dedup_key },
  ])
})
