// rules/lists: elements that were added to lists of the rules without a new version of them, and rules that
// do not fire for a person until a time. Rows are added and never changed; a later one takes an earlier one
// back.
import type { DeltaTableDefinition, DeltaType } from '../delta/index.ts'

export const ruleListsPath = 'rules/lists'

/** The application id of the txn action whose version is the greatest `sequence`. */
export const ruleListsAppId = 'assay/rules/lists'

const column = (name: string, type: DeltaType) => ({ name, type, nullable: true, metadata: {} })

export const ruleListsDefinition = {
  description:
    'Elements that were added to lists of the rules, and snoozes of rules; rows are added and never changed.',
  partitionColumns: [],
  fields: [
    column('sequence', 'long'), // Counts the rows from 1 on: their order, whatever clocks say.
    column('event', 'string'), // `added` or `removed`.
    column('list', 'string'), // null in a snooze.
    column('rule', 'string'), // The rule that is snoozed; null in an element of a list.
    column('value', 'string'), // The element, or the person for whom the rule does not fire.
    column('until', 'timestamp'), // It counts in batches before; null: in all.
    column('note', 'string'),
    column('user', 'string'),
    column('role', 'string'), // null for one who is no user of the users file.
    column('at', 'timestamp'),
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>
