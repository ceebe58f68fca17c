// Waits for records with long polls: a broker answers the moment a record can be read.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from './cluster.ts'
import {
  FETCH_API_KEY,
  type FetchLimits,
  type FetchResponse,
  type FetchVersion,
  fetchRecords,
} from './fetch.ts'
import { byLeader, type LedPartition } from './positions.ts'
import { usableVersions } from './reader.ts'
import { abortable } from './retry.ts'

/** How long a broker holds a poll; a wait that ends earlier leaves it to the next wait. */
const POLL_MS = 1_000

const limits: FetchLimits = { waitMaxMs: POLL_MS, responseBytesMax: 1, partitionBytesMax: 1 }

export type PolledPartition = { readonly led: LedPartition; readonly offset: bigint }

type Poll = { readonly positions: string; readonly answer: Promise<FetchResponse> }

export class Polls {
  readonly #cluster: Cluster
  /**
   * The poll that each broker holds. A connection answers in order, so a poll left behind by an earlier wait
   * would delay the next one's: it is taken up again while the positions are the same (else it has been
   * answered).
   */
  readonly #held = new Map<number, Poll>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /**
   * Whether one of the partitions has something at its offset, an error included; false after `waitMaxMs`.
   */
  async anyData(
    partitions: readonly PolledPartition[],
    waitMaxMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const ended = new AbortController()
    const anyEnd = AbortSignal.any([signal, ended.signal])
    const { promise: found, resolve, reject } = Promise.withResolvers<boolean>()
    const ofBrokers = [...byLeader(partitions.map((each) => ({ ...each, leader: each.led.leader })))]
    const polling = ofBrokers.map(async ([leader, members]) => {
      if (await this.#poll(leader, members, anyEnd)) resolve(true)
    })
    const pause = sleep(waitMaxMs, undefined, { signal: anyEnd })
    pause.then(
      () => resolve(false),
      () => {},
    )
    Promise.all(polling).then(() => resolve(false), reject)
    try {
      return await abortable(found, signal)
    } finally {
      ended.abort()
      await Promise.allSettled(polling)
    }
  }

  async #poll(leader: number, members: readonly PolledPartition[], signal: AbortSignal): Promise<boolean> {
    const positions = JSON.stringify(
      members.map(({ led, offset }) => [led.key, led.leaderEpoch, `${offset}`]),
    )
    let poll = this.#held.get(leader)
    if (poll?.positions !== positions) {
      const answer = this.#send(leader, members)
      poll = { positions, answer }
      this.#held.set(leader, poll)
      answer.catch(() => {}) // A wait that was ended leaves it; the next one starts anew.
    }
    try {
      const response = await abortable(poll.answer, signal)
      this.#release(leader, poll)
      const { errorCode, partitions } = response
      return errorCode !== 0 || partitions.some((each) => each.errorCode !== 0 || each.records.length > 0)
    } catch (error) {
      if (!signal.aborted) this.#release(leader, poll)
      throw error
    }
  }

  #release(leader: number, poll: Poll): void {
    if (this.#held.get(leader) === poll) this.#held.delete(leader)
  }

  /**
   * Without the signal of a wait, which it may outlive: the time-outs of connecting and of requests end it.
   */
  async #send(leader: number, members: readonly PolledPartition[]): Promise<FetchResponse> {
    const { signal } = new AbortController()
    const connection = await this.#cluster.connection(leader, 'poll', signal)
    const supported = usableVersions(members)
    const version = await this.#cluster.version(connection, 'Fetch', FETCH_API_KEY, supported, signal)
    const partitions = members.map(({ led, offset }) => ({ ...led, topicId: led.topicId ?? '', offset }))
    return await fetchRecords(connection, version as FetchVersion, partitions, limits)
  }
}
