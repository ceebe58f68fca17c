// A run that fails is taken up again from the tables: an outage is waited for, as long as it lasts; a
// failure that comes again and again, and nothing gets done between, ends the run with its cause. Both
// engines use this.
import { randomUUID } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, LakehouseError } from '../errors/errors.ts'
import type { PipelineOptions } from './engine.ts'
import { RunPauses } from './erasure-pause.ts'
import { type OnEvent, tellAll } from './events.ts'
import { checkpointDirectory } from './lock.ts'
import { storageFailure } from './storage-failure.ts'
import { watchFor } from './watch-for.ts'

/** So many failures, one after another without anything done between them, end the run. */
export const failuresMax = 10
/** A run with an end has somebody who waits for it. */
export const onceFailuresMax = 5
const backOffMostMs = 60_000
/** How often it is looked whether another lakehouse is in force. */
const inForceLookMs = 1_000
/** A stopped run that failed within a batch has so long to open its engine again and end the batch. */
const endingOpensMs = 60_000
/** What is written to learn whether the disk takes anything: more than what a full disk may still have. */
const probeBytes = 1024 * 1024

/** Failures of one thing, one after another. */
export class FailuresInARow {
  readonly #once: boolean
  readonly #firstMs: number
  #failures = 0
  #outages = 0

  constructor({ once, retryFirstMs }: Pick<PipelineOptions, 'once' | 'retryFirstMs'>) {
    this.#once = once
    this.#firstMs = retryFirstMs
  }

  get count(): number {
    return this.#failures + this.#outages
  }

  /** Something got done: the next failure is a first one. */
  gotOn(): void {
    this.#failures = 0
    this.#outages = 0
  }

