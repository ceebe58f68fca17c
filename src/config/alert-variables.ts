// The variable of who is told of what.
import { localPath } from './values.ts'

export const alertVariables = {
  ALERTS_CONFIG: {
    group: 'Alerts',
    ...localPath(),
    meaning:
      'File that says who is told of which risky transactions and of which trouble (docs/guide/alerts.md)',
    default: null,
    absent: 'nobody is told',
    example: 'alerts.yaml',
  },
} as const
