// What a process that decides says of itself: where it is asked, and which partitions are its own.
import type { TopicPartition } from '../batches/offsets.ts'
import type { Share } from '../decisions/decision-share.ts'
import { counted } from '../errors/counted.ts'
import type { Logger } from './logger.ts'

/** What is known at the start, and where it is asked. */
export type DecidesAt = {
  readonly rows: number
  /** null where it answers no requests, or serves no metrics. */
  readonly url: string | null
  readonly metricsUrl: string | null
}

export function tellDecides(log: Logger, { rows, url, metricsUrl }: DecidesAt): void {
  const where = url === null ? 'no requests' : `requests at ${requestsAt(url)}`
  log.info({ rows, url }, `decides: ${counted(rows, 'row')} known, ${where}`)
  if (metricsUrl !== null) log.info(`metrics of decisions at ${metricsUrl}/metrics`)
}

export function tellShare(log: Logger, share: Share): void {
  const { partitions, generation, memberCount } = share
  const told = partitions.length === 0 ? 'no partition: others have them all' : ownText(share)
  log.info(
    { partitions: partitions.map(partitionText), generation, processes: memberCount },
    `its own are ${told}; ${counted(memberCount, 'process', 'processes')} share the topic`,
  )
}

/** The same in short, for a line of a picture. */
export function decidesText({ url }: DecidesAt, share: Share | null): string {
  const at = url === null ? [] : [requestsAt(url)]
  if (share === null) return [...at, 'waiting for its share'].join('   ')
  const { partitions, memberCount } = share
  const own = `${counted(partitions.length, 'partition')}, ${counted(memberCount, 'process', 'processes')}`
  return [...at, own].join('   ')
}

function requestsAt(url: string): string {
  return `${url}/v1/decisions`
}

function ownText({ partitions }: Share): string {
  const told = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, of]) => {
    const numbers = of.map(({ partition }) => partition).sort((a, b) => a - b)
    return `${of.length === 1 ? 'partition' : 'partitions'} ${numbers.join(', ')} of ${topic}`
  })
  return told.join('; ')
}

function partitionText({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
