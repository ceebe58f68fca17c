// ops/audit: who changed what through the dashboard or the command line. Nothing is ever taken out of it.
import type { DeltaTableDefinition } from '../delta/index.ts'
import { duckdb } from '../sql/index.ts'

export const auditPath = 'ops/audit'

const column = (name: string, type: 'string' | 'timestamp') => ({ name, type, nullable: true, metadata: {} })

export const auditDefinition = {
  description: 'Who changed what by the dashboard or the command line, and who logged in.',
  partitionColumns: [],
  fields: [
    column('at', 'timestamp'),
    column('user', 'string'),
    column('role', 'string'),
    column('action', 'string'),
    column('subject', 'string'),
    column('details', 'string'),
    column('address', 'string'),
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>

export type AuditEntry = {
  readonly atMicros: bigint
  readonly user: string
  readonly role: string
  readonly action: string
  /** What was changed; null where the action says it. */
  readonly subject: string | null
  /** JSON, without any secret. */
  readonly details: string | null
  /** Where the request came from; null for this machine's own command line. */
  readonly address: string | null
}

/** A SELECT of the rows, in the columns of the table. */
export function auditRowsSql(entries: readonly AuditEntry[]): string {
  const names = auditDefinition.fields.map(({ name }) => duckdb.name(name)).join(', ')
  const textSql = (text: string | null): string => (text === null ? 'NULL::VARCHAR' : duckdb.text(text))
  const rows = entries.map(({ atMicros, user, role, action, subject, details, address }) => {
    const texts = [user, role, action, subject, details, address].map(textSql)
    return `(make_timestamp(${atMicros}), ${texts.join(', ')})`
  })
  return `SELECT * FROM (VALUES ${rows.join(',\n')}) AS entries(${names})`
}
