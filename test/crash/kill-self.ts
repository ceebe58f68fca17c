// How a process of these tests dies: by its own SIGKILL, when it comes to a named step.
import module from 'node:module'
import { type StepName, setStepHook } from '../../src/steps/step.ts'

/** At the n-th time, counted from 1. */
export function killSelfAt({
  step,
  occurrence,
}: {
  readonly step: StepName
  readonly occurrence: number
}): void {
  // Who kills itself writes nothing at its end.
  module.flushCompileCache()
  let seen = 0
  setStepHook((name) => {
    if (name !== step) return
    seen += 1
    if (seen === occurrence) process.kill(process.pid, 'SIGKILL')
  })
}
