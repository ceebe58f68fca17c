// A run that fails is taken up again from the tables, as often as that can help and not without end.
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import type { RecordSource } from '../../../src/batches/source.ts'
import { checkpointDirectory } from '../../../src/engines/lock.ts'
import { lockPath } from '../../../src/engines/lock-file.ts'
import { thisProcess } from '../../../src/engines/lock-holder.ts'
import { FailuresInARow, failuresMax, onceFailuresMax, runLocked } from '../../../src/engines/retry.ts'
import { openTables, tableOfRole } from '../../../src/engines/tables.ts'
import { type ErrorCode, LakehouseError } from '../../../src/errors/errors.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { lines } from '../../generate/lines.ts'
import { memorySource } from './memory-source.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce, testOptions, writeInput } from './pipeline.ts'

const [values] = fc.sample(lines(40, 40), { seed: 7, numRuns: 1 })
const records = recordsOf(values!)

afterEach(() => setStepHook(null))

async function withLakehouse(use: (lakehouse: Lakehouse) => Promise<void>): Promise<void> {
  const lakehouse = await newLakehouse()
  try {
    await use(lakehouse)
  } finally {
    await lakehouse.remove()
  }
}

/** An input that cannot be read so many times at that offset, and before it always. */
function failing(
  code: ErrorCode,
  times: number,
  atOffset = 0n,
  details = {},
): { source: RecordSource; failed: () => number } {
  const source = memorySource(records)
  let failed = 0
  const read: RecordSource['read'] = async (ranges, onChunk, signal) => {
    if (failed < times && ranges.some(({ end }) => end > atOffset)) {
      failed += 1
      throw new LakehouseError(code, 'The input cannot be read now.', { details })
    }
    await source.read(ranges, onChunk, signal)
  }
  const waitForData = async () => void (await sleep(1)) // Nothing comes; other work goes on.
  return { source: { ...source, read, waitForData }, failed: () => failed }
}

test('a failure that passes is followed by a new attempt, which goes on from the tables', () =>
  withLakehouse(async (lakehouse) => {
    const { source, failed } = failing('FILE_UNREADABLE', onceFailuresMax - 1, records[20]!.offset)
    const notices: string[] = []
    const onNotice = ({ code, message }: { code: string; message: string }) =>
      void notices.push(`${code}: ${message}`)
    const reports = await runOnce(lakehouse, { recordsPerBatchMax: 10, onNotice }, source)
    expect(failed()).toBe(onceFailuresMax - 1)
    expect(reports.map(({ batch }) => batch)).toEqual([1n, 2n, 3n, 4n])
    expect(notices).toHaveLength(onceFailuresMax - 1)
    expect(notices[0]).toBe(
      'FILE_UNREADABLE: The input cannot be read now. Assay goes on from the tables in 0 s.',
    )
  }))

test('a run with an end gives up after some failures one after another, whatever failed', () =>
  withLakehouse(async (lakehouse) => {
    for (const code of ['FILE_UNREADABLE', 'KAFKA_UNREACHABLE'] as const) {
      const { source, failed } = failing(code, Number.POSITIVE_INFINITY)
      await expect(runOnce(lakehouse, { recordsPerBatchMax: 10 }, source)).rejects.toMatchObject({ code })
      expect(failed()).toBe(onceFailuresMax)
    }
  }))

test('what the input has waited for as long as it may ends the run at once', () =>
  withLakehouse(async (lakehouse) => {
    const { source, failed } = failing('KAFKA_UNREACHABLE', Number.POSITIVE_INFINITY, 0n, {
      waitedMs: 30_000,
    })
    const run = runOnce(lakehouse, { recordsPerBatchMax: 10 }, source)
    await expect(run).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
    expect(failed()).toBe(1)
  }))

test('a run without an end gives up too, unless it is an outage, which it waits for', () =>
  withLakehouse(async (lakehouse) => {
    const lasting = failing('FILE_UNREADABLE', Number.POSITIVE_INFINITY)
    const run = runOnce(lakehouse, { recordsPerBatchMax: 10, once: false }, lasting.source)
    await expect(run).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    expect(lasting.failed()).toBe(failuresMax)
    const stop = new AbortController()
    const outage = failing('STORAGE_FAILED', 2 * failuresMax)
    const onBatch = () => stop.abort()
    // The wait doubles each time.
    const options = { recordsPerBatchMax: 100, once: false, signal: stop.signal, onBatch, retryFirstMs: 1e-4 }
    const reports = await runOnce(lakehouse, options, outage.source)
    expect([reports.length, outage.failed()]).toEqual([1, 2 * failuresMax])
  }))

