// fraud_labels: what became known of transactions after they were scored, such as a chargeback. Nothing is
// taken back: of the labels of one transaction from one source the one that became known last counts.
import type { DeltaTableDefinition } from '../delta/index.ts'
import { labelColumns } from '../fraud/labels.ts'

export const labelsPath = 'fraud_labels'

const column = (name: string, type: 'string' | 'boolean' | 'timestamp') => ({
  ...{ name, type },
  nullable: true,
  metadata: {},
})

export const labelsDefinition = {
  description: 'What became known of transactions afterwards, such as chargebacks: whether they are fraud.',
  partitionColumns: [],
  fields: [
    column(labelColumns.event, 'string'),
    column(labelColumns.isFraud, 'boolean'),
    column(labelColumns.knownAt, 'timestamp'),
    column(labelColumns.source, 'string'),
    column(labelColumns.importedAt, 'timestamp'),
    column(labelColumns.importedBy, 'string'),
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>
