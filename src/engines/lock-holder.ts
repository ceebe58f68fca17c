// Who holds a lock: a process, and whether it can be seen from here to have ended.
import { randomUUID } from 'node:crypto'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { LakehouseError } from '../errors/errors.ts'

export type Holder = {
  /** Unique for each start of a process. */
  readonly owner: string
  readonly pid: number
  readonly host: string
  /** The namespace of its process number: containers of one host may share all else. */
  readonly processes: string
  readonly processStarted: string
  readonly since: string
}

/** This process, under a name of its own for each lock that it takes. */
export async function thisProcess(): Promise<Holder> {
  return {
    owner: randomUUID(),
    pid: process.pid,
    host: await thisHost(),
    processes: await processNamespace(),
    processStarted: await processStarted(process.pid),
    since: new Date().toISOString(),
  }
}

/** True where the holder's process can be seen from here to have ended; a false says nothing. */
export async function isGone(holder: Holder, seenBy: Holder): Promise<boolean> {
  if (holder.host !== seenBy.host || !seesProcess(holder, seenBy)) return false
  return (await processStarted(holder.pid)) !== holder.processStarted
}

/** True where the number of the holder's process means the same here. */
export function seesProcess(holder: Holder, seenBy: Holder): boolean {
  return holder.processes === seenBy.processes
}

/** null for a text that is no holder of ours. */
export function parseHolder(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('owner' in value)) return null
    // The owner becomes part of a file's name. The rest was written with it, in one step.
    return typeof value.owner === 'string' && /^[\w-]{1,64}$/.test(value.owner) ? (value as Holder) : null
  } catch {
    return null
  }
}

export function lockedBy(where: string, holder: Holder | null, path: string): LakehouseError {
  const by =
    holder === null ? 'another process' : `process ${holder.pid} on ${holder.host} since ${holder.since}`
  return new LakehouseError(
    'STREAM_LOCKED',
    `${where} is already running: ${by}. ` +
      `Stop that one first, or remove ${path} if you know that it is gone.`,
  )
}

/** The host and its start: after a reboot all its processes are gone, whoever has their numbers now. */
async function thisHost(): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    return `${hostname()} (boot ${boot.trim().slice(0, 8)})`
  } catch {
    return hostname() // Systems without /proc.
  }
}

/** Empty on systems without namespaces of processes. */
async function processNamespace(): Promise<string> {
  return await readlink('/proc/self/ns/pid').catch(() => '')
}

/** Tells two processes with one number apart; empty where the process is gone. */
async function processStarted(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const isGone = fields[0] === 'Z' || fields[0] === 'X' // Killed, and only not yet collected by its parent.
    return isGone ? '' : (fields[19] ?? '')
  } catch {
    return isRunning(pid) ? 'running' : '' // Systems without /proc.
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
