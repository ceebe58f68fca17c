// Whoever tells alerts is killed at each step: the next one tells what is left, nothing is forgotten, and
// what is told twice has the same id.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AlertLog } from '../../src/alerts/alert-log.ts'
import { alertStepNames } from '../../src/steps/step.ts'
import { carry, environment, Receiver, tellOf, transactions } from '../unit/alerts/alerted-lakehouse.ts'
import { type Lakehouse, newLakehouse } from '../unit/engine/pipeline.ts'
import type { AlertsPlan } from './alerts-child.ts'

/** Of the clock of the test, which passes fast. */
const endMaxMs = 3_600_000

let whole: Lakehouse
let receiver: Receiver
beforeAll(async () => {
  whole = await newLakehouse()
  receiver = await Receiver.open()
  await carry(whole, transactions(18))
  // Ids are of a lakehouse: its copies have them too.
  const instance = await DuckDBInstance.create(':memory:')
  await AlertLog.open(whole.base, await instance.connect())
  instance.closeSync()
})
afterAll(async () => {
  await receiver?.close()
  await whole?.remove()
})

/** Two are told by themselves, the others in a digest. */
const yaml = () => `start: beginning
sinks:
  hook: { webhook: { url: ${receiver.url}/hook, secret: { env: HOOK_SECRET } } }
routes:
  - { name: high, level: HIGH, to: hook, limit: { notifications: 2, every: 1 second } }
`

async function child(plan: AlertsPlan): Promise<string | null> {
  const file = join(import.meta.dirname, 'alerts-child.ts')
  const started = spawn(process.execPath, [file, JSON.stringify(plan)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [, signal] = await once(started, 'close')
  return signal
}

/** The ids of what was told, and the transactions that it was about. */
async function toldAfter(
  at: AlertsPlan['at'] | null,
): Promise<{ ids: readonly string[]; counts: readonly number[] }> {
  const lakehouse = await newLakehouse()
  receiver.received.length = 0
  try {
    await cp(whole.base, lakehouse.base, { recursive: true })
    const plan = { base: lakehouse.base, yaml: yaml(), environment }
    if (at !== null) expect(await child({ ...plan, at })).toBe('SIGKILL')
    const next = await tellOf(lakehouse, receiver, plan.yaml)
    await next.close(endMaxMs)
    expect(next.notices).toEqual([])
    const bodies = receiver.bodies('/hook')
    const counts = new Map(bodies.map(({ id, count }) => [id, count]))
    return { ids: bodies.map(({ id }) => id), counts: [...counts.values()] }
  } finally {
    await lakehouse.remove()
  }
}

test('a process that tells alerts is killed at each step', async () => {
  const { ids, counts } = await toldAfter(null)
  expect(ids).toHaveLength(3)
  expect(counts).toEqual([1, 1, 4])
  for (const step of alertStepNames) {
    const isTold = step.startsWith('notification')
    const told = await toldAfter({ step, occurrence: isTold ? 2 : 1 })
    expect(new Set(told.ids), step).toEqual(new Set(ids))
    expect(told.counts, step).toEqual([1, 1, 4])
    expect(told.ids.length, step).toBe(step === 'notification taken' ? 4 : 3)
  }
})
