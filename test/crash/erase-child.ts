// A process that erases a person and, at a named step, kills itself. Started by erase.test.ts with its plan.
import { erasePersons } from '../../src/engines/erase.ts'
import type { StepName } from '../../src/steps/step.ts'
import { eraseOptions, person } from '../unit/engine/erased-person.ts'
import { killSelfAt } from './kill-self.ts'

export type ErasePlan = { readonly base: string; readonly step: StepName; readonly occurrence: number }

async function main(plan: ErasePlan): Promise<void> {
  killSelfAt(plan)
  await erasePersons({ ...eraseOptions, deltaBasePath: plan.base }, [BigInt(person)])
}

if (import.meta.main) await main(JSON.parse(process.argv[2]!))
