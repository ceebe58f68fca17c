// A table whose rows are numbered by whoever writes them: each commit names the number that comes next, so
// that of two processes that write at once one is told, looks at what the other wrote, and decides anew.
import type { DuckDBConnection } from '@duckdb/node-api'
import {
  type DeltaSnapshot,
  DeltaTable,
  type DeltaTableDefinition,
  fetchedScanSql,
  type QueryParameters,
} from '../delta/index.ts'
import { purgeCount, purgedAppId } from '../delta/purge-log.ts'
import { duckdbType } from '../delta/schema.ts'
import { LakehouseError } from '../errors/errors.ts'
import { openOpsTable, opsDirectory } from '../ops/tables.ts'
import { duckdb } from '../sql/index.ts'
import { refuseCopy } from './copied-place.ts'

export type SequencedTableOptions = {
  readonly deltaBasePath: string
  readonly path: string
  readonly definition: Omit<DeltaTableDefinition, 'properties'>
  /** What the log of the table calls the commits. */
  readonly operation?: string
  /** Its version is the greatest number. */
  readonly appId: string
  readonly connection: DuckDBConnection
  /** The table of the connection that has what is new after `refresh`. */
  readonly news: string
  /** A condition on the rows that are wanted of those that were there before. */
  readonly wanted?: () => string
}

type Known = Pick<DeltaSnapshot, 'version'> & { readonly id: string; readonly sequence: bigint }

/** So many files are put together: each commit makes one. */
const filesMax = 50

export class SequencedTable {
  readonly #options: SequencedTableOptions
  #table: DeltaTable | null = null
  #known: Known | null = null
  #isWritable = false

  constructor(options: SequencedTableOptions) {
    this.#options = options
  }

  /** The greatest number that is known. */
  get sequence(): bigint {
    return this.#known?.sequence ?? 0n
  }

  /** `anew`: the rows in `news` are all, and what was known of others counts no more. */
  async refresh(): Promise<'same' | 'added' | 'anew'> {
    const { deltaBasePath, path, appId } = this.#options
    const directory = opsDirectory(deltaBasePath, path)
    if (this.#table === null && (await DeltaTable.exists(directory))) {
      this.#table = await DeltaTable.open(directory)
    }
    const snapshot = (await this.#table?.snapshot()) ?? null
    if (snapshot === null) return await this.#refreshAbsent()
    const sequence = snapshot.txns.get(appId)?.version ?? 0n
    const before = this.#known
    const isAnew = before === null || (await this.#isRewritten(snapshot, before))
    if (!isAnew && before.version === snapshot.version) return 'same'
    const after = isAnew ? 0n : before.sequence
    const where = isAnew ? (this.#options.wanted?.() ?? 'true') : `sequence > ${after}`
    const min = after + 1n
    const scan = await fetchedScanSql(snapshot, directory, { where: [{ column: 'sequence', min }] })
    await this.#setNews(`SELECT * FROM (${scan}) WHERE ${where}`)
    this.#known = { id: snapshot.metadata.id, version: snapshot.version, sequence }
    return isAnew ? 'anew' : 'added'
  }

  async #refreshAbsent(): Promise<'same' | 'anew'> {
    const { fields } = this.#options.definition
    const none = fields.map(({ name, type }) => `NULL::${duckdbType(type)} AS ${duckdb.name(name)}`)
    const isKnown = this.#known !== null
    this.#known = { id: '', version: -1n, sequence: 0n }
    if (isKnown) return 'same'
    await this.#setNews(`SELECT ${none.join(', ')} WHERE false`)
    return 'anew'
  }

  /** Rows were taken out, or the table is another one. */
  async #isRewritten(snapshot: DeltaSnapshot, before: Known): Promise<boolean> {
    if (snapshot.metadata.id !== before.id || snapshot.version < before.version) return true
    try {
      for await (const { removes } of this.#table!.commits(before.version)) {
        if (removes.some(({ dataChange }) => dataChange)) return true
      }
      return false
    } catch (error) {
      if (error instanceof LakehouseError && error.code === 'DELTA_LOG_TRUNCATED') return true
      throw error
    }
  }

  async #setNews(select: string): Promise<void> {
    await this.#options.connection.run(`CREATE OR REPLACE TEMP TABLE ${this.#options.news} AS ${select}`)
  }

  /**
   * Writes the rows of a SELECT, which are numbered from `sequence` + 1 on; false, and nothing is written,
   * where another process was faster.
   */
  async append(select: string, parameters: QueryParameters, count: bigint): Promise<boolean> {
    const { deltaBasePath, path, definition, appId, connection } = this.#options
    if (!this.#isWritable) await refuseCopy(deltaBasePath)
    this.#isWritable = true
    if (this.#table === null) {
      this.#table = await openOpsTable(deltaBasePath, path, { ...definition, properties: {} })
    }
    const snapshot = await this.#table.snapshot()
    const sequence = this.sequence
    const staged = await this.#table.stage(connection, select, parameters)
    const outcome = await this.#table.commit(staged, {
      ...{ operation: this.#options.operation ?? 'REVIEW', operationParameters: {} },
      ...{ appId, version: sequence + count, after: sequence },
      // What an erasure deletes when it purges the log may be files that no commit names yet.
      fence: { appId: purgedAppId, version: purgeCount(snapshot) },
    })
    return outcome.kind === 'committed'
  }

  /** The small files of many commits become few; rows for which `isOver` is true go. */
  async upkeep(isOver: string | null): Promise<void> {
    if (this.#table === null || this.#table.figures().files < filesMax) return
    const { connection } = this.#options
    if (isOver !== null) await this.#table.deleteRows(connection, isOver)
    await this.#table.optimize(connection, { sparesLarge: true })
    await this.#table.vacuum()
  }

  /** What is known is read anew. */
  forget(): void {
    this.#table = null
    this.#known = null
  }

  async settled(): Promise<void> {
    await this.#table?.settled()
  }
}
