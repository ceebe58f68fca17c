// Records that are gone before they were read: an error, or, where the user allows it, counted and passed
// over.
import type { OnNotice } from '../batches/notice.ts'
import type { TopicPartition } from '../batches/offsets.ts'
import { LakehouseError } from '../errors/errors.ts'

export type Loss = TopicPartition & {
  /** deleted: retention was faster than reading; rewound: the log ends before what was read. */
  readonly kind: 'deleted' | 'rewound' | 'recreated'
  readonly wanted: bigint
  readonly earliest: bigint
  readonly end: bigint
}

export class Losses {
  readonly #onDataLoss: 'fail' | 'continue'
  readonly #onNotice: OnNotice
  readonly #noticed = new Set<string>()

  constructor(options: { readonly onDataLoss: 'fail' | 'continue'; readonly onNotice?: OnNotice }) {
    this.#onDataLoss = options.onDataLoss
    this.#onNotice = options.onNotice ?? (() => {})
  }

  /** Throws KAFKA_OFFSETS_LOST, or notices the loss (once, however often it is met) and returns. */
  meet(loss: Loss): void {
    const { kind, topic, partition, wanted, earliest, end } = loss
    // How many records a recreated topic held is known to nobody any more.
    const lost = kind === 'deleted' ? earliest - wanted : null
    const details = { kind, topic, partition, wanted, earliest, end, lost }
    if (this.#onDataLoss === 'fail') {
      const message = `${describe(loss)} Set ON_DATA_LOSS=continue to go on from offset ${earliest}.`
      throw new LakehouseError('KAFKA_OFFSETS_LOST', message, { details })
    }
    const id = `${topic}\n${partition}\n${wanted}\n${kind}`
    if (this.#noticed.has(id)) return
    this.#noticed.add(id)
    const message = `${describe(loss)} ON_DATA_LOSS=continue: reading goes on from offset ${earliest}.`
    this.#onNotice({ code: 'KAFKA_OFFSETS_LOST', message, details })
  }
}

function describe({ kind, topic, partition, wanted, earliest, end }: Loss): string {
  const where = `${topic}, partition ${partition}`
  switch (kind) {
    case 'deleted':
      return (
        `${where}: ${earliest - wanted} offsets from ${wanted} on were deleted before they were ` +
        'read; the first ' +
        `that is left is ${earliest}. Retention is shorter than the time that Assay was behind.`
      )
    case 'rewound':
      return (
        `${where}: the tables have read to offset ${wanted}, but the partition ends at ${end}. The ` +
        'topic was deleted ' +
        'and created anew, or the broker lost the end of its log.'
      )
    case 'recreated':
      return (
        `${where}: the topic was deleted and created anew while Assay was reading it at offset ` +
        `${wanted}.`
      )
  }
}
