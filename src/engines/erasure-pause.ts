// An erasure beside processes that run. It takes a lock of its own first, and while a living process holds
// that one, runs pause: they finish the batch at hand as for a stop, give up their locks, and wait. When it
// is released, or its holder is gone, they take their locks again and begin anew from the tables. So neither
// side keeps anything that the other's death could leave behind. docs/decisions/erasure.md says why.
import { setTimeout as sleep } from 'node:timers/promises'
import { LakehouseError } from '../errors/errors.ts'
import { step } from '../steps/step.ts'
import { refuseCopy } from './copied-place.ts'
import { noticesTo, type OnEvent } from './events.ts'
import type { Lease, LeaseTerms } from './lease.ts'
import { checkpointDirectory, Lock, type LockPlace, leaseOf, lockStreams, streamLock } from './lock.ts'
import { type Holder, isGone, thisProcess } from './lock-holder.ts'
import { type Watch, watchFor } from './watch-for.ts'

/** Locks of an erasure that died are taken when they are stale, which is after a lease or a little later. */
const leasesWaited = 2

export type ErasureLockOptions = LeaseTerms & {
  /** All that may run. */
  readonly streams: readonly string[]
  /** How long all runs together may take to pause. */
  readonly pauseMaxMs: number
}

/** Takes all locks of the lakehouse for an erasure. Fails with STREAM_LOCKED where a run does not pause. */
export async function lockForErasure(deltaBasePath: string, options: ErasureLockOptions): Promise<Lock> {
  await refuseCopy(deltaBasePath)
  const lock = new Lock(await thisProcess(), options)
  try {
    await lock.take(erasureLock(deltaBasePath))
    lock.startBeating()
    await step('pause asked for')
    const endMs = performance.now() + options.pauseMaxMs
    for (const stream of options.streams) {
      await takePaused(lock, streamLock(deltaBasePath, stream), options, endMs)
    }
  } catch (error) {
    await lock.release()
    throw error
  }
  await step('all runs paused')
  return lock
}

async function takePaused(
  lock: Lock,
  place: LockPlace,
  { pauseMaxMs, signal }: ErasureLockOptions,
  endMs: number,
): Promise<void> {
  for (;;) {
    lock.lost.throwIfAborted()
    try {
      return await lock.take(place)
    } catch (error) {
      if (!isLocked(error)) throw error
      if (performance.now() >= endMs) throw await notPaused(place, pauseMaxMs)
    }
    await sleep(leaseOf(place).lookMs, undefined, signal === undefined ? {} : { signal })
  }
}

async function notPaused(place: LockPlace, pauseMaxMs: number): Promise<LakehouseError> {
  const holder = (await leaseOf(place).look())?.holder ?? null
  const by = holder === null ? 'its process' : nameOf(holder)
  return new LakehouseError(
    'STREAM_LOCKED',
    `${place.what}: ${by} did not pause for this within ${pauseMaxMs / 1000} s. Its batch takes longer, or it cannot ` +
      'end one: its log says which. Give it more time with --wait <seconds>, or stop it; then try again. Nothing was changed.',
    { details: { pid: holder?.pid ?? null, host: holder?.host ?? null } },
  )
}

function erasureLock(deltaBasePath: string): LockPlace {
  return { directory: checkpointDirectory(deltaBasePath, 'erase'), what: `the erasure in ${deltaBasePath}` }
}

export type RunLockOptions = {
  readonly deltaBasePath: string
  readonly streams: readonly string[]
  readonly leaseMs: number
  readonly signal: AbortSignal
  readonly tell: OnEvent
}

/** What a run knows of erasures beside it. */
export class RunPauses {
  readonly #options: RunLockOptions
  readonly #lease: Lease
  readonly #process: Holder
  /** The erasure that was seen last, and when it last gave a sign of life, by this process's own clock. */
  #seen: { readonly owner: string; readonly beat: string; readonly sinceMs: number } | null = null
  /** An erasure that gave no sign of life for a lease: whatever it still holds can be taken over. */
  #silent: string | null = null
  #endedMs: number | null = null

  private constructor(options: RunLockOptions, process: Holder) {
    this.#options = options
    this.#lease = leaseOf(erasureLock(options.deltaBasePath))
    this.#process = process
  }

  static async of(options: RunLockOptions): Promise<RunPauses> {
    return new RunPauses(options, await thisProcess())
  }

  /** Whether an erasure or a rebuild is at work, or waits for runs to pause. */
  async isErasing(): Promise<boolean> {
    return (await this.#erasure()) !== null
  }

  /** Takes the locks of the run's streams when nobody erases. */
  async lock(): Promise<Lock> {
    const { deltaBasePath, streams, leaseMs, signal } = this.#options
    for (;;) {
      await this.#untilNobodyErases()
      try {
        return await lockStreams(deltaBasePath, streams, this.#options)
      } catch (error) {
        if (!isLocked(error)) throw error
        // One that began just now may have them, or one that died: those can be taken when they are stale.
        const untilMs = this.#endedMs === null ? 0 : this.#endedMs + leasesWaited * leaseMs
        if ((await this.#erasure()) === null && performance.now() >= untilMs) throw error
      }
      await sleep(this.#lease.lookMs, undefined, { signal })
    }
  }

  /** Finds an erasure that asks for a pause. */
  watch(): Watch {
    return watchFor(() => this.isErasing(), this.#lease.lookMs)
  }

  async #untilNobodyErases(): Promise<void> {
    const { signal, tell } = this.#options
    const onNotice = noticesTo(tell)
    let holder = await this.#erasure()
    if (holder === null) return
    const startedMs = performance.now()
    const message = `${nameOf(holder)} erases or rebuilds rows: this run pauses until it has ended`
    onNotice({ code: 'ERASURE_AWAITED', message, details: { pid: holder.pid, host: holder.host } })
    await step('run paused')
    while (holder !== null) {
      await sleep(this.#lease.lookMs, undefined, { signal })
      holder = await this.#erasure()
    }
    this.#endedMs = performance.now()
    const pausedMs = Math.round(this.#endedMs - startedMs)
    const ended = `the erasure or rebuild has ended: this run goes on from the tables, after a pause of ${pausedMs} ms`
    onNotice({ code: 'ERASURE_OVER', message: ended, details: { pausedMs } })
    await step('run taken up')
  }

  /** The process that erases; null where none does, or it is gone. */
  async #erasure(): Promise<Holder | null> {
    const sight = await this.#lease.look()
    const holder = sight?.holder ?? null
    if (sight === null || holder === null || holder.owner === this.#silent) return null
    if (await isGone(holder, this.#process)) return null
    const nowMs = performance.now()
    const seen = this.#seen
    if (seen?.owner !== holder.owner || seen.beat !== sight.beat) {
      this.#seen = { owner: holder.owner, beat: sight.beat, sinceMs: nowMs }
    } else if (nowMs - seen.sinceMs > this.#options.leaseMs) {
      this.#silent = holder.owner
      // Else each start would wait for it again. One that lives all the same puts it back.
      await this.#lease.remove(holder.owner)
      return null
    }
    return holder
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof LakehouseError && error.code === 'STREAM_LOCKED'
}

function nameOf({ pid, host, since }: Holder): string {
  return `process ${pid} on ${host}, since ${since},`
}
