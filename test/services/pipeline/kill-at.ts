// Loaded before the command (`node --import`): the process kills itself when it comes to a named step.
import { type StepName, setStepHook } from '../../../src/steps/step.ts'
import type { Settings } from './assay.ts'

const variable = 'ASSAY_TEST_KILL_AT'

/** Settings of a run that ends without warning at the step, the n-th time that it comes to it. */
export function killedAt(step: StepName, occurrence = 1): Settings {
  return { NODE_OPTIONS: `--import=${import.meta.filename}`, [variable]: JSON.stringify([step, occurrence]) }
}

const asked = process.env[variable]
if (asked !== undefined) {
  const [step, occurrence] = JSON.parse(asked) as [StepName, number]
  let seen = 0
  setStepHook((name) => {
    if (name === step && ++seen === occurrence) process.kill(process.pid, 'SIGKILL')
  })
}
