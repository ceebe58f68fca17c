// The judgement of single values, many at once in one batch: what DuckDB's SQL makes of them against the
// oracle.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judgeLakehouse } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { oddValue } from '../../generate/odd-values.ts'
import { newLakehouse, recordsOf, runOnce, writeInput } from './pipeline.ts'

const valuesPerRun = 1500

test('odd numbers, timestamps, texts and JSON become what the oracle says', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
  const values = fc.sample(oddValue({ oneLine: true }), { seed, numRuns: valuesPerRun })
  const lakehouse = await newLakehouse()
  try {
    await writeInput(lakehouse, values)
    await runOnce(lakehouse, { recordsPerBatchMax: valuesPerRun, finalize: true })
    const found = judgeLakehouse(recordsOf(values), await readTables(lakehouse.base))
    expect(found, `repeat with SEED=${seed}`).toEqual([])
  } finally {
    await lakehouse.remove()
  }
})
