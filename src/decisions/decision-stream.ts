// Decides the records of a topic as they come, and writes each decision to another topic. A record is decided
// when its decision is there: only then the group says so, and after a crash it is decided once more.
import { setTimeout as sleep } from 'node:timers/promises'
import type { OnNotice } from '../batches/notice.ts'
import { type Offsets, partitionKey } from '../batches/offsets.ts'
import { isInstantMs, NO_TIMESTAMP_MS, type RecordChunk, type RecordSource } from '../batches/source.ts'
import { LakehouseError } from '../errors/errors.ts'
import { compareText } from '../expr/index.ts'
import type { Decider } from './decider.ts'
import type { Decision } from './decision-answer.ts'

/** A decision with the record that it is about. */
export type DecidedRecord = {
  readonly decision: Decision
  readonly key: Uint8Array | null
  readonly headers: RecordChunk['headers'][number]
  /** Of the record; null where it has none. */
  readonly timestampMs: number | null
}

export type DecisionStreamOptions = {
  readonly decider: Decider
  readonly source: RecordSource
  /** Where the group is: records before it have their decisions already. */
  readonly committed: Offsets
  /** Resolves when the decisions are in their topic. */
  readonly publish: (decided: readonly DecidedRecord[]) => Promise<void>
  /** Told of decisions before they are published. */
  readonly onDecided: (decided: readonly DecidedRecord[]) => void
  /** Told how far the decisions that are in their topic are. */
  readonly onProgress: (offsets: Offsets) => void
  readonly onNotice: OnNotice
  /** Microseconds since the epoch. */
  readonly clock: () => bigint
  readonly signal: AbortSignal
}

/** A poll takes no more, so that the first of them do not wait for the last. */
const recordsPerPollMax = 2_000
const waitMaxMs = 1_000
const retryFirstMs = 200
const retryMaxMs = 10_000

/** Runs until the signal aborts; then all that was decided is published. */
export async function runDecisionStream(options: DecisionStreamOptions): Promise<void> {
  const { decider, source, signal } = options
  let publishing: Promise<void> = Promise.resolve()
  try {
    for (;;) {
      const chunks = await nextChunks(options)
      if (chunks === null) break
      await decider.prepare(chunks.chunks, options.clock(), signal)
      const decided = decide(options, chunks)
      await publishing
      const { offsets } = decider
      publishing = published(options, decided).then(() => {
        options.onProgress(offsets)
        return source.reportProgress(offsets)
      })
      // Told when it is awaited.
      publishing.catch(() => undefined)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await publishing.catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }
}

type Polled = { readonly chunks: readonly RecordChunk[] } & Pick<
  Parameters<Decider['follow']>[0],
  'ranges' | 'waiting'
>

/** null where it was stopped. */
async function nextChunks({ decider, source, signal }: DecisionStreamOptions): Promise<Polled | null> {
  while (!signal.aborted) {
    const { ranges, waiting } = await source.cut(decider.offsets, recordsPerPollMax, signal)
    if (ranges.length > 0) {
      const chunks: RecordChunk[] = []
      await source.read(ranges, (chunk) => void chunks.push(chunk), signal)
      chunks.sort((a, b) => compareText(a.topic, b.topic) || a.partition - b.partition)
      return { chunks, ranges, waiting }
    }
    await source.waitForData(decider.offsets, waitMaxMs, signal)
  }
  return null
}

/** What the group has is not decided again: it was read for what later records have to know. */
function decide(options: DecisionStreamOptions, polled: Polled): DecidedRecord[] {
  const { decider, committed, clock, onDecided } = options
  const decisions = decider.follow(polled, clock())
  const decided: DecidedRecord[] = []
  let at = 0
  for (const { topic, partition, offsets, timestampsMs, keys, headers, count } of polled.chunks) {
    const from = committed.get(partitionKey({ topic, partition }))?.offset ?? 0n
    for (let index = 0; index < count; index++, at++) {
      if (offsets[index]! < from) continue
      const ms = timestampsMs?.[index] ?? NO_TIMESTAMP_MS
      const timestampMs = isInstantMs(ms) ? Number(ms) : null
      decided.push({ decision: decisions[at]!, key: keys[index]!, headers: headers[index]!, timestampMs })
    }
  }
  onDecided(decided)
  return decided
}

/** Waits for brokers as long as they are away. */
async function published(
  { publish, onNotice, signal }: DecisionStreamOptions,
  decided: readonly DecidedRecord[],
): Promise<void> {
  if (decided.length === 0) return
  for (let waitMs = retryFirstMs; ; waitMs = Math.min(2 * waitMs, retryMaxMs)) {
    try {
      return await publish(decided)
    } catch (error) {
      if (!(error instanceof LakehouseError) || error.policy.retry === 'never') throw error
      onNotice({ code: error.code, message: error.message, details: error.details })
      await sleep(waitMs, undefined, { signal })
    }
  }
}
