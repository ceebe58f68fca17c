// Starts the processes that are killed, and says how they ended.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { ChildPlan } from './child.ts'

export type Ended = {
  readonly signal: NodeJS.Signals | null
  /** The code of the LakehouseError it ended with; null without one. */
  readonly code: string | null
  readonly message: string
}

export type Running = { readonly process: ChildProcess; readonly ended: Promise<Ended> }

export function startChild(plan: ChildPlan, environment: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'child.ts'), JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  // A paused child must not outlive a test that fails.
  const endWithParent = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithParent)
  let [out, errors] = ['', '']
  child.stdout.on('data', (data: Buffer) => {
    out += data
  })
  child.stderr.on('data', (data: Buffer) => {
    errors += data
  })
  const ended = once(child, 'close').then(([exitCode, signal]): Ended => {
    process.off('exit', endWithParent)
    if (signal !== null) return { signal, code: null, message: '' }
    const last = out.trimEnd().split('\n').at(-1) ?? ''
    if (!last.startsWith('{')) throw new Error(`the child ended with ${exitCode}: ${errors}`)
    return { signal: null, message: '', ...JSON.parse(last) }
  })
  return { process: child, ended }
}

export function runChild(
  plan: ChildPlan,
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return startChild(plan, environment).ended
}
