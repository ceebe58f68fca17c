// rules/models: the files of the models that versions of the rules ask, as they were when a version was made.
// A copy of the lakehouse has them, and they come back where the file beside the rules is gone.
import type { DeltaTableDefinition } from '../delta/index.ts'

export const ruleModelsPath = 'rules/models'

/** The application id of the txn action that says what is stored of a file. */
export const ruleModelAppId = (file: string): string => `assay/rules/models/${file}`

/** The version of that txn action. */
export const storedParts = { model: 1n, modelAndCard: 2n } as const

const column = (name: string, type: 'string' | 'timestamp') => ({ name, type, nullable: true, metadata: {} })

export const ruleModelsDefinition = {
  description: 'The models that versions of the rules ask, as files, each with the card of its training.',
  partitionColumns: [],
  fields: [
    column('file', 'string'), // Its name beside the rules, which says what is in it.
    column('content', 'string'),
    column('card', 'string'), // JSON; null of a model that was trained elsewhere.
    column('stored_at', 'timestamp'),
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>
