// Every table of the embedded engine against the oracle, on random data and random batches.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { differences } from '../../compare/differences.ts'
import { expectedTables, judgeLakehouse } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { badValues, lines, punctualLines } from '../../generate/lines.ts'
import { newLakehouse, recordsOf, runOnce, writeInput } from './pipeline.ts'

async function check(values: readonly Buffer[], recordsPerBatchMax: number, restarts: number): Promise<void> {
  const lakehouse = await newLakehouse()
  try {
    // The input grows between runs of the pipeline; each run starts from the tables alone.
    for (let part = 1; part <= restarts; part++) {
      await writeInput(lakehouse, values.slice(0, Math.ceil((values.length * part) / restarts)))
      await runOnce(lakehouse, { recordsPerBatchMax, finalize: part === restarts })
    }
    expect(judgeLakehouse(recordsOf(values), await readTables(lakehouse.base))).toEqual([])
  } finally {
    await lakehouse.remove()
  }
}

test('all tables are what the oracle computes, with disorder, repeats, late and bad rows, in any batches', async () => {
  await fc.assert(
    fc.asyncProperty(lines(120), fc.integer({ min: 8, max: 60 }), fc.integer({ min: 1, max: 3 }), check),
    { numRuns: 12, endOnFailure: true },
  )
})

test('batches of one row are what the oracle computes', async () => {
  await fc.assert(
    fc.asyncProperty(lines(20), (values) => check(values, 1, 1)),
    { numRuns: 2, endOnFailure: true },
  )
})

test('every case of bad input ends where the oracle says', () => check(badValues, 1_000_000, 1))

test('where nothing is late, all batch sizes give the same tables', async () => {
  await fc.assert(
    fc.asyncProperty(punctualLines(80), fc.integer({ min: 10, max: 40 }), async (values, size) => {
      const [whole, parts] = [await newLakehouse(), await newLakehouse()]
      try {
        await writeInput(whole, values)
        await writeInput(parts, values)
        await runOnce(whole, { recordsPerBatchMax: 1_000_000, finalize: true })
        await runOnce(parts, { recordsPerBatchMax: size, finalize: true })
        const times = ['processing_time', 'processing_date', 'aggregation_time']
        expect(differences(await readTables(parts.base), await readTables(whole.base), times)).toEqual([])
      } finally {
        await whole.remove()
        await parts.remove()
      }
    }),
    { numRuns: 5, endOnFailure: true },
  )
})

test('three streams one after another write what one process with all three writes', async () => {
  const [values] = fc.sample(lines(150), { seed: 7, numRuns: 1 })
  const lakehouse = await newLakehouse()
  try {
    await writeInput(lakehouse, values!.slice(0, 60))
    await runOnce(lakehouse, { recordsPerBatchMax: 20, streams: ['kafka-to-delta'] })
    await runOnce(lakehouse, { recordsPerBatchMax: 20, streams: ['aggregations'] })
    await writeInput(lakehouse, values!)
    await runOnce(lakehouse, {
      recordsPerBatchMax: 20,
      streams: ['kafka-to-delta'],
      finalize: true,
    })
    await runOnce(lakehouse, { recordsPerBatchMax: 20, streams: ['fraud-detection'] })
    await runOnce(lakehouse, { recordsPerBatchMax: 20, streams: ['aggregations'] })
    const found = await readTables(lakehouse.base)
    const expected = expectedTables(recordsOf(values!), found)
    expect(differences(found, expected)).toEqual([])
    // All together again: the streams that ran apart are caught up, and nothing is written twice.
    await runOnce(lakehouse, { recordsPerBatchMax: 20 })
    expect(differences(await readTables(lakehouse.base), expected)).toEqual([])
  } finally {
    await lakehouse.remove()
  }
})
