// Processes killed at random steps, one after another, on one lakehouse; now and then the checkpoint
// directory goes too. The seed gives the data, the batches and the kills.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { verifyLakehouse } from '../../src/verify/verify.ts'
import { judgeLakehouse } from '../compare/judge-lakehouse.ts'
import { deltaRsRequirements, readWithDeltaRs } from '../compare/read-delta-rs.ts'
import { readTables } from '../compare/read-in-process.ts'
import { lines } from '../generate/lines.ts'
import { pythonAvailable, pythonEnvironment } from '../services/tools.ts'
import { newLakehouse, recordsOf, runOnce, writeInput } from '../unit/engine/pipeline.ts'
import { failedChecks, verifyOptions } from '../unit/verify/damaged-lakehouse.ts'
import { crashOptions } from './child.ts'
import { runChild } from './processes.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const chains = 4
const killsPerChain = 9
/** A whole start takes about 40 steps, a batch about as many. */
const stepsMax = 160

const kill = fc.record({
  occurrence: fc.integer({ min: 1, max: stepsMax }),
  recordsPerBatchMax: fc.integer({ min: 5, max: 30 }),
  loseCheckpoints: fc.nat(3).map((one) => one === 0),
})
const plans = fc.sample(
  fc.record({
    values: lines(240, 200),
    kills: fc.array(kill, { minLength: killsPerChain, maxLength: killsPerChain }),
  }),
  { seed, numRuns: chains },
)

for (const [index, { values, kills }] of plans.entries()) {
  test.concurrent(`${killsPerChain} kills at random steps of one lakehouse, chain ${index + 1}`, async () => {
    const lakehouse = await newLakehouse()
    const { base, input } = lakehouse
    const what = `chain ${index + 1}, repeat with SEED=${seed}`
    try {
      await writeInput(lakehouse, values)
      for (const { occurrence, recordsPerBatchMax, loseCheckpoints } of kills) {
        const at = { step: null, occurrence, signal: 'SIGKILL' } as const
        const ended = await runChild({ base, input, recordsPerBatchMax, finalize: false, at })
        // A run that came to the end of the input before its step ended by itself, and then rightly.
        expect([ended.signal, ended.code], what).toEqual([ended.signal === null ? null : 'SIGKILL', null])
        if (loseCheckpoints) await rm(join(base, '_checkpoints'), { recursive: true, force: true })
      }
      await runOnce(lakehouse, { ...crashOptions, recordsPerBatchMax: 40, finalize: true })
      const found = await readTables(base)
      expect(judgeLakehouse(recordsOf(values), found), what).toEqual([])
      expect(failedChecks(await verifyLakehouse(verifyOptions(base), null)), what).toEqual([])
      if (pythonAvailable !== null) return
      const python = await pythonEnvironment('deltalake', deltaRsRequirements)
      const { tables } = await readWithDeltaRs(python, base)
      expect(judgeLakehouse(recordsOf(values), tables), `delta-rs, ${what}`).toEqual([])
    } finally {
      await lakehouse.remove()
    }
  })
}
