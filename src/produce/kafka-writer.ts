// Records into a Kafka topic; the next are generated while the broker writes.
import type { OnNotice } from '../batches/notice.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { KafkaConnectionOptions } from '../kafka/options.ts'
import { type KafkaCompression, openKafkaProducer } from '../kafka/producer.ts'
import type { GeneratedRecord } from './generator.ts'
import type { RecordWriter } from './record-writer.ts'

export const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const satisfies KafkaCompression[]

export type KafkaTarget = {
  readonly kind: 'kafka'
  readonly connection: KafkaConnectionOptions
  readonly topic: string
  /** How many partitions the topic gets where it does not exist yet. */
  readonly partitions: number
  readonly compression: KafkaCompression
  /** Told what the opening waits for. */
  readonly onNotice?: OnNotice
}

/** Sends that wait or are under way: enough that the broker never waits for the generator. */
const SENDS_UNDER_WAY_MAX = 4
/** How long the records that are under way may take to arrive once the run was told to stop. */
const FLUSH_MAX_MS = 15_000

/**
 * Creates the topic where it does not exist. `signal` ends the opening at once, and what is sent later in a
 * while.
 */
export async function openKafkaWriter(target: KafkaTarget, signal: AbortSignal): Promise<RecordWriter> {
  const { connection, topic, compression, partitions, onNotice } = target
  const giveUp = new AbortController()
  const abortNow = (): void => giveUp.abort(signal.reason)
  signal.throwIfAborted()
  signal.addEventListener('abort', abortNow)
  const producer = await openKafkaProducer({
    ...{ ...connection, topic, compression, createPartitions: partitions },
    signal: giveUp.signal,
    ...(onNotice === undefined ? {} : { onNotice }),
  }).finally(() => signal.removeEventListener('abort', abortNow))
  let flushTimer: NodeJS.Timeout | undefined
  const abortSoon = (): void => {
    flushTimer = setTimeout(() => giveUp.abort(notConfirmed(topic)), FLUSH_MAX_MS)
  }
  if (signal.aborted) abortSoon()
  else signal.addEventListener('abort', abortSoon, { once: true })
  return createPipelinedWriter(
    (records) => producer.send(records),
    async () => {
      clearTimeout(flushTimer)
      signal.removeEventListener('abort', abortSoon)
      await producer.close()
    },
  )
}

function notConfirmed(topic: string): LakehouseError {
  const message =
    `Topic ${topic} did not confirm the last records within ${FLUSH_MAX_MS / 1000} s of the stop: ` +
    'some of them may be missing. Check that the brokers run.'
  return new LakehouseError('KAFKA_UNREACHABLE', message, { details: { topic } })
}

type Send = (records: readonly GeneratedRecord[]) => Promise<void>

/**
 * A writer that has up to `SENDS_UNDER_WAY_MAX` sends under way. The first failure fails every later call.
 */
export function createPipelinedWriter(send: Send, closeTarget: () => Promise<void>): RecordWriter {
  const underWay = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | null = null
  const failIfFailed = (): void => {
    if (failure !== null) throw failure.error
  }
  return {
    async write(records) {
      failIfFailed()
      const sent: Promise<void> = send(records)
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => underWay.delete(sent))
      underWay.add(sent)
      while (underWay.size >= SENDS_UNDER_WAY_MAX) await Promise.race(underWay)
      failIfFailed()
    },
    async close() {
      await Promise.all(underWay)
      await closeTarget()
      failIfFailed()
    },
  }
}
