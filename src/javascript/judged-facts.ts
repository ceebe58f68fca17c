// What a batch brought, as its judged rows say: counts, and how far its partitions are in event time. Told
// row by row, in the order of arrival.
import type { BatchTimes } from '../batches/planner.ts'
import type { BatchCounts, PartitionTime } from '../batches/progress.ts'
import type { Whole } from '../columns/whole.ts'

type PartitionFacts = {
  readonly topic: string
  readonly partition: number
  /** Of valid rows; null before the first one. */
  eventTimeMax: Whole | null
  recordsSinceValid: number
}

export class JudgedFacts {
  readonly #partitions = new Map<string, Map<number, PartitionFacts>>()
  /** Rows of a partition come one after another. */
  #last: PartitionFacts | null = null
  #records = 0
  #silver = 0
  #eventTimeMax: Whole | null = null

  /** `isValid`: nothing of the record is wrong, though it may be late or a repeat. */
  readonly add = (
    topic: string,
    partition: number,
    eventTime: Whole | null,
    isValid: boolean,
    isAccepted: boolean,
  ): void => {
    let facts = this.#last
    if (facts === null || facts.partition !== partition || facts.topic !== topic) {
      facts = this.#factsOf(topic, partition)
      this.#last = facts
    }
    this.#records++
    facts.recordsSinceValid++
    if (!isValid || eventTime === null) return
    facts.recordsSinceValid = 0
    if (facts.eventTimeMax === null || eventTime > facts.eventTimeMax) facts.eventTimeMax = eventTime
    if (!isAccepted) return
    this.#silver++
    if (this.#eventTimeMax === null || eventTime > this.#eventTimeMax) this.#eventTimeMax = eventTime
  }

  get counts(): BatchCounts {
    return { records: this.#records, silver: this.#silver, quarantined: this.#records - this.#silver }
  }

  /** A batch of files has no partitions that could wait: its `partitions` are of no use. */
  get times(): BatchTimes {
    const partitions = [...this.#partitions.values()].flatMap((ofTopic) =>
      [...ofTopic.values()].map(
        ({ topic, partition, eventTimeMax, recordsSinceValid }): PartitionTime => ({
          topic,
          partition,
          eventTimeMaxMicros: eventTimeMax === null ? null : BigInt(eventTimeMax),
          recordsSinceValid,
        }),
      ),
    )
    const seen = this.#eventTimeMax
    return { eventTimeMaxMicros: seen === null ? null : BigInt(seen), partitions }
  }

  #factsOf(topic: string, partition: number): PartitionFacts {
    const ofTopic = this.#partitions.get(topic) ?? new Map<number, PartitionFacts>()
    this.#partitions.set(topic, ofTopic)
    const facts = ofTopic.get(partition) ?? { topic, partition, eventTimeMax: null, recordsSinceValid: 0 }
    ofTopic.set(partition, facts)
    return facts
  }
}
