// One writer for each stream: a lock with the name of its holder, who gives signs of life. The lock keeps two
// processes from starting; what keeps a holder that was thought dead from writing is the claim in the tables
// themselves (tables.ts).
import { join } from 'node:path'
import { directoryOf, storeAt } from '../delta/mounts.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { step } from '../steps/step.ts'
import { refuseCopy } from './copied-place.ts'
import type { Lease, LeaseTerms } from './lease.ts'
import { LockFile, lockPath } from './lock-file.ts'
import { type Holder, thisProcess } from './lock-holder.ts'
import { StoreLease } from './store-lease.ts'

/** Signs of life within a lease: one that comes late must not lose the lock. */
const beatsPerLease = 5
const attemptsMax = 3

/** The directory of a stream's own files: all of it can be deleted while the stream does not run. */
export function checkpointDirectory(deltaBasePath: string, stream: string): string {
  return join(directoryOf(deltaBasePath), '_checkpoints', stream)
}

export function streamLock(deltaBasePath: string, stream: string): LockPlace {
  return {
    directory: checkpointDirectory(deltaBasePath, stream),
    what: `stream ${stream} of ${deltaBasePath}`,
  }
}

/** What can be locked: a directory, and what it stands for. */
export type LockPlace = { readonly directory: string; readonly what: string }

export function leaseOf({ directory, what }: LockPlace): Lease {
  const mount = storeAt(directory)
  return mount === null ? new LockFile(directory, what) : new StoreLease(mount, lockPath(directory), what)
}

/**
 * Takes the locks of all streams, or fails with STREAM_LOCKED and leaves none taken. Of a copy there
 * are none.
 */
export async function lockStreams(
  deltaBasePath: string,
  streams: readonly string[],
  options: LeaseTerms,
): Promise<Lock> {
  await refuseCopy(deltaBasePath)
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
  readonly #terms: LeaseTerms
  readonly #taken = new Map<Lease, string>()
  readonly #lost = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #beating: Promise<void> = Promise.resolve()

  constructor(holder: Holder, { leaseMs, signal }: LeaseTerms) {
    this.#holder = holder
    this.#terms = signal === undefined ? { leaseMs } : { leaseMs, signal }
  }

  /** Aborted, with the LakehouseError as its reason, as soon as another process is seen to hold a lock. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  async take(place: LockPlace): Promise<void> {
    const lease = leaseOf(place)
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (!(await lease.take(this.#holder, this.#terms))) continue
      this.#taken.set(lease, place.what)
      return
    }
    throw new LakehouseError('STREAM_LOCKED', `${place.what} was taken by another process just now.`)
  }

  startBeating(): void {
    assert(this.#timer === null, 'the lock beats already')
    this.#timer = setInterval(() => {
      this.#beating = this.#beating.then(() => this.#beat())
    }, this.#terms.leaseMs / beatsPerLease)
    this.#timer.unref()
  }

  async #beat(): Promise<void> {
    for (const [lease, what] of this.#taken) {
      if ((await lease.sign(this.#holder)) === 'held') continue
      const holder = (await lease.look().catch(() => null))?.holder ?? null
      const by = holder === null ? 'another process' : `process ${holder.pid} on ${holder.host}`
      this.#lost.abort(
        new LakehouseError(
          'WRITER_FENCED',
          `${what} was taken over by ${by}, because this process gave no sign of life for ${this.#terms.leaseMs} ms ` +
            '(it was paused, or the machine was). This one stops; nothing is lost or written twice.',
        ),
      )
    }
  }

  /** Removes the locks that are still this process's own, the last one first. */
  async release(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
    await this.#beating
    for (const lease of [...this.#taken.keys()].reverse()) {
      await lease.remove(this.#holder.owner)
      this.#taken.delete(lease)
    }
    await step('lock released')
  }
}
