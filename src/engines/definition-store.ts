// The definitions that decided rows, in `ops/definitions`: those of today are recorded before the first
// batch that uses them, those of a batch are read again when it is carried on, judged or made anew.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { BatchPlan } from '../batches/plan.ts'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import {
  type Definitions,
  definitionRowsSql,
  definitionsDefinition,
  definitionsFrom,
  definitionsPath,
  tableOfText,
} from '../ops/definitions.ts'
import { openOpsTable, opsDirectory } from '../ops/tables.ts'
import { tableAlone, withLater } from '../plan/alone.ts'
import type { Lakehouse, TableDefinition } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { rowsOf } from './database.ts'

/** The application id of the txn action that says that a set of definitions is recorded. */
const setAppId = (hash: string): string => `assay/definitions/${hash}`

export class DefinitionStore {
  readonly current: Definitions
  readonly #deltaBasePath: string
  readonly #connection: DuckDBConnection
  readonly #lakehouse: Lakehouse
  /** By hash; null for a set that nobody has recorded. */
  readonly #read = new Map<string, Promise<Definitions | null>>()

  constructor(
    deltaBasePath: string,
    connection: DuckDBConnection,
    lakehouse: Lakehouse,
    current: Definitions,
  ) {
    this.#deltaBasePath = deltaBasePath
    this.#connection = connection
    this.#lakehouse = lakehouse
    this.current = current
  }

  /** The tables as they were defined in a batch; as they are today where that is not known any more. */
  async ofBatch(plan: Pick<BatchPlan, 'definitions'>): Promise<readonly TableDefinition[]> {
    return ((await this.at(plan.definitions)) ?? this.current).tables
  }

  /** The same, and the tables that came later as they are today. */
  async tablesOf(plan: Pick<BatchPlan, 'definitions'>): Promise<readonly TableDefinition[]> {
    return withLater(this.#lakehouse, await this.ofBatch(plan), this.current.tables)
  }

  /** The table of a set by itself: it is computed with tables of any other set. */
  async alone(hash: string, table: TableDefinition): Promise<TableDefinition> {
    const { tables } = (await this.at(hash)) ?? this.current
    return tableAlone(this.#lakehouse, tables, table)
  }

  /** null where nobody recorded them: a version of Assay that did not, or a table that was deleted. */
  at(hash: string): Promise<Definitions | null> {
    if (hash === this.current.hash) return Promise.resolve(this.current)
    const found = this.#read.get(hash) ?? this.#load(hash)
    this.#read.set(hash, found)
    return found
  }

  /** A table's definition by its own hash; null where nobody has recorded it. */
  async table(hash: string): Promise<TableDefinition | null> {
    const today = this.current.stored.find((one) => one.hash === hash)
    const content = today?.content ?? (await this.#rows(`hash = ${duckdb.text(hash)}`))[0]?.content
    return content === undefined ? null : tableOfText(content)
  }

  /** Records today's definitions, unless they are there. */
  async record(properties: Readonly<Record<string, string>>): Promise<void> {
    const table = await openOpsTable(this.#deltaBasePath, definitionsPath, {
      ...definitionsDefinition,
      properties,
    })
    const { txns } = await table.snapshot()
    const appId = setAppId(this.current.hash)
    if (txns.has(appId)) return
    const known = new Set((await this.#rows('true')).map(({ hash }) => hash))
    const staged = await table.stage(this.#connection, definitionRowsSql(this.current, known))
    await table.commit(staged, { appId, version: 1n })
  }

  async #load(hash: string): Promise<Definitions | null> {
    const isIt = `hash = ${duckdb.text(hash)} AND kind = 'set'`
    const [set] = await this.#rows(isIt)
    if (set === undefined) return null
    const contents = new Map((await this.#rows(`kind <> 'set'`)).map((row) => [row.hash, row.content]))
    return definitionsFrom(hash, set.content, (part) => contents.get(part) ?? null)
  }

  async #rows(where: string): Promise<{ readonly hash: string; readonly content: string }[]> {
    const directory = opsDirectory(this.#deltaBasePath, definitionsPath)
    if (!(await DeltaTable.exists(directory))) return []
    const snapshot = await (await DeltaTable.open(directory)).snapshot()
    const rows = await rowsOf(
      this.#connection,
      `SELECT hash, content FROM (${await fetchedScanSql(snapshot, directory)}) WHERE ${where}`,
    )
    return rows.map(({ hash, content }) => ({ hash: String(hash), content: String(content) }))
  }
}
