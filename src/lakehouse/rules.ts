// The rules of the shop: what rules.yaml beside this file says, and the names that its conditions ask for.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Schema } from '../expr/index.ts'
import { validRules } from '../rules/index.ts'
import { silverTransactions } from './2-silver/transactions.ts'

/** Every column of fraud_detection's rows before they are scored. */
export const ruleColumns: Schema = {
  ...silverTransactions.rows.schema,
  tx_count_30min: 'int',
  is_high_velocity: 'boolean',
}

export const rulesFile = fileURLToPath(new URL('rules.yaml', import.meta.url))

/** What conditions may ask. */
export const shopNames = { columns: ruleColumns, parameters: ['high_risk_countries'] }

export const shopRules = validRules(readFileSync(rulesFile, 'utf8'), { ...shopNames, file: rulesFile })
