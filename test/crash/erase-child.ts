// A process that erases a person and, at a named step, kills itself. Started by erase.test.ts with its plan.
import module from 'node:module'
import { erasePersons } from '../../src/engines/erase.ts'
import { type StepName, setStepHook } from '../../src/steps/step.ts'
import { eraseOptions, person } from '../unit/engine/erased-person.ts'

export type ErasePlan = { readonly base: string; readonly step: StepName; readonly occurrence: number }

async function main(plan: ErasePlan): Promise<void> {
  // One that kills itself writes nothing at its end.
  module.flushCompileCache()
  let seen = 0
  setStepHook((name) => {
    if (name !== plan.step) return
    seen += 1
    if (seen === plan.occurrence) process.kill(process.pid, 'SIGKILL')
  })
  await erasePersons({ ...eraseOptions, deltaBasePath: plan.base }, [BigInt(person)])
}

if (import.meta.main) await main(JSON.parse(process.argv[2]!))
