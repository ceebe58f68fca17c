// What the user may do, asked without doing it.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  DescribeClusterEndpointTypes,
  describeClusterV0,
  heartbeatV4,
  metadataV10,
  metadataV12,
} from '@platformatic/kafka'
import { type Cluster, send } from './cluster.ts'
import { failureOf } from './failures.ts'
import { coordinatorOf } from './group.ts'
import { abortable } from './retry.ts'

/** As the protocol numbers them. */
const operations = { Read: 3, Write: 4, Create: 5, Describe: 8 } as const

export type Operation = keyof typeof operations

/** Null where the broker does not say. */
export type Rights = ReadonlySet<Operation> | null

const METADATA = 3
const DESCRIBE_CLUSTER = 60
const HEARTBEAT = 12
const GROUP_NOT_AUTHORIZED = 30
/** The first question for a coordinator makes the topic of the groups. */
const coordinatorMaxMs = 5_000
const coordinatorPauseMs = 250

export async function topicRights(cluster: Cluster, topic: string, signal: AbortSignal): Promise<Rights> {
  const connection = await cluster.anyConnection(signal)
  const version = await cluster.version(connection, 'Metadata', METADATA, [10, 12], signal)
  const { createRequest, parseResponse } = version === 12 ? metadataV12 : metadataV10
  const create = () => createRequest([topic], false, true)
  const { topics } = await abortable(send(connection, METADATA, version, create, parseResponse), signal)
  return rightsOf(topics[0]?.topicAuthorizedOperations)
}

/** The rights on the cluster, which only those see that may describe it. */
export async function clusterRights(cluster: Cluster, signal: AbortSignal): Promise<Rights> {
  const connection = await cluster.anyConnection(signal)
  await cluster.version(connection, 'DescribeCluster', DESCRIBE_CLUSTER, [0], signal)
  const { createRequest, parseResponse } = describeClusterV0
  const create = () => createRequest(true, DescribeClusterEndpointTypes.BROKERS)
  const asked = send(connection, DESCRIBE_CLUSTER, 0, create, parseResponse)
  return rightsOf((await abortable(asked, signal)).clusterAuthorizedOperations)
}

/** Whether offsets may be committed to the group: a member that there is not gives a sign of life. */
export async function mayCommit(cluster: Cluster, groupId: string, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + coordinatorMaxMs
  for (;;) {
    try {
      await heartbeat(cluster, groupId, signal)
      return true
    } catch (error) {
      const failure = failureOf(error)
      if (failure.apiCodes.has(GROUP_NOT_AUTHORIZED)) return false
      if (failure.apiCodes.has(UNKNOWN_MEMBER)) return true
      if (failure.kind === 'final' || performance.now() > deadline) throw error
      await sleep(coordinatorPauseMs, undefined, { signal })
    }
  }
}

const UNKNOWN_MEMBER = 25

async function heartbeat(cluster: Cluster, groupId: string, signal: AbortSignal): Promise<void> {
  const connection = await coordinatorOf(cluster, groupId, signal)
  await cluster.version(connection, 'Heartbeat', HEARTBEAT, [4], signal)
  const beat = () => heartbeatV4.createRequest(groupId, 0, 'assay-check')
  await abortable(send(connection, HEARTBEAT, 4, beat, heartbeatV4.parseResponse), signal)
}

/** A bit for each operation; the least number says that none was asked for, or that none may be seen. */
function rightsOf(bits: number | undefined): Rights {
  if (bits === undefined || bits === -(2 ** 31)) return null
  const has = Object.entries(operations).filter(([, code]) => (bits & (1 << code)) !== 0)
  return new Set(has.map(([name]) => name as Operation)) // Object.entries forgets the names' type.
}
