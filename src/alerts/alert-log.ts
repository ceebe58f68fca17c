// alerts/log written and read: what was raised, told and taken. Its txn actions say up to which batch time
// transactions were judged, and count the processes that tell: an older one may not write any more.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type DeltaTable, fetchedScanSql, type PruneRange } from '../delta/index.ts'
import { rowsOf } from '../engines/database.ts'
import { LakehouseError } from '../errors/errors.ts'
import {
  type AlertLogRow,
  alertLogDefinition,
  alertLogPath,
  alertLogRowsSql,
  judgedAppId,
  tellerAppId,
} from '../ops/alerts.ts'
import { openOpsTable } from '../ops/tables.ts'
import { type AlertLogState, readLogState } from './log-state.ts'

/** So many small files are put together. */
const commitsBetweenUpkeep = 100

const about = { operation: 'ALERTS', operationParameters: {} } as const

export class AlertLog {
  readonly #table: DeltaTable
  readonly #connection: DuckDBConnection
  /** null for who only adds what a command says. */
  #teller: bigint | null = null
  /** The newest version that this object knows the rows of. */
  #version = -1n
  #commits = 0
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(table: DeltaTable, connection: DuckDBConnection) {
    this.#table = table
    this.#connection = connection
  }

  static async open(deltaBasePath: string, connection: DuckDBConnection): Promise<AlertLog> {
    const table = await openOpsTable(deltaBasePath, alertLogPath, { ...alertLogDefinition, properties: {} })
    return new AlertLog(table, connection)
  }

  /** Random, and of this lakehouse: a backup keeps it. What it masks is not safe from who knows it. */
  async id(): Promise<string> {
    return (await this.#table.snapshot()).metadata.id
  }

  /** From now on no older process can write. */
  async claim(): Promise<void> {
    const teller = ((await this.#table.snapshot()).txns.get(tellerAppId)?.version ?? 0n) + 1n
    await this.#table.commit(null, { ...about, txns: { [tellerAppId]: teller } })
    this.#teller = teller
  }

  /** The batch time up to which transactions were judged; null where none was. */
  async judgedMicros(): Promise<bigint | null> {
    return (await this.#table.snapshot()).txns.get(judgedAppId)?.version ?? null
  }

  async state(): Promise<AlertLogState> {
    return await this.#alone(async () => {
      const { version } = await this.#table.snapshot()
      const state = await readLogState(this.#connection, await this.scan())
      this.#version = version
      return state
    })
  }

  /** A SELECT of the rows; instants are TIMESTAMP in UTC. */
  async scan(where: readonly PruneRange[] = []): Promise<string> {
    const snapshot = await this.#table.snapshot()
    return await fetchedScanSql(snapshot, this.#table.directory, { naiveTimestamps: true, where })
  }

  /** Whether a command has added something. */
  async hasNews(): Promise<boolean> {
    return await this.#alone(async () => (await this.#table.snapshot()).version > this.#version)
  }

  /** In one commit. Fails with WRITER_FENCED where another process tells by now. */
  async append(rows: readonly AlertLogRow[], judgedMicros: bigint | null = null): Promise<void> {
    await this.#alone(async () => {
      const before = (await this.#table.snapshot()).version
      const parameters = { rows: JSON.stringify(rows) }
      const staged =
        rows.length === 0 ? null : await this.#table.stage(this.#connection, alertLogRowsSql(), parameters)
      const teller = this.#teller
      const outcome = await this.#table.commit(staged, {
        ...about,
        ...(teller === null ? {} : { fence: { appId: tellerAppId, version: teller } }),
        txns: {
          ...(teller === null ? {} : { [tellerAppId]: teller }),
          ...(judgedMicros === null ? {} : { [judgedAppId]: judgedMicros }),
        },
      })
      if (outcome.kind !== 'committed') throw overtaken()
      // What a command added in between shows as a version that is not known.
      if (before === this.#version && outcome.version === before + 1n) this.#version = outcome.version
      this.#commits += 1
    })
  }

  /** Now and then the small files of many commits become few. What a command adds meanwhile is news. */
  async upkeep(signal: AbortSignal): Promise<void> {
    if (this.#commits < commitsBetweenUpkeep) return
    this.#commits = 0
    await this.#alone(async () => {
      await this.#table.optimize(this.#connection, { sparesLarge: true, signal })
      await this.#table.vacuum({ signal })
    })
  }

  /** When what runs has ended. */
  async settled(): Promise<void> {
    await this.#queue
    await this.#table.settled()
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => undefined)
    return done
  }
}

function overtaken(): LakehouseError {
  return new LakehouseError(
    'WRITER_FENCED',
    `Another process tells the alerts of this lakehouse (${alertLogPath}); this one does not any more.`,
  )
}

export async function queryLog(
  connection: DuckDBConnection,
  scan: string,
  sql: string,
): Promise<Record<string, unknown>[]> {
  return await rowsOf(connection, `WITH log AS (${scan}) ${sql}`)
}
