// The queue in memory: rows of the scored table that require review and have no final verdict. The table is
// read once; from then on, what its batches add. Where rows were taken out of it, by an erasure, a rebuild, a
// retention or a RESTORE, it is read once more.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type DeltaSnapshot, DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { rowsOf } from '../engines/database.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Schema } from '../expr/index.ts'
import { progressOf, tableDirectory } from '../ops/tables.ts'
import type { TableDefinition } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { finalPlacesSql, type ReopenedCase } from './verdict-log.ts'

/** The newest of them; whatever is older leaves the queue. */
export const casesMax = 500_000
/** So many rows more are let in before the oldest go. */
const slack = 20_000

type Known = { readonly id: string; readonly version: bigint; readonly micros: bigint }

const place = 'topic, "partition", "offset"'

export class OpenCases {
  readonly #schema: Schema
  readonly #directory: string
  readonly #connection: DuckDBConnection
  #table: DeltaTable | null = null
  #known: Known | null = null
  /** Rows that were deleted from memory keep their room until the rows are written anew. */
  #deleted = 0
  #isCut = false

  constructor(definition: TableDefinition, deltaBasePath: string, connection: DuckDBConnection) {
    this.#schema = definition.rows.schema
    this.#directory = tableDirectory(deltaBasePath, definition)
    this.#connection = connection
  }

  /** More than `casesMax` were open: the oldest are not in the queue. */
  get isCut(): boolean {
    return this.#isCut
  }

  /** False where the table is not there yet. */
  get isKnown(): boolean {
    return this.#known !== null
  }

  forget(): void {
    this.#table = null
    this.#known = null
  }

  /** Brings the queue up to the table as it is now. */
  async refresh(): Promise<void> {
    if (this.#table === null) {
      if (!(await DeltaTable.exists(this.#directory))) return await this.#readNone()
      this.#table = await DeltaTable.open(this.#directory)
    }
    const snapshot = await this.#table.snapshot()
    const known = this.#known
    const change = known === null ? 'rewritten' : await this.#changeSince(snapshot, known)
    if (change === 'none') return
    const micros = await this.#newestMicros(snapshot)
    if (known === null || change === 'rewritten') await this.#readAll(snapshot)
    else if (change === 'added') await this.#readNew(snapshot, known.micros)
    await this.#trim()
    this.#known = { id: snapshot.metadata.id, version: snapshot.version, micros }
  }

  async #changeSince(snapshot: DeltaSnapshot, known: Known): Promise<'none' | 'added' | 'rewritten'> {
    const { version, metadata } = snapshot
    if (metadata.id !== known.id || version < known.version) return 'rewritten'
    if (version === known.version) return 'none'
    try {
      for await (const { removes } of this.#table!.commits(known.version)) {
        if (removes.some(({ dataChange }) => dataChange)) return 'rewritten'
      }
      return 'added'
    } catch (error) {
      if (error instanceof LakehouseError && error.code === 'DELTA_LOG_TRUNCATED') return 'rewritten'
      throw error
    }
  }

  /** The time of the newest batch: no later one has rows of that time or before. */
  async #newestMicros(snapshot: DeltaSnapshot): Promise<bigint> {
    const progress = await progressOf(this.#table!, snapshot)
    if (progress !== null) return progress.timeMicros
    const scan = await fetchedScanSql(snapshot, this.#directory, { columns: ['processing_time'] })
    const select = `SELECT coalesce(max(epoch_us(processing_time)), -1) AS micros FROM (${scan})`
    const [row] = await rowsOf(this.#connection, select)
    return BigInt(String(row?.micros))
  }

  async #readNone(): Promise<void> {
    const columns = Object.entries(this.#schema).map(
      ([name, type]) => `NULL::${duckdb.type(type)} AS ${duckdb.name(name)}`,
    )
    await this.#connection.run(
      `CREATE OR REPLACE TEMP TABLE cases AS SELECT ${columns.join(', ')} WHERE false`,
    )
  }

  async #readAll(snapshot: DeltaSnapshot): Promise<void> {
    const scan = await fetchedScanSql(snapshot, this.#directory)
    await this.#connection.run(
      `CREATE OR REPLACE TEMP TABLE cases AS SELECT * FROM (${scan}) AS scored
       WHERE requires_review AND (${place}) NOT IN (${finalPlacesSql})
       ORDER BY processing_time DESC LIMIT ${casesMax + 1}`,
    )
    this.#deleted = 0
    this.#isCut = false
  }

  async #readNew(snapshot: DeltaSnapshot, after: bigint): Promise<void> {
    const where = [{ column: 'processing_time', min: after + 1n }]
    const scan = await fetchedScanSql(snapshot, this.#directory, { where })
    await this.#connection.run(
      `INSERT INTO cases BY NAME SELECT * FROM (${scan}) AS scored
       WHERE requires_review AND epoch_us(processing_time) > ${after} AND (${place}) NOT IN (${finalPlacesSql})`,
    )
  }

  async #trim(): Promise<void> {
    const count = await this.count()
    if (count <= casesMax + (this.#isCut ? slack : 0)) return
    this.#isCut = true
    await this.#delete(
      `rowid IN (SELECT rowid FROM cases ORDER BY processing_time LIMIT ${count - casesMax})`,
    )
  }

  async count(): Promise<number> {
    if (this.#known === null && this.#table === null) return 0
    const [row] = await rowsOf(this.#connection, 'SELECT count(*) AS count FROM cases')
    return Number(row?.count)
  }

  /** Takes out what has a final verdict by now. */
  async close(): Promise<void> {
    if (this.#known === null) return
    await this.#delete(`(${place}) IN (${finalPlacesSql})`)
  }

  /** Brings back the rows whose verdicts were taken back, as far as the table has them. */
  async reopen(cases: readonly ReopenedCase[]): Promise<void> {
    if (this.#known === null || this.#table === null || cases.length === 0) return
    const snapshot = await this.#table.snapshot()
    for (const { topic, partition, offset, micros } of cases) {
      const range = { column: 'processing_time', ...(micros === null ? {} : { min: micros, max: micros }) }
      const scan = await fetchedScanSql(snapshot, this.#directory, { where: micros === null ? [] : [range] })
      const isIt = 'topic = $topic AND "partition" = $partition AND "offset" = $offset'
      // What came in the commits that are not read yet comes with them.
      const isRead = micros === null || micros <= this.#known.micros
      if (!isRead) continue
      await this.#connection.run(
        `INSERT INTO cases BY NAME SELECT * FROM (${scan}) AS scored WHERE requires_review AND ${isIt}
           AND NOT EXISTS (SELECT 1 FROM cases WHERE ${isIt}) AND (${place}) NOT IN (${finalPlacesSql})`,
        { topic, partition, offset },
      )
    }
  }

  async #delete(where: string): Promise<void> {
    const [row] = await rowsOf(this.#connection, `SELECT count(*) AS count FROM cases WHERE ${where}`)
    const count = Number(row?.count)
    if (count === 0) return
    await this.#connection.run(`DELETE FROM cases WHERE ${where}`)
    this.#deleted += count
    if (this.#deleted < slack) return
    await this.#connection.run('CREATE OR REPLACE TEMP TABLE cases AS SELECT * FROM cases')
    this.#deleted = 0
  }
}
