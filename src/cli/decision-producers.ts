// The producers of a process that decides: of the topic of decisions, and of the one that requests go to.
import { randomBytes } from 'node:crypto'
import type { OnNotice } from '../batches/notice.ts'
import type { Config } from '../config/config.ts'
import { cutDecision } from '../decisions/decision.ts'
import { groupHeader } from '../decisions/decision-group.ts'
import type { DecidedRecord } from '../decisions/decision-ledger.ts'
import { decidedHeader } from '../decisions/read-decisions.ts'
import { headersOfDecision, keyOfRequest } from '../decisions/request-keys.ts'
import { topicNames } from '../kafka/options.ts'
import type { ProducedRecord } from '../kafka/produced-record.ts'
import { type KafkaProducer, openKafkaProducer } from '../kafka/producer.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'

/** A larger decision would not pass a broker's own limit. */
const recordBytesMax = 512 * 1024

/** Tells decisions of this process from those of others. */
const thisProcess = randomBytes(6).toString('base64url')

/** A topic of decisions that is made has so many partitions. */
const partitionsDefault = 4

/** Producers that are opened anew after a failure: one that has failed fails for ever. */
export class DecisionProducers {
  readonly #config: Config
  readonly #signal: AbortSignal
  readonly #onNotice: OnNotice
  readonly #open = new Map<string, Promise<KafkaProducer>>()

  constructor(config: Config, signal: AbortSignal, onNotice: OnNotice) {
    this.#config = config
    this.#signal = signal
    this.#onNotice = onNotice
  }

  decisions(): Promise<KafkaProducer> {
    return this.#of(this.#config.decisions.topic, partitionsDefault)
  }

  input(): Promise<KafkaProducer> {
    return this.#of(topicNames(this.#config.kafka.topic)[0]!, null)
  }

  async close(): Promise<void> {
    for (const opening of this.#open.values()) await closeIfOpen(opening)
  }

  #of(topic: string, createPartitions: number | null): Promise<KafkaProducer> {
    const known = this.#open.get(topic)
    if (known !== undefined) return known
    // A send that fails late must not close what was opened anew meanwhile.
    const forget = (): void => {
      if (this.#open.get(topic) !== opening) return
      this.#open.delete(topic)
      void closeIfOpen(opening)
    }
    const opening = this.#opened(topic, createPartitions, forget)
    this.#open.set(topic, opening)
    opening.catch(forget)
    return opening
  }

  async #opened(topic: string, createPartitions: number | null, forget: () => void): Promise<KafkaProducer> {
    const producer = await openKafkaProducer({
      ...kafkaConnectionOf(this.#config.kafka),
      ...{ topic, compression: 'none', signal: this.#signal, onNotice: this.#onNotice },
      ...(createPartitions === null ? {} : { createPartitions }),
    })
    return {
      ...producer,
      send: (records) =>
        producer.send(records).catch((error: unknown) => {
          forget()
          throw error
        }),
    }
  }
}

async function closeIfOpen(opening: Promise<KafkaProducer>): Promise<void> {
  // What is broken is not closed in order.
  await opening.then((producer) => producer.close()).catch(() => undefined)
}

/**
 * A record may hold a text that it is compressed with; its decision has it as it is. Without a key it goes
 * where others of its request go.
 */
export function recordOfDecision(
  { decision, key, headers, sequence }: DecidedRecord,
  groupId: string,
): ProducedRecord {
  const requestKey = keyOfRequest(headers)
  const more = {
    headers: {
      ...headersOfDecision(headers),
      [decidedHeader]: Buffer.from(`${thisProcess}/${sequence}`),
      [groupHeader]: Buffer.from(groupId),
    },
    ...(requestKey === null ? {} : { partitionBy: Buffer.from(requestKey) }),
  }
  const value = Buffer.from(JSON.stringify(decision))
  if (value.length + (key?.length ?? 0) <= recordBytesMax) return { key, value, ...more }
  return { key: null, value: Buffer.from(JSON.stringify(cutDecision(decision))), ...more }
}
