// Decides the records of a topic as they come. All that a process reads it decides, for what later records
// have to know; what is of its own partitions it writes to another topic. A record is decided when its
// decision is there: only then the group says so, and after a crash it is decided once more.
import { setTimeout as sleep } from 'node:timers/promises'
import { isInstantMs, NO_TIMESTAMP_MS, type RecordChunk, type RecordSource } from '../batches/source.ts'
import { compareText } from '../expr/index.ts'
import type { Decider } from './decider.ts'
import { type DecidedRecord, type DecisionLedger, undecidedMax } from './decision-ledger.ts'
import type { DecisionPublisher } from './decision-publisher.ts'

export type DecisionStreamOptions = {
  readonly decider: Decider
  readonly source: RecordSource
  readonly ledger: DecisionLedger
  readonly publisher: DecisionPublisher
  /** Told of decisions of this process's own partitions before they are published. */
  readonly onDecided: (decided: readonly DecidedRecord[]) => void
  /** Microseconds since the epoch. */
  readonly clock: () => bigint
  readonly signal: AbortSignal
}

/** A poll takes no more, so that the first of them do not wait for the last. */
const recordsPerPollMax = 2_000
const waitMaxMs = 1_000
const roomLookMs = 50

/** Runs until the signal aborts; then all that was decided is published. */
export async function runDecisionStream(options: DecisionStreamOptions): Promise<void> {
  const { decider, ledger, publisher, signal } = options
  let sequence = 0
  try {
    for (;;) {
      const chunks = await nextChunks(options)
      if (chunks === null) break
      await decider.prepare(chunks.chunks, options.clock(), signal)
      sequence = decide(options, chunks, sequence)
      await publisher.batchDone()
      publisher.kick()
      // Others decide these, or nobody does: then they are shared anew.
      while (ledger.count > undecidedMax) await sleep(roomLookMs, undefined, { signal })
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await publisher.allDone().catch((error: unknown) => {
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

/**
 * What has its decision is not decided again: it was read for what later records have to know. Gives the
 * number of the next decision.
 */
function decide(options: DecisionStreamOptions, polled: Polled, sequence: number): number {
  const { decider, ledger, publisher, clock, onDecided } = options
  const decisions = decider.follow(polled, clock())
  const nowMs = performance.now()
  const mine: DecidedRecord[] = []
  let at = 0
  for (const chunk of polled.chunks) {
    const isMine = publisher.isMine(chunk)
    const { offsets, timestampsMs, keys, headers, count } = chunk
    for (let index = 0; index < count; index++, at++) {
      const ms = timestampsMs?.[index] ?? NO_TIMESTAMP_MS
      const record: DecidedRecord = {
        ...{ decision: decisions[at]!, offset: offsets[index]!, sequence: sequence + at },
        ...{ key: keys[index]!, headers: headers[index]! },
        timestampMs: isInstantMs(ms) ? Number(ms) : null,
      }
      if (ledger.add(record, nowMs) && isMine) mine.push(record)
    }
  }
  onDecided(mine)
  return sequence + at
}
