// The batches of a lakehouse from the log of silver alone, read as plain JSON: what each commit says of
// itself.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { partitionKey } from '../../src/batches/offsets.ts'
import type { OracleConfig } from '../oracle/oracle.ts'
import type { OracleBatch } from '../oracle/rows.ts'

/** Part of what a commit carries as text; integers are text. */
type Told = {
  readonly assay?: number
  readonly batch: string
  readonly time: string
  readonly finalized_to: string | null
  readonly offsets: readonly (readonly [topic: string, partition: number, next: string])[]
  readonly plan?: {
    readonly ranges: readonly (readonly [
      topic: string,
      partition: number,
      start: string,
      end: string,
      topicId?: string | null,
      isFile?: boolean,
    ])[]
    readonly waiting: readonly (readonly [topic: string, partition: number])[]
    readonly settings: {
      readonly delays: Readonly<Record<string, string>>
      readonly parameters: { readonly dedup_micros: string; readonly high_risk_countries: readonly string[] }
      readonly records_per_batch_max: number
    }
  }
}

/** The settings of a plan, as the oracle takes them. */
function configOf({ settings }: NonNullable<Told['plan']>): OracleConfig {
  const tableOf = (watermark: string): string => {
    const isStep = watermark === 'silver' || watermark === 'gold'
    return isStep ? `${watermark}/transactions` : `aggregations/${watermark}`
  }
  const delays = Object.entries(settings.delays)
  return {
    watermarks: Object.fromEntries(delays.map(([name, delay]) => [tableOf(name), BigInt(delay)])),
    dedupWindow: BigInt(settings.parameters.dedup_micros),
    highRiskCountries: settings.parameters.high_risk_countries,
    recordsPerBatchMax: settings.records_per_batch_max,
  }
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
    // A batch that was carried again after a RESTORE is the same batch.
    if (BigInt(told.batch) <= (batches.at(-1)?.batch ?? 0n)) continue
    const ranges = told.offsets.map(([topic, partition, end]) => {
      const key = partitionKey({ topic, partition })
      const start = next.get(key) ?? 0n
      next.set(key, BigInt(end))
      return { topic, partition, start, end: BigInt(end) }
    })
    // Of files the commits tell only what the batch read.
    for (const [topic, partition, start, end, , isFile] of told.plan?.ranges ?? []) {
      if (isFile === true) ranges.push({ topic, partition, start: BigInt(start), end: BigInt(end) })
    }
    const waiting = (told.plan?.waiting ?? []).map(([topic, partition]) => ({ topic, partition }))
    const finalize = told.finalized_to !== finalizedTo
    finalizedTo = told.finalized_to
    const withRecords = ranges.filter(({ start, end }) => start < end)
    const [batch, timeMicros] = [BigInt(told.batch), BigInt(told.time)]
    const config = told.plan === undefined ? {} : { config: configOf(told.plan) }
    batches.push({ batch, timeMicros, ranges: withRecords, finalize, waiting, ...config })
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
