// How far back a table goes whose old days were dropped: a txn action of the commits that drop them, which
// stays when the log is cleaned up.
type TxnVersions = ReadonlyMap<string, { readonly version: bigint }>

export const dayMicros = 86_400_000_000n

/** The application id of the txn action whose version is the first day that the table has, since 1970. */
const keptFromAppId = 'assay/retention'
/** The same of the greatest event time, in microseconds, of the events that were dropped. */
const droppedTimeAppId = 'assay/retention/event_time'

/** The operation of such commits. */
export const retentionOperation = 'RETENTION'

export type Retained = {
  /** Of batches before this instant the table has no row any more. */
  readonly keptFromMicros: bigint
  /** The greatest event time of the rows that are gone; null for tables other than the events. */
  readonly droppedTimeMicros: bigint | null
}

export function retentionTxns({
  keptFromMicros,
  droppedTimeMicros,
}: Retained): Readonly<Record<string, bigint>> {
  const ofEvents = droppedTimeMicros === null ? {} : { [droppedTimeAppId]: droppedTimeMicros }
  return { ...ofEvents, [keptFromAppId]: keptFromMicros / dayMicros }
}

/** null for a table that has all of its days. */
export function retainedOf(txns: TxnVersions): Retained | null {
  const day = txns.get(keptFromAppId)?.version
  if (day === undefined) return null
  const droppedTimeMicros = txns.get(droppedTimeAppId)?.version ?? null
  return { keptFromMicros: day * dayMicros, droppedTimeMicros }
}

/** YYYY-MM-DD */
export function dayText(micros: bigint): string {
  return new Date(Number(micros / 1000n)).toISOString().slice(0, 10)
}
