// What is known of a transaction: fraud, good, or pending while it has not matured. Meaning:
// docs/guide/backtest.md.
import { duckdb } from '../sql/index.ts'

/** The source that is asked first. */
export const reviewerSource = 'reviewer'

export type LabelOptions = {
  /** Microseconds since the epoch: what became known later is not known. */
  readonly asOfMicros: bigint
  /** How long after its event time a transaction matures. */
  readonly maturityMicros: bigint
}

/**
 * A table of one row for each transaction that has labels, with all of them: first those of the source that
 * is asked first, then those that became known last. `labels` has transaction_id, is_fraud, known_at, source,
 * and taken_back_at, which is null where it was not.
 */
export function knownLabelsSql(labels: string, { asOfMicros }: LabelOptions): string {
  return `SELECT transaction_id AS "label of", list(struct_pack(known_at, is_fraud, taken_back_at)
      ORDER BY source <> '${reviewerSource}', known_at DESC, is_fraud DESC) AS "known labels"
    FROM (${labels})
    WHERE transaction_id IS NOT NULL AND is_fraud IS NOT NULL AND known_at <= make_timestamp(${asOfMicros})
    GROUP BY transaction_id`
}

/** The columns that `knownLabelsSql` has. */
export const knownColumns = { of: duckdb.name('label of'), known: duckdb.name('known labels') } as const

/**
 * 'fraud', 'good' or 'pending', of a row that has event_time and the known labels. `record` is the column in
 * which the record itself says so; null where there is none.
 */
export function labelSql(record: string | null, { asOfMicros, maturityMicros }: LabelOptions): string {
  const matures = `event_time + to_microseconds(${maturityMicros})`
  // What is taken back after that counts all the same: a figure stays what it is.
  const counts = `one.known_at <= ${matures} AND coalesce(one.taken_back_at > ${matures}, true)`
  const first = `list_filter(${knownColumns.known}, lambda one: ${counts})[1].is_fraud`
  const ofRecord = record === null ? 'false' : `coalesce(${duckdb.name(record)}, false)`
  return `CASE WHEN ${matures} > make_timestamp(${asOfMicros}) THEN 'pending'
    WHEN coalesce(${first}, ${ofRecord}) THEN 'fraud' ELSE 'good' END`
}
