// The share that one process has in the decisions of a topic: the partitions that its group gives it. What
// became its own it goes on with from where its owner ended, and an owner that is silent while records wait
// is put out of the group.
import type { OnNotice } from '../batches/notice.ts'
import { type Offsets, partitionKey, type TopicPartition } from '../batches/offsets.ts'
import { isAbort } from '../engines/retry.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Assignment, GroupMember } from '../kafka/group-member.ts'
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
  readonly onNotice: OnNotice
  readonly signal: AbortSignal
}

export class DecisionShare {
  readonly #options: ShareOptions
  readonly #timer: NodeJS.Timeout
  #assignment: Assignment | null = null
  #sinceMs = 0
  #isReady = false
  #looking: Promise<void> = Promise.resolve()
  #isLooking = false

  constructor(options: ShareOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#lookAgain(), lookEveryMs)
  }

  /** Told of each assignment by the group. */
  readonly onAssigned = (assignment: Assignment): void => {
    this.#assignment = assignment
    this.#sinceMs = performance.now()
    const { publisher } = this.#options
    const share = new Set(assignment.partitions.map(partitionKey))
    publisher.own(publisher.mine.intersection(share))
    this.#takeOver(assignment, share).catch((error: unknown) => this.#told(error))
  }

  /** Commits what is written, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
    this.#commit()
  }

  /** What its owner has written last is not written again. */
  async #takeOver(assignment: Assignment, share: ReadonlySet<string>): Promise<void> {
    const { member, ledger, publisher, follower, onShare, signal } = this.#options
    const isNew = !share.isSubsetOf(publisher.mine)
    if (isNew) {
      const ended = AbortSignal.any([signal, AbortSignal.timeout(tailMaxMs)])
      try {
        await follower.upToNow(ended)
        ledger.onCommitted(await member.committed(ended))
      } catch (error) {
        if (signal.aborted || !ended.aborted) throw error
      }
    }
    if (this.#assignment !== assignment) return
    publisher.own(share)
    const { partitions, generation, memberCount } = assignment
    onShare({ partitions, generation, memberCount })
  }

  #lookAgain(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#looking = this.#look()
      .catch((error: unknown) => this.#told(error))
      .finally(() => {
        this.#isLooking = false
      })
  }

  async #look(): Promise<void> {
    const { member, ledger, decided, onProgress, signal } = this.#options
    this.#commit()
    const committed = await member.committed(signal)
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
    const { member, ledger, publisher, onNotice, signal } = this.#options
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
      return await member.putOut(owner, signal)
    }
  }

  #commit(): void {
    const { member, ledger, publisher, decided } = this.#options
    const published = ledger.publishedBefore(decided())
    member.commit(new Map([...published].filter(([key]) => publisher.mine.has(key))))
  }

  /** What is looked at again in a moment may fail now. */
  #told(error: unknown): void {
    const { onNotice, signal } = this.#options
    if (signal.aborted || isAbort(error, signal)) return
    if (error instanceof LakehouseError)
      onNotice({ code: error.code, message: error.message, details: error.details })
  }
}
