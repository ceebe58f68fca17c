// A member of a consumer group, by Kafka's own protocol of groups: which partitions are this process's, and
// what the group does when a process comes, goes or is silent. It reads no records.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  heartbeatV4,
  joinGroupV6,
  leaveGroupV4,
  type Reader,
  syncGroupV4,
  type Writer,
} from '@platformatic/kafka'
import type { OnNotice } from '../batches/notice.ts'
import { type Offsets, partitionKey, type TopicPartition } from '../batches/offsets.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { Cluster, parseLeniently, send } from './cluster.ts'
import { BrokerError, failureOf } from './failures.ts'
import { commitOffsets, committedOffsets, coordinatorOf, type Membership } from './group.ts'
import {
  begunBy,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  sharesAround,
  sharesOf,
} from './group-assignment.ts'
import type { KafkaConnectionOptions } from './options.ts'
import { ledPartitions } from './positions.ts'
import { abortable, Retrier } from './retry.ts'

/** Without a sign of life for so long a member is out; brokers take no less, unless they are told to. */
const SESSION_MS = 6_000
/** Who does not answer for so long when partitions are shared anew is out, too. */
const REBALANCE_MAX_MS = 2_000
const HEARTBEAT_MS = 400
/** How long a member goes on as an owner without having heard of the group. */
const SURE_MS = 2_000
/** How often the member that shares partitions looks for new ones. */
const PARTITIONS_EVERY_MS = 1_000
/** So long a member that others have put out stays away: whatever made it silent may be there still. */
const OUT_MS = 5_000
const COMMIT_EVERY_MS = 200
const LEAVE_MAX_MS = 2_000
const FIRST_LOOK_MS = 100

const PROTOCOL_TYPE = 'consumer'
const PROTOCOL = 'assay-decisions'
const JOIN_GROUP = { key: 11, name: 'JoinGroup', version: 6, ...joinGroupV6 } as const
const SYNC_GROUP = { key: 14, name: 'SyncGroup', version: 4, ...syncGroupV4 } as const
const HEARTBEAT = { key: 12, name: 'Heartbeat', version: 4, ...heartbeatV4 } as const
const LEAVE_GROUP = { key: 13, name: 'LeaveGroup', version: 4, ...leaveGroupV4 } as const

const ILLEGAL_GENERATION = 22
const INCONSISTENT_GROUP_PROTOCOL = 23
const UNKNOWN_MEMBER_ID = 25
const INVALID_SESSION_TIMEOUT = 26
const REBALANCE_IN_PROGRESS = 27
const MEMBER_ID_REQUIRED = 79

/** The group has gone on, or is about to: its member joins again. */
const ofRebalances: readonly number[] = [ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS]

export type Assignment = Membership & {
  readonly memberCount: number
  /** Of this member. */
  readonly partitions: readonly TopicPartition[]
  /** The member that has a partition, by partition key. */
  readonly owners: ReadonlyMap<string, string>
}

export type GroupMemberOptions = {
  readonly connection: KafkaConnectionOptions
  readonly groupId: string
  readonly topics: readonly string[]
  readonly onAssigned: (assignment: Assignment) => void
  /** Told after each sign of life that the group has taken. */
  readonly onSure: () => void
  readonly onNotice: OnNotice
}

export class GroupMember {
  /** Aborted with its failure where it can be no member. */
  readonly failed: AbortSignal
  readonly #options: GroupMemberOptions
  /** A join waits for the others, and what is asked behind it on its connection would wait as well. */
  readonly #membership: Cluster
  readonly #offsets: Cluster
  readonly #failed = new AbortController()
  readonly #closed = new AbortController()
  readonly #running: Promise<void>
  #rejoin = new AbortController()
  #memberId = ''
  #assignment: Assignment | null = null
  #isReady = false
  /** What this member shared last, with all topics of the group; null where another one shares them. */
  #known: { readonly topics: readonly string[]; readonly partitions: readonly TopicPartition[] } | null = null
  /** Topics of other members that it may not see: told once. */
  readonly #hidden = new Set<string>()
  #sureUntilMs = 0
  #commit: Offsets | null = null
  #committing: Promise<void> | null = null

