// A process that dies when bronze has a batch and silver has not.
import { embeddedEngine } from '../../../src/engines/embedded/run.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { personRecords } from './erased-person.ts'
import { memorySource } from './memory-source.ts'
import { testOptions } from './pipeline.ts'

setStepHook((name) => {
  if (name === 'table committed') process.kill(process.pid, 'SIGKILL')
})
await embeddedEngine.run({
  ...testOptions,
  deltaBasePath: process.argv[2]!,
  recordsPerBatchMax: 80,
  source: memorySource(personRecords()),
})
