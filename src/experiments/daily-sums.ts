// The rows of an experiment as sums by day and arm. Of each customer everything up to a day counts as one, so
// the squares are those of the customer's whole.
import type { DuckDBConnection } from '@duckdb/node-api'
import { labelName, type ScoredHistory } from '../backtest/scored-history.ts'
import { rowsOf } from '../engines/database.ts'
import type { Expr } from '../expr/index.ts'
import { armOf, type ExperimentShare } from '../fraud/arms.ts'
import { duckdb, expressionSql } from '../sql/index.ts'
import type { DayCounts, DayLook, FigureName } from './figures.ts'
import type { ArmSums, BothArms } from './sequential.ts'

export type DailySums = {
  readonly counts: readonly DayCounts[]
  readonly looks: Readonly<Record<FigureName, readonly DayLook[]>>
  readonly transactions: BothArms<number>
  readonly pending: number
  /** Transactions of no customer, which the control decides. */
  readonly withoutKey: number
  /** Transactions that are in another arm than the name and the key say. */
  readonly misplaced: number
}

export type RowsOfExperiment = ExperimentShare & {
  /** The column that names the customer. */
  readonly by: string
  readonly asOfMicros: bigint
  readonly maturityMicros: bigint
}

const customer: Expr<'string'> = { kind: 'column', name: 'customer', type: 'string' }

/** `history` has the columns variant, requires_review, amount and the customer's. */
export async function dailySums(history: ScoredHistory, of: RowsOfExperiment): Promise<DailySums> {
  const { connection } = history
  await connection.run(`CREATE TEMP TABLE customer_days AS ${customerDaysSql(history, of)}`)
  const arm = expressionSql(duckdb, armOf(of, customer))
  await connection.run(
    `CREATE TEMP TABLE placed AS SELECT * FROM customer_days WHERE customer IS NOT NULL AND arm = ${arm}`,
  )
  const [totals] = await rowsOf(
    connection,
    `SELECT coalesce(sum(rows) FILTER (arm = 'control'), 0)::DOUBLE AS control,
        coalesce(sum(rows) FILTER (arm = 'candidate'), 0)::DOUBLE AS candidate,
        coalesce(sum(pending), 0)::DOUBLE AS pending,
        coalesce(sum(rows) FILTER (customer IS NULL), 0)::DOUBLE AS without_key,
        coalesce(sum(rows) FILTER (arm <> ${arm}), 0)::DOUBLE AS misplaced
      FROM customer_days`,
  )
  const { control, candidate, pending, without_key, misplaced } = totals as Readonly<Record<string, number>>
  return {
    counts: await dayCounts(connection),
    looks: {
      fraudMoneyLetThrough: await dayLooks(connection, fraudMoneySql, matureDaysSql),
      goodCustomersReviewed: await dayLooks(connection, goodCustomersSql, null),
      reviews: await dayLooks(connection, reviewsSql, eventDaysSql),
    },
    transactions: { control: control!, candidate: candidate! },
    ...{ pending: pending!, withoutKey: without_key!, misplaced: misplaced! },
  }
}

/** Of each customer, arm and day, and the day on which these transactions mature. */
function customerDaysSql(
  { rows }: ScoredHistory,
  { by, asOfMicros, maturityMicros }: RowsOfExperiment,
): string {
  return `SELECT CAST(${duckdb.name(by)} AS VARCHAR) AS customer, variant AS arm,
      CAST(event_time AS DATE) AS day,
      CAST(event_time + to_microseconds(${maturityMicros}) AS DATE) AS matures, count(*) AS rows,
      count(*) FILTER (${labelName} = 'pending') AS pending,
      count(*) FILTER (requires_review) AS reviews,
      CAST(sum(amount) FILTER (${labelName} = 'fraud' AND NOT requires_review) AS DOUBLE) AS fraud_money,
      count(*) FILTER (${labelName} = 'good' AND requires_review) AS good_reviews
    FROM (${rows})
    WHERE variant IN ('control', 'candidate') AND event_time <= make_timestamp(${asOfMicros})
    GROUP BY ALL`
}

const fraudMoneySql = `SELECT customer, arm, matures AS day, sum(fraud_money) AS brought
  FROM placed WHERE fraud_money > 0 GROUP BY ALL`
const goodCustomersSql = `SELECT customer, arm, min(matures) AS day, 1.0::DOUBLE AS brought
  FROM placed WHERE good_reviews > 0 GROUP BY ALL`
const reviewsSql = `SELECT customer, arm, day, CAST(sum(reviews) AS DOUBLE) AS brought
  FROM placed WHERE reviews > 0 GROUP BY ALL`
const eventDaysSql = 'SELECT DISTINCT day FROM placed'
const matureDaysSql = 'SELECT DISTINCT matures AS day FROM placed WHERE pending < rows'

/**
 * The looks at a figure, one a day. `brought` is a SELECT of what each customer brought on which day; `days` of
 * the days that have transactions, null for a figure that is no figure of a day.
 */
async function dayLooks(
  connection: DuckDBConnection,
  brought: string,
  days: string | null,
): Promise<DayLook[]> {
  const sums = await rowsOf(
    connection,
    `WITH brought AS (${brought}),
      risen AS (
        SELECT arm, day, brought, sum(brought) OVER (PARTITION BY customer ORDER BY day) AS whole
        FROM brought),
      changed AS (
        SELECT day, arm, sum(brought) AS brought,
          sum(whole ** 2 - (whole - brought) ** 2) AS squares
        FROM risen GROUP BY ALL),
      counted AS (${days ?? 'SELECT day FROM changed WHERE false'})
    SELECT CAST(day AS VARCHAR) AS day, arm, brought, squares FROM (
      SELECT day, arm, brought, squares FROM changed
      UNION ALL SELECT day, NULL, NULL, NULL FROM counted)
    ORDER BY day, arm NULLS FIRST`,
  )
  const looks: DayLook[] = []
  let look: Look = { control: { sum: 0, squares: 0 }, candidate: { sum: 0, squares: 0 } }
  let passed = 0
  for (const { day, arm, brought, squares } of sums as unknown as readonly DaySum[]) {
    if (arm === null) passed++
    else look = { ...look, [arm]: added(look[arm], brought, squares) }
    if (looks.at(-1)?.day === day) looks.pop()
    looks.push({ ...look, day, days: days === null ? 1 : Math.max(passed, 1) })
  }
  return looks
}

type Look = BothArms<ArmSums>
type DaySum = {
  readonly day: string
  readonly arm: keyof Look | null
  readonly brought: number
  readonly squares: number
}

function added({ sum, squares }: ArmSums, brought: number, more: number): ArmSums {
  return { sum: sum + brought, squares: squares + more }
}

/** Customers by the day on which they came first. */
async function dayCounts(connection: DuckDBConnection): Promise<DayCounts[]> {
  const rows = await rowsOf(
    connection,
    `WITH come AS (SELECT customer, arm, min(day) AS day FROM placed GROUP BY ALL)
    SELECT CAST(day AS VARCHAR) AS day, CAST(count(*) FILTER (arm = 'control') AS DOUBLE) AS control,
      CAST(count(*) FILTER (arm = 'candidate') AS DOUBLE) AS candidate
    FROM come GROUP BY ALL ORDER BY day`,
  )
  const counts: DayCounts[] = []
  for (const { day, control, candidate } of rows as unknown as readonly DayCounts[]) {
    const before = counts.at(-1) ?? { control: 0, candidate: 0 }
    counts.push({ day, control: before.control + control, candidate: before.candidate + candidate })
  }
  return counts
}