  constructor(options: GroupMemberOptions) {
    this.#options = options
    this.#membership = new Cluster(options.connection)
    this.#offsets = new Cluster(options.connection)
    this.failed = this.#failed.signal
    this.#running = this.#run()
  }

  get assignment(): Assignment | null {
    return this.#assignment
  }

  /** Whether the group has called it a member a moment ago. */
  get isSure(): boolean {
    return performance.now() < this.#sureUntilMs
  }

  /** It can work from now on: partitions are shared anew. */
  ready(): void {
    if (this.#isReady) return
    this.#isReady = true
    this.#rejoin.abort()
  }

  /** Puts another member out: its partitions are shared among those who are left. */
  async putOut(memberId: string, signal: AbortSignal): Promise<void> {
    await this.#leave(memberId, 'it decides nothing', signal)
    this.#rejoin.abort()
  }

  /** What the group has. */
  async committed(signal: AbortSignal): Promise<Offsets> {
    const { groupId, topics } = this.#options
    return await committedOffsets(this.#offsets, groupId, topics, signal)
  }

  /**
   * What the group has; where it has nothing of some topics, one member says where all begin in these, and
   * the others wait until it has.
   */
  async committedOrFirst(
    signal: AbortSignal,
  ): Promise<{ readonly committed: Offsets; readonly begins: readonly string[] }> {
    const { topics } = this.#options
    for (;;) {
      const committed = await this.#retried(() => this.committed(signal), signal)
      const known = new Set([...committed.values()].map(({ topic }) => topic))
      const unknown = topics.filter((topic) => !known.has(topic))
      const begins = begunBy(unknown, this.#assignment?.partitions ?? [])
      if (unknown.length === 0 || begins.length > 0) return { committed, begins }
      await sleep(FIRST_LOOK_MS, undefined, { signal })
    }
  }

  /** Resolves when the group has them. */
  async commitNow(offsets: Offsets, signal: AbortSignal): Promise<void> {
    const { groupId } = this.#options
    for (;;) {
      const membership = this.#assignment
      try {
        if (membership !== null)
          return await commitOffsets(this.#offsets, groupId, offsets, signal, membership)
      } catch (error) {
        const { apiCodes, kind } = failureOf(error)
        if (kind === 'final' && !ofRebalances.some((code) => apiCodes.has(code))) throw error
      }
      await sleep(FIRST_LOOK_MS, undefined, { signal })
    }
  }

  async #retried<Result>(ask: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const { connection, onNotice } = this.#options
    return await new Retrier(connection.bootstrapServers.join(', '), { onNotice }).run(ask, signal)
  }

  /** Commits in the background, the newest alone; what the group refuses is committed by who has it now. */
  commit(offsets: Offsets): void {
    if (offsets.size === 0) return
    this.#commit = offsets
    this.#committing ??= this.#commitAll()
  }

  /** What is still to be committed is, and the others share what it had. */
  async close(): Promise<void> {
    const ended = AbortSignal.timeout(LEAVE_MAX_MS)
    const committed = this.#committing?.catch(() => undefined)
    await Promise.race([committed, sleep(LEAVE_MAX_MS, undefined, { ref: false })])
    this.#closed.abort()
    await this.#running
    if (this.#memberId !== '') await this.#leave(this.#memberId, 'it ends', ended).catch(() => undefined)
    await Promise.all([this.#membership.close(), this.#offsets.close()])
  }

  async #run(): Promise<void> {
    const signal = this.#closed.signal
    // Whoever reads tells of brokers that are away.
    const retrier = new Retrier(this.#options.connection.bootstrapServers.join(', '), {})
    while (!signal.aborted) {
      try {
        await this.#join(signal)
        retrier.succeeded()
        await this.#beat(signal)
      } catch (error) {
        if (signal.aborted) return
        const { apiCodes } = failureOf(error)
        if (ofRebalances.some((code) => apiCodes.has(code))) {
          if (apiCodes.has(UNKNOWN_MEMBER_ID)) await this.#out(signal).catch(() => undefined)
          continue
        }
        try {
          await retrier.failed(explained(error, this.#options.groupId), signal)
        } catch (final) {
          if (!signal.aborted) this.#failed.abort(final)
          return
        }
      }
    }
  }

  async #join(signal: AbortSignal): Promise<void> {
    const { groupId, topics } = this.#options
    this.#rejoin = new AbortController()
    const owned = this.#assignment?.partitions ?? []
    const metadata = encodeSubscription({ topics, isReady: this.#isReady, owned })
    const joins = () =>
      this.#ask(
        JOIN_GROUP,
        (memberId) =>
          joinGroupV6.createRequest(
            ...([groupId, SESSION_MS, REBALANCE_MAX_MS, memberId, null, PROTOCOL_TYPE] as const),
            [{ name: PROTOCOL, metadata }],
          ),
        signal,
      )
    let joined = await joins()
    if (joined.errorCode === MEMBER_ID_REQUIRED) {
      this.#memberId = joined.memberId
      joined = await joins()
    }
    refuse(joined.errorCode, groupId)
    this.#memberId = joined.memberId
    const generation = joined.generationId
    this.#known = null
    const assignments = joined.leader === joined.memberId ? await this.#shared(joined.members, signal) : []
    const askedMs = performance.now()
    const synced = await this.#ask(
      SYNC_GROUP,
      (memberId) => syncGroupV4.createRequest(groupId, generation, memberId, null, null, null, assignments),
      signal,
    )
    refuse(synced.errorCode, groupId)
    const shares = decodeAssignment(synced.assignment)
    const owners = [...shares].flatMap(([id, partitions]) =>
      partitions.map((one) => [partitionKey(one), id] as const),
    )
    const partitions = shares.get(this.#memberId) ?? []
    this.#assignment = {
      ...{ memberId: this.#memberId, generation, memberCount: shares.size, partitions },
      owners: new Map(owners),
    }
    this.#sureUntilMs = askedMs + SURE_MS
    this.#options.onAssigned(this.#assignment)
  }

  /** The first of them shares the partitions for all. */
  async #shared(
    members: readonly { readonly memberId: string; readonly metadata: Buffer }[],
    signal: AbortSignal,
  ): Promise<{ memberId: string; assignment: Buffer }[]> {
    const subscribers = members.map(({ memberId, metadata }) => decodeSubscription(memberId, metadata))
    const topics = [...new Set(subscribers.flatMap((one) => one.topics))]
    const partitions = await this.#partitions(topics, signal)
    this.#known = { topics, partitions }
    const shares = sharesOf(partitions, subscribers)
    return subscribers.map((one) => {
      const { memberId } = one
      const around = sharesAround(one, subscribers, shares)
      return { memberId, assignment: encodeAssignment(memberId, around) }
    })
  }

  /** A topic that is not there, or that this member may not see, keeps nobody from another one. */
  async #partitions(topics: readonly string[], signal: AbortSignal): Promise<readonly TopicPartition[]> {
    const found: TopicPartition[] = []
    for (const topic of topics)
      try {
        found.push(...ledPartitions(await this.#offsets.describe([topic], signal)))
      } catch (error) {
        const failure = failureOf(error)
        if (failure.kind === 'retry' || !(failure.error instanceof LakehouseError)) throw error
        const isMissing = failure.error.code === 'KAFKA_TOPIC_MISSING'
        if (!isMissing && this.#options.topics.includes(topic)) throw error
        if (!isMissing) this.#tellHidden(topic, failure.error)
      }
    return found
  }

  #tellHidden(topic: string, { code, message }: LakehouseError): void {
    if (this.#hidden.has(topic)) return
    this.#hidden.add(topic)
    const { groupId, onNotice } = this.#options
    const hint =
      `A process of group ${groupId} reads topic ${topic}, and this one cannot share its partitions: ${message} ` +
      'Allow it to describe that topic, or give the lakehouse of that process another DECISIONS_GROUP_ID.'
    onNotice({ code, message: hint, details: { groupId, topic } })
  }

  /** Gives signs of life until partitions have to be shared anew. */
  async #beat(signal: AbortSignal): Promise<void> {
    const { groupId, onSure } = this.#options
    assert(this.#assignment !== null, 'it has joined')
    const { generation } = this.#assignment
    let lookedMs = performance.now()
    for (;;) {
      onSure()
      await sleep(HEARTBEAT_MS, undefined, { signal: AbortSignal.any([signal, this.#rejoin.signal]) }).catch(
        () => signal.throwIfAborted(),
      )
      if (this.#rejoin.signal.aborted) return
      const askedMs = performance.now()
      const { errorCode } = await this.#ask(
        HEARTBEAT,
        (memberId) => heartbeatV4.createRequest(groupId, generation, memberId),
        signal,
      )
      refuse(errorCode, groupId)
      this.#sureUntilMs = askedMs + SURE_MS
      if (this.#known === null || askedMs - lookedMs < PARTITIONS_EVERY_MS) continue
      lookedMs = askedMs
      // That it joins again makes the group share them anew.
      const { topics, partitions } = this.#known
      if ((await this.#partitions(topics, signal)).length !== partitions.length) return
    }
  }

  /** Of what it had nothing is its own any more. */
  async #out(signal: AbortSignal): Promise<void> {
    const was = this.#assignment
    this.#memberId = ''
    this.#sureUntilMs = 0
    this.#assignment = null
    if (was === null) return
    const { groupId, onNotice } = this.#options
    const message =
      `Group ${groupId} has gone on without this process, which was silent or slow: others take what it had, ` +
      `and it joins again in ${OUT_MS / 1000} s.`
    onNotice({ code: 'KAFKA_GROUP_WENT_ON', message, details: { groupId, generation: was.generation } })
    this.#options.onAssigned({ ...was, partitions: [], owners: new Map() })
    await sleep(OUT_MS, undefined, { signal })
  }

  async #leave(memberId: string, reason: string, signal: AbortSignal): Promise<void> {
    const { groupId } = this.#options
    const leaving = [{ memberId, groupInstanceId: null, reason }]
    await this.#ask(LEAVE_GROUP, () => leaveGroupV4.createRequest(groupId, leaving), signal, this.#offsets)
  }

  async #commitAll(): Promise<void> {
    while (this.#commit !== null) {
      // What it has lost since is committed by who has it now, who may be further.
      const mine = new Set(this.#assignment?.partitions.map(partitionKey))
      const offsets = new Map([...this.#commit].filter(([key]) => mine.has(key)))
      this.#commit = null
      const ended = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(SESSION_MS)])
      // What fails is committed with what comes next.
      if (this.#assignment !== null && offsets.size > 0)
        await commitOffsets(this.#offsets, this.#options.groupId, offsets, ended, this.#assignment).catch(
          () => undefined,
        )
      await sleep(COMMIT_EVERY_MS, undefined, { signal: this.#closed.signal }).catch(() => undefined)
    }
    this.#committing = null
  }

  async #ask<Response extends { readonly errorCode: number }>(
    api: {
      readonly key: number
      readonly name: string
      readonly version: number
      readonly parseResponse: (id: number, key: number, version: number, reader: Reader) => Response
    },
    create: (memberId: string) => Writer,
    signal: AbortSignal,
    cluster: Cluster = this.#membership,
  ): Promise<Response> {
    const connection = await coordinatorOf(cluster, this.#options.groupId, signal)
    await cluster.version(connection, api.name, api.key, [api.version], signal)
    const asked = send(
      connection,
      api.key,
      api.version,
      () => create(this.#memberId),
      (...of) => parseLeniently(api.parseResponse, ...of),
    )
    return await abortable(asked, signal)
  }
}

function refuse(errorCode: number, groupId: string): void {
  if (errorCode !== 0) throw new BrokerError(errorCode, `group ${groupId}`)
}

/** What a user can do about it. */
function explained(error: unknown, groupId: string): unknown {
  const { apiCodes } = failureOf(error)
  const refusal = (message: string): LakehouseError =>
    new LakehouseError('KAFKA_REQUEST_REFUSED', message, { cause: error, details: { groupId } })
  if (apiCodes.has(INCONSISTENT_GROUP_PROTOCOL))
    return refusal(
      `Group ${groupId} has members of another program: set DECISIONS_GROUP_ID to a name of its own.`,
    )
  if (apiCodes.has(INVALID_SESSION_TIMEOUT))
    return refusal(
      `Brokers refuse members of group ${groupId} that are out after ${SESSION_MS} ms: lower ` +
        'group.min.session.timeout.ms.',
    )
  return error
}
