// The same tables by DuckDB alone, as a user would write them: one SQL statement for each table, from the
// same files of records to Parquet. It judges leniently, keeps no log, commits nothing and forgets nothing,
// so it is what the machine can do at most. Run: npx node bench/bare-duckdb.ts <input directory> <output
// directory>
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

const [input, output] = process.argv.slice(2) as [string, string]
mkdirSync(output, { recursive: true })
const connection = await (await DuckDBInstance.create(':memory:')).connect()

const quoted = (path: string): string => `'${path.replaceAll("'", "''")}'`
const files = quoted(join(input, '*.ndjson'))
const write = (name: string, select: string): string =>
  `COPY (${select}) TO ${quoted(join(output, `${name}.parquet`))} (FORMAT parquet, COMPRESSION zstd)`
const names = 'transaction_id user_id amount merchant payment_method location device_id timestamp is_fraud'
const columns = names.split(' ').map((name) => `${name}: 'VARCHAR'`)

const statements: readonly (readonly [name: string, sql: string])[] = [
  ['bronze', write('bronze', `SELECT content AS value, now() AS processing_time FROM read_blob(${files})`)],
  [
    'judged',
    `CREATE TABLE judged AS SELECT *, filename AS topic,
      row_number() OVER () AS "offset", list_filter([
        CASE WHEN id IS NULL THEN 'transaction_id_missing' END, CASE WHEN user_id IS NULL THEN 'user_id_invalid' END,
        CASE WHEN amount IS NULL THEN 'amount_invalid' WHEN amount <= 0 THEN 'amount_not_positive' END,
        CASE WHEN event_time IS NULL THEN 'timestamp_invalid' END], x -> x IS NOT NULL) AS reasons
    FROM (SELECT nullif(trim(transaction_id), '') AS id, try_cast(user_id AS INTEGER) AS user_id,
        try_cast(amount AS DECIMAL(18,2)) AS amount, nullif(trim(merchant), '') AS merchant,
        nullif(trim(payment_method), '') AS payment_method, nullif(trim(location), '') AS location,
        nullif(trim(device_id), '') AS device_id, try_cast(timestamp AS TIMESTAMP) AS event_time,
        coalesce(try_cast(is_fraud AS BOOLEAN), false) AS is_fraud, filename
      FROM read_json(${files}, format = 'newline_delimited', filename = true, ignore_errors = true,
        columns = {${columns.join(', ')}}))`,
  ],
  [
    'silver',
    `CREATE TABLE silver AS SELECT * EXCLUDE (filename, reasons),
      CASE WHEN amount < 10 THEN 'micro' WHEN amount < 100 THEN 'small' WHEN amount < 1000 THEN 'medium'
        WHEN amount < 10000 THEN 'large' ELSE 'enterprise' END AS amount_category,
      amount > 1000 AS is_high_value, regexp_extract(location, '^(.*), [^,]*$', 1) AS city,
      regexp_extract(location, ', ([^,]*)$', 1) AS country, CAST(event_time AS DATE) AS transaction_date,
      hour(event_time) AS transaction_hour, dayofweek(event_time) + 1 AS transaction_day_of_week,
      dayofweek(event_time) IN (0, 6) AS is_weekend, now() AS processing_time
    FROM judged WHERE len(reasons) = 0
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY "offset") = 1`,
  ],
  ['silver files', write('silver', 'SELECT * FROM silver')],
  ['quarantine', write('quarantine', 'SELECT * FROM judged WHERE len(reasons) > 0')],
  [
    'fraud_detection',
    write(
      'fraud',
      `SELECT *, CASE WHEN score >= 75 THEN 'CRITICAL' WHEN score >= 50 THEN 'HIGH' WHEN score >= 25 THEN 'MEDIUM'
        WHEN score >= 10 THEN 'LOW' ELSE 'MINIMAL' END AS risk_level, score >= 50 AS requires_review
      FROM (SELECT *, is_fraud::INT * 50 + (amount > 5000)::INT * 30 +
          coalesce((payment_method = 'crypto')::INT, 0) * 20 +
          coalesce((country IN ('Nigeria', 'Russia', 'China'))::INT, 0) * 15 +
          (transaction_hour >= 23 OR transaction_hour < 5)::INT * 10 + is_weekend::INT * 5 +
          (tx_count_30min > 5)::INT * 25 AS score,
        list_filter([CASE WHEN is_fraud THEN 'known_fraud' END, CASE WHEN amount > 5000 THEN 'high_amount' END,
          CASE WHEN payment_method = 'crypto' THEN 'crypto_payment' END,
          CASE WHEN country IN ('Nigeria', 'Russia', 'China') THEN 'high_risk_country' END,
          CASE WHEN transaction_hour >= 23 OR transaction_hour < 5 THEN 'late_night' END,
          CASE WHEN is_weekend THEN 'weekend' END, CASE WHEN tx_count_30min > 5 THEN 'high_velocity' END],
          x -> x IS NOT NULL) AS reasons
        FROM (SELECT *, count(*) OVER (PARTITION BY user_id ORDER BY event_time
            RANGE BETWEEN INTERVAL 30 MINUTES PRECEDING AND CURRENT ROW) AS tx_count_30min FROM silver))`,
    ),
  ],
  ...windows(),
]

/** Tumbling windows are one GROUP BY; a sliding one takes each row as often as it slides. */
function windows(): (readonly [string, string])[] {
  const rates = `count(*) FILTER (WHERE is_fraud) AS fraud_count, count(*) FILTER (WHERE is_high_value) AS high_value,
    sum(amount) AS total, max(amount) AS most, min(amount) AS least, avg(amount) AS mean, count(*) AS transactions`
  const bucket = (minutes: number) => `time_bucket(INTERVAL ${minutes} MINUTES, event_time)`
  const slides = `(SELECT *, ${bucket(5)} - INTERVAL (5 * slide) MINUTES AS window_start FROM silver, range(3) r(slide))`
  return [
    [
      'gold',
      `SELECT ${bucket(10)} AS window_start, merchant, payment_method, country, ${rates},
      count(DISTINCT user_id) AS users, count(DISTINCT device_id) AS devices FROM silver GROUP BY ALL`,
    ],
    [
      'merchant',
      `SELECT window_start, merchant, ${rates}, count(DISTINCT user_id) AS users,
      count(DISTINCT device_id) AS devices FROM ${slides} GROUP BY ALL`,
    ],
    [
      'user',
      `SELECT ${bucket(60)} AS window_start, user_id, country, ${rates}, count(DISTINCT merchant) AS merchants,
      count(DISTINCT payment_method) AS methods, count(DISTINCT device_id) AS devices FROM silver GROUP BY ALL`,
    ],
    [
      'country',
      `SELECT ${bucket(30)} AS window_start, country, city, ${rates}, count(DISTINCT user_id) AS users,
      count(DISTINCT merchant) AS merchants FROM silver GROUP BY ALL`,
    ],
    [
      'hourly',
      `SELECT ${bucket(60)} AS window_start, ${rates}, count(DISTINCT user_id) AS users,
      count(DISTINCT merchant) AS merchants, count(DISTINCT device_id) AS devices,
      count(DISTINCT country) AS countries FROM silver GROUP BY ALL`,
    ],
  ].map(([name, select]) => [name!, write(name!, select!)] as const)
}

for (const [name, sql] of statements) {
  const startedMs = performance.now()
  await connection.run(sql)
  console.log(`  ${name}: ${((performance.now() - startedMs) / 1000).toFixed(2)} s`)
}
connection.closeSync()
