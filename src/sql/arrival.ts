// What deduplication and `over` share: the batch's rows, narrow and in the order of their arrival, beside
// the history.
import type { PlanNode } from '../plan/index.ts'
import { type Dialect, spark } from './dialect.ts'

type Arriving = Pick<Extract<PlanNode, { kind: 'over' | 'deduplicate' }>, 'key' | 'eventTime' | 'arrival'>

/**
 * CTE `arrived`: key, event time and arrival columns only, because numbering rows sorts them. `keySql` is the
 * key as the history has it.
 */
export function arrivedSql(
  dialect: Dialect,
  node: Arriving,
  keySql: string,
  input: string,
  where = 'true',
): string {
  const order = node.arrival.map((column) => dialect.name(column)).join(', ')
  const key = dialect.name(node.key)
  const narrow = `${keySql === key ? key : `${keySql} AS ${key}`}, ${dialect.name(node.eventTime)}`
  // Read more than once, computed once.
  return `arrived AS MATERIALIZED (
  SELECT ${narrow}, ${order}, row_number() OVER (ORDER BY ${order}) AS arrival
  FROM ${input.replaceAll('\n', '\n  ')}
  WHERE ${where}
)`
}

/** The history of the keys that arrived, as rows that arrived before all of them. */
export function historySql(dialect: Dialect, node: Arriving, history: string): string {
  const key = dialect.name(node.key)
  const nulls = node.arrival.map((column) => `NULL AS ${dialect.name(column)}`).join(', ')
  return `SELECT ${key}, ${dialect.name(node.eventTime)}, 0 AS arrival, ${nulls}
  FROM ${history.replaceAll('\n', '\n  ')}
  WHERE ${key} IN (SELECT ${key} FROM arrived)`
}

/** The condition that a row of the input is the row of `other`. */
export function joinArrival(dialect: Dialect, node: Arriving, other: string): string {
  return node.arrival
    .map((column) => `${other}.${dialect.name(column)} = batch_rows.${dialect.name(column)}`)
    .join(' AND ')
}

/**
 * Spark numbers rows in one task and computes a CTE as often as it is read. Its structs have an order of
 * their own, field by field, so the arrival columns as a struct are the arrival; it is null for the history,
 * and null comes first.
 */
export function sparkArrival(node: Arriving): string {
  return `struct(${node.arrival.map(spark.name).join(', ')})`
}

/** The history's rows of keys that are in `input`, whose columns are key, event time, arrival. */
export function sparkHistory(node: Arriving, columns: string, history: string, input: string): string {
  const key = spark.name(node.key)
  return `SELECT ${columns}
  FROM ${indentRest(history)}
  WHERE ${key} IN (SELECT ${key} FROM ${indentRest(input)})`
}

export const indentRest = (sql: string): string => sql.replaceAll('\n', '\n  ')
