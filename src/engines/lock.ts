// One writer for each stream: a lock file with the name of its holder, whose time the holder moves on while
// it lives. The lock keeps two processes from starting; what keeps a holder that was thought dead from
// writing is the claim in the tables themselves (tables.ts).
import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, readlink, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasErrno, makeDirectory } from '../delta/log-files.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { step } from '../steps/step.ts'

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

export type LockOptions = {
  /** A lock whose holder has given no sign of life for so long can be taken over. */
  readonly leaseMs: number
  /** Ends the wait for a holder that may be gone. */
  readonly signal?: AbortSignal
}

/** Signs of life within a lease: one that comes late must not lose the lock. */
const beatsPerLease = 5
const attemptsMax = 3
/** Looks at a holder that may be gone: more often than it gives signs of life. */
const looksPerLease = 2 * beatsPerLease

/** The directory of a stream's own files: all of it can be deleted while the stream does not run. */
export function checkpointDirectory(deltaBasePath: string, stream: string): string {
  return join(deltaBasePath, '_checkpoints', stream)
}

export function streamLock(deltaBasePath: string, stream: string): LockPlace {
  return {
    directory: checkpointDirectory(deltaBasePath, stream),
    what: `stream ${stream} of ${deltaBasePath}`,
  }
}

/** What can be locked: a directory, and what it stands for. */
export type LockPlace = { readonly directory: string; readonly what: string }

/** Takes the locks of all streams, or fails with STREAM_LOCKED and leaves none taken. */
export async function lockStreams(
  deltaBasePath: string,
  streams: readonly string[],
  options: LockOptions,
): Promise<Lock> {
  const lock = new Lock(await thisProcess(), options)
  try {
    for (const stream of streams) await lock.take(streamLock(deltaBasePath, stream))
  } catch (error) {
    await lock.release()
    throw error
  }
  lock.startBeating()
  await step('lock taken')
  return lock
}

export class Lock {
  readonly #holder: Holder
  readonly #leaseMs: number
  readonly #stop: AbortSignal | undefined
  readonly #taken = new Map<string, string>()
  readonly #lost = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #beating: Promise<void> = Promise.resolve()

  constructor(holder: Holder, options: LockOptions) {
    this.#holder = holder
    this.#leaseMs = options.leaseMs
    this.#stop = options.signal
  }

