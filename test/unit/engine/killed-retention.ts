// A process that dies at a step after it has begun to drop days.
import { setStepHook } from '../../../src/steps/step.ts'
import { retention, runDay } from './kept-days.ts'

const [base, input, at] = process.argv.slice(2) as [string, string, string]
let steps: number | null = null
setStepHook((name) => {
  if (name === 'days chosen') steps ??= 0
  if (steps === null) return
  steps += 1
  if (steps === Number(at)) process.kill(process.pid, 'SIGKILL')
})
await runDay({ base, input, remove: async () => undefined }, 3, { retention })
