// Starts the processes that are killed, and says how they ended.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChildPlan } from './child.ts'
import type { ErasePlan } from './erase-child.ts'

export type Ended = {
  readonly signal: NodeJS.Signals | null
  /** The code of the LakehouseError it ended with; null without one. */
  readonly code: string | null
  readonly message: string
}

export type Running = { readonly process: ChildProcess; readonly ended: Promise<Ended> }

/** What one process has compiled the next need not compile: half of what a start takes. */
const compiledOnce = { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') }

export function startChild(plan: ChildPlan, environment: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'child.ts'), JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...compiledOnce, ...environment },
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

/** Starts an erasure that kills itself, and says how it ended: with which code, or by which signal. */
export async function runErasure(plan: ErasePlan): Promise<unknown[]> {
  const args = [join(import.meta.dirname, 'erase-child.ts'), JSON.stringify(plan)]
  const env = { ...process.env, ...compiledOnce }
  return await once(spawn(process.execPath, args, { stdio: 'inherit', env }), 'close')
}

/** Waits until the child has stopped itself at the step of its plan. */
export async function untilStopped(running: Running): Promise<Running> {
  let hasEnded = false
  void running.ended.finally(() => {
    hasEnded = true
  })
  while (!(await isStopped(running.process.pid!))) {
    if (hasEnded) throw new Error(`the child did not come to its step: ${(await running.ended).message}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return running
}

export async function isStopped(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ')  ')
  return text.slice(text.lastIndexOf(')') + 2).startsWith('T')
}
