// Up to where watermarks have to go so that no session stays open: of all sessions of silver's rows the
// latest end. Only keys with rows near the greatest event time can have it: those that have this very time
// mostly do, and are few. Where the session of such a key begins is found by looking back: behind the last
// one that the table has, or behind a gap.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { tableDirectory } from '../ops/tables.ts'
import { type SessionsNode, sessionsIn, type TableDefinition } from '../plan/index.ts'
import { compileTable, duckdb } from '../sql/index.ts'
import { rowsOf, setTable, setView } from './database.ts'

/** Who is not found is looked for among so many times more hours. */
const growth = 4n

/** As of silver's rows with this greatest event time; null where no table has sessions. */
export async function lastSessionEnd(
  silver: DeltaTable,
  deltaBasePath: string,
  tables: readonly TableDefinition[],
  eventTimeMaxMicros: bigint | null,
  connection: DuckDBConnection,
): Promise<bigint | null> {
  if (eventTimeMaxMicros === null) return null
  let last: bigint | null = null
  for (const table of tables) {
    const node = sessionsIn(table.rows.node)
    if (node === null) continue
    const search = new Search({ silver, deltaBasePath, table, node, eventTimeMaxMicros, connection })
    const end = await search.lastEnd()
    if (last === null || (end !== null && end > last)) last = end
  }
  return last
}

type SearchFacts = {
  readonly silver: DeltaTable
  readonly deltaBasePath: string
  readonly table: TableDefinition
  readonly node: SessionsNode
  readonly eventTimeMaxMicros: bigint
  readonly connection: DuckDBConnection
}

class Search {
  readonly #facts: SearchFacts

  constructor(facts: SearchFacts) {
    this.#facts = facts
  }

  async lastEnd(): Promise<bigint | null> {
    const { gapMicros } = this.#facts.node
    const last = await this.#lastEndNear(0n)
    const isLatest = last !== null && last > this.#facts.eventTimeMaxMicros + gapMicros
    return isLatest ? last : await this.#lastEndNear(gapMicros)
  }

  /** The latest end of the keys that have a row so near to the greatest event time. */
  async #lastEndNear(distanceMicros: bigint): Promise<bigint | null> {
    const { node, eventTimeMaxMicros, connection } = this.#facts
    const nearFrom = eventTimeMaxMicros - distanceMicros
    await this.#bind(nearFrom)
    await setTable(
      connection,
      'session_keys',
      `SELECT DISTINCT ${this.#keys().join(', ')} FROM session_times`,
    )
    const first = await this.#firstMicros()
    for (let back = node.lengthMaxMicros + node.gapMicros; ; back *= growth) {
      const from = nearFrom - back
      const isAll = first === null || from <= first
      await this.#bind(isAll ? null : from)
      const [row] = await rowsOf(connection, this.#endSql(isAll))
      if (row?.is_known === true) return row.last_end as bigint | null // As selected.
    }
  }

  #keys(of = ''): string[] {
    const { node } = this.#facts
    // Without keys all rows have this one.
    return node.keys.length === 0 ? [`${of}everything`] : node.keys.map((key) => `${of}${duckdb.name(key)}`)
  }

  /** The rows of the sessions from an event time on, and the sessions that the table has. */
  async #bind(fromMicros: bigint | null): Promise<void> {
    const { silver, deltaBasePath, table, node, connection } = this.#facts
    const { sql, reads } = compileTable(duckdb, node.input)
    const scan = await fetchedScanSql(await silver.snapshot(), silver.directory, {
      where: fromMicros === null ? [] : [{ column: 'event_time', min: fromMicros }],
      naiveTimestamps: true,
    })
    const isRecent = fromMicros === null ? 'true' : `event_time >= make_timestamp(${fromMicros})`
    for (const name of reads) await setView(connection, name, `SELECT * FROM (${scan}) WHERE ${isRecent}`)
    await setView(
      connection,
      'session_times',
      `SELECT *, epoch_us(${duckdb.name(node.eventTime)}) AS micros FROM (SELECT *, 0 AS everything FROM (${sql}))`,
    )
    const directory = tableDirectory(deltaBasePath, table)
    const isThere = await DeltaTable.exists(directory)
    const written = isThere
      ? await fetchedScanSql(await (await DeltaTable.open(directory)).snapshot(), directory, {
          columns: [...node.keys, 'session_end'],
          where: fromMicros === null ? [] : [{ column: 'session_end', min: fromMicros }],
          naiveTimestamps: true,
        })
      : 'SELECT *, NULL::TIMESTAMP AS session_end FROM session_times WHERE false'
    const from = fromMicros === null ? 'true' : `epoch_us(session_end) >= ${fromMicros}`
    await setView(
      connection,
      'session_ends',
      `SELECT ${this.#keys().join(', ')}, max(epoch_us(session_end)) AS written_to FROM (SELECT *, 0 AS everything FROM (${written})) WHERE ${from} GROUP BY ALL`,
    )
  }

  async #firstMicros(): Promise<bigint | null> {
    const { silver, connection } = this.#facts
    const scan = await fetchedScanSql(await silver.snapshot(), silver.directory, {
      columns: ['event_time'],
      naiveTimestamps: true,
    })
    const [row] = await rowsOf(connection, `SELECT min(epoch_us(event_time)) AS first FROM (${scan})`)
    return (row?.first ?? null) as bigint | null // As selected.
  }

  #endSql(isAll: boolean): string {
    const { gapMicros: gap, lengthMaxMicros: length } = this.#facts.node
    const keys = this.#keys().join(', ')
    const same = (a: string, b: string): string => {
      const [of, other] = [this.#keys(`${a}.`), this.#keys(`${b}.`)]
      return of.map((key, index) => `${key} IS NOT DISTINCT FROM ${other[index]}`).join(' AND ')
    }
    const begins = `micros - lag(micros) OVER (PARTITION BY ${keys} ORDER BY micros) > ${gap}`
    const isFirst = `lag(micros) OVER (PARTITION BY ${keys} ORDER BY micros) IS NULL AND (${isAll} OR written_to IS NOT NULL)`
    const folded = `list_reduce(list_transform(list_sort(list(DISTINCT m.micros)), lambda one: [one]),
      lambda starts, one: CASE WHEN one[1] >= starts[-1] + ${length} THEN list_concat(starts, one) ELSE starts END)`
    return `WITH near AS (
  SELECT t.*, e.written_to FROM session_times AS t SEMI JOIN session_keys AS k ON ${same('t', 'k')}
  LEFT JOIN session_ends AS e ON ${same('t', 'e')}
),
marked AS (
  SELECT *, coalesce(${begins}, false) OR (${isFirst}) AS begins
  FROM near WHERE written_to IS NULL OR micros > written_to
),
begun AS (SELECT ${keys}, max(micros) FILTER (WHERE begins) AS begin FROM marked GROUP BY ${keys}),
ends AS (
  SELECT max(m.micros) + ${gap} + 1 AS behind_gap, ${folded}[-1] + ${length} AS at_length
  FROM marked AS m JOIN begun AS b ON ${same('m', 'b')} WHERE m.micros >= b.begin GROUP BY ${this.#keys('m.').join(', ')}
)
SELECT (SELECT bool_and(begin IS NOT NULL) FROM begun) IS NOT FALSE AS is_known,
  (SELECT max(least(behind_gap, at_length)) FROM ends) AS last_end`
  }
}
