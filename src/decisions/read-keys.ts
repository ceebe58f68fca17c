// What is known of idempotency keys at a start: the topic of decisions has them all, with their answers.
import { setImmediate as turn } from 'node:timers/promises'
import { type Offsets, partitionKey } from '../batches/offsets.ts'
import { isInstantMs, NO_TIMESTAMP_MS, type PartitionEnd, type RecordSource } from '../batches/source.ts'
import type { KafkaPositions } from '../kafka/source.ts'
import type { Decision } from './decision-answer.ts'
import { isOfGroup } from './decision-group.ts'
import type { RequestKeys } from './request-keys.ts'

/** Reads what the topic of decisions has now of a group; decisions are made meanwhile. */
export async function readKeys(
  source: RecordSource & KafkaPositions,
  keys: RequestKeys,
  groupId: string,
  signal: AbortSignal,
): Promise<void> {
  const ranges = await source.positions(new Map(), signal)
  await source.read(
    ranges,
    async ({ count, headers, values, timestampsMs }) => {
      for (let index = 0; index < count; index++) {
        const [value, ofRecord] = [values[index] ?? null, headers[index] ?? null]
        if (ofRecord === null || value === null || !isOfGroup(ofRecord, groupId)) continue
        const ms = timestampsMs?.[index] ?? NO_TIMESTAMP_MS
        keys.onPublished(ofRecord, () => decisionOf(value), isInstantMs(ms) ? Number(ms) : Date.now())
      }
      await turn()
    },
    signal,
  )
}

/** Resolves when all that a topic had is decided: what is not known by then is in no topic. */
export class CaughtUp {
  readonly reached: Promise<void>
  isReached = false
  readonly #reach: () => void
  #ends: readonly PartitionEnd[] | null = null

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.reached = promise
    this.#reach = resolve
  }

  /** What the topic has. */
  expect(ends: readonly PartitionEnd[]): void {
    this.#ends = ends.filter(({ earliest, end }) => earliest < end)
  }

  get isExpecting(): boolean {
    return this.#ends !== null
  }

  /** Told how far the decisions on their topic are. */
  readonly onProgress = (offsets: Offsets): void => {
    const isDone = ({ end, ...of }: PartitionEnd): boolean =>
      (offsets.get(partitionKey(of))?.offset ?? 0n) >= end
    if (this.isReached || this.#ends?.every(isDone) !== true) return
    this.isReached = true
    this.#reach()
  }
}

/** Anybody may write to a topic. */
export function decisionOf(value: Uint8Array): Decision | null {
  try {
    return JSON.parse(Buffer.from(value).toString()) as Decision // As it was written.
  } catch {
    return null
  }
}
