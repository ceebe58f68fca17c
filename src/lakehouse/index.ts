// The lakehouse that ships: transactions of an online shop. A table reads only what stands above it.
import { defineLakehouse, firstRulesVersion, type Lakehouse, type RulesVersion } from '../plan/index.ts'
import { type PersonColumn, type RuleSet, validRules, withSnoozes } from '../rules/index.ts'
import { bronzeTransactions } from './1-bronze/transactions.ts'
import { quarantine } from './2-silver/quarantine.ts'
import { seedSilver, silverTransactions } from './2-silver/transactions.ts'
import { countryAggregation } from './3-aggregations/country.ts'
import { hourlySummary } from './3-aggregations/hourly_summary.ts'
import { merchantAggregation } from './3-aggregations/merchant.ts'
import { sessionLengths, userSessions } from './3-aggregations/sessions.ts'
import { userAggregation } from './3-aggregations/user.ts'
import { fraudOf } from './3-fraud_detection.ts'
import { goldTransactions } from './3-gold/transactions.ts'
import { qualityMetrics } from './3-quality/metrics.ts'
import { shadowOf } from './3-rules/shadow.ts'
import { reasonMeanings } from './reasons.ts'
import { boundLists, inArms, ruleColumns, rulesFile, shadowRules, shopNames, shopRules } from './rules.ts'

const person: PersonColumn = { name: 'user_id', type: 'int' }

/** The lakehouse by these rules. */
function lakehouseOf(rules: RuleSet, of: Omit<RulesVersion, 'text'>): Lakehouse {
  const arms = inArms(rules, of, rulesOfText)
  const shadows = shadowRules(of, rulesOfText)
  return defineLakehouse({
    topic: 'ecommerce.transactions',
    records: bronzeTransactions,
    events: silverTransactions,
    refused: quarantine,
    scored: fraudOf(seedSilver, arms.scoring),
    tables: [
      goldTransactions,
      merchantAggregation,
      userAggregation,
      countryAggregation,
      hourlySummary,
      userSessions,
      qualityMetrics,
    ],
    shadow: { table: shadowOf(seedSilver, shadows ?? []), isWritten: shadows !== undefined },
    shipped: [qualityMetrics.path],
    streams: ['kafka-to-delta', 'fraud-detection', 'aggregations'],
    watermarks: [
      { name: 'silver', default: '10 minutes' },
      { name: 'gold', default: '10 minutes' },
      { name: 'merchant', default: '15 minutes' },
      { name: 'user', default: '1 hour' },
      { name: 'country', default: '30 minutes' },
      { name: 'hourly_summary', default: '1 hour' },
      { name: 'sessions', default: '30 minutes' },
    ],
    settings: [
      {
        parameter: 'dedup_micros',
        kind: 'duration',
        variable: 'DEDUP_WINDOW',
        group: 'Time',
        meaning:
          'How far apart in event time two rows with one transaction_id still are the same transaction',
        default: '10 minutes',
        example: '1 hour',
      },
      {
        parameter: 'high_risk_countries',
        kind: 'names',
        variable: 'HIGH_RISK_COUNTRIES',
        group: 'Fraud rules',
        meaning: 'Countries that the rule high_risk_country looks for',
        default: rules.lists.high_risk_countries?.elements.join(',') || 'none',
        example: 'Nigeria,Russia',
      },
    ],
    definitionSettings: sessionLengths,
    ...arms.defined,
    rulesFrom: {
      file: rulesFile,
      columns: ruleColumns,
      by: (other) => lakehouseOf(rulesOfText(other), other),
    },
    names: {
      event: { column: 'transaction_id', path: ['transaction_id'] },
      person: { column: 'user_id', path: ['user_id'] },
    },
    reasons: reasonMeanings,
    reading: seedSilver.reading,
  })
}

function rulesOfText(of: RulesVersion): RuleSet {
  const { version, text, entries = [], snoozes = [] } = of
  const parameters = boundLists(shopNames.parameters, of)
  const names = { ...shopNames, parameters, entries, file: `version ${version} of the rules` }
  return withSnoozes(validRules(text, names), snoozes, person)
}

export const standardLakehouse = lakehouseOf(shopRules, { version: firstRulesVersion })
