// A process is killed at every named step, and the next one goes on as if nothing had been. A step that is
// added to the list is a case by itself.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StepName, setStepHook, stepNames } from '../../src/steps/step.ts'
import { differences } from '../compare/differences.ts'
import { judgeLakehouse } from '../compare/judge-lakehouse.ts'
import { readTables } from '../compare/read-in-process.ts'
import { lines } from '../generate/lines.ts'
import type { Tables } from '../oracle/rows.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce, writeInput } from '../unit/engine/pipeline.ts'
import { crashOptions } from './child.ts'
import { chosenOccurrences } from './occurrences.ts'
import { runChild } from './processes.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const [values] = fc.sample(lines(60, 60), { seed, numRuns: 1 })
const records = recordsOf(values!)
const recordsPerBatchMax = Math.ceil(values!.length / 3)
/** What a batch's time makes of a row; batches may get another time after a crash. */
const times = ['processing_time', 'processing_date', 'aggregation_time']

let undisturbed: Lakehouse
let expected: Tables
const occurrences = new Map<StepName, number>()

beforeAll(async () => {
  undisturbed = await newLakehouse()
  await writeInput(undisturbed, values!)
  setStepHook((name) => void occurrences.set(name, (occurrences.get(name) ?? 0) + 1))
  await runOnce(undisturbed, { ...crashOptions, recordsPerBatchMax, finalize: true })
  setStepHook(null)
  expected = await readTables(undisturbed.base)
  expect(judgeLakehouse(records, expected), `repeat with SEED=${seed}`).toEqual([])
})

afterAll(() => undisturbed?.remove())

function chosen(name: (typeof stepNames)[number]): readonly number[] {
  const found = occurrences.get(name) ?? 0
  // How often they come depends on the speed of the batches that they go on beside.
  const count = /^(checkpoint|compaction) /.test(name) ? Math.ceil(found / 2) : found
  return chosenOccurrences(seed, stepNames.indexOf(name), count)
}

for (const name of stepNames) {
  test.concurrent(`killed at "${name}"`, async () => {
    expect(occurrences.get(name), `no run comes to the step ${name}`).toBeGreaterThan(0)
    for (const occurrence of chosen(name)) {
      const lakehouse = await newLakehouse()
      try {
        await writeInput(lakehouse, values!)
        const { base, input } = lakehouse
        const at = { step: name, occurrence, signal: 'SIGKILL' } as const
        const ended = await runChild({ base, input, recordsPerBatchMax, finalize: true, at })
        const what = `occurrence ${occurrence}, repeat with SEED=${seed}`
        expect(ended.signal, what).toBe('SIGKILL')
        await runOnce(lakehouse, { ...crashOptions, recordsPerBatchMax, finalize: true })
        const found = await readTables(base)
        expect(judgeLakehouse(records, found), what).toEqual([])
        expect(differences(found, expected, times), what).toEqual([])
      } finally {
        await lakehouse.remove()
      }
    }
  })
}
