// review/verdicts: what reviewers decided of which transaction, and what they took back. Rows are added and
// never changed; an erasure alone takes some out, since they have money and notes of a person.
import type { DeltaTableDefinition, DeltaType } from '../delta/index.ts'

export const verdictsPath = 'review/verdicts'

/**
 * The application id of the txn action whose version is the greatest `sequence`. Each commit of a verdict
 * names the next one, so that of two that are written at once the second is refused, and looked at again.
 */
export const verdictsAppId = 'assay/review/verdicts'

/** `fraud` and `legitimate` are final; after `unsure` the case stays open for others. */
export const verdictNames = ['fraud', 'legitimate', 'unsure'] as const
export type VerdictName = (typeof verdictNames)[number]

const column = (name: string, type: DeltaType) => ({ name, type, nullable: true, metadata: {} })
const texts: DeltaType = { type: 'array', elementType: 'string', containsNull: false }

export const verdictsDefinition = {
  description:
    'What reviewers decided of transactions, and what they took back; rows are added and never changed.',
  partitionColumns: [],
  fields: [
    column('sequence', 'long'), // Counts the rows from 1 on: their order, whatever clocks say.
    column('verdict', 'string'), // null in a row that takes another one back.
    column('undoes', 'long'), // The `sequence` of the row that this one takes back.
    column('reason', 'string'),
    column('note', 'string'),
    column('reviewer', 'string'),
    column('taken_at', 'timestamp'),
    column('decided_at', 'timestamp'),
    column('took_seconds', 'double'),
    column('event', 'string'), // What names the transaction, as text.
    column('topic', 'string'),
    column('partition', 'integer'),
    column('offset', 'long'),
    column('event_time', 'timestamp'),
    column('processing_time', 'timestamp'), // That of its row in the scored table.
    column('money', 'decimal(18,2)'), // The first decimal column of the scored table.
    column('fraud_score', 'integer'),
    column('risk_level', 'string'),
    column('rules', texts),
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>

/** `fraud` and `legitimate`, each with `taken_back_at`, which is null where it stands; `rows` is a SELECT of the table. */
export function verdictTimesSql(rows: string): string {
  return `WITH verdicts AS (${rows}) SELECT verdicts.*, back.decided_at AS taken_back_at
    FROM verdicts LEFT JOIN verdicts AS back ON back.undoes = verdicts.sequence
    WHERE verdicts.verdict IN ('fraud', 'legitimate')`
}
