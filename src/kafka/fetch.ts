// The Fetch request. The library writes the request; the response is read here, because the records stay
// bytes until they are needed and a response of many megabytes is copied together once.
import {
  type Connection,
  FetchIsolationLevels,
  fetchV11,
  fetchV12,
  fetchV13,
  fetchV14,
  fetchV15,
  fetchV16,
  fetchV17,
  type Reader,
} from '@platformatic/kafka'
import type { AbortedTransaction } from './record-batches.ts'

export const FETCH_API_KEY = 1

const versions = {
  11: fetchV11,
  12: fetchV12,
  13: fetchV13,
  14: fetchV14,
  15: fetchV15,
  16: fetchV16,
  17: fetchV17,
} as const
export type FetchVersion = keyof typeof versions
export const fetchVersions = Object.keys(versions).map(Number)

/** From here on topics go by their id, so that a topic created anew is never taken for the old one. */
const FIRST_VERSION_WITH_TOPIC_IDS = 13
const FIRST_COMPACT_VERSION = 12

export type FetchPartition = {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly offset: bigint
}

export type FetchLimits = {
  readonly waitMaxMs: number
  readonly responseBytesMax: number
  readonly partitionBytesMax: number
}

export type FetchedPartition = {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: bigint
  readonly lastStableOffset: bigint
  readonly logStartOffset: bigint
  readonly aborted: readonly AbortedTransaction[]
  readonly records: Buffer
}

export type FetchResponse = { readonly errorCode: number; readonly partitions: readonly FetchedPartition[] }

/**
 * Fetches committed records of `partitions`, in the order given: the first that has any is never left out for
 * size.
 */
export async function fetchRecords(
  connection: Connection,
  version: FetchVersion,
  partitions: readonly FetchPartition[],
  limits: FetchLimits,
): Promise<FetchResponse> {
  const topicName = (topic: FetchPartition): string =>
    version >= FIRST_VERSION_WITH_TOPIC_IDS ? topic.topicId : topic.topic
  const names = new Map(partitions.map((partition) => [topicName(partition), partition.topic]))
  const topics: { topicId: string; partitions: RequestPartition[] }[] = []
  for (const partition of partitions) {
    const wanted = requestPartition(partition, limits.partitionBytesMax)
    const last = topics.at(-1)
    // A topic may stand in the list more than once: the order of partitions decides who is served first.
    if (last?.topicId === topicName(partition)) last.partitions.push(wanted)
    else topics.push({ topicId: topicName(partition), partitions: [wanted] })
  }
  const createPayload = () =>
    versions[version].createRequest(
      limits.waitMaxMs,
      1,
      limits.responseBytesMax,
      FetchIsolationLevels.READ_COMMITTED,
      0,
      -1,
      topics,
      [],
      '',
    )
  const compact = version >= FIRST_COMPACT_VERSION
  return await new Promise<FetchResponse>((resolve, reject) => {
    const parse = (_id: number, _key: number, _version: number, reader: Reader) =>
      parseResponse(reader, version, names)
    connection.send(FETCH_API_KEY, version, createPayload, parse, compact, compact, (error, response) => {
      if (error !== null) reject(error)
      else resolve(response!)
    })
  })
}

type RequestPartition = {
  partition: number
  currentLeaderEpoch: number
  fetchOffset: bigint
  lastFetchedEpoch: number
  partitionMaxBytes: number
}

function requestPartition(partition: FetchPartition, partitionMaxBytes: number): RequestPartition {
  return {
    partition: partition.partition,
    currentLeaderEpoch: partition.leaderEpoch,
    fetchOffset: partition.offset,
    lastFetchedEpoch: -1,
    partitionMaxBytes,
  }
}

function parseResponse(
  reader: Reader,
  version: FetchVersion,
  names: ReadonlyMap<string, string>,
): FetchResponse {
  const compact = version >= FIRST_COMPACT_VERSION
  // One copy into memory of its own: the records of the response are views of it.
  const bytes = reader.buffer.slice(reader.position)
  reader.reset(bytes)
  reader.readInt32() // throttle time
  const errorCode = reader.readInt16()
  reader.readInt32() // session
  const partitions: FetchedPartition[] = []
  reader.readArray(
    (topicReader) => {
      const name =
        version >= FIRST_VERSION_WITH_TOPIC_IDS ? topicReader.readUUID() : topicReader.readString(compact)
      const topic = names.get(name) ?? name
      topicReader.readArray(
        (partitionReader) => {
          partitions.push(parsePartition(partitionReader, topic, compact, bytes))
        },
        compact,
        false,
      )
    },
    compact,
    compact,
  )
  return { errorCode, partitions }
}

function parsePartition(reader: Reader, topic: string, compact: boolean, bytes: Buffer): FetchedPartition {
  const partition = reader.readInt32()
  const errorCode = reader.readInt16()
  const highWatermark = reader.readInt64()
  const lastStableOffset = reader.readInt64()
  const logStartOffset = reader.readInt64()
  const aborted = reader.readArray(
    (each) => ({ producerId: each.readInt64(), firstOffset: each.readInt64() }),
    compact,
    compact,
  )
  reader.readInt32() // preferred read replica: only with a rack
  const length = compact ? reader.readUnsignedVarInt() - 1 : reader.readInt32()
  const start = reader.position
  reader.skip(Math.max(0, length))
  const records = bytes.subarray(start, reader.position)
  if (compact) reader.readTaggedFields()
  return { topic, partition, errorCode, highWatermark, lastStableOffset, logStartOffset, aborted, records }
}
