// The transactions that alert, read from the scored table behind a cursor. What is new is told by the time of
// the batch that scored a row, which no later commit changes: a table that is rebuilt, compacted, erased from
// or put back and replayed has rows with the times that they had, and they are no news.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { rowsOf } from '../engines/database.ts'
import { assert } from '../errors/errors.ts'
import type { Expr } from '../expr/index.ts'
import { progressOf, tableDirectory } from '../ops/tables.ts'
import type { TableDefinition } from '../plan/index.ts'
import { duckdb, expressionSql } from '../sql/index.ts'
import type { Route, RouteTrigger, Silence } from './alerts-config.ts'

/** Rows of a table come in this order: by batch, then by where their records stood. */
export type TransactionPlace = {
  readonly timeMicros: bigint
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** All transactions of batches up to a time are judged, and of the next one those up to a place. */
export type AlertCursor = { readonly judgedMicros: bigint; readonly place: TransactionPlace | null }

export type RiskyTransaction = TransactionPlace & {
  readonly eventMicros: number
  readonly score: number
  readonly level: string
  readonly rules: readonly string[]
  /** The routes that it alerts on, each with the values that it is grouped by and the silence that holds. */
  readonly routes: readonly {
    readonly route: Route
    readonly group: string
    readonly silence: string | null
  }[]
}

export class ScoredTable {
  readonly #definition: TableDefinition
  readonly #directory: string
  readonly #connection: DuckDBConnection
  #table: DeltaTable | null = null

  constructor(definition: TableDefinition, deltaBasePath: string, connection: DuckDBConnection) {
    this.#definition = definition
    this.#directory = tableDirectory(deltaBasePath, definition)
    this.#connection = connection
  }

  /** The time of the newest batch of the table; null where it has none. */
  async headMicros(): Promise<bigint | null> {
    const table = await this.#opened()
    if (table === null) return null
    return (await progressOf(table, await table.snapshot()))?.timeMicros ?? null
  }

  /** At most `rowsMax`, the first behind the cursor, of batches up to `headMicros`. */
  async risky(
    routes: readonly Route[],
    silences: readonly Silence[],
    { judgedMicros, place }: AlertCursor,
    headMicros: bigint,
    rowsMax: number,
  ): Promise<RiskyTransaction[]> {
    const asked = routes.filter(({ on }) => on.kind === 'transactions')
    const table = await this.#opened()
    if (table === null || asked.length === 0) return []
    // Files that were judged a page ago are not read again.
    const min = place !== null && place.timeMicros > judgedMicros ? place.timeMicros : judgedMicros
    const scan = await fetchedScanSql(await table.snapshot(), table.directory, {
      naiveTimestamps: true,
      where: [{ column: 'processing_time', min, max: headMicros }],
    })
    const matches = asked.map(({ on }) => `coalesce(${triggerSql(on)}, false)`)
    const columns = [
      'epoch_us(processing_time) AS time_micros',
      'epoch_us(event_time) AS event_micros',
      ...['topic', '"partition"', '"offset"', 'fraud_score', 'risk_level', 'reasons'],
      ...asked.map((_, index) => `matches_${index}`),
      ...asked.map(({ on }, index) => `${groupSql(on)} AS group_${index}`),
      ...silences.map(({ condition }, index) => `${silenceSql(condition)} AS silenced_${index}`),
    ]
    const rows = await rowsOf(
      this.#connection,
      `SELECT ${columns.join(', ')}
       FROM (SELECT *, ${matches.map((sql, index) => `${sql} AS matches_${index}`).join(', ')} FROM (${scan}))
       WHERE (${asked.map((_, index) => `matches_${index}`).join(' OR ')})
         AND epoch_us(processing_time) > ${judgedMicros} AND epoch_us(processing_time) <= ${headMicros}
         ${place === null ? '' : `AND ${behindSql(place)}`}
       ORDER BY processing_time, topic, "partition", "offset" LIMIT ${rowsMax}`,
    )
    return rows.map((row) => riskyOf(row, asked, silences))
  }

  /** The rows at these places as cells; those that were erased since are missing. */
  async cells(
    places: readonly TransactionPlace[],
    columnSql: (column: string, type: string) => string,
  ): Promise<Record<string, unknown>[]> {
    const table = await this.#opened()
    if (table === null || places.length === 0) return []
    const times = places.map(({ timeMicros }) => timeMicros)
    const least = (a: bigint, b: bigint) => (a < b ? a : b)
    const most = (a: bigint, b: bigint) => (a > b ? a : b)
    const scan = await fetchedScanSql(await table.snapshot(), table.directory, {
      naiveTimestamps: true,
      where: [{ column: 'processing_time', min: times.reduce(least), max: times.reduce(most) }],
    })
    const schema = Object.entries<string>(this.#definition.rows.schema)
    const keys = places.map(({ topic, partition, offset }) => {
      return `(${duckdb.text(topic)}, ${partition}, ${offset})`
    })
    return await rowsOf(
      this.#connection,
      `SELECT ${schema.map(([name, type]) => columnSql(name, type)).join(', ')} FROM (${scan}) AS scored
       WHERE (topic, "partition", "offset") IN (${keys.join(', ')})`,
    )
  }

  async #opened(): Promise<DeltaTable | null> {
    if (this.#table === null && (await DeltaTable.exists(this.#directory)))
      this.#table = await DeltaTable.open(this.#directory)
    return this.#table
  }

  /** A directory that was removed and made again is another table. */
  forget(): void {
    this.#table = null
  }
}

function triggerSql(on: RouteTrigger): string {
  assert(on.kind === 'transactions')
  const { levels, rules, condition } = on
  const listSql = (names: readonly string[]) => names.map(duckdb.text).join(', ')
  const parts = [
    ...(levels === null ? [] : [`risk_level IN (${listSql(levels)})`]),
    ...(rules === null ? [] : [`list_has_any(reasons, [${listSql(rules)}])`]),
    ...(condition === null ? [] : [`(${expressionSql(duckdb, condition)})`]),
  ]
  return parts.join(' AND ')
}

function groupSql(on: RouteTrigger): string {
  const columns = on.kind === 'transactions' ? on.groupBy : []
  return columns.length === 0 ? `''` : `CAST(to_json([${columns.map(textSql).join(', ')}]) AS VARCHAR)`
}

function textSql(column: string): string {
  return `CAST(${duckdb.name(column)} AS VARCHAR)`
}

function silenceSql(condition: Expr<'boolean'> | null): string {
  return condition === null ? 'true' : `coalesce(${expressionSql(duckdb, condition)}, false)`
}

function behindSql({ timeMicros, topic, partition, offset }: TransactionPlace): string {
  const row = `(${timeMicros}, ${duckdb.text(topic)}, ${partition}, ${offset})`
  return `(epoch_us(processing_time), topic, "partition", "offset") > ${row}`
}

function riskyOf(
  row: Readonly<Record<string, unknown>>,
  asked: readonly Route[],
  silences: readonly Silence[],
): RiskyTransaction {
  const silenceOf = (route: Route): string | null => {
    const isOf = (silence: Silence) => silence.route === null || silence.route === route.name
    const found = silences.find((silence, index) => isOf(silence) && row[`silenced_${index}`] === true)
    return found?.id ?? null
  }
  return {
    timeMicros: BigInt(String(row.time_micros)),
    topic: String(row.topic),
    partition: Number(row.partition),
    offset: Number(row.offset),
    eventMicros: Number(row.event_micros),
    score: Number(row.fraud_score),
    level: String(row.risk_level),
    rules: Array.isArray(row.reasons) ? row.reasons.map(String) : [],
    routes: asked.flatMap((route, index) => {
      if (row[`matches_${index}`] !== true) return []
      return [{ route, group: String(row[`group_${index}`]), silence: silenceOf(route) }]
    }),
  }
}
