// Follows the topic of decisions: whoever decided a record, every process learns of it there.
import { setTimeout as sleep } from 'node:timers/promises'
import { type NextOffset, type Offsets, partitionKey } from '../batches/offsets.ts'
import type { RecordChunk, RecordHeader, RecordSource } from '../batches/source.ts'
import type { KafkaPositions } from '../kafka/source.ts'
import { isOfGroup } from './decision-group.ts'

/** A decision that is on its topic. */
export type PublishedDecision = {
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly headers: readonly RecordHeader[] | null
  /** JSON, in a line. */
  readonly text: Uint8Array
}

/** Whose decisions are followed: of others there may be more on the topic. */
export type Followed = { readonly groupId: string; readonly topics: readonly string[] }

const recordsPerPollMax = 10_000
const waitMaxMs = 1_000
/** Decisions come one after another: a look for each would cost more than they do. */
const pauseMs = 5

export class DecisionFollower {
  readonly #source: RecordSource & KafkaPositions
  readonly #followed: Followed
  readonly #onPublished: (published: readonly PublishedDecision[]) => void
  #next: Offsets = new Map()
  #waiting: { readonly ends: Offsets; readonly resolve: () => void }[] = []

  constructor(
    source: RecordSource & KafkaPositions,
    followed: Followed,
    onPublished: (published: readonly PublishedDecision[]) => void,
  ) {
    this.#source = source
    this.#followed = followed
    this.#onPublished = onPublished
  }

  /** What comes from now on is followed. */
  async begin(signal: AbortSignal): Promise<void> {
    this.#next = await this.#ends(signal)
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { ranges } = await this.#source.cut(this.#next, recordsPerPollMax, signal)
      if (ranges.length === 0) {
        this.#told()
        await this.#source.waitForData(this.#next, waitMaxMs, signal)
        continue
      }
      const published: PublishedDecision[] = []
      const read = (chunk: RecordChunk): void => void published.push(...decisionsOf(chunk, this.#followed))
      await this.#source.read(ranges, read, signal)
      const next = new Map<string, NextOffset>(this.#next)
      for (const { start: _, end, ...of } of ranges) next.set(partitionKey(of), { ...of, offset: end })
      this.#next = next
      this.#onPublished(published)
      this.#told()
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Resolves when all is known that is on the topic now. */
  async upToNow(signal: AbortSignal): Promise<void> {
    const ends = await this.#ends(signal)
    if (this.#isAt(ends)) return
    await new Promise<void>((resolve) => {
      this.#waiting.push({ ends, resolve })
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    signal.throwIfAborted()
  }

  async #ends(signal: AbortSignal): Promise<Offsets> {
    const ranges = await this.#source.positions(this.#next, signal)
    return new Map(ranges.map(({ start: _, end, ...of }) => [partitionKey(of), { ...of, offset: end }]))
  }

  #isAt(ends: Offsets): boolean {
    return [...ends].every(([key, { offset }]) => (this.#next.get(key)?.offset ?? 0n) >= offset)
  }

  #told(): void {
    this.#waiting = this.#waiting.filter(({ ends, resolve }) => {
      if (!this.#isAt(ends)) return true
      resolve()
      return false
    })
  }
}

function decisionsOf(
  { count, values, headers }: RecordChunk,
  { groupId, topics }: Followed,
): PublishedDecision[] {
  const published: PublishedDecision[] = []
  for (let index = 0; index < count; index++) {
    const text = values[index] ?? null
    const place = text === null ? null : placeOf(text)
    const of = headers[index] ?? null
    if (place !== null && topics.includes(place.topic) && isOfGroup(of, groupId))
      published.push({ ...place, headers: of, text: text! })
  }
  return published
}

/** A decision begins with its place; what begins otherwise is none of ours: anybody may write to a topic. */
const begin = /^\{"topic":"([^"\\]{1,249})","partition":(\d{1,10}),"offset":"(\d{1,19})"/
const beginBytesMax = 320

function placeOf(text: Uint8Array): Pick<PublishedDecision, 'topic' | 'partition' | 'offset'> | null {
  const bytes = Buffer.from(text.buffer, text.byteOffset, Math.min(text.length, beginBytesMax))
  const found = begin.exec(bytes.toString('latin1'))
  return found === null ? null : { topic: found[1]!, partition: Number(found[2]), offset: found[3]! }
}
