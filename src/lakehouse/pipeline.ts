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

/** The tables that these streams write. */
export function tablesOf(streams: readonly StreamName[]): readonly TableDefinition[] {
  return tables.filter((table) => streams.includes(table.stream))
}
