// What a process that decides has of Kafka: the topic that it reads, the topic of decisions that it follows,
// its group. And what it knows when it begins, by all three and the tables.
import type { OnNotice } from '../batches/notice.ts'
import { type NextOffset, type Offsets, partitionKey } from '../batches/offsets.ts'
import type { PartitionEnd, RecordSource } from '../batches/source.ts'
import type { Config } from '../config/config.ts'
import { ActiveRules } from '../decisions/active-rules.ts'
import { Decider } from '../decisions/decider.ts'
import { DecisionFollower, type PublishedDecision } from '../decisions/decision-follower.ts'
import type { DecisionShare } from '../decisions/decision-share.ts'
import { refuseBeyondEnd } from '../decisions/group-offsets.ts'
import { GroupMember } from '../kafka/group-member.ts'
import { topicNames } from '../kafka/options.ts'
import { abortable, Retrier } from '../kafka/retry.ts'
import { type KafkaPositions, openKafkaSource } from '../kafka/source.ts'
import type { SchemaRegistry } from '../registry/registry.ts'
import type { DecisionProducers } from './decision-producers.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'
import { deciderOptions } from './pipeline-options.ts'

/** So soon a partition that is added is read: its records wait for their decisions. */
const viewAgeMsMax = 1_000

export type DecisionTopics = {
  readonly source: RecordSource & KafkaPositions
  readonly follower: DecisionFollower
  readonly member: GroupMember
  /** Told of decisions on their topic, whoever decided. */
  onPublished: (published: readonly PublishedDecision[]) => void
  /** Told after each sign of life that the group has taken. */
  onSure: () => void
  /** Hands the share what the group assigns from now on, and what it has already. */
  attach(share: DecisionShare): void
  close(): Promise<void>
}

/** Needs no broker yet. It joins the group at once: how long that takes is the group's. */
export async function openDecisionTopics(
  { kafka, decisions }: Config,
  onNotice: OnNotice,
): Promise<DecisionTopics> {
  const connection = kafkaConnectionOf(kafka)
  const { groupId } = decisions
  // What is gone from a topic cannot be decided, and the tables tell of it.
  const common = { ...connection, groupId, onNotice, onDataLoss: 'continue', viewAgeMsMax } as const
  const { topic, startingOffsets } = kafka
  const source = await openKafkaSource({ ...common, topic, startingOffsets })
  const followed = await openKafkaSource({
    ...{ ...common, topic: decisions.topic, startingOffsets: { kind: 'earliest' } },
  })
  let share: DecisionShare | null = null
  const topics: DecisionTopics = {
    source,
    follower: new DecisionFollower(followed, { groupId, topics: topicNames(topic) }, (published) =>
      topics.onPublished(published),
    ),
    member: new GroupMember({
      ...{ connection, groupId, topics: topicNames(topic), onNotice },
      onAssigned: (assignment) => share?.onAssigned(assignment),
      onSure: () => topics.onSure(),
    }),
    onPublished: () => undefined,
    onSure: () => undefined,
    attach(attached) {
      share = attached
      const { assignment } = topics.member
      if (assignment !== null) share.onAssigned(assignment)
    },
    async close() {
      await topics.member.close()
      await source.close()
      await followed.close()
    },
  }
  return topics
}

export type Begun = {
  readonly decider: Decider
  readonly active: ActiveRules
  /** Of the topic, at the start. */
  readonly ends: readonly PartitionEnd[]
}

type Beginning = {
  readonly onNotice: OnNotice
  readonly registry: SchemaRegistry | null
  readonly signal: AbortSignal
}

/** Knows what the tables have; what the topic of decisions has from now on is followed. */
export async function openDecider(
  config: Config,
  { source, follower, member }: DecisionTopics,
  outputs: DecisionProducers,
  { onNotice, registry, signal }: Beginning,
): Promise<Begun> {
  const retrier = new Retrier(config.kafka.bootstrapServers.join(', '), { onNotice })
  const asked = <Result>(ask: () => Promise<Result>): Promise<Result> => retrier.run(ask, signal)
  await abortable(outputs.decisions(), signal) // It makes the topic where there is none.
  await follower.begin(signal)
  const { committed, begins: begun } = await member.committedOrFirst(signal)
  const ends = await asked(async () => (await source.ends?.(signal)) ?? [])
  refuseBeyondEnd(committed, ends, config.decisions.groupId)
  const { rules, active } = await ActiveRules.open(config)
  const decider = await Decider.open({ ...deciderOptions(config), ...rules, registry, ofGroup: committed })
  try {
    const begins = await beginsOf(source, decider, committed, signal)
    decider.beginAt(begins)
    // Whoever comes meanwhile, and goes on when this process ends, begins at the same records.
    if (begun.length > 0) {
      const first = [...begins, ...decider.decidedBefore].filter(([, { topic }]) => begun.includes(topic))
      await member.commitNow(new Map(first), signal)
    }
    return { decider, active, ends }
  } catch (error) {
    await decider.close()
    throw error
  }
}

/** Of each partition of the topic: no record that the group has not decided is left out. */
async function beginsOf(
  source: KafkaPositions,
  { offsets }: Decider,
  committed: Offsets,
  signal: AbortSignal,
): Promise<Offsets> {
  const ranges = await source.positions(offsets, signal)
  return new Map(
    ranges.map(({ start, end: _, ...of }): [string, NextOffset] => {
      const key = partitionKey(of)
      const undecided = committed.get(key)?.offset ?? start
      return [key, { ...of, offset: undecided < start ? undecided : start }]
    }),
  )
}

/** Runs while the topic of decisions is followed; what ends one of both ends the other. */
export async function whileFollowing(
  { follower }: DecisionTopics,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController()
  const ended = AbortSignal.any([signal, failed.signal])
  const following = follower.run(ended).catch((error: unknown) => {
    if (!ended.aborted) failed.abort(error)
  })
  try {
    await run(ended)
  } finally {
    const isFailed = failed.signal.aborted
    failed.abort()
    await following
    if (isFailed) failed.signal.throwIfAborted()
  }
}
