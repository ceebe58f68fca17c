// How to reach Kafka and what to read there.
import { isIP } from 'node:net'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { parseBroker, type SASLOptions } from '@platformatic/kafka'
import type { OnNotice } from '../batches/notice.ts'
import { LakehouseError } from '../errors/errors.ts'

export type KafkaConnectionOptions = {
  /** host:port of some brokers; the others are found through them. */
  readonly bootstrapServers: readonly string[]
  readonly clientId?: string
  /** Options of Node's tls.connect, read anew for each connection; absent: no TLS. */
  readonly tls?: TlsOptions
  readonly sasl?: SASLOptions
}

export type StartingOffsets =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'time'; readonly timestampMs: number }

export type KafkaSourceOptions = KafkaConnectionOptions & {
  /** One topic, or several with commas between them. */
  readonly topic: string
  readonly groupId: string
  /** Where a partition starts of which the tables hold nothing. */
  readonly startingOffsets: StartingOffsets
  /** How long a new partition may stay unseen; absent: 5 s. */
  readonly viewAgeMsMax?: number
  /** What to do when records were deleted before they were read: stop, or count them and go on. */
  readonly onDataLoss: 'fail' | 'continue'
  /** How long brokers may be away, or the topic missing, before that is a failure; absent: wait for ever. */
  readonly giveUpAfterMs?: number
  /** Reads what was there at the first look and nothing that comes after it. */
  readonly untilNow?: boolean
  readonly onNotice?: OnNotice
}

export type BrokerAddress = { readonly host: string; readonly port: number }

const PORT_MAX = 65_535
/** Kafka's own rule for topic names. */
const TOPIC_NAME = /^[a-zA-Z0-9._-]{1,249}$/

export function bootstrapAddresses(options: KafkaConnectionOptions): BrokerAddress[] {
  const addresses = options.bootstrapServers.map((server) => parseBroker(server.trim()))
  for (const [index, { host, port }] of addresses.entries()) {
    if (host !== '' && Number.isInteger(port) && port > 0 && port <= PORT_MAX) continue
    throw new LakehouseError(
      'CONFIG_INVALID',
      `${JSON.stringify(options.bootstrapServers[index])} is not a Kafka broker. Write host:port.`,
    )
  }
  if (addresses.length === 0)
    throw new LakehouseError('CONFIG_INVALID', 'There is no Kafka broker. Write host:port.')
  return addresses
}

/** Whether a connection names its host to the broker, which no address can be (RFC 6066). */
export function tlsServerName(addresses: readonly BrokerAddress[]): boolean {
  return !addresses.every(({ host }) => isIP(host) !== 0)
}

export function topicNames(topic: string): string[] {
  const names = [...new Set(topic.split(',').map((name) => name.trim()))]
  for (const name of names) {
    if (TOPIC_NAME.test(name) && name !== '.' && name !== '..') continue
    throw new LakehouseError(
      'CONFIG_INVALID',
      `${JSON.stringify(name)} is not a name of a Kafka topic: 1 to 249 letters, digits, points, ` +
        'underscores, hyphens.',
    )
  }
  return names
}
