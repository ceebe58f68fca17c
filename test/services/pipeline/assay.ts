// The real command in a process of its own, as a user runs it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

const bin = join(import.meta.dirname, '../../../bin/assay.js')

export type Settings = Readonly<Record<string, string>>

export type Assay = {
  readonly pid: number
  /** What it has written to stderr so far. */
  readonly log: () => string
  /** Sends the signal and waits for the end. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<Ended>
  readonly ended: Promise<Ended>
  readonly hasEnded: () => boolean
}

export type Ended = { readonly code: number | null; readonly stdout: string; readonly log: string }

/** Settings of the user who runs the tests have no say. */
const inherited = Object.fromEntries(
  ['PATH', 'HOME', 'TMPDIR'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  }),
)

/** Batches without delay, and no servers beside them where a test asks for none. */
const quick = { LATENCY_TARGET_MS: '50', TRIGGER_INTERVAL_MS: '50', METRICS_PORT: '0', DASHBOARD_PORT: '0' }

/** A test that fails, and a run of tests that is stopped, must leave no process behind. */
const processes = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of processes) child.kill('SIGKILL')
})

/** Starts `assay` in a directory without .env. */
export function startAssay(args: readonly string[], settings: Settings): Assay {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: tmpdir(),
    env: { ...inherited, ...quick, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  processes.add(child)
  child.once('exit', () => processes.delete(child))
  let [stdout, log] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  // Not "exit": by then what it wrote last may still be in the pipe.
  const ended = once(child, 'close').then(([code]): Ended => ({ code, stdout, log }))
  return {
    pid: child.pid!,
    log: () => log,
    async end(signal) {
      child.kill(signal)
      return await ended
    },
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
  }
}

/** Runs `assay` to its end, which must be a good one. */
export async function runAssay(args: readonly string[], settings: Settings): Promise<Ended> {
  const ended = await startAssay(args, settings).ended
  if (ended.code !== 0)
    throw new Error(`assay ${args.join(' ')} ended with ${ended.code}:\n${ended.stdout}${ended.log}`)
  return ended
}

/** A directory that is removed when the test is over. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await newDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export async function newDirectory(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'assay-pipeline-'))
}
