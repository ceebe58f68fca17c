// The offsets of a consumer group, and the broker that keeps it. Tables only report their progress, without
// joining: whoever is no member may commit as long as there is none.
import {
  type Connection,
  FindCoordinatorKeyTypes,
  findCoordinatorV3,
  findCoordinatorV4,
  offsetCommitV8,
  offsetCommitV9,
  offsetFetchV8,
} from '@platformatic/kafka'
import { type Offsets, partitionKey } from '../batches/offsets.ts'
import { type Cluster, send } from './cluster.ts'
import { BrokerError } from './failures.ts'
import { abortable } from './retry.ts'

const FIND_COORDINATOR_API_KEY = 10
const OFFSET_COMMIT_API_KEY = 8
const OFFSET_FETCH_API_KEY = 9
/** What a commit of somebody who is no member carries. */
const NO_GENERATION = -1
const NO_MEMBER = ''
const NO_LEADER_EPOCH = -1

/** In whose name offsets are committed; the group refuses one that it has gone on without. */
export type Membership = { readonly memberId: string; readonly generation: number }

const none: Membership = { memberId: NO_MEMBER, generation: NO_GENERATION }

export async function commitOffsets(
  cluster: Cluster,
  groupId: string,
  offsets: Offsets,
  signal: AbortSignal,
  { memberId, generation }: Membership = none,
): Promise<void> {
  const connection = await coordinatorOf(cluster, groupId, signal)
  const version = await cluster.version(connection, 'OffsetCommit', OFFSET_COMMIT_API_KEY, [8, 9], signal)
  const topics = [...Map.groupBy(offsets.values(), ({ topic }) => topic)].map(([name, members]) => ({
    name,
    partitions: members.map(({ partition, offset }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: NO_LEADER_EPOCH,
      committedMetadata: null,
    })),
  }))
  const { createRequest, parseResponse } = version === 9 ? offsetCommitV9 : offsetCommitV8
  const commit = () => createRequest(groupId, generation, memberId, null, topics)
  await abortable(send(connection, OFFSET_COMMIT_API_KEY, version, commit, parseResponse), signal)
}

/** What was committed to the group for these topics; partitions of which nothing was are absent. */
export async function committedOffsets(
  cluster: Cluster,
  groupId: string,
  topics: readonly string[],
  signal: AbortSignal,
): Promise<Offsets> {
  const view = await cluster.describe(topics, signal)
  const connection = await coordinatorOf(cluster, groupId, signal)
  const version = await cluster.version(connection, 'OffsetFetch', OFFSET_FETCH_API_KEY, [8], signal)
  const asked = view.topics.map(({ name, partitions }) => {
    return { name, partitionIndexes: partitions.map(({ partition }) => partition) }
  })
  const { createRequest, parseResponse } = offsetFetchV8
  const fetch = () => createRequest([{ groupId, memberEpoch: 0, topics: asked }], false)
  const found = await abortable(send(connection, OFFSET_FETCH_API_KEY, version, fetch, parseResponse), signal)
  const offsets = found.groups.flatMap(({ topics: ofGroup }) => {
    return ofGroup.flatMap(({ name: topic, partitions }) => {
      return partitions.map((one) => ({ topic, partition: one.partitionIndex, offset: one.committedOffset }))
    })
  })
  // Kafka says -1 of a partition without one.
  return new Map(offsets.filter(({ offset }) => offset >= 0n).map((one) => [partitionKey(one), one]))
}

/** A connection to the broker that keeps the group. */
export async function coordinatorOf(
  cluster: Cluster,
  groupId: string,
  signal: AbortSignal,
): Promise<Connection> {
  const any = await cluster.anyConnection(signal)
  const version = await cluster.version(any, 'FindCoordinator', FIND_COORDINATOR_API_KEY, [3, 4], signal)
  const finding = version === 4 ? findCoordinatorV4 : findCoordinatorV3
  const find = () => finding.createRequest(FindCoordinatorKeyTypes.GROUP, [groupId])
  const found = await abortable(
    send(any, FIND_COORDINATOR_API_KEY, version, find, finding.parseResponse),
    signal,
  )
  const coordinator = found.coordinators[0]!
  if (coordinator.errorCode !== 0) throw new BrokerError(coordinator.errorCode, `group ${groupId}`)
  return await cluster.connectionTo(coordinator, 'control', signal)
}