test(
  'windows that fail behind their batch fail the run at once, also where no record follows',
  () =>
    withLakehouse(async (lakehouse) => {
      const notices: string[] = []
      const onNotice = ({ code }: { code: string }) => void notices.push(code)
      const stop = new AbortController()
      const waitForData: RecordSource['waitForData'] = async (_next, _waitMs, signal) => {
        if (notices.length > 0) stop.abort() // The run has begun anew, and waits again.
        await sleep(2 ** 30, undefined, { signal }).catch(() => undefined)
      }
      setStepHook((name) => {
        if (name !== 'all tables committed' || notices.length > 0) return
        throw new LakehouseError('STORAGE_FAILED', 'The disk is full.')
      })
      const source = { ...memorySource(records), waitForData }
      const options = { recordsPerBatchMax: 100, once: false, signal: stop.signal, onNotice }
      await runOnce(lakehouse, options, source)
      expect(notices).toEqual(['STORAGE_FAILED'])
    }),
  30_000,
)

test.each([
  ['ends it', 1],
  ['fails again and says so', 2],
])('a stopped run tries once more to end the batch that failed in its midst, and %s', (_outcome, times) =>
  withLakehouse(async (lakehouse) => {
    const stop = new AbortController()
    const codes: string[] = []
    let failures = 0
    // Bronze has the batch by then, and the others lack it.
    setStepHook((name) => {
      if (name !== 'table committed' || failures >= times) return
      failures += 1
      stop.abort()
      throw new LakehouseError('STORAGE_FAILED', 'The disk is full.')
    })
    const onNotice = ({ code }: { code: string }) => void codes.push(code)
    const options = { recordsPerBatchMax: 100, once: false, signal: stop.signal, onNotice }
    const run = runOnce(lakehouse, options, failing('STORAGE_FAILED', 0).source)
    if (times > 1) await expect(run).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await run.catch(() => undefined)
    expect(codes).toEqual(['STORAGE_FAILED'])
    const tables = await openTables({ ...testOptions, deltaBasePath: lakehouse.base })
    const [bronze, fraud] = (['records', 'scored'] as const).map((role) => tableOfRole(tables, role))
    expect([bronze!.progress.batch, fraud!.progress.batch]).toEqual([1n, times > 1 ? 0n : 1n])
  }),
)

test('a run that lost its lock does not try again: it would take the tables from the process that has them now', () =>
  withLakehouse(async (lakehouse) => {
    const options = { ...testOptions, deltaBasePath: lakehouse.base, source: null, leaseMs: 200, once: false }
    const lock = lockPath(checkpointDirectory(lakehouse.base, options.streams[0]!))
    let attempts = 0
    const run = runLocked(options, async ({ signal }) => {
      attempts += 1
      if (attempts > 1) return
      await writeFile(lock, JSON.stringify({ ...(await thisProcess()), owner: 'another' }))
      await once(signal, 'abort')
      throw new LakehouseError('STORAGE_FAILED', 'The disk is full.')
    })
    await expect(run).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    expect(attempts).toBe(1)
  }))

test('what no attempt can heal ends the run at once', () =>
  withLakehouse(async (lakehouse) => {
    const { source, failed } = failing('KAFKA_OFFSETS_LOST', Number.POSITIVE_INFINITY)
    const run = runOnce(lakehouse, { recordsPerBatchMax: 10, once: false }, source)
    await expect(run).rejects.toMatchObject({ code: 'KAFKA_OFFSETS_LOST' })
    expect(failed()).toBe(1)
  }))

test('failures are counted from the last that got done, and each wait is twice as long', () => {
  const failures = new FailuresInARow({ once: false, retryFirstMs: 1_000 })
  expect([1, 2, 3].map(() => failures.next(false))).toEqual([1_000, 2_000, 4_000])
  failures.gotOn()
  const waits = Array.from({ length: failuresMax }, () => failures.next(false))
  expect(waits[0]).toBe(1_000)
  expect(waits.slice(-2)).toEqual([60_000, null])
  failures.gotOn()
  expect(Array.from({ length: 200 }, () => failures.next(true)).at(-1)).toBe(60_000)
  const once = new FailuresInARow({ once: true, retryFirstMs: 1_000 })
  expect(Array.from({ length: onceFailuresMax }, () => once.next(true)).at(-1)).toBeNull()
})

test('a stream behind silver that fails lets its compaction end before it closes the database', () =>
  withLakehouse(async (lakehouse) => {
    await writeInput(lakehouse, values!)
    await runOnce(lakehouse, { recordsPerBatchMax: 5, streams: ['kafka-to-delta'] })
    const events: string[] = []
    let isCompacting = false
    const failure = new LakehouseError('TABLE_UNKNOWN', 'The batch fails.')
    setStepHook(async (name) => {
      if (name === 'lock released') events.push('the run let go of its lock')
      if (name === 'batch ended' && isCompacting) throw failure
      if (name !== 'compaction planned') return
      isCompacting = true
      await sleep(500) // A run that does not wait for it ends well before.
      events.push('the compaction went on')
    })
    const run = runOnce(lakehouse, {
      recordsPerBatchMax: 5,
      streams: ['fraud-detection'],
      smallFileBytes: 1024 * 1024,
      filesBeforeCompaction: 2,
    })
    await expect(run).rejects.toBe(failure)
    expect(events).toEqual(['the compaction went on', 'the run let go of its lock'])
  }))
