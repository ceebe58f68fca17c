// A stop that finishes the batch at hand is no failure, whatever the stream is doing.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lines } from '../../generate/lines.ts'
import { newLakehouse, runOnce, writeInput } from './pipeline.ts'

test('a stream behind silver that is told to stop while it waits ends, and has what was there', async () => {
  const [values] = fc.sample(lines(40, 40), { seed: 7, numRuns: 1 })
  const lakehouse = await newLakehouse()
  const stop = new AbortController()
  try {
    await writeInput(lakehouse, values!)
    const written = await runOnce(lakehouse, { recordsPerBatchMax: 20, streams: ['kafka-to-delta'] })
    const followed = await runOnce(lakehouse, {
      recordsPerBatchMax: 20,
      streams: ['fraud-detection'],
      once: false,
      signal: stop.signal,
      // By the time that it fires the stream most often waits for more; it must not matter.
      onBatch: ({ batch }) => {
        if (batch === written.at(-1)!.batch) setTimeout(() => stop.abort(), 20)
      },
    })
    expect(followed.map(({ batch }) => batch)).toEqual(written.map(({ batch }) => batch))
  } finally {
    stop.abort()
    await lakehouse.remove()
  }
})

test('a run without an end says that it waits when the batch at hand is done, not while it is carried', async () => {
  const [values] = fc.sample(lines(40, 40), { seed: 7, numRuns: 1 })
  const lakehouse = await newLakehouse()
  const stop = new AbortController()
  const told: string[] = []
  try {
    await writeInput(lakehouse, values!)
    await runOnce(lakehouse, {
      recordsPerBatchMax: 100,
      once: false,
      signal: stop.signal,
      onBatch: () => void told.push('batch'),
      onWait: () => {
        told.push('wait')
        stop.abort()
      },
    })
    expect(told).toEqual(['batch', 'wait'])
  } finally {
    stop.abort()
    await lakehouse.remove()
  }
})
