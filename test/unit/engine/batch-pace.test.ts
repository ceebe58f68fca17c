import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { BatchPace, type PaceLimits } from '../../../src/engines/embedded/batch-pace.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

type Machine = {
  /** When each record can be read. */
  readonly arrivalsMs: readonly number[]
  readonly loadMs: (records: number) => number
  readonly carryMs: (records: number, batch: number) => number
  readonly recordsMax?: number
}

type Batch = { readonly cutMs: number; readonly count: number; readonly latencyMaxMs: number }

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Runs the loop of the engine on a machine of known costs: the next batch is loaded while one is carried. */
async function batchesOf(machine: Machine, limits: Partial<PaceLimits>): Promise<Batch[]> {
  const { arrivalsMs, loadMs, carryMs, recordsMax = Number.POSITIVE_INFINITY } = machine
  const pace = new BatchPace({ latencyTargetMs: 200, intervalMinMs: 0, ...limits })
  const { signal } = new AbortController()
  const startedMs = performance.now()
  const nowMs = () => performance.now() - startedMs
  const batches: Batch[] = []
  const load = async (from: number): Promise<{ cutMs: number; from: number; to: number } | null> => {
    if (from >= arrivalsMs.length) return null
    for (;;) {
      await pace.untilDue(signal)
      pace.cutting()
      const cutMs = nowMs()
      const there = arrivalsMs.findIndex((ms, index) => index >= from && ms > cutMs)
      const end = there === -1 ? arrivalsMs.length : there
      const to = Math.min(end, from + recordsMax)
      pace.cut(to < end)
      if (to > from) {
        await sleep(loadMs(to - from))
        pace.loaded()
        return { cutMs, from, to }
      }
      await sleep(arrivalsMs[from]! - cutMs)
      pace.arrived()
    }
  }
  const run = async (): Promise<void> => {
    let loading = load(0)
    for (let next = await loading; next !== null; next = await loading) {
      const { cutMs, from, to } = next
      const carrying = pace.during(sleep(carryMs(to - from, batches.length)))
      loading = load(to)
      await carrying
      batches.push({ cutMs, count: to - from, latencyMaxMs: nowMs() - arrivalsMs[from]! })
    }
  }
  let isDone = false
  const running = run().then(() => {
    isDone = true
  })
  while (!isDone) await vi.advanceTimersByTimeAsync(100)
  await running
  return batches
}

/** Records at a steady rate. */
function steady(perSecond: number, seconds: number): number[] {
  return Array.from({ length: perSecond * seconds }, (_, index) => (index * 1000) / perSecond)
}

const small = {
  loadMs: (records: number) => 5 + records / 1000,
  carryMs: (records: number) => 45 + records / 50,
}

test.each([20, 500, 2_000])(
  '%i records a second are within the target, in as few batches as it allows',
  async (rate) => {
    const batches = (await batchesOf({ ...small, arrivalsMs: steady(rate, 20) }, {})).slice(3)
    expect(Math.max(...batches.map(({ latencyMaxMs }) => latencyMaxMs))).toBeLessThanOrEqual(201)
    // A millisecond later, and the oldest record of the next batch would have been too late.
    const spentMs = small.loadMs((rate * 200) / 1000) + small.carryMs((rate * 200) / 1000)
    const apartMs = batches.slice(1).map(({ cutMs }, index) => cutMs - batches[index]!.cutMs)
    expect(Math.min(...apartMs)).toBeGreaterThanOrEqual(200 - spentMs - 2)
  },
)

test('records that come together after a pause are one batch, within the target', async () => {
  const arrivalsMs = [0, 1, 2, 3].flatMap((burst) => [0, 20, 60, 110].map((ms) => 3_000 * burst + 1_000 + ms))
  const batches = await batchesOf({ ...small, arrivalsMs }, {})
  expect(batches.slice(1).map(({ count }) => count)).toEqual([4, 4, 4])
  for (const { latencyMaxMs } of batches.slice(1)) expect(latencyMaxMs).toBeLessThanOrEqual(201)
})

test('batches grow with the load, and where that is too much for the target nothing stands idle', async () => {
  // Half of a second of work for a second of records, and 150 ms a batch: the target cannot be held.
  const heavy = {
    loadMs: (records: number) => 10 + records / 1000,
    carryMs: (records: number) => 150 + records / 20,
  }
  const sizes: number[] = []
  for (const rate of [2_000, 5_000, 10_000]) {
    const batches = (await batchesOf({ ...heavy, arrivalsMs: steady(rate, 20) }, {})).slice(5, -1)
    const apartMs = batches.slice(1).map(({ cutMs }, index) => cutMs - batches[index]!.cutMs)
    const carriesMs = batches.map(({ count }) => heavy.carryMs(count))
    sizes.push(batches.at(-1)!.count)
    if (rate < 10_000) continue
    // One carry after the other: the next batch was read meanwhile, but not earlier than it had to be.
    expect(mean(apartMs)).toBeLessThan(1.02 * mean(carriesMs))
    const latencyMs = Math.max(...batches.map(({ latencyMaxMs }) => latencyMaxMs))
    expect(latencyMs).toBeLessThan(2.3 * mean(carriesMs))
  }
  expect(sizes).toEqual(sizes.toSorted((a, b) => a - b))
  expect(sizes[2]).toBeGreaterThan(5 * sizes[0]!)
})

test('what is behind takes full batches without a pause', async () => {
  const arrivalsMs = [...Array.from({ length: 50_000 }, () => 0), ...steady(1_000, 10)]
  const batches = await batchesOf({ ...small, arrivalsMs, recordsMax: 5_000 }, {})
  const full = batches.filter(({ count }) => count === 5_000)
  expect(full.length).toBe(10)
  // Each is read while the one before is carried.
  expect(full.at(-1)!.cutMs).toBeLessThanOrEqual(9 * small.carryMs(5_000))
  const after = batches.slice(full.length + 2)
  expect(after.at(-1)!.latencyMaxMs).toBeLessThanOrEqual(201)
})

test('a pause of the machine is made up at once, and batches are few again soon', async () => {
  const carryMs = (records: number, batch: number) => small.carryMs(records) + (batch === 20 ? 1_000 : 0)
  const batches = await batchesOf({ ...small, carryMs, arrivalsMs: steady(1_000, 20) }, {})
  expect(batches[23]!.latencyMaxMs).toBeLessThan(201)
  expect(batches.slice(60).every(({ count }) => count > 100)).toBe(true)
  expect(batches.slice(60).every(({ latencyMaxMs }) => latencyMaxMs <= 201)).toBe(true)
})

test('batches are as far apart as is asked for, whatever the target', async () => {
  const batches = await batchesOf({ ...small, arrivalsMs: steady(1_000, 20) }, { intervalMinMs: 2_000 })
  const apartMs = batches.slice(1).map(({ cutMs }, index) => cutMs - batches[index]!.cutMs)
  expect(Math.min(...apartMs)).toBeGreaterThanOrEqual(2_000)
})

test('the wait for the next batch ends with the signal', async () => {
  const stop = new AbortController()
  const pace = new BatchPace({ latencyTargetMs: 1e6, intervalMinMs: 0 })
  pace.cutting()
  const waiting = pace.untilDue(stop.signal)
  stop.abort()
  await waiting
})

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
