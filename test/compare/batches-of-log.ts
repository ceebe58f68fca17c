// The batches of a lakehouse from the log of silver alone, read as plain JSON: what each commit says of
// itself.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { partitionKey } from '../../src/batches/offsets.ts'
import type { OracleBatch } from '../oracle/rows.ts'

/** Part of what a commit carries as text; integers are text. */
type Told = {
  readonly assay?: number
  readonly batch: string
  readonly time: string
  readonly finalized_to: string | null
  readonly offsets: readonly (readonly [topic: string, partition: number, next: string])[]
}

/** In the order of their numbers. A partition starts where `starts` (by partition key) says, else at 0. */
export async function batchesOfLog(
  lakehouse: string,
  starts: ReadonlyMap<string, bigint> = new Map(),
): Promise<OracleBatch[]> {
  const log = join(lakehouse, 'silver', 'transactions', '_delta_log')
  const files = (await readdir(log)).filter((name) => /^\d{20}\.json$/.test(name)).sort()
  const batches: OracleBatch[] = []
  const next = new Map(starts)
  let finalizedTo: string | null = null
  for (const file of files) {
    const told = toldBy(await readFile(join(log, file), 'utf8'))
    if (told?.assay !== 1) continue
    const ranges = told.offsets.map(([topic, partition, end]) => {
      const key = partitionKey({ topic, partition })
      const start = next.get(key) ?? 0n
      next.set(key, BigInt(end))
      return { topic, partition, start, end: BigInt(end) }
    })
    const finalize = told.finalized_to !== finalizedTo
    finalizedTo = told.finalized_to
    const withRecords = ranges.filter(({ start, end }) => start < end)
    batches.push({ batch: BigInt(told.batch), timeMicros: BigInt(told.time), ranges: withRecords, finalize })
  }
  return batches
}

function toldBy(commit: string): Told | null {
  for (const line of commit.trimEnd().split('\n')) {
    const { commitInfo } = JSON.parse(line) as { commitInfo?: { userMetadata?: string } }
    if (commitInfo?.userMetadata !== undefined) return JSON.parse(commitInfo.userMetadata)
  }
  return null
}
