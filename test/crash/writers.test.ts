// One writer for each stream: a second start is refused, and one that was paused until another took over
// stops at its next commit. It is paused at every named step, with a real SIGSTOP of a real process.
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { checkpointDirectory, lockStreams } from '../../src/engines/lock.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { type StepName, setStepHook, stepNames } from '../../src/steps/step.ts'
import { judgeLakehouse } from '../compare/judge-lakehouse.ts'
import { readTables } from '../compare/read-in-process.ts'
import { lines } from '../generate/lines.ts'
import { isItsTurn } from '../turns.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce, writeInput } from '../unit/engine/pipeline.ts'
import { crashOptions } from './child.ts'
import { isStopped, type Running, startChild, untilStopped } from './processes.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const what = `repeat with SEED=${seed}`
const [values] = fc.sample(lines(60, 60), { seed, numRuns: 1 })
const recordsPerBatchMax = Math.ceil(values!.length / 3)
const leaseMs = 30_000

const lockPath = (lakehouse: Lakehouse, stream: (typeof standardLakehouse.streams)[number]): string =>
  join(checkpointDirectory(lakehouse.base, stream), 'lock')

/** As if the holder had given no sign of life for longer than the lease. */
async function ageLocks(lakehouse: Lakehouse): Promise<void> {
  const then = new Date(Date.now() - 2 * leaseMs)
  for (const stream of standardLakehouse.streams) {
    const path = lockPath(lakehouse, stream)
    if (existsSync(path)) await utimes(path, then, then)
  }
}

/** Starts a process that pauses itself, and waits until the system says that it is stopped. */
async function startPaused(lakehouse: Lakehouse, step: StepName, occurrence: number): Promise<Running> {
  const { base, input } = lakehouse
  const at = { step, occurrence, signal: 'SIGSTOP' } as const
  return untilStopped(startChild({ base, input, recordsPerBatchMax, finalize: true, leaseMs, at }))
}

async function withLakehouse(use: (lakehouse: Lakehouse) => Promise<void>): Promise<void> {
  const lakehouse = await newLakehouse()
  try {
    await writeInput(lakehouse, values!)
    await use(lakehouse)
  } finally {
    await lakehouse.remove()
  }
}

describe('a writer that was paused until another took over', () => {
  /** Of each step, the number of its occurrences until all tables are claimed, and in all. */
  const before = new Map<StepName, number>()
  const all = new Map<StepName, number>()
  let lastCommit = new Map<StepName, number>()

  beforeAll(() =>
    withLakehouse(async (lakehouse) => {
      let isClaimed = false
      setStepHook((name) => {
        all.set(name, (all.get(name) ?? 0) + 1)
        isClaimed ||= name === 'recent silver loaded'
        if (!isClaimed) before.set(name, all.get(name)!)
        if (name === 'table committed') lastCommit = new Map(all)
      })
      await runOnce(lakehouse, { ...crashOptions, recordsPerBatchMax, finalize: true })
      setStepHook(null)
    }),
  )

  for (const name of stepNames.filter((_, index) => isItsTurn(seed, index, 2))) {
    test.concurrent(`at "${name}"`, () =>
      withLakehouse(async (lakehouse) => {
        const first = (before.get(name) ?? 0) + 1
        const last = lastCommit.get(name) ?? 0
        // Between its claims and its last commit, where there is such a time; there it must be fenced.
        const isBetween = first < last
        // Work in the background comes to some steps more or less often: the later half may lie behind the
        // end.
        const occurrence = isBetween ? first + (seed % Math.ceil((last - first) / 2)) : all.get(name)!
        const paused = await startPaused(lakehouse, name, occurrence)
        await ageLocks(lakehouse)
        await runOnce(lakehouse, { ...crashOptions, recordsPerBatchMax: 17, finalize: true })
        paused.process.kill('SIGCONT')
        const { code, message } = await paused.ended
        if (isBetween)
          expect([code, message]).toEqual(['WRITER_FENCED', expect.stringContaining('This one stops')])
        else expect([null, 'WRITER_FENCED']).toContain(code)
        expect(judgeLakehouse(recordsOf(values!), await readTables(lakehouse.base)), what).toEqual([])
        // What comes next finds nothing in its way; the seed says behind which of them one comes.
        if (!isItsTurn(seed, stepNames.indexOf(name), 3)) return
        await runOnce(lakehouse, { ...crashOptions, recordsPerBatchMax: 17 })
        expect(judgeLakehouse(recordsOf(values!), await readTables(lakehouse.base)), what).toEqual([])
      }))
  }

  test('the fence is in the commit itself: both are at the same version when one of them writes', () =>
    withLakehouse(async (lakehouse) => {
      // After the claims come the commits of bronze and of silver.
      const ofSilver = (before.get('commit decided') ?? 0) + 2
      const paused = await startPaused(lakehouse, 'commit decided', ofSilver)
      await ageLocks(lakehouse)
      await runOnce(lakehouse, { ...crashOptions, recordsPerBatchMax, finalize: true })
      paused.process.kill('SIGCONT')
      const ended = await paused.ended
      expect(ended.code).toBe('WRITER_FENCED')
      expect(ended.message).toMatch(/has been taken over by another process \(writer 2, this one is 1\)/)
    }))
})

