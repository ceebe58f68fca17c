// A process that erases a person and, at a named step, kills itself. Started by erase.test.ts with its plan.
import { erasePersons } from '../../src/engines/erase.ts'
import { type StepName, setStepHook } from '../../src/steps/step.ts'
import { eraseOptions, person } from '../unit/engine/erased-person.ts'

type ErasePlan = { readonly base: string; readonly step: StepName; readonly occurrence: number }

const plan = JSON.parse(process.argv[2]!) as ErasePlan
let seen = 0
setStepHook((name) => {
  if (name !== plan.step) return
  seen += 1
  if (seen === plan.occurrence) process.kill(process.pid, 'SIGKILL')
})
await erasePersons({ ...eraseOptions, deltaBasePath: plan.base }, [BigInt(person)])
