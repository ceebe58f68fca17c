// Streaming queries as a Delta log knows them: by a txn action with the query's id, a UUID, whose version is
// the number of the query's last batch. A batch whose number is not greater is skipped, so a record of a
// number that no query reaches ends a query for good, wherever it still runs.

type Txns = ReadonlyMap<string, { readonly version: bigint }>

const fence = 2n ** 62n
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function isQueryId(text: unknown): text is string {
  return typeof text === 'string' && uuid.test(text)
}

/** True where a streaming query has ever written the table. */
export function isStreamed(txns: Txns): boolean {
  return queriesOf(txns).length > 0
}

export function queriesOf(txns: Txns): string[] {
  return [...txns.keys()].filter(isQueryId)
}

/** True for a query that can write nothing more. */
export function hasEnded(txns: Txns, queryId: string): boolean {
  return (txns.get(queryId)?.version ?? -1n) >= fence
}

/** The txn actions that end these queries. */
export function endsOf(queryIds: readonly string[]): Readonly<Record<string, bigint>> {
  return Object.fromEntries(queryIds.map((id) => [id, fence]))
}