describe('the lock', () => {
  test('a second start says who holds it, and the first goes on', () =>
    withLakehouse(async (lakehouse) => {
      const paused = await startPaused(lakehouse, 'batch begun', 1)
      const second = runOnce(lakehouse, { recordsPerBatchMax })
      await expect(second).rejects.toMatchObject({
        code: 'STREAM_LOCKED',
        message: expect.stringContaining(`process ${paused.process.pid} on `),
      })
      paused.process.kill('SIGCONT')
      expect(await paused.ended).toMatchObject({ signal: null, code: null })
      expect(judgeLakehouse(recordsOf(values!), await readTables(lakehouse.base)), what).toEqual([])
    }))

  test('a holder whose directory was deleted while it ran puts its lock back', () =>
    withLakehouse(async ({ base }) => {
      const lock = await lockStreams(base, ['aggregations'], { leaseMs: 1_000 })
      try {
        const path = join(checkpointDirectory(base, 'aggregations'), 'lock')
        await rm(join(base, '_checkpoints'), { recursive: true })
        while ((await readFile(path, 'utf8').catch(() => '')) === '') await lockPause()
        await expect(lockStreams(base, ['aggregations'], { leaseMs: 1_000 })).rejects.toMatchObject({
          code: 'STREAM_LOCKED',
        })
      } finally {
        await lock.release()
      }
    }))

  test('a real pause, longer than a real lease: the other has only to wait', () =>
    withLakehouse(async (lakehouse) => {
      const { base, input } = lakehouse
      const at = { step: 'rows staged', occurrence: 9, signal: 'SIGSTOP' } as const
      const running = startChild({ base, input, recordsPerBatchMax, finalize: true, leaseMs: 1_000, at })
      while (!(await isStopped(running.process.pid!))) await lockPause()
      const options = { ...crashOptions, recordsPerBatchMax, finalize: true, leaseMs: 1_000 }
      for (;;) {
        const failure = await runOnce(lakehouse, options).then(
          () => null,
          (error: unknown) => error,
        )
        if (failure === null) break
        expect(failure).toMatchObject({ code: 'STREAM_LOCKED' })
        await lockPause()
      }
      running.process.kill('SIGCONT')
      expect((await running.ended).code).toBe('WRITER_FENCED')
      expect(judgeLakehouse(recordsOf(values!), await readTables(base)), what).toEqual([])
    }))

  /** A lock of a process that is not this one, as it would have written it. */
  async function writeLock(base: string, change: Record<string, unknown>, ageMs: number): Promise<void> {
    const lock = await lockStreams(base, ['aggregations'], { leaseMs })
    const path = join(checkpointDirectory(base, 'aggregations'), 'lock')
    const holder = JSON.parse(await readFile(path, 'utf8'))
    await lock.release()
    await writeFile(path, JSON.stringify({ ...holder, owner: 'another', ...change }))
    const then = new Date(Date.now() - ageMs)
    await utimes(path, then, then)
  }
  const take = async (base: string): Promise<void> =>
    (await lockStreams(base, ['aggregations'], { leaseMs })).release()

  test('of a process whose number another has by now is taken at once', () =>
    withLakehouse(async ({ base }) => {
      await writeLock(base, { processStarted: '1' }, 0)
      await take(base)
      expect(await readdir(checkpointDirectory(base, 'aggregations'))).toEqual([])
    }))

  test('of another host is believed until its lease is over', () =>
    withLakehouse(async ({ base }) => {
      await writeLock(base, { host: 'elsewhere', pid: 1 }, leaseMs / 2)
      await expect(take(base)).rejects.toMatchObject({
        code: 'STREAM_LOCKED',
        message: expect.stringContaining('process 1 on elsewhere'),
      })
      const then = new Date(Date.now() - 2 * leaseMs)
      await utimes(join(checkpointDirectory(base, 'aggregations'), 'lock'), then, then)
      await take(base)
    }))

  test('of another container of this host is taken when a lease has passed without a sign of life', () =>
    withLakehouse(async ({ base }) => {
      // Its process number is that of nobody here, and of somebody there.
      await writeLock(base, { processes: 'pid:[1]', pid: 2 ** 30, processStarted: '1' }, 0)
      const startedMs = performance.now()
      await (await lockStreams(base, ['aggregations'], { leaseMs: 1_000 })).release()
      expect(performance.now() - startedMs).toBeGreaterThan(800)
    }))

  test('of another container of this host is believed as soon as it gives a sign of life', () =>
    withLakehouse(async ({ base }) => {
      await writeLock(base, { processes: 'pid:[1]', pid: 2 ** 30, processStarted: '1' }, 0)
      const path = join(checkpointDirectory(base, 'aggregations'), 'lock')
      const beat = setInterval(() => void utimes(path, new Date(), new Date()), 100)
      try {
        await expect(take(base)).rejects.toMatchObject({ code: 'STREAM_LOCKED' })
      } finally {
        clearInterval(beat)
      }
    }))

  test('a stop ends the wait for the holder of another container', () =>
    withLakehouse(async (lakehouse) => {
      await writeLock(lakehouse.base, { processes: 'pid:[1]', pid: 2 ** 30, processStarted: '1' }, 0)
      const options = { streams: ['aggregations'], signal: AbortSignal.timeout(200) } as const
      expect(await runOnce(lakehouse, { ...options, recordsPerBatchMax: 1 })).toEqual([])
    }))

  test('that is no lock of ours is believed until its lease is over, too', () =>
    withLakehouse(async ({ base }) => {
      await writeLock(base, {}, 0)
      const path = join(checkpointDirectory(base, 'aggregations'), 'lock')
      for (const text of ['', '{"owner": "', 'null', '\u0000\u0000', '{"owner":"../../x"}']) {
        await writeFile(path, text)
        await expect(take(base)).rejects.toMatchObject({ code: 'STREAM_LOCKED' })
        const then = new Date(Date.now() - 2 * leaseMs)
        await utimes(path, then, then)
        await take(base)
      }
    }))

  test('is taken by one of many that find it stale at the same time', () =>
    withLakehouse(async ({ base }) => {
      for (let round = 0; round < 20; round++) {
        await writeLock(base, {}, 2 * leaseMs)
        const all = Array.from({ length: 12 }, () => lockStreams(base, ['aggregations'], { leaseMs }))
        const outcomes = await Promise.allSettled(all)
        const taken = outcomes.filter((one) => one.status === 'fulfilled')
        const refused = outcomes.filter((one) => one.status === 'rejected')
        expect(taken).toHaveLength(1)
        for (const { reason } of refused) expect(reason).toMatchObject({ code: 'STREAM_LOCKED' })
        await taken[0]!.value.release()
      }
      expect(await readdir(checkpointDirectory(base, 'aggregations'))).toEqual([])
    }))
})

/** Between two looks at what another process does. */
const lockPause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))
