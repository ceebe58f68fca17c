// A project of one's own (examples/payments) is killed at every named step, one process after another on one
// lakehouse: each goes on with what all the kills before it have left.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stepNames } from '../../src/steps/step.ts'
import { judgePayments, paymentsDirectory, paymentsOptions } from '../compare/payments-project.ts'
import { payments } from '../generate/payments.ts'
import { newLakehouse, recordsOf, runOnce, writeInput } from '../unit/engine/pipeline.ts'
import { crashOptions } from './child.ts'
import { runChild } from './processes.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const [lines] = fc.sample(payments(200), { seed, numRuns: 1 })
const recordsPerBatchMax = 12

test(`a project that is killed at every step, one after another (repeat with SEED=${seed})`, async () => {
  const values = lines!.map(({ value }) => value)
  const lakehouse = await newLakehouse()
  const { base, input } = lakehouse
  const plan = { project: paymentsDirectory, base, input, recordsPerBatchMax }
  try {
    await writeInput(lakehouse, values)
    for (const step of stepNames) {
      // What is finalized has no window left to finalize.
      const finalize = stepNames.indexOf(step) >= stepNames.indexOf('finalize begun')
      const ended = await runChild({ ...plan, finalize, at: { step, occurrence: 1, signal: 'SIGKILL' } })
      expect([step, ended.signal, ended.message]).toEqual([step, 'SIGKILL', ''])
    }
    await runOnce(lakehouse, { ...crashOptions, ...paymentsOptions, recordsPerBatchMax, finalize: true })
    expect(await judgePayments(base, recordsOf(values))).toEqual([])
  } finally {
    await lakehouse.remove()
  }
})
