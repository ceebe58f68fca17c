// Records that are gone before they were read: an error, or, where the user allows it, counted and passed
// over. A topic whose offsets mean other records than before is always an error.

import type { OnNotice } from '../batches/notice.ts'
import type { TopicPartition } from '../batches/offsets.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'

/** Retention was faster than reading: the records from `wanted` to before `earliest` were deleted. */
export type Loss = TopicPartition & { readonly wanted: bigint; readonly earliest: bigint }

export class Losses {
  readonly #onDataLoss: 'fail' | 'continue'
  readonly #onNotice: OnNotice
  readonly #noticed = new Set<string>()

  constructor(options: { readonly onDataLoss: 'fail' | 'continue'; readonly onNotice?: OnNotice }) {
    this.#onDataLoss = options.onDataLoss
    this.#onNotice = options.onNotice ?? (() => {})
  }

  /**
   * Throws KAFKA_OFFSETS_LOST, or notices the loss (once, however often it is met) and returns. `what` says
   * what happened where that was not retention.
   */
  meet(loss: Loss, what = deletedText(loss)): void {
    const { topic, partition, wanted, earliest } = loss
    const details = { topic, partition, wanted, earliest, lost: earliest - wanted }
    if (this.#onDataLoss === 'fail') {
      const message = `${what} Set ON_DATA_LOSS=continue to go on from offset ${earliest}.`
      throw new LakehouseError('KAFKA_OFFSETS_LOST', message, { details })
    }
    const id = `${topic}\n${partition}\n${wanted}`
    if (this.#noticed.has(id)) return
    this.#noticed.add(id)
    const message = `${what} ON_DATA_LOSS=continue: reading goes on from offset ${earliest}.`
    this.#onNotice({ code: 'KAFKA_OFFSETS_LOST', message, details })
  }
}

function deletedText({ topic, partition, wanted, earliest }: Loss): string {
  return (
    `${topic}, partition ${partition}: Kafka deleted ${counted(earliest - wanted, 'offset')} from ${wanted} on before ` +
    `Assay had read them; the first that is left is ${earliest}. Retention is shorter than the time that ` +
    'Assay was behind.'
  )
}

const whatToDo =
  'Its offsets mean other records than those in the tables, so they cannot go on together, whatever ' +
  'ON_DATA_LOSS says: give the topic another name, or set DELTA_BASE_PATH to a new directory.'

/** The topic was deleted and created anew: it has another id than the one that was read. */
export function topicRecreated({ topic }: { readonly topic: string }, offset: bigint): LakehouseError {
  const message = `${topic} was deleted and created anew since it was read to offset ${offset}. ${whatToDo}`
  return new LakehouseError('KAFKA_TOPIC_CHANGED', message, { details: { topic, kind: 'recreated', offset } })
}

/** The log ends before what was read of it. */
export function logRewound(
  { topic, partition }: TopicPartition,
  wanted: bigint,
  end: bigint,
): LakehouseError {
  const message =
    `${topic}, partition ${partition}: the tables have read to offset ${wanted}, but the partition ends at ` +
    `${end}. The topic was deleted and created anew, or the broker lost the end of its log. ${whatToDo}`
  const details = { topic, partition, kind: 'rewound', wanted, end }
  return new LakehouseError('KAFKA_TOPIC_CHANGED', message, { details })
}