  /** How long to wait before the next attempt; null where there is to be none. */
  next(isOutage: boolean): number | null {
    if (isOutage && !this.#once) this.#outages += 1
    else this.#failures += 1
    if (this.#failures >= (this.#once ? onceFailuresMax : failuresMax)) return null
    return Math.min(backOffMostMs, this.#firstMs * 2 ** Math.min(this.count - 1, 30))
  }
}

/** Carries out one run from the tables; it calls `gotOn` when nothing is left to do. */
export type Attempt = (options: PipelineOptions, gotOn: () => void) => Promise<void>

/**
 * The whole of a run: its streams are locked, and it is attempted until it succeeds, or is stopped, or a
 * failure ends it. It pauses for an erasure between two attempts. A failure with one of the codes `onceOnly`
 * may be gone at the next attempt, although its code says never; met again before something got done it ends
 * the run.
 */
export async function runLocked(
  options: PipelineOptions,
  attempt: Attempt,
  onceOnly: readonly ErrorCode[] = [],
): Promise<void> {
  const { deltaBasePath, signal, inForce } = options
  const told = { ...options, tell: tellAll([options.tell]) }
  const attemptNow: Attempt = async (of, gotOn) => attempt({ ...of, ...(await inForce?.now()) }, gotOn)
  try {
    const pauses = await RunPauses.of(told)
    while (await runUntilPause(told, pauses, attemptNow, onceOnly)) {
      // What a process knows of the tables is older than the erasure, or goes by other rules: the next
      // attempt reads it anew.
    }
  } catch (error) {
    if (signal.aborted && isAbort(error, signal)) return
    throw storageFailure(error, deltaBasePath) ?? error
  }
}

/** True where the run is to go on after a pause. */
async function runUntilPause(
  options: PipelineOptions,
  pauses: RunPauses,
  attempt: Attempt,
  onceOnly: readonly ErrorCode[],
): Promise<boolean> {
  const lock = await pauses.lock()
  const { inForce } = options
  const asked = pauses.watch()
  const changed = watchFor(async () => (await inForce?.isOther()) === true, inForceLookMs)
  try {
    // A holder that lost its lock stops after the batch at hand, as on SIGTERM, and then says why.
    const stop = AbortSignal.any([options.signal, lock.lost])
    const { lost } = lock
    const signal = AbortSignal.any([stop, asked.found, changed.found])
    await runWithRetries({ ...options, signal, stop, lost }, attempt, onceOnly)
    lost.throwIfAborted()
    return (asked.found.aborted || changed.found.aborted) && !stop.aborted
  } finally {
    await asked.end()
    await changed.end()
    await lock.release()
  }
}

type Stoppable = PipelineOptions & { readonly stop: AbortSignal; readonly lost: AbortSignal }

async function runWithRetries(
  options: Stoppable,
  attempt: Attempt,
  onceOnly: readonly ErrorCode[],
): Promise<void> {
  const { signal, stop, lost } = options
  const failures = new FailuresInARow(options)
  let pardoned: ErrorCode | null = null
  const gotOn = (): void => {
    failures.gotOn()
    pardoned = null
  }
  let batchMost = 0n
  const tell: OnEvent = (event) => {
    // A batch that is told anew, because the tables behind it lacked it, is nothing new.
    if (event.kind === 'batch' && event.report.batch > batchMost) {
      gotOn()
      batchMost = event.report.batch
    }
    options.tell(event)
  }
  // A batch that was begun is ended before a stop or a pause, although the first attempt at it failed.
  let ending: AbortSignal | null = null
  let failed: LakehouseError | null = null
  for (;;) {
    try {
      return await attempt({ ...options, opens: ending ?? signal, tell }, gotOn)
    } catch (error) {
      if (signal.aborted && isAbort(error, signal)) return
      const isTimeOver = ending !== null && error === ending.reason
      const failure: LakehouseError | null = isTimeOver ? failed : await failureOfRun(error, options)
      if (failure === null) throw error
      failed = failure
      const { code } = failure
      const { retry } = failure.policy
      const isPardoned = retry === 'never' && onceOnly.includes(code) && pardoned !== code
      // Who lost its lock would take the tables from the process that has them by now.
      const isLast = lost.aborted || (stop.aborted && ending !== null)
      // What a run with an end has waited for as long as it may, it does not wait for again.
      const isOver = isLast || (retry === 'never' && !isPardoned) || 'waitedMs' in failure.details
      const waitMs = isOver ? null : failures.next(retry === 'wait')
      if (waitMs === null) throw failure
      if (isPardoned) pardoned = code
      const { errorClass = null } = failure.details as { errorClass?: string | null }
      const next = stop.aborted ? 'once more before it stops' : `in ${seconds(waitMs)}`
      const message = `${failure.message} Assay goes on from the tables ${next}.`
      const details = { failures: failures.count, errorClass }
      const isOutage = retry === 'wait'
      tell({ kind: 'fault', code, message, details, isOutage, failures: failures.count, waitMs })
      if (!stop.aborted) {
        // One that is asked to pause tries at once to end the batch that it has begun, and then waits as any.
        await sleep(waitMs, undefined, { signal: signal.aborted ? stop : signal }).catch(() => undefined)
        if (stop.aborted) return
        if (signal.aborted) ending = stop
      } else ending = AbortSignal.timeout(endingOpensMs)
    }
  }
}

export function isAbort(error: unknown, signal: AbortSignal): boolean {
  if (error instanceof LakehouseError) return false
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError')
}

export function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}

/**
 * The failure with a name, if it has one. What DuckDB could not do because of the disk is a failure of the
 * disk.
 */
async function failureOfRun(error: unknown, options: PipelineOptions): Promise<LakehouseError | null> {
  const { deltaBasePath } = options
  if (!(error instanceof LakehouseError)) return storageFailure(error, deltaBasePath)
  if (error.code !== 'BATCH_FAILED') return error
  return (await diskFailure(options)) ?? error
}

/** null where the disk under the tables takes what is written to it. */
async function diskFailure({ deltaBasePath, streams }: PipelineOptions): Promise<LakehouseError | null> {
  const directory = checkpointDirectory(deltaBasePath, streams[0]!)
  const path = join(directory, `probe.${randomUUID()}.tmp`)
  try {
    await mkdir(directory, { recursive: true })
    const file = await open(path, 'wx')
    try {
      await file.write(new Uint8Array(probeBytes))
      await file.sync()
    } finally {
      await file.close()
    }
    return null
  } catch (error) {
    return storageFailure(error, deltaBasePath)
  } finally {
    await rm(path, { force: true }).catch(() => undefined) // The directory is a cache.
  }
}
