// The tables of a project whose records are mapped in its own way: the seed's, over its silver, by its rules
// and with its features.
import type { Relation, TableDefinition } from '../plan/index.ts'
import { bronzeTransactions } from './1-bronze/transactions.ts'
import { quarantineOf } from './2-silver/quarantine.ts'
import type { Silver } from './2-silver/transactions.ts'
import { countriesOf } from './3-aggregations/country.ts'
import { hoursOf } from './3-aggregations/hourly_summary.ts'
import { merchantsOf } from './3-aggregations/merchant.ts'
import { userSessionsOf } from './3-aggregations/sessions.ts'
import { usersOf } from './3-aggregations/user.ts'
import { fraudOf } from './3-fraud_detection.ts'
import { goldOf } from './3-gold/transactions.ts'
import { metricsOf } from './3-quality/metrics.ts'
import { type ScoringRules, shopRules } from './rules.ts'

/** In the order in which a batch writes them. */
export function tablesOfSilver(
  silver: Silver,
  rules: ScoringRules = shopRules,
  withFeatures: (rows: Relation) => Relation = (rows) => rows,
): readonly TableDefinition[] {
  return [
    bronzeTransactions,
    silver.transactions,
    quarantineOf(silver),
    fraudOf(silver, rules, withFeatures),
    goldOf(silver),
    merchantsOf(silver),
    usersOf(silver),
    countriesOf(silver),
    hoursOf(silver),
    userSessionsOf(silver),
    metricsOf(silver),
  ]
}
