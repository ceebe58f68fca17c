// A process that runs the engine over a file and, at a named step, kills or pauses itself. Started by tests
// with a plan as JSON in its arguments; the last line it prints is what became of it, as JSON.
import { appendFileSync } from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'
import { mountLakehouse } from '../../src/cli/lakehouse-store.ts'
import { loadConfig } from '../../src/config/config.ts'
import { embeddedEngine } from '../../src/engines/embedded/run.ts'
import { LakehouseError } from '../../src/errors/errors.ts'
import { openFileSource } from '../../src/files/source.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { isStoreUrl } from '../../src/objects/address.ts'
import type { RulesVersion } from '../../src/plan/index.ts'
import { openProject } from '../../src/project/project.ts'
import { type StepName, setStepHook } from '../../src/steps/step.ts'
import { testOptions } from '../unit/engine/pipeline.ts'

export type ChildPlan = {
  /** The directory of a project; without one it is the lakehouse that ships. */
  readonly project?: string
  /** Those that decide, and shadows beside them; absent: the rules that ship. */
  readonly rules?: RulesVersion
  readonly base: string
  readonly input: string
  readonly recordsPerBatchMax: number
  readonly finalize: boolean
  readonly streams?: readonly string[]
  readonly leaseMs?: number
  /** Until SIGTERM. */
  readonly isContinuous?: boolean
  /** A file that gets a byte for every commit as soon as it is said to be durable. */
  readonly marks?: string
  /** The n-th time that it comes to the step (to any step where the name is null), counted from 1. */
  readonly at: {
    readonly step: StepName | null
    readonly occurrence: number
    readonly signal: ChildSignal
  } | null
}
export type ChildSignal = 'SIGKILL' | 'SIGSTOP'

/** What a killed run and the one it is compared with have in common: they come to all kinds of steps. */
export const crashOptions = {
  tableProperties: { 'delta.checkpointInterval': '3' },
  smallFileBytes: 16 * 1024 * 1024,
  filesBeforeCompaction: 2,
}

async function main(plan: ChildPlan): Promise<void> {
  // One that kills itself writes nothing at its end.
  module.flushCompileCache()
  if (isStoreUrl(plan.base)) mountFromEnvironment(plan.base)
  let seen = 0
  setStepHook((name) => {
    const { at, marks } = plan
    if (marks !== undefined && name === 'commit durable') appendFileSync(marks, '.')
    if (at === null || (at.step !== null && at.step !== name)) return
    seen += 1
    if (seen !== at.occurrence) return
    // Nothing of this process runs between this call and the signal.
    process.kill(process.pid, at.signal)
  })
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  const shipped = plan.rules === undefined ? testOptions : { ...testOptions, lakehouse: byRules(plan.rules) }
  const project = plan.project === undefined ? shipped : await projectOptions(plan.project)
  const streams = plan.streams ?? project.lakehouse.streams
  const reads = streams.includes('kafka-to-delta')
  const source = reads ? await openFileSource(plan.input, { takeUnterminatedTail: false }) : null
  try {
    const { base: deltaBasePath, recordsPerBatchMax, finalize } = plan
    const lease = plan.leaseMs === undefined ? {} : { leaseMs: plan.leaseMs }
    const run = { once: plan.isContinuous !== true, signal: stop.signal }
    const options = { ...testOptions, ...project, ...crashOptions, ...lease, ...run, streams, source }
    await embeddedEngine.run({ ...options, deltaBasePath, recordsPerBatchMax, finalize })
    console.log(JSON.stringify({ code: null }))
  } catch (error) {
    if (!(error instanceof LakehouseError)) throw error
    console.log(JSON.stringify({ code: error.code, message: error.message }))
    process.exitCode = 1
  } finally {
    await source?.close()
  }
}

function byRules(rules: RulesVersion) {
  return standardLakehouse.rulesFrom!.by(rules)
}

async function projectOptions(directory: string) {
  const { lakehouse } = await openProject(directory, null)
  const { watermarkMicros, parameters } = loadConfig(lakehouse, {}, join(directory, 'no-such-env-file'))
  return { lakehouse, delays: watermarkMicros, parameters }
}

/** A store is found as the commands find it. */
function mountFromEnvironment(base: string): void {
  mountLakehouse(loadConfig(standardLakehouse, { ...process.env, DELTA_BASE_PATH: base }, 'no-env-file'))
}

if (import.meta.main) await main(JSON.parse(process.argv[2]!))
