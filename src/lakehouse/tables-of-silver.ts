// The tables of a project whose records are mapped in its own way: the seed's, over its silver and by the
// rules that ship.
import type { TableDefinition } from '../plan/index.ts'
import { bronzeTransactions } from './1-bronze/transactions.ts'
import { quarantineOf } from './2-silver/quarantine.ts'
import type { Silver } from './2-silver/transactions.ts'
import { countriesOf } from './3-aggregations/country.ts'
import { hoursOf } from './3-aggregations/hourly_summary.ts'
import { merchantsOf } from './3-aggregations/merchant.ts'
import { usersOf } from './3-aggregations/user.ts'
import { fraudOf } from './3-fraud_detection.ts'
import { goldOf } from './3-gold/transactions.ts'
import { shopRules } from './rules.ts'

/** In the order in which a batch writes them. */
export function tablesOfSilver(silver: Silver): readonly TableDefinition[] {
  return [
    bronzeTransactions,
    silver.transactions,
    quarantineOf(silver),
    fraudOf(silver, shopRules),
    goldOf(silver),
    merchantsOf(silver),
    usersOf(silver),
    countriesOf(silver),
    hoursOf(silver),
  ]
}
