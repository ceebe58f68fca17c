// Where decisions go on, by what the group of the decisions says.
import { type Offsets, partitionKey } from '../batches/offsets.ts'
import type { PartitionEnd } from '../batches/source.ts'
import { LakehouseError } from '../errors/errors.ts'

/**
 * The offsets before which all is decided. A topic of which the group has nothing is decided from where the
 * tables are. Of a topic that it has, a partition without an offset is a new one: nothing of it is decided.
 */
export function decidedBefore(ofGroup: Offsets, ofTables: Offsets): Offsets {
  const topics = new Set([...ofGroup.values()].map(({ topic }) => topic))
  const ofOthers = [...ofTables].filter(([, { topic }]) => !topics.has(topic))
  const fresh = [...ofTables].filter(([key, { topic }]) => topics.has(topic) && !ofGroup.has(key))
  return new Map([
    ...ofGroup,
    ...ofOthers,
    ...fresh.map(([key, of]) => [key, { ...of, offset: 0n }] as const),
  ])
}

/** Records that come to a partition again would pass for decided. */
export function refuseBeyondEnd(ofGroup: Offsets, ends: readonly PartitionEnd[], groupId: string): void {
  for (const { topic, partition, end } of ends) {
    const offset = ofGroup.get(partitionKey({ topic, partition }))?.offset
    if (offset === undefined || offset <= end) continue
    const message =
      `${topic}, partition ${partition}: group ${groupId} has decided to offset ${offset}, but the partition ends at ` +
      `${end}. The topic was deleted and created anew, or the broker lost the end of its log: set ` +
      'DECISIONS_GROUP_ID to a new name.'
    throw new LakehouseError('KAFKA_TOPIC_CHANGED', message, { details: { topic, partition, offset, end } })
  }
}
