// A lakehouse in a real object store whose writers, and whose server, are killed at random; then what is in
// it is judged by the oracle, and by verify.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { verifyLakehouse } from '../../src/verify/verify.ts'
import { judgeLakehouse } from '../compare/judge-lakehouse.ts'
import { readTables } from '../compare/read-in-process.ts'
import { type Ended, runChild, startChild } from '../crash/processes.ts'
import { recordsOf } from '../unit/engine/pipeline.ts'
import { failedChecks, verifyOptions } from '../unit/verify/damaged-lakehouse.ts'
import { mounted, type ObjectServer } from './object-store.ts'

export type StoreKills = {
  readonly server: ObjectServer
  /** Where processes find the store; the server itself, or a proxy before it. */
  readonly environment: Record<string, string>
  readonly values: readonly Buffer[]
  readonly random: () => number
  readonly kills: number
  readonly serverKills: number
}

/** A whole start takes about 40 steps, a batch about as many. */
const stepsMax = 160
const recordsPerBatchMax = 40
/** A server is killed so long after a process began at most. */
const serverLifeMaxMs = 2_500

/** Carries all records through all tables; returns what is wrong with them. */
export async function killInStore(plan: StoreKills): Promise<string[]> {
  const { server, environment, values, random, kills, serverKills } = plan
  const base = environment.DELTA_BASE_PATH!
  const directory = await mkdtemp(join(tmpdir(), 'assay-store-kills-'))
  const input = join(directory, 'input.ndjson')
  try {
    for (let kill = 1; kill <= kills; kill++) {
      // The input grows, so that every life has something to do.
      await writeInput(input, values.slice(0, Math.ceil((values.length * kill) / kills)))
      const occurrence = 1 + Math.floor(random() * stepsMax)
      const at = { step: null, occurrence, signal: 'SIGKILL' } as const
      const running = startChild({ base, input, recordsPerBatchMax, finalize: false, at }, environment)
      const isServerKilled =
        Math.floor((kill * serverKills) / kills) > Math.floor(((kill - 1) * serverKills) / kills)
      if (isServerKilled) {
        await sleep(random() * serverLifeMaxMs)
        await server.killAndStart()
      }
      expectKilled(await running.ended)
    }
    for (;;) {
      const last = await runChild({ base, input, recordsPerBatchMax, finalize: true, at: null }, environment)
      if (last.code === null) break
      expectKilled(last)
    }
    return await judged(plan)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** One that outlived its outage, or ended by it, ended rightly. */
function expectKilled({ signal, code, message }: Ended): void {
  if (signal === 'SIGKILL' || code === null || code === 'STORAGE_FAILED') return
  throw new Error(`a process ended with ${code}: ${message}`)
}

export async function writeInput(path: string, values: readonly Buffer[]): Promise<void> {
  await writeFile(path, Buffer.concat(values.flatMap((value) => [value, Buffer.from('\n')])))
}

export async function judged({
  environment,
  values,
}: Pick<StoreKills, 'environment' | 'values'>): Promise<string[]> {
  const here = await mounted(environment)
  try {
    const found = judgeLakehouse(recordsOf(values), await readTables(here.base))
    const checks = failedChecks(await verifyLakehouse(verifyOptions(here.base), null))
    return [...found, ...checks.map((check) => JSON.stringify(check))]
  } finally {
    await here.remove()
  }
}
