// The ListOffsets request: where partitions begin and end, and where a time begins in them.
import {
  FetchIsolationLevels,
  listOffsetsV6,
  listOffsetsV7,
  listOffsetsV8,
  listOffsetsV9,
} from '@platformatic/kafka'
import { partitionKey, type TopicPartition } from '../batches/offsets.ts'
import { assert } from '../errors/errors.ts'
import { type Cluster, type ClusterView, send } from './cluster.ts'
import { BrokerError, LEADER_NOT_AVAILABLE } from './failures.ts'
import { abortable } from './retry.ts'

const LIST_OFFSETS_API_KEY = 2
const versions = { 6: listOffsetsV6, 7: listOffsetsV7, 8: listOffsetsV8, 9: listOffsetsV9 } as const
const supported = Object.keys(versions).map(Number) as (keyof typeof versions)[]

const EARLIEST = -2n
const LATEST = -1n
const ORDINARY_CLIENT = -1

/** A place in a partition's log; a time is that of the first record with this timestamp or a later one. */
export type Place = 'earliest' | 'readable end' | { readonly timestampMs: number }

/** A partition of a topic as the cluster's view has it, with its leader. */
export type LedPartition = TopicPartition & {
  readonly key: string
  readonly topicId: string | null
  readonly leader: number
  readonly leaderEpoch: number
}

export function ledPartitions(view: ClusterView): LedPartition[] {
  return view.topics.flatMap(({ name, id, partitions }) =>
    partitions.map(({ partition, leader, leaderEpoch }) => ({
      topic: name,
      partition,
      key: partitionKey({ topic: name, partition }),
      topicId: id,
      leader,
      leaderEpoch,
    })),
  )
}

export function byLeader<Led extends { readonly leader: number }>(
  partitions: readonly Led[],
): Map<number, Led[]> {
  return Map.groupBy(partitions, ({ leader }) => leader)
}

/**
 * The offset of a place in each partition, by partition key; null where there is no record as late as a time.
 * The readable end is the last stable offset: records of open transactions are behind it. One request for
 * every broker.
 */
export async function listOffsets(
  cluster: Cluster,
  partitions: readonly LedPartition[],
  place: Place,
  signal: AbortSignal,
): Promise<Map<string, bigint | null>> {
  const timestamp =
    place === 'earliest' ? EARLIEST : place === 'readable end' ? LATEST : BigInt(place.timestampMs)
  assert(
    typeof place === 'string' || place.timestampMs >= 0,
    'negative timestamps mean other things to a broker',
  )
  const offsets = new Map<string, bigint | null>()
  await Promise.all(
    [...byLeader(partitions)].map(async ([leader, led]) => {
      const connection = await cluster.connection(leader, 'control', signal)
      const version = await cluster.version(
        connection,
        'ListOffsets',
        LIST_OFFSETS_API_KEY,
        supported,
        signal,
      )
      const topics = [...Map.groupBy(led, ({ topic }) => topic)].map(([name, members]) => ({
        name,
        partitions: members.map(({ partition, leaderEpoch }) => ({
          partitionIndex: partition,
          currentLeaderEpoch: leaderEpoch,
          timestamp,
        })),
      }))
      const { createRequest, parseResponse } = versions[version]
      const request = () => createRequest(ORDINARY_CLIENT, FetchIsolationLevels.READ_COMMITTED, topics)
      const sent = send(connection, LIST_OFFSETS_API_KEY, version, request, parseResponse)
      const response = await abortable(sent, signal)
      for (const { name, partitions: answered } of response.topics) {
        for (const { partitionIndex, offset } of answered) {
          offsets.set(partitionKey({ topic: name, partition: partitionIndex }), offset < 0n ? null : offset)
        }
      }
    }),
  )
  for (const { key, topic, partition } of partitions) {
    if (!offsets.has(key))
      throw new BrokerError(LEADER_NOT_AVAILABLE, `no answer for ${topic}, partition ${partition}`)
  }
  return offsets
}
