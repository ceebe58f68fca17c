// fraud_detection against silver: one row each, the velocity counted by a plain join, the rules as src/fraud
// has them.

import { quoteIdentifier } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { assert } from '../errors/errors.ts'
import { column } from '../expr/index.ts'
import {
  reviewScore,
  riskLevelLowest,
  riskLevels,
  rules,
  velocityMax,
  velocityRangeMinutes,
} from '../fraud/rules.ts'
import { highRiskCountries } from '../lakehouse/batch.ts'
import { boundDuckdb, duckdb, expressionSql } from '../sql/index.ts'
import { position } from './bronze.ts'
import { findingsOf, together, type Verdict } from './check.ts'
import { differencesSql } from './compare.ts'
import type { Lakehouse, TableState } from './lakehouse.ts'
import { checkTimes, doneTimeSql, prepareBatches } from './progress.ts'
import { settingsHint, silverPath } from './silver.ts'

const rangeMicros = velocityRangeMinutes * 60_000_000
/** Pairs of rows that one user's half hour may make; a busier one is counted by nothing but the engine. */
const pairsMaxPerBucket = 100_000_000
/** What a row of silver takes of memory while the pairs of it are made, generously. */
const bytesPerRow = 512n
const computed = [
  'fraud_score',
  'risk_level',
  'requires_review',
  'is_high_velocity',
  'tx_count_30min',
  'reasons',
] as const

/** Counts the velocity of about so many rows at a time; without a number, of as many as fit into memory. */
export async function checkFraudRows(
  lakehouse: Lakehouse,
  state: TableState,
  rowsPerPart = lakehouse.memoryLimitBytes / bytesPerRow,
): Promise<Verdict> {
  await prepareBatches(lakehouse)
  const { connection } = lakehouse
  const skipped = await prepareVelocity(lakehouse, rowsPerPart)
  await connection.run(`CREATE OR REPLACE TEMP VIEW expected_fraud AS ${expectedSql(lakehouse, state)}`)
  const columns = Object.keys(state.definition.rows.schema).filter(
    (name) => !position.some((key) => key === name),
  )
  const differences = differencesSql({
    found: lakehouse.rows(state.definition.path),
    expected: 'expected_fraud',
    keys: position,
    columns,
    isComplete: true,
    extra: 'is not in silver',
  })
  const ofDone = skipped === 0n ? differences : withoutUncounted(differences)
  const findings = together(
    await findingsOf(connection, ofDone, position),
    await checkTimes(lakehouse, state, 'processing_time'),
  )
  const count = await lakehouse.number('SELECT count(*) FROM expected_fraud')
  const lagging = await lakehouse.number(
    `SELECT count(*) FROM ${lakehouse.rows(silverPath)} WHERE processing_time > ${doneTimeSql(state)}`,
  )
  const isSettings = findings.first.some(({ problem }) => problem === 'differs')
  return {
    proved: `${counted(count, 'row')} of silver, each scored, with every cell as the rules say`,
    findings,
    notes: [
      ...(lagging === 0n
        ? []
        : [`it lags behind silver by ${counted(lagging, 'row')}: run "assay run fraud-detection"`]),
      ...(skipped === 0n
        ? []
        : [`not judged: ${counted(skipped, 'row')} of users too busy for a plain count`]),
    ],
    hint: isSettings ? settingsHint : null,
  }
}

/**
 * `velocity`: for each row of silver how many rows of the user lie in the half hour before it and had
 * arrived. Rows meet by user and half hour (their own and the one before it), then each pair is judged; some
 * users after others. Returns how many rows are left out.
 */
async function prepareVelocity(lakehouse: Lakehouse, rowsPerPart: bigint): Promise<bigint> {
  const { connection } = lakehouse
  const keys = position.map(quoteIdentifier).join(', ')
  const silver = lakehouse.rows(silverPath)
  await connection.run(`CREATE OR REPLACE TEMP TABLE velocity AS
    SELECT ${keys}, 0 AS tx_count_30min FROM ${silver} LIMIT 0`)
  const rowCount = await lakehouse.number(`SELECT count(*) FROM ${silver}`)
  const parts = rowCount / rowsPerPart + 1n
  let skipped = 0n
  for (let part = 0n; part < parts; part += 1n) {
    await connection.run(`CREATE OR REPLACE TEMP TABLE arrivals AS
      SELECT ${keys}, user_id, epoch_us(event_time) AS micros,
        epoch_us(event_time) // ${rangeMicros} AS bucket,
        row_number() OVER (ORDER BY processing_time, ${keys}) AS arrival
      FROM ${silver} WHERE hash(user_id) % ${parts} = ${part}`)
    await connection.run(`CREATE OR REPLACE TEMP TABLE busy AS
      SELECT user_id, bucket FROM arrivals GROUP BY ALL HAVING count(*) * count(*) > ${pairsMaxPerBucket}`)
    await connection.run(`INSERT INTO velocity
      WITH judged AS (FROM arrivals ANTI JOIN busy USING (user_id, bucket)),
      met AS (
        SELECT user_id, bucket, micros, arrival FROM arrivals
        UNION ALL SELECT user_id, bucket + 1, micros, arrival FROM arrivals
      )
      SELECT r.topic, r.partition, r."offset", count(*)
      FROM judged AS r JOIN met AS s ON s.user_id = r.user_id AND s.bucket = r.bucket
      WHERE s.micros BETWEEN r.micros - ${rangeMicros} AND r.micros AND s.arrival <= r.arrival
      GROUP BY ALL`)
    skipped += await lakehouse.number('SELECT count(*) FROM arrivals SEMI JOIN busy USING (user_id, bucket)')
  }
  await connection.run('DROP TABLE arrivals')
  await connection.run('DROP TABLE busy')
  return skipped
}

/** Rows whose velocity is not known stand in `found` alone, for that reason only. */
function withoutUncounted(differences: string): string {
  const keys = position.map(quoteIdentifier).join(', ')
  return `SELECT d.* FROM (${differences}) AS d SEMI JOIN velocity USING (${keys})`
}

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
  SELECT s.*, v.tx_count_30min, v.tx_count_30min > ${velocityMax} AS is_high_velocity
  FROM ${lakehouse.rows(silverPath)} AS s JOIN velocity AS v
    ON v.topic = s.topic AND v.partition = s.partition AND v."offset" = s."offset"
  WHERE s.processing_time <= ${doneTimeSql(state)}
),
scored AS (
  SELECT *, ${score} AS score, list_filter([${names.join(', ')}], lambda name: name IS NOT NULL) AS reasons FROM counted
)
SELECT ${plain.map(quoteIdentifier).join(', ')}, CAST(score AS INTEGER) AS fraud_score,
  CASE ${levels.join(' ')} ELSE ${duckdb.text(riskLevelLowest)} END AS risk_level,
  score >= ${reviewScore} AS requires_review, is_high_velocity, tx_count_30min, reasons
FROM scored`
}
