// A run pauses while a person is erased, and an erasure waits for runs: neither longer than the other lives.

import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import type { PipelineOptions } from '../../../src/engines/engine.ts'
import { lockForErasure } from '../../../src/engines/erasure-pause.ts'
import { listener } from '../../../src/engines/events.ts'
import { checkpointDirectory } from '../../../src/engines/lock.ts'
import { thisProcess } from '../../../src/engines/lock-holder.ts'
import { type Attempt, runLocked } from '../../../src/engines/retry.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { type Lakehouse, newLakehouse, testOptions } from './pipeline.ts'

let lakehouse: Lakehouse
let stop: AbortController
let codes: string[]
beforeEach(async () => {
  lakehouse = await newLakehouse()
  stop = new AbortController()
  codes = []
})
afterEach(async () => {
  stop.abort()
  await lakehouse.remove()
})

function run(attempt: Attempt, more: Partial<PipelineOptions> = {}): Promise<void> {
  const hear = ({ code }: SourceNotice) => void codes.push(code)
  const tell = listener({ notice: hear, fault: hear })
  const options = { ...testOptions, once: false, signal: stop.signal, tell, ...more }
  return runLocked({ ...options, deltaBasePath: lakehouse.base, source: null }, attempt)
}

const erase = (pauseMaxMs = 60_000) => {
  const { streams } = standardLakehouse
  return lockForErasure(lakehouse.base, { leaseMs: 30_000, pauseMaxMs, streams })
}
const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
const eraseDirectory = () => checkpointDirectory(lakehouse.base, 'erase')

test('a run pauses between two attempts, and the next one begins when the erasure has ended', async () => {
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const events: string[] = []
  const running = run(async ({ signal, stop: only }) => {
    events.push('begun')
    first.resolve()
    if (events.length > 1) second.resolve()
    await aborted(signal)
    events.push(only?.aborted ? 'stopped' : 'paused')
  })
  await first.promise
  const lock = await erase()
  events.push('erasing')
  await lock.release()
  await second.promise
  stop.abort()
  await running
  expect(events).toEqual(['begun', 'paused', 'erasing', 'begun', 'stopped'])
  expect(codes).toEqual(['ERASURE_AWAITED', 'ERASURE_OVER'])
  for (const stream of [...testOptions.streams, 'erase'] as const) {
    expect(await readdir(checkpointDirectory(lakehouse.base, stream))).toEqual([])
  }
})

test('an attempt that fails while a pause is asked for is made again before the run pauses', async () => {
  const begun = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  let attempts = 0
  const running = run(async ({ signal }) => {
    attempts += 1
    begun.resolve()
    if (attempts === 4) over.resolve()
    await aborted(signal)
    if (attempts < 3) throw new LakehouseError('FILE_UNREADABLE', 'The input cannot be read now.')
  })
  await begun.promise
  const lock = await erase()
  expect(attempts).toBe(3)
  await lock.release()
  await over.promise
  stop.abort()
  await running
  expect(codes).toEqual(['FILE_UNREADABLE', 'FILE_UNREADABLE', 'ERASURE_AWAITED', 'ERASURE_OVER'])
})

test('a run that does not pause in time is named, and goes on', async () => {
  const begun = Promise.withResolvers<void>()
  const [end, again] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let attempts = 0
  const running = run(async ({ signal }) => {
    attempts += 1
    begun.resolve()
    if (attempts === 1) return await end.promise
    again.resolve()
    await aborted(signal)
  })
  await begun.promise
  await expect(erase(100)).rejects.toMatchObject({
    code: 'STREAM_LOCKED',
    message: expect.stringMatching(new RegExp(`process ${process.pid} on .* did not pause .* within 0.1 s`)),
    details: { pid: process.pid },
  })
  // What it was asked for comes late; nobody erases any more.
  end.resolve()
  await again.promise
  stop.abort()
  await running
})

test('a run that starts while a person is erased waits, and a stop ends the wait', async () => {
  const lock = await erase()
  const second = erase()
  await expect(second).rejects.toMatchObject({
    code: 'STREAM_LOCKED',
    message: expect.stringContaining(`process ${process.pid}`),
  })
  let attempts = 0
  const attempt: Attempt = async () => {
    attempts += 1
  }
  await run(attempt, { signal: AbortSignal.timeout(400) })
  expect(attempts).toBe(0)
  const waiting = run(attempt)
  await lock.release()
  await waiting
  expect(attempts).toBe(1)
})

/** The lock of an erasure by a process that is not here, as it would have written it. */
async function writeErasure(change: Record<string, unknown>): Promise<string> {
  await (await erase()).release()
  const path = join(eraseDirectory(), 'lock')
  await writeFile(path, JSON.stringify({ ...(await thisProcess()), owner: 'another', ...change }))
  return path
}

test('an erasure whose process is gone is not waited for', async () => {
  await writeErasure({ processStarted: '1' })
  await run(async () => undefined)
  expect(codes).toEqual([])
})

test('an erasure on another host is waited for as long as it gives signs of life, and a lease', async () => {
  const path = await writeErasure({ host: 'elsewhere' })
  const leaseMs = 1_000
  let lastBeatMs = 0
  let beats = 0
  const beat = setInterval(() => {
    beats += 1
    if (beats > 8) return clearInterval(beat)
    lastBeatMs = performance.now()
    void utimes(path, new Date(), new Date())
  }, leaseMs / 4)
  try {
    await run(async () => undefined, { leaseMs })
    expect(beats).toBeGreaterThan(8)
    expect(performance.now() - lastBeatMs).toBeGreaterThan(0.8 * leaseMs)
    expect(codes).toEqual(['ERASURE_AWAITED', 'ERASURE_OVER'])
    expect(await readdir(eraseDirectory())).toEqual([]) // The next start does not wait again.
  } finally {
    clearInterval(beat)
  }
})
