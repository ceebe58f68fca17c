// The variables that say how long rows of a table stay: one for each table of a lakehouse.
import { batchTimeColumn } from '../plan/batch-time.ts'
import { type Lakehouse, namedTables } from '../plan/index.ts'
import { wholeDays } from './values.ts'

export function retentionVariable(path: string): string {
  return `RETENTION_${path.toUpperCase().replaceAll('/', '_')}`
}

/** By name, as `variablesOf` has them. */
export function retentionVariables(lakehouse: Lakehouse) {
  return namedTables(lakehouse).map((table) => {
    const variable = {
      group: 'Tables',
      ...wholeDays(batchTimeColumn(lakehouse, table) !== null),
      meaning: `How long rows of ${table.path} stay after their batch; then they are dropped, by whole days`,
      default: null,
      absent: 'they stay',
      example: '90 days',
    } as const
    return [retentionVariable(table.path), variable] as const
  })
}
