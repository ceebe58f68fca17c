// Notifications as records of a topic: keyed by their id, so that a compacted topic has each once.
import { LakehouseError } from '../errors/errors.ts'
import type { KafkaConnectionOptions } from '../kafka/options.ts'
import { type KafkaProducer, openKafkaProducer } from '../kafka/producer.ts'
import { abortable } from '../kafka/retry.ts'
import { type AlertNotification, notificationJson } from './notification.ts'
import type { SendOutcome, Sink } from './sink.ts'

const sendMaxMs = 60_000

/** The topic is made, with one partition, where there is none. */
export function kafkaSink(name: string, topic: string, connection: KafkaConnectionOptions): Sink {
  const ended = new AbortController()
  let producer: KafkaProducer | null = null
  const giveUp = async (): Promise<void> => {
    const closing = producer
    producer = null
    await closing?.close().catch(() => undefined) // What is broken is not closed in order.
  }
  const carry = async (notification: AlertNotification): Promise<void> => {
    const options = { ...connection, topic, compression: 'none', createPartitions: 1 } as const
    producer ??= await openKafkaProducer({ ...options, signal: ended.signal })
    const { id, kind } = notification
    const value = Buffer.from(JSON.stringify(notificationJson(notification)))
    const headers = { id: Buffer.from(id), kind: Buffer.from(kind) }
    await producer.send([{ key: Buffer.from(id), value, headers }])
  }
  return {
    name,
    gapMs: 0,
    async close() {
      ended.abort()
      await giveUp()
    },
    async send(notification, signal) {
      try {
        await abortable(carry(notification), AbortSignal.any([signal, AbortSignal.timeout(sendMaxMs)]))
        return { kind: 'sent' }
      } catch (error) {
        await giveUp() // After a failure a producer fails with it for ever.
        signal.throwIfAborted()
        return outcomeOf(error)
      }
    },
  }
}

function outcomeOf(error: unknown): SendOutcome {
  const reason = error instanceof Error ? error.message : String(error)
  const isFinal = error instanceof LakehouseError && error.policy.retry === 'never'
  return isFinal ? { kind: 'refused', reason } : { kind: 'later', reason, waitMs: null }
}
