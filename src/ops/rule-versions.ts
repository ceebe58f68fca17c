// rules/versions: what happened to each version of the rules, by whom, when and why. Rows are added and never
// changed; the text of a version stands in the row that proposed it.
import type { DeltaTableDefinition, DeltaType } from '../delta/index.ts'

export const ruleVersionsPath = 'rules/versions'

/** The application id of the txn action whose version is the greatest `sequence`. */
export const ruleVersionsAppId = 'assay/rules/versions'

/** What can happen to a version. */
export const versionEvents = [
  'proposed',
  'approved',
  'rejected',
  'activated',
  'retired',
  'sealed',
  'experiment_started',
  'experiment_stopped',
  'shadowed',
  'unshadowed',
] as const
export type VersionEvent = (typeof versionEvents)[number]

const column = (name: string, type: DeltaType) => ({ name, type, nullable: true, metadata: {} })

export const ruleVersionsDefinition = {
  description:
    'What happened to each version of the rules, by whom and why; rows are added and never changed.',
  partitionColumns: [],
  fields: [
    column('sequence', 'long'), // Counts the rows from 1 on: their order, whatever clocks say.
    column('event', 'string'), // Of `versionEvents`.
    column('version', 'integer'),
    column('hash', 'string'), // Of what the text says: comments and white space are no part of it.
    column('text', 'string'), // Of a proposed version; of an experiment what it is, as JSON; null in other rows.
    column('user', 'string'),
    column('role', 'string'), // null for one who is no user of the users file.
    column('at', 'timestamp'),
    column('reason', 'string'),
    column('origin', 'string'), // `file` where a start found the file of rules changed.
    column('seal', 'string'), // HMAC over the row and all rows before it; null where approval is not asked for.
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>
