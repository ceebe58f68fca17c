// The variable of what is known of transactions afterwards.
import { duration } from './values.ts'

export const labelVariables = {
  LABEL_MATURITY: {
    group: 'Fraud rules',
    ...duration(),
    meaning:
      'How long after a transaction its label is final: what becomes known later does not count, and without a label it is good from then on',
    default: '30 days',
    example: '45 days',
  },
} as const