  /** Aborted, with the LakehouseError as its reason, as soon as another process is seen to hold a lock. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  async take({ directory, what: where }: LockPlace): Promise<void> {
    await makeDirectory(directory) // With the directory of all tables, where this is the first start.
    const path = lockPath(directory)
    const pending = join(directory, `lock.${this.#holder.owner}.tmp`)
    await writeNew(pending, JSON.stringify(this.#holder))
    try {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const isMine = (await linkIfAbsent(pending, path)) || (await this.#takeOver(path, pending, where))
        if (!isMine) continue
        this.#taken.set(path, where)
        await deleteLeftovers(directory, this.#leaseMs)
        return
      }
      throw new LakehouseError('STREAM_LOCKED', `${where} was taken by another process just now.`)
    } finally {
      await rm(pending, { force: true })
    }
  }

  /**
   * Puts the pending lock in the place of a stale one. Of several that find the same lock stale, only the one
   * that first makes a file with its holder's name may do it, and looks once more what is there.
   */
  async #takeOver(path: string, pending: string, where: string): Promise<boolean> {
    const holder = await readHolder(path)
    const isGone = (await this.#isStale(holder, path, pending)) || (await this.#staysSilent(holder, path))
    if (!isGone) {
      throw new LakehouseError('STREAM_LOCKED', lockedMessage(where, holder, path))
    }
    const permit = `${path}.${holder?.owner ?? 'unreadable'}.over.tmp`
    if (!(await linkIfAbsent(pending, permit))) {
      // Another does it just now, or died while it did.
      const [now, made] = [await stat(pending), await statOrNull(permit)]
      if (made !== null && now.mtimeMs - made.mtimeMs > this.#leaseMs) await rm(permit, { force: true })
      return false
    }
    try {
      const isUnchanged = (await readHolder(path))?.owner === holder?.owner
      if (!isUnchanged || (await statOrNull(path)) === null) return false
      await rename(pending, path)
      return true
    } finally {
      await rm(permit, { force: true })
    }
  }

  /**
   * True where its process is gone, or where it gave no sign of life for a lease. Both times are of the file
   * system that holds the lock, so no two clocks are compared.
   */
  async #isStale(holder: Holder | null, path: string, pending: string): Promise<boolean> {
    if (holder !== null && (await isGone(holder, this.#holder))) return true
    const [now, beat] = [await stat(pending), await statOrNull(path)]
    return beat === null || now.mtimeMs - beat.mtimeMs > this.#leaseMs
  }

  /**
   * A container that was started again has the name of the one before it, whose processes it cannot see:
   * whether that holder lives shows by its signs of life alone. True where a whole lease passes without
   * one.
   */
  async #staysSilent(holder: Holder | null, path: string): Promise<boolean> {
    if (holder === null || holder.host !== this.#holder.host) return false
    if (seesProcess(holder, this.#holder)) return false
    const last = await statOrNull(path)
    const endMs = performance.now() + this.#leaseMs
    while (performance.now() < endMs) {
      await sleep(this.#leaseMs / looksPerLease, undefined, { signal: this.#stop })
      if ((await statOrNull(path))?.mtimeMs !== last?.mtimeMs) return false
    }
    return true
  }

  startBeating(): void {
    assert(this.#timer === null, 'the lock beats already')
    this.#timer = setInterval(() => {
      this.#beating = this.#beating.then(() => this.#beat())
    }, this.#leaseMs / beatsPerLease)
    this.#timer.unref()
  }

  async #beat(): Promise<void> {
    for (const [path, what] of this.#taken) {
      const outcome = await this.#sign(path)
      if (outcome !== 'lost') continue
      const holder = await readHolder(path)
      const by = holder === null ? 'another process' : `process ${holder.pid} on ${holder.host}`
      this.#lost.abort(
        new LakehouseError(
          'WRITER_FENCED',
          `${what} was taken over by ${by}, because this process gave no sign of life for ${this.#leaseMs} ms ` +
            '(it was paused, or the machine was). This one stops; nothing is lost or written twice.',
        ),
      )
    }
  }

  /** Moves the time of the lock on, and puts it back where someone has deleted the directory. */
  async #sign(path: string): Promise<'held' | 'lost'> {
    try {
      const file = await open(path, 'r+')
      try {
        const text = await file.readFile('utf8')
        if (parseHolder(text)?.owner !== this.#holder.owner) return 'lost'
        await file.write(text, 0)
        return 'held'
      } finally {
        await file.close()
      }
    } catch (error) {
      // A disk that fails for a moment says nothing of who holds the lock: the next beat looks again.
      if (!hasErrno(error, 'ENOENT')) return 'held'
    }
    try {
      await mkdir(join(path, '..'), { recursive: true })
      return (await writeNew(path, JSON.stringify(this.#holder))) ? 'held' : 'lost'
    } catch {
      return 'held'
    }
  }

  /** Removes the locks that are still this process's own, the last one first. */
  async release(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
    await this.#beating
    for (const path of [...this.#taken.keys()].reverse()) {
      if ((await readHolder(path))?.owner === this.#holder.owner) await rm(path, { force: true })
      this.#taken.delete(path)
    }
    await step('lock released')
  }
}

export function lockPath(directory: string): string {
  return join(directory, 'lock')
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
function seesProcess(holder: Holder, seenBy: Holder): boolean {
  return holder.processes === seenBy.processes
}

function lockedMessage(where: string, holder: Holder | null, path: string): string {
  const by =
    holder === null ? 'another process' : `process ${holder.pid} on ${holder.host} since ${holder.since}`
  return (
    `${where} is already running: ${by}. ` +
    `Stop that one first, or remove ${path} if you know that it is gone.`
  )
}

/** What killed processes left beside a lock; the next that takes it removes it. */
async function deleteLeftovers(directory: string, ageMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!/^lock\..*\.tmp$/.test(name)) continue
    const path = join(directory, name)
    const found = await statOrNull(path)
    if (found !== null && Date.now() - found.mtimeMs > ageMs) await rm(path, { force: true })
  }
}

async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    throw error
  }
}

async function writeNew(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    try {
      await file.writeFile(text)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    throw error
  }
}

/** null where there is none, or where it is no lock of ours: only its time then says whether it is stale. */
export async function readHolder(path: string): Promise<Holder | null> {
  try {
    return parseHolder(await readFile(path, 'utf8'))
  } catch {
    return null
  }
}

function parseHolder(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('owner' in value)) return null
    // The owner becomes part of a file's name. The rest was written with it, in one step.
    return typeof value.owner === 'string' && /^[\w-]{1,64}$/.test(value.owner) ? (value as Holder) : null
  } catch {
    return null
  }
}

export async function statOrNull(path: string): Promise<{ readonly mtimeMs: number } | null> {
  try {
    return await stat(path)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null
    throw error
  }
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
