// All tables in the order in which a batch writes them: a table reads only what stands above it.
import type { StreamName, TableDefinition } from '../plan/index.ts'
import { bronzeTransactions } from './1-bronze/transactions.ts'
import { quarantine } from './2-silver/quarantine.ts'
import { silverTransactions } from './2-silver/transactions.ts'
import { countryAggregation } from './3-aggregations/country.ts'
import { hourlySummary } from './3-aggregations/hourly_summary.ts'
import { merchantAggregation } from './3-aggregations/merchant.ts'
import { userAggregation } from './3-aggregations/user.ts'
import { fraudDetection } from './3-fraud_detection.ts'
import { goldTransactions } from './3-gold/transactions.ts'
import { batchesDefinition, batchesPath } from './ops/batches.ts'
import { definitionsDefinition, definitionsPath } from './ops/definitions.ts'
import { erasedDefinition, erasedPath } from './ops/erased.ts'
import { filesDefinition, filesPath } from './ops/files.ts'

export const tables: readonly TableDefinition[] = [
  bronzeTransactions,
  silverTransactions,
  quarantine,
  fraudDetection,
  goldTransactions,
  merchantAggregation,
  userAggregation,
  countryAggregation,
  hourlySummary,
]

/** A table as those know it who only read it. */
export type NamedTable = Pick<TableDefinition, 'path' | 'meaning'>

/** What the lakehouse keeps of its own work, as tables that anybody may read. */
export const opsTables: readonly NamedTable[] = [
  { path: batchesPath, meaning: batchesDefinition.description },
  { path: definitionsPath, meaning: definitionsDefinition.description },
  { path: filesPath, meaning: filesDefinition.description },
  { path: erasedPath, meaning: erasedDefinition.description },
]

/** Every table that a query can name. */
export const readableTables: readonly NamedTable[] = [...tables, ...opsTables]

/** The tables that these streams write. */
export function tablesOf(streams: readonly StreamName[]): readonly TableDefinition[] {
  return tables.filter((table) => streams.includes(table.stream))
}
