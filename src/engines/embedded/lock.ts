// One writer for each stream: a lock file with the name of its holder.
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { LakehouseError } from '../../errors/errors.ts'
import type { StreamName } from '../../plan/index.ts'

type Holder = {
  readonly pid: number
  readonly host: string
  readonly processStarted: string
  readonly since: string
}

export type Lock = { release(): Promise<void> }

/** The directory of a stream's own files: all of it can be deleted while the stream does not run. */
export function checkpointDirectory(deltaBasePath: string, stream: StreamName): string {
  return join(deltaBasePath, '_checkpoints', stream)
}

/** Takes the locks of all streams, or fails with STREAM_LOCKED and leaves none taken. */
export async function lockStreams(deltaBasePath: string, streams: readonly StreamName[]): Promise<Lock> {
  const taken: string[] = []
  const release = async (): Promise<void> => {
    for (const path of taken.splice(0)) await rm(path, { force: true })
  }
  try {
    for (const stream of streams) taken.push(await lock(deltaBasePath, stream))
  } catch (error) {
    await release()
    throw error
  }
  return { release }
}

async function lock(deltaBasePath: string, stream: StreamName): Promise<string> {
  const directory = checkpointDirectory(deltaBasePath, stream)
  await mkdir(directory, { recursive: true })
  const path = join(directory, 'lock')
  const mine: Holder = {
    pid: process.pid,
    host: hostname(),
    processStarted: await processStarted(process.pid),
    since: new Date().toISOString(),
  }
  if (await write(path, mine)) return path
  const holder = await readHolder(path)
  if (holder !== null && (await isAlive(holder))) {
    throw new LakehouseError(
      'STREAM_LOCKED',
      `stream ${stream} of ${deltaBasePath} is already running: process ${holder.pid} on ${holder.host} since ${holder.since}. ` +
        `Stop that one first, or remove ${path} if you know that it is gone.`,
    )
  }
  await rm(path, { force: true }) // Its process is gone without having released it.
  if (await write(path, mine)) return path
  throw new LakehouseError(
    'STREAM_LOCKED',
    `stream ${stream} of ${deltaBasePath} was taken by another process just now.`,
  )
}

async function write(path: string, holder: Holder): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    await file.writeFile(JSON.stringify(holder))
    await file.close()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

async function readHolder(path: string): Promise<Holder | null> {
  try {
    // Written by `write` above; anything else is half-written.
    return JSON.parse(await readFile(path, 'utf8')) as Holder
  } catch {
    return null
  }
}

/** A holder on another host counts as alive: from here nobody can tell. */
async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true
  return (await processStarted(holder.pid)) === holder.processStarted
}

/** Tells two processes with one number apart; empty where the process is gone. */
async function processStarted(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
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
