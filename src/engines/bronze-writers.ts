// Who may write bronze. Delta knows Spark's streaming queries by a txn action with the query's id: a batch of
// the query whose number is not greater than the recorded one is skipped. So a record of a number that no
// query reaches ends a query for good, wherever it still runs, before another takes bronze over.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DeltaSnapshot, DeltaTable } from '../delta/index.ts'
import { checkpointDirectory } from './lock.ts'

const fence = 2n ** 62n
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** True where a streaming query has ever written the table. */
export function isStreamed(txns: DeltaSnapshot['txns']): boolean {
  return [...txns.keys()].some((appId) => uuid.test(appId))
}

/** True for a query that can write nothing more. */
export function hasEnded(txns: DeltaSnapshot['txns'], queryId: string): boolean {
  return (txns.get(queryId)?.version ?? -1n) >= fence
}

/** The txn actions that end these queries. */
function fencesOf(queryIds: readonly string[]): Readonly<Record<string, bigint>> {
  return Object.fromEntries(queryIds.map((id) => [id, fence]))
}

/** Queries that may still write bronze: those that its log knows, and those that have only begun. */
async function openQueries(deltaBasePath: string, txns: DeltaSnapshot['txns']): Promise<string[]> {
  const known = [...txns.keys()].filter((appId) => uuid.test(appId))
  const begun = await begunQueries(checkpointsDirectory(deltaBasePath))
  return [...new Set([...known, ...begun])].filter((id) => !hasEnded(txns, id))
}

/** Where the checkpoints of the bronze query lie, one directory for each start of it. */
export function checkpointsDirectory(deltaBasePath: string): string {
  return join(checkpointDirectory(deltaBasePath, 'kafka-to-delta'), 'bronze-query')
}

/** A query writes its id into its checkpoint before it does anything else. */
async function begunQueries(directory: string): Promise<string[]> {
  const found: string[] = []
  for (const name of await namesIn(directory)) {
    const id = idIn(await readFile(join(directory, name, 'metadata'), 'utf8').catch(() => ''))
    if (id !== null) found.push(id)
  }
  return found
}

/** The directory is a cache: whatever cannot be read there is not there. */
async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}

function idIn(text: string): string | null {
  try {
    const parsed: unknown = JSON.parse(text)
    const id = typeof parsed === 'object' && parsed !== null && 'id' in parsed ? parsed.id : null
    return typeof id === 'string' && uuid.test(id) ? id : null
  } catch {
    return null
  }
}

/** Ends the queries that may still write bronze, but for the one to keep. */
export async function endQueries(
  deltaBasePath: string,
  bronze: DeltaTable,
  keptId: string | null = null,
): Promise<void> {
  const { txns } = await bronze.snapshot()
  const ended = (await openQueries(deltaBasePath, txns)).filter((id) => id !== keptId)
  if (ended.length === 0) return
  await bronze.commit(null, { txns: fencesOf(ended), operation: 'END STREAMS', operationParameters: {} })
}
