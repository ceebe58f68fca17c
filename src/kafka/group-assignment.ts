// Whose partitions are whose in a consumer group, and what its members tell each other of it: in the
// subscription of a member what it has and whether it can work, in its assignment what everybody has.
import {
  decodeConsumerProtocolAssignment,
  decodeConsumerProtocolSubscription,
  encodeConsumerProtocolAssignment,
  encodeConsumerProtocolSubscription,
} from '@platformatic/kafka'
import { partitionKey, type TopicPartition } from '../batches/offsets.ts'

/** A version of the protocol of consumers that tools read, and that says what a member has. */
const PROTOCOL_VERSION = 1

export type Subscriber = {
  readonly memberId: string
  /** Members of a group need not read the same. */
  readonly topics: readonly string[]
  /** Whether it can work now: one that cannot gets partitions only where nobody can. */
  readonly isReady: boolean
  readonly owned: readonly TopicPartition[]
}

/** By the id of the member. */
export type Shares = ReadonlyMap<string, readonly TopicPartition[]>

/** The partitions of a topic are shared by those that read it; topics with the same readers are as one. */
export function sharesOf(partitions: readonly TopicPartition[], members: readonly Subscriber[]): Shares {
  const shares = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]))
  const readersOf = (topic: string): Subscriber[] => members.filter(({ topics }) => topics.includes(topic))
  const named = (topic: string): string => JSON.stringify(readersOf(topic).map(({ memberId }) => memberId))
  for (const ofSame of Map.groupBy(partitions, ({ topic }) => named(topic)).values())
    for (const [memberId, share] of fairShares(ofSame, readersOf(ofSame[0]!.topic)))
      shares.get(memberId)!.push(...share)
  return shares
}

/**
 * Everybody keeps what it has as far as all get the same number, give or take one; the rest goes to those
 * with the fewest.
 */
function fairShares(partitions: readonly TopicPartition[], members: readonly Subscriber[]): Shares {
  const ready = members.filter(({ isReady }) => isReady)
  const working = (ready.length > 0 ? ready : members).toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const shares = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]))
  if (working.length === 0) return shares
  const free = new Map(partitions.map((one) => [partitionKey(one), one]))
  const least = Math.floor(partitions.length / working.length)
  let withOneMore = partitions.length % working.length
  const had = working.map(({ memberId, owned }) => {
    return { memberId, owned: owned.filter((one) => free.has(partitionKey(one))) }
  })
  for (const { memberId, owned } of had.toSorted((a, b) => b.owned.length - a.owned.length)) {
    const share = shares.get(memberId)!
    for (const one of owned) {
      if (!free.has(partitionKey(one)) || share.length > least) continue
      if (share.length === least && withOneMore-- <= 0) break
      share.push(one)
      free.delete(partitionKey(one))
    }
  }
  for (const one of free.values()) {
    const fewest = working.reduce((a, b) =>
      shares.get(b.memberId)!.length < shares.get(a.memberId)!.length ? b : a,
    )
    shares.get(fewest.memberId)!.push(one)
  }
  return shares
}

/** Those that read a topic of a member's, and what they have: the others are none of its business. */
export function sharesAround({ topics }: Subscriber, members: readonly Subscriber[], shares: Shares): Shares {
  const around = members.filter((other) => other.topics.some((topic) => topics.includes(topic)))
  return new Map(around.map(({ memberId }) => [memberId, shares.get(memberId)!]))
}

/**
 * The topics of a member of which it says where all begin: none, or all that the group has nothing of. The
 * one that has the first partition of the first of them does.
 */
export function begunBy(
  unknown: readonly string[],
  partitions: readonly TopicPartition[],
): readonly string[] {
  const [first] = unknown.toSorted()
  const isMine = partitions.some(({ topic, partition }) => topic === first && partition === 0)
  return isMine ? unknown : []
}

export function encodeSubscription({ topics, isReady, owned }: Omit<Subscriber, 'memberId'>): Buffer {
  return encodeConsumerProtocolSubscription({
    ...{ version: PROTOCOL_VERSION, topics: [...topics], ownedPartitions: byTopic(owned) },
    userData: JSON.stringify({ isReady }),
  })
}

export function decodeSubscription(memberId: string, bytes: Buffer): Subscriber {
  const { topics, userData, ownedPartitions } = decodeConsumerProtocolSubscription(bytes)
  return { memberId, topics, isReady: parsed(userData).isReady === true, owned: ofTopics(ownedPartitions) }
}

export function encodeAssignment(memberId: string, shares: Shares): Buffer {
  const all = [...shares].map(([id, partitions]) => [id, byTopic(partitions)])
  return encodeConsumerProtocolAssignment({
    ...{ version: PROTOCOL_VERSION, assignedPartitions: byTopic(shares.get(memberId) ?? []) },
    userData: JSON.stringify({ shares: all }),
  })
}

/** Empty where whoever assigned them knows nothing of it. */
export function decodeAssignment(bytes: Buffer): Shares {
  const { shares } = parsed(decodeConsumerProtocolAssignment(bytes).userData)
  if (!Array.isArray(shares)) return new Map()
  const encoded = shares as [string, ByTopic][] // As it was encoded.
  return new Map(encoded.map(([id, topics]) => [id, ofTopics(topics)]))
}

type ByTopic = { topic: string; partitions: number[] }[]

function byTopic(partitions: readonly TopicPartition[]): ByTopic {
  return [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, of]) => ({
    topic,
    partitions: of.map(({ partition }) => partition),
  }))
}

function ofTopics(topics: Readonly<ByTopic>): TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
}

/** A member of another program may write anything. */
function parsed(bytes: Buffer): { readonly isReady?: unknown; readonly shares?: unknown } {
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
