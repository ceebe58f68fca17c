// Queries of the pages, within limits: of time, of memory, of rows, and of how many run at once. Each reads
// the tables as they are when it begins, in the columns that who asks may see.
import type { DuckDBValue } from '@duckdb/node-api'
import type { Config } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type IdMask, maskedSelect } from '../query/masking.ts'
import { type LakehouseReader, openReader, queryFailure } from '../query/reader.ts'
import { resultCellText } from '../query/result-cell.ts'
import type { RowsAnswer } from './api.ts'
import { Refusal } from './http.ts'
import { seesIds, type UserRole } from './roles.ts'

export type QueryLimits = { readonly timeMaxMs: number; readonly rowsMax: number; readonly bytesMax: number }

const memoryMaxBytes = 256 * 2 ** 20
const spillBytesMax = 512 * 2 ** 20
const threadsMax = 2
const runningMax = 2
const waitingMax = 20
const interruptEveryMs = 50
export const pageLimits: QueryLimits = { timeMaxMs: 15_000, rowsMax: 1_000, bytesMax: 4 * 2 ** 20 }

export type DeskParameters = Readonly<Record<string, DuckDBValue>>

export class QueryDesk {
  readonly #config: Config
  readonly #mask: IdMask
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(config: Config, mask: IdMask) {
    this.#mask = mask
    this.#config = { ...config, duckdb: { memoryLimitBytes: memoryMaxBytes, threads: threadsMax } }
  }

  /** The rows of one SELECT. Fails with QUERY_FAILED where it runs into a limit of time or memory. */
  async rows(
    role: UserRole,
    sql: string,
    parameters: DeskParameters = {},
    limits: QueryLimits = pageLimits,
  ): Promise<RowsAnswer> {
    await this.#turn()
    const startedMs = performance.now()
    try {
      const reader = await this.#reader(role)
      try {
        return await limited(reader, sql, parameters, limits, startedMs)
      } finally {
        reader.close()
      }
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  #reader(role: UserRole): Promise<LakehouseReader> {
    const options = { tablesAlone: true, spillBytesMax }
    if (seesIds(role)) return openReader(this.#config, options)
    return openReader(this.#config, {
      ...options,
      columns: (columns, table) => maskedSelect(this.#mask, columns, table),
    })
  }

  async #turn(): Promise<void> {
    if (this.#running >= runningMax) {
      if (this.#waiting.length >= waitingMax) {
        throw new Refusal(503, 'BUSY', 'too many queries are waiting: try again in a moment', 2)
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#running++
  }
}

async function limited(
  reader: LakehouseReader,
  sql: string,
  parameters: DeskParameters,
  { timeMaxMs, rowsMax, bytesMax }: QueryLimits,
  startedMs: number,
): Promise<RowsAnswer> {
  let isLate = false
  let interrupts: NodeJS.Timeout | null = null
  const timer = setTimeout(() => {
    isLate = true
    reader.interrupt()
    // One that comes before the statement has begun is forgotten by DuckDB.
    interrupts = setInterval(() => reader.interrupt(), interruptEveryMs)
  }, timeMaxMs)
  try {
    const result = await reader.select(sql, parameters)
    const types = result.columnTypes()
    const columns = result.columnNames().map((name, index) => ({ name, type: String(types[index]) }))
    const rows: (string | null)[][] = []
    let [bytes, isCut] = [0, false]
    reading: for await (const chunk of result.yieldRows()) {
      for (const row of chunk) {
        if (rows.length >= rowsMax || bytes >= bytesMax) {
          isCut = true
          break reading
        }
        const cells = row.map((value) => (value === null ? null : resultCellText(value)))
        bytes += cells.reduce((sum, cell) => sum + (cell?.length ?? 0), 0)
        rows.push(cells)
      }
    }
    return { columns, rows, isCut, asOfMs: Date.now(), ms: Math.round(performance.now() - startedMs) }
  } catch (error) {
    if (!isLate) throw queryFailure(error)
    const message = `the query was ended: it took longer than ${timeMaxMs / 1000} s`
    throw new LakehouseError('QUERY_FAILED', message, { cause: error })
  } finally {
    clearTimeout(timer)
    if (interrupts !== null) clearInterval(interrupts)
  }
}
