// The judgement of single records, many at once: what DuckDB's SQL makes of them against the oracle, whose
// reader of JSON and whose judge share no code with it. `npm run test:fuzz` is the long form.
import { expect, test } from 'vitest'
import { fuzz } from '../../torture/fuzz.ts'

test('odd values, random bytes, random JSON and damaged rows become what the oracle says', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
  const { wrong, silver, quarantined } = await fuzz({ seed, records: 4_000, recordsPerBatchMax: 2_000 })
  expect(wrong, `repeat with SEED=${seed}`).toEqual([])
  expect(silver).toBeGreaterThan(100)
  expect(quarantined).toBeGreaterThan(1_000)
})
