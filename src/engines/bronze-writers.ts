// Before anybody takes bronze over, the streaming queries that may still write it are ended, wherever they
// run.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { endsOf, hasEnded, isQueryId, queriesOf } from '../batches/streamed.ts'
import type { DeltaTable } from '../delta/index.ts'
import { inputStream, type Lakehouse } from '../plan/index.ts'
import { checkpointDirectory } from './lock.ts'

type WhereCheckpointsAre = { readonly deltaBasePath: string; readonly lakehouse: Lakehouse }

/** Ends the queries that may still write bronze, but for the one to keep. */
export async function endQueries(
  where: WhereCheckpointsAre,
  bronze: DeltaTable,
  keptId: string | null = null,
): Promise<void> {
  const { txns } = await bronze.snapshot()
  // Those that its log knows, and those that have only begun.
  const known = new Set([...queriesOf(txns), ...(await begunQueries(checkpointsDirectory(where)))])
  const ended = [...known].filter((id) => id !== keptId && !hasEnded(txns, id))
  if (ended.length === 0) return
  await bronze.commit(null, { txns: endsOf(ended), operation: 'END STREAMS', operationParameters: {} })
}

/** Where the checkpoints of the bronze query lie, one directory for each start of it. */
export function checkpointsDirectory({ deltaBasePath, lakehouse }: WhereCheckpointsAre): string {
  return join(checkpointDirectory(deltaBasePath, inputStream(lakehouse)), 'bronze-query')
}

/** A query writes its id into its checkpoint before it does anything else. */
async function begunQueries(directory: string): Promise<string[]> {
  const found: string[] = []
  // The directory is a cache: whatever cannot be read there is not there.
  for (const name of await readdir(directory).catch(() => [])) {
    const id = idIn(await readFile(join(directory, name, 'metadata'), 'utf8').catch(() => ''))
    if (id !== null) found.push(id)
  }
  return found
}

function idIn(text: string): string | null {
  try {
    const parsed: unknown = JSON.parse(text)
    const id = typeof parsed === 'object' && parsed !== null && 'id' in parsed ? parsed.id : null
    return isQueryId(id) ? id : null
  } catch {
    return null
  }
}
