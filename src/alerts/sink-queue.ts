// What waits for one sink, and is sent to it one after the other: a sink that hangs or is away holds up no
// other one. What it refuses, or does not take for too long, is a dead letter.
import type { AlertNotification } from './notification.ts'
import type { Delivery } from './plan-notifications.ts'
import type { SendOutcome, Sink } from './sink.ts'

const attemptsMax = 14
const firstWaitMs = 1_000
const waitMaxMs = 5 * 60_000
/** A service may ask for a longer wait than that, and does not get it. */
const askedWaitMaxMs = 3_600_000
/** What comes beyond stays in alerts/log alone, until most of those that wait are gone. */
const deliveriesWaitingMax = 100

export type SinkQueueContext = {
  /** null where nothing is known of it any more. */
  readonly load: (delivery: Delivery) => Promise<AlertNotification | null>
  readonly onTaken: (delivery: Delivery, attempts: number) => Promise<void>
  readonly onDead: (delivery: Delivery, attempts: number, reason: string) => Promise<void>
  /** What failed here is tried again. */
  readonly onFailure: (error: unknown) => void
  readonly nowMs: () => number
  /** From 0 to 1. */
  readonly random: () => number
  /** Resolves after the time; rejects when the signal ends it. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
}

type Waiting = { readonly delivery: Delivery; attempts: number; notBeforeMs: number }

export class SinkQueue {
  readonly #sink: Sink
  readonly #context: SinkQueueContext
  readonly #waiting: Waiting[] = []
  /** alerts/log knows of more. */
  #isShort = false
  #notBeforeMs = 0
  #wake: () => void = () => undefined

  constructor(sink: Sink, context: SinkQueueContext) {
    this.#sink = sink
    this.#context = context
  }

  get isFull(): boolean {
    return this.#isShort || this.#waiting.length >= deliveriesWaitingMax
  }

  /** Whether there is room for what only alerts/log knows. */
  get isDrained(): boolean {
    return this.#isShort && this.#waiting.length <= deliveriesWaitingMax / 2
  }

  /** What waits already is not added again, nor what comes behind something that is not in memory. */
  add(delivery: Delivery): void {
    if (this.#waiting.some((one) => one.delivery.notification === delivery.notification)) return
    if (this.isFull) {
      this.#isShort = true
      return
    }
    this.#waiting.push({ delivery, attempts: 0, notBeforeMs: 0 })
    this.#wake()
  }

  /** All that alerts/log knows for the sink, the oldest first. */
  takeUp(deliveries: readonly Delivery[]): void {
    this.#isShort = false
    for (const delivery of deliveries) this.add(delivery)
  }

  /** When the next one can be sent; null where none waits. */
  get dueMs(): number | null {
    const next = this.#next()
    return next === null ? null : Math.max(next.notBeforeMs, this.#notBeforeMs)
  }

  /** Until the signal ends it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const next = this.#next()
      const waitMs = (this.dueMs ?? Number.POSITIVE_INFINITY) - this.#context.nowMs()
      if (next !== null && waitMs <= 0) await this.#attempt(next, signal)
      else await this.#wait(Math.min(waitMs, waitMaxMs), signal)
    }
  }

  /** What is told of one trouble keeps its order: that it is over does not overtake that it is there. */
  #next(): Waiting | null {
    const troubles = new Set<string>()
    let next: Waiting | null = null
    for (const one of this.#waiting) {
      const { route, trouble } = one.delivery
      const key = `${route}/${trouble}`
      const isBehind = trouble !== null && troubles.has(key)
      if (trouble !== null) troubles.add(key)
      if (!isBehind && (next === null || one.notBeforeMs < next.notBeforeMs)) next = one
    }
    return next
  }

  async #attempt(waiting: Waiting, signal: AbortSignal): Promise<void> {
    const { delivery } = waiting
    const { load, onTaken, onDead, onFailure, nowMs } = this.#context
    try {
      waiting.attempts += 1
      const notification = await load(delivery)
      const outcome = notification === null ? gone : await this.#sink.send(notification, signal)
      this.#notBeforeMs = nowMs() + this.#sink.gapMs
      if (outcome.kind === 'sent') await onTaken(delivery, waiting.attempts)
      else if (outcome.kind === 'refused') await onDead(delivery, waiting.attempts, outcome.reason)
      else if (waiting.attempts >= attemptsMax) await onDead(delivery, waiting.attempts, outcome.reason)
      else return this.#putOff(waiting, outcome.waitMs)
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
    } catch (error) {
      if (signal.aborted) return
      onFailure(error)
      this.#putOff(waiting, null)
    }
  }

  /** A wait that the service asks for is for all; one of ours grows with the attempts, of this one alone. */
  #putOff(waiting: Waiting, askedMs: number | null): void {
    const { nowMs, random } = this.#context
    const askedUntilMs = nowMs() + Math.min(askedMs ?? 0, askedWaitMaxMs)
    this.#notBeforeMs = Math.max(this.#notBeforeMs, askedUntilMs)
    waiting.notBeforeMs = nowMs() + backOffMs(waiting.attempts, random())
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    // Ended early, by one or the other: the loop looks again.
    await this.#context.wait(ms, AbortSignal.any([signal, woken.signal])).catch(() => undefined)
  }
}

const gone: SendOutcome = { kind: 'refused', reason: 'alerts/log does not know what it was about' }

/** Between half and the whole of a wait that doubles: who was refused together comes back apart. */
export function backOffMs(attempts: number, random: number): number {
  const fullMs = Math.min(waitMaxMs, firstWaitMs * 2 ** Math.max(0, attempts - 1))
  return Math.round(fullMs * (0.5 + random / 2))
}
