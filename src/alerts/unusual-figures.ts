// What is unusual in the windows that closed last, as trouble: one for each column, while its newest figures
// are anomalies.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { rowsOf } from '../engines/database.ts'
import { counted } from '../errors/counted.ts'
import { tableDirectory } from '../ops/tables.ts'
import type { Lakehouse, TableDefinition } from '../plan/index.ts'
import { figuresTable } from '../query/figures-table.ts'
import type { HealthFinding } from './plan-notifications.ts'

/** Of one column so many figures are told. */
const figuresToldMax = 3

export class UnusualFigures {
  readonly #definition: TableDefinition
  readonly #directory: string
  readonly #connection: DuckDBConnection
  readonly #openedMicros: bigint
  #table: DeltaTable | null = null
  #seen: { readonly version: bigint; readonly findings: readonly HealthFinding[] } | null = null

  private constructor(
    definition: TableDefinition,
    deltaBasePath: string,
    connection: DuckDBConnection,
    openedMicros: bigint,
  ) {
    this.#definition = definition
    this.#directory = tableDirectory(deltaBasePath, definition)
    this.#connection = connection
    this.#openedMicros = openedMicros
  }

  /** null for a lakehouse that has no such table. Windows that closed up to `openedMicros` are history. */
  static of(
    lakehouse: Lakehouse,
    deltaBasePath: string,
    connection: DuckDBConnection,
    openedMicros: bigint,
  ): UnusualFigures | null {
    const found = figuresTable(lakehouse)
    return found === null ? null : new UnusualFigures(found, deltaBasePath, connection, openedMicros)
  }

  async findings(): Promise<readonly HealthFinding[]> {
    if (this.#table === null && !(await DeltaTable.exists(this.#directory))) return []
    this.#table ??= await DeltaTable.open(this.#directory)
    const snapshot = await this.#table.snapshot()
    if (this.#seen?.version === snapshot.version) return this.#seen.findings
    const scan = await fetchedScanSql(snapshot, this.#directory, {
      naiveTimestamps: true,
      where: [{ column: 'aggregation_time', min: this.#openedMicros + 1n }],
    })
    const rows = await rowsOf(this.#connection, unusualSql(scan, this.#openedMicros))
    const findings = rows.map((row) => this.#finding(row))
    this.#seen = { version: snapshot.version, findings }
    return findings
  }

  #finding(row: Readonly<Record<string, unknown>>): HealthFinding {
    const { column_name: column, told, more, at } = row
    const of = column === null ? 'rows' : String(column)
    const others = Number(more) === 0 ? '' : `, and ${counted(Number(more), 'figure')} more`
    const text = `${of} in the window of ${at}: ${told}${others}`
    const help = `assay query "from ${this.#definition.path.replaceAll('/', '.')} where is_anomaly"; docs/guide/quality.md`
    return { kind: 'anomaly', key: `anomaly/${of}`, severity: 'warn', text, help }
  }
}

/** Of the windows that one batch closed the last in which the column is unusual. */
function unusualSql(scan: string, openedMicros: bigint): string {
  const figure = (name: string): string => `regexp_replace(printf('%.2f', ${name}), '[.]00$', '')`
  const told = `metric || ' is ' || ${figure('value')} || ', usually ' || ${figure('expected')}`
  return `WITH closed AS (
      SELECT * FROM (${scan}) WHERE aggregation_time > make_timestamp(${openedMicros})
        QUALIFY aggregation_time = max(aggregation_time) OVER ()
    ),
    unusual AS (
      SELECT * FROM closed WHERE is_anomaly
        QUALIFY window_start = max(window_start) OVER (PARTITION BY column_name)
    )
    SELECT column_name, strftime(any_value(window_start), '%Y-%m-%dT%H:%MZ') AS at,
      array_to_string(list(${told} ORDER BY metric)[:${figuresToldMax}], '; ') AS told,
      greatest(count(*) - ${figuresToldMax}, 0) AS more
    FROM unusual GROUP BY column_name ORDER BY column_name`
}
