// alerts/log: what alerted, whom it was told, and what became of that. It says where each transaction stands
// and how risky it is, and nothing of what it holds, so that an erasure need not look here.
import type { DeltaTableDefinition, DeltaType } from '../delta/index.ts'

export const alertLogPath = 'alerts/log'

/** The application id of the txn action whose version is the batch time up to which rows were judged. */
export const judgedAppId = 'assay/alerts/judged'
/** The same of the number of processes that have told alerts: commits under an older one are refused. */
export const tellerAppId = 'assay/alerts/teller'

const column = (name: string, type: DeltaType) => ({ name, type, nullable: true, metadata: {} })
const texts: DeltaType = { type: 'array', elementType: 'string', containsNull: false }

export const alertLogDefinition = {
  description: 'What alerted, who was told, and what became of it; nothing of what a transaction holds.',
  partitionColumns: [],
  fields: [
    column('sequence', 'long'),
    column('at', 'timestamp'),
    column('event', 'string'),
    column('alert', 'string'),
    column('notification', 'string'),
    column('route', 'string'),
    column('sinks', texts),
    column('topic', 'string'),
    column('partition', 'integer'),
    column('offset', 'long'),
    column('processing_time', 'timestamp'),
    column('event_time', 'timestamp'),
    column('fraud_score', 'integer'),
    column('risk_level', 'string'),
    column('rules', texts),
    column('sequence_first', 'long'),
    column('health', 'string'),
    column('severity', 'string'),
    column('reason', 'string'),
    column('help', 'string'),
    column('attempts', 'integer'),
    column('silence', 'string'),
    column('until', 'timestamp'),
    column('condition', 'string'),
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>

/** `silence` and `replayed` are written by commands, all others by the process that tells alerts. */
export type AlertLogEvent =
  /** An alert: in a notification, silenced, or, without one and the other, awaiting a digest. */
  | 'raised'
  /** A notification of all of a route's alerts that awaited one, from `sequence_first` on. */
  | 'digest'
  /** The cause of an alert on health is gone, and a notification says so. */
  | 'resolved'
  /** The sink has taken the notification. */
  | 'sent'
  /** The sink will not take it, or did not for too long. */
  | 'dead'
  /** It is to be sent once more. */
  | 'replayed'
  | 'silence'

/** A row; what is absent is null. Instants are microseconds since the epoch. */
export type AlertLogRow = {
  readonly sequence?: number
  readonly at: number
  readonly event: AlertLogEvent
  readonly alert?: string
  readonly notification?: string
  readonly route?: string
  readonly sinks?: readonly string[]
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
  readonly processing_time?: number
  readonly event_time?: number
  readonly fraud_score?: number
  readonly risk_level?: string
  readonly rules?: readonly string[]
  readonly sequence_first?: number
  readonly health?: string
  readonly severity?: string
  readonly reason?: string
  readonly help?: string
  readonly attempts?: number
  readonly silence?: string
  readonly until?: number
  readonly condition?: string
}

const jsonTypes: Readonly<Record<string, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  integer: 'INTEGER',
  timestamp: 'BIGINT',
}

/** A SELECT of the rows, in the columns of the table; `rows` of its parameters is their JSON. */
export function alertLogRowsSql(): string {
  const { fields } = alertLogDefinition
  const types = fields.map(({ name, type }) => [
    name,
    typeof type === 'string' ? jsonTypes[type] : ['VARCHAR'],
  ])
  const columns = fields.map(({ name, type }) =>
    type === 'timestamp' ? `make_timestamp(r."${name}") AS "${name}"` : `r."${name}"`,
  )
  const shape = JSON.stringify([Object.fromEntries(types)])
  return `SELECT ${columns.join(', ')} FROM (SELECT unnest(from_json($rows::JSON, '${shape}')) AS r)`
}
