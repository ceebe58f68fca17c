// The share that one process has in the decisions of a topic: the partitions that its group gives it. What
// became its own it goes on with from where its owner ended, and an owner that is silent while records wait
// is put out of the group.
import { setTimeout as sleep } from 'node:timers/promises'
import type { OnNotice } from '../batches/notice.ts'
import { type Offsets, partitionKey, type TopicPartition } from '../batches/offsets.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Assignment, GroupMember } from '../kafka/group-member.ts'
import { Retrier } from '../kafka/retry.ts'
import type { DecisionFollower } from './decision-follower.ts'
import type { DecisionLedger } from './decision-ledger.ts'
import type { DecisionPublisher } from './decision-publisher.ts'

/** How long the decision of another's record may be missing before its owner counts as silent. */
const silentMs = 2_000
/** Whoever is so slow itself calls nobody silent. */
const slowMs = 1_000
const lookEveryMs = 250
/** How long what others wrote last may take to be read; beyond, some of it is decided once more. */
const tailMaxMs = 1_000
/** What brokers refuse may be allowed again. */
const refusedMs = 5_000

export type Share = {
  readonly partitions: readonly TopicPartition[]
  readonly generation: number
  /** How many processes share the topic. */
  readonly memberCount: number
}

export type ShareOptions = {
  readonly member: GroupMember
  readonly ledger: DecisionLedger
  readonly publisher: DecisionPublisher
  readonly follower: DecisionFollower
  /** The next record of each partition that is not decided here yet. */
  readonly decided: () => Offsets
  /** Told of each share when it is this process's own. */
  readonly onShare: (share: Share) => void
  /** Told how far the decisions are that are on their topic, of all partitions. */
  readonly onProgress: (offsets: Offsets) => void
  /** Where the brokers are, for the log. */
  readonly brokers: string
  readonly onNotice: OnNotice
  readonly signal: AbortSignal
}

export class DecisionShare {
  readonly #options: ShareOptions
  readonly #timer: NodeJS.Timeout
  readonly #retrier: Retrier
  readonly #closed = new AbortController()
  readonly #ended: AbortSignal
  #assignment: Assignment | null = null
  #sinceMs = 0
  #isReady = false
  #looking: Promise<void> = Promise.resolve()
  #isLooking = false
  /** Told once, until a look succeeds. */
  #refusal: string | null = null

  constructor(options: ShareOptions) {
    this.#options = options
    this.#retrier = new Retrier(options.brokers, { onNotice: options.onNotice })
    this.#ended = AbortSignal.any([options.signal, this.#closed.signal])
    this.#timer = setInterval(() => this.#lookAgain(), lookEveryMs)
  }

  /** Told of each assignment by the group. */
  readonly onAssigned = (assignment: Assignment): void => {
    this.#assignment = assignment
    this.#sinceMs = performance.now()
    const { publisher } = this.#options
    const share = new Set(assignment.partitions.map(partitionKey))
    publisher.own(publisher.mine.intersection(share))
    void this.#takeOver(assignment, share)
  }

  /** Commits what is written, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#closed.abort()
    await this.#looking
    this.#commit()
  }

  async #takeOver(assignment: Assignment, share: ReadonlySet<string>): Promise<void> {
    const { publisher, onShare } = this.#options
    if (!share.isSubsetOf(publisher.mine)) await this.#readTail()
    if (this.#ended.aborted || this.#assignment !== assignment) return
    publisher.own(share)
    const { partitions, generation, memberCount } = assignment
    onShare({ partitions, generation, memberCount })
  }

  /** What its owner has written last is not written again, as far as that is known in time. */
  async #readTail(): Promise<void> {
    const { member, ledger, follower } = this.#options
    const ended = AbortSignal.any([this.#ended, AbortSignal.timeout(tailMaxMs)])
    const read = async (): Promise<void> => {
      await follower.upToNow(ended)
      ledger.onCommitted(await member.committed(ended))
    }
    await this.#retrier.run(read, ended).catch((error: unknown) => {
      if (!ended.aborted) this.#refused(error)
    })
  }

  #lookAgain(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#looking = this.#retrier
      .run(() => this.#look(), this.#ended)
      .then(() => {
        this.#refusal = null
      })
      .catch(async (error: unknown) => {
        this.#refused(error)
        await sleep(refusedMs, undefined, { signal: this.#ended }).catch(() => undefined)
      })
      .finally(() => {
        this.#isLooking = false
      })
  }

  async #look(): Promise<void> {
    const { member, ledger, decided, onProgress } = this.#options
    this.#commit()
    const committed = await member.committed(this.#ended)
    ledger.onCommitted(committed)
    const at = decided()
    onProgress(ledger.publishedBefore(at))
    const isBehind = [...committed].some(([key, { offset }]) => (at.get(key)?.offset ?? 0n) < offset)
    if (!isBehind && !this.#isReady) {
      this.#isReady = true
      member.ready()
    }
    if (this.#isReady && member.isSure) await this.#putOutSilent()
  }

  async #putOutSilent(): Promise<void> {
    const { member, ledger, publisher, onNotice } = this.#options
    const nowMs = performance.now()
    const beforeMs = nowMs - silentMs
    const assignment = this.#assignment
    if (assignment === null || this.#sinceMs > beforeMs) return
    // Where its own wait as well, others are as slow as this process: the machine is, or the brokers.
    if (ledger.waitingSince(nowMs - slowMs).some((at) => publisher.isMine(at))) return
    for (const at of ledger.waitingSince(beforeMs)) {
      const owner = assignment.owners.get(partitionKey(at))
      if (owner === undefined || owner === assignment.memberId) continue
      const message =
        `${at.topic}, partition ${at.partition}: its owner has decided nothing for ${silentMs} ms although records wait. ` +
        'The others share what it had.'
      onNotice({ code: 'DECISIONS_OWNER_SILENT', message, details: { ...at, owner } })
      this.#sinceMs = performance.now()
      return await member.putOut(owner, this.#ended)
    }
  }

  #commit(): void {
    const { member, ledger, publisher, decided } = this.#options
    const published = ledger.publishedBefore(decided())
    member.commit(new Map([...published].filter(([key]) => publisher.mine.has(key))))
  }

  /** What no waiting heals of itself is told; anything but a failure with a name is a bug. */
  #refused(error: unknown): void {
    if (this.#ended.aborted) return
    if (!(error instanceof LakehouseError)) throw error
    if (this.#refusal === error.code) return
    this.#refusal = error.code
    const { code, message, details } = error
    this.#options.onNotice({ code, message, details })
  }
}
