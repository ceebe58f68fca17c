// fraud_detection against silver: one row each, the velocity counted by a plain join, the rules as src/fraud
// has them.

import { quoteIdentifier } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { assert } from '../errors/errors.ts'
import { column } from '../expr/index.ts'
import { reviewScore, riskLevelLowest, riskLevels, rules, velocityMax } from '../fraud/rules.ts'
import { highRiskCountries } from '../lakehouse/batch.ts'
import { boundDuckdb, duckdb, expressionSql } from '../sql/index.ts'
import { position } from './bronze.ts'
import { findingsOf, nothingFound, together } from './check.ts'
import { differencesSql } from './compare.ts'
import type { Lakehouse, TableState } from './lakehouse.ts'
import { samePosition } from './parsed.ts'
import { settingsHint } from './silver.ts'
import { type RunningCheck, sliceOf } from './slice.ts'
import { checkVelocity } from './velocity.ts'

const computed = [
  'fraud_score',
  'risk_level',
  'requires_review',
  'is_high_velocity',
  'tx_count_30min',
  'reasons',
] as const

export function checkFraudRows(lakehouse: Lakehouse, state: TableState): RunningCheck {
  const { connection } = lakehouse
  const columns = Object.keys(state.definition.rows.schema).filter(
    (name) => !position.some((key) => key === name),
  )
  const differences = differencesSql({
    found: sliceOf.fraud,
    expected: 'expected_fraud',
    keys: position,
    columns,
    isComplete: true,
    extra: 'is not in silver',
  })
  let findings = nothingFound
  let [rows, lagging] = [0n, 0n]
  return {
    async slice() {
      await connection.run(`CREATE OR REPLACE TEMP VIEW expected_fraud AS ${expectedSql(lakehouse, state)}`)
      findings = together(findings, await findingsOf(connection, differences, position))
      const silverRows = await lakehouse.number(`SELECT count(*) FROM ${sliceOf.silver}`)
      const waiting = await lakehouse.number(`SELECT count(*) FROM ${sliceOf.silver} AS s
        JOIN ${sliceOf.batches} AS b ON b.time = s.processing_time WHERE b.batch > ${state.doneBatch}`)
      rows += silverRows - waiting
      lagging += waiting
    },
    async finish() {
      const isSettings = findings.first.some(({ problem }) => problem === 'differs')
      const velocity = await checkVelocity(lakehouse, state)
      return {
        proved: `${counted(rows, 'row')} of silver, each scored, with every cell as the rules say`,
        findings: together(findings, velocity.findings),
        notes: [
          ...(lagging === 0n
            ? []
            : [`it lags behind silver by ${counted(lagging, 'row')}: run "assay run fraud-detection"`]),
          ...(velocity.skipped === 0n
            ? []
            : [`not judged: ${counted(velocity.skipped, 'row')} of users too busy for a plain count`]),
        ],
        hint: isSettings ? settingsHint : null,
      }
    },
  }
}

/** What the rows must be, given their velocity, which is judged by itself. */
function expectedSql(lakehouse: Lakehouse, state: TableState): string {
  const plain = Object.keys(state.definition.rows.schema).filter(
    (name) => !computed.some((one) => one === name),
  )
  const dialect = boundDuckdb({ high_risk_countries: lakehouse.options.highRiskCountries })
  const settings = { highRiskCountries }
  const row = {
    amount: column('amount', 'decimal(18,2)'),
    payment_method: column('payment_method', 'string'),
    country: column('country', 'string'),
    is_fraud: column('is_fraud', 'boolean'),
    transaction_hour: column('transaction_hour', 'int'),
    is_weekend: column('is_weekend', 'boolean'),
    is_high_velocity: column('is_high_velocity', 'boolean'),
  } as const
  const fires = rules.map((rule) => expressionSql(dialect, rule.fires(row, settings)))
  const score = rules
    .map((rule, index) => `if(coalesce(${fires[index]}, false), ${rule.points}, 0)`)
    .join(' + ')
  const names = rules.map(
    (rule, index) => `if(coalesce(${fires[index]}, false), ${duckdb.text(rule.name)}, NULL)`,
  )
  const levels = riskLevels.map(({ name, scoreMin }) => `WHEN score >= ${scoreMin} THEN ${duckdb.text(name)}`)
  assert(plain.length + computed.length === Object.keys(state.definition.rows.schema).length)
  return `WITH counted AS (
  SELECT s.*, f.tx_count_30min, f.tx_count_30min > ${velocityMax} AS is_high_velocity
  FROM ${sliceOf.silver} AS s LEFT JOIN ${sliceOf.batches} AS b ON b.time = s.processing_time
  LEFT JOIN (SELECT topic, partition, "offset", any_value(tx_count_30min) AS tx_count_30min
    FROM ${sliceOf.fraud} GROUP BY ALL) AS f ON ${samePosition('f', 's')}
  WHERE coalesce(b.batch, 0) <= ${state.doneBatch}
),
scored AS (
  SELECT *, ${score} AS score, list_filter([${names.join(', ')}], lambda name: name IS NOT NULL) AS reasons FROM counted
)
SELECT ${plain.map(quoteIdentifier).join(', ')}, CAST(score AS INTEGER) AS fraud_score,
  CASE ${levels.join(' ')} ELSE ${duckdb.text(riskLevelLowest)} END AS risk_level,
  score >= ${reviewScore} AS requires_review, is_high_velocity, tx_count_30min, reasons
FROM scored`
}
