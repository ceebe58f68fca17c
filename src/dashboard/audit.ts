// Writes the audit: entries that come together share a commit, and one that could not be written is told of.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { OnNotice } from '../batches/notice.ts'
import { type AuditEntry, auditDefinition, auditPath, auditRowsSql } from '../ops/audit.ts'
import { openOpsTable } from '../ops/tables.ts'

const memoryMaxBytes = 64 * 2 ** 20
const entriesWaitingMax = 10_000

export class Audit {
  readonly #deltaBasePath: string
  readonly #onNotice: OnNotice
  #waiting: AuditEntry[] = []
  #writing: Promise<void> | null = null

  constructor(deltaBasePath: string, onNotice: OnNotice) {
    this.#deltaBasePath = deltaBasePath
    this.#onNotice = onNotice
  }

  add(entry: Omit<AuditEntry, 'atMicros'>): void {
    if (this.#waiting.length >= entriesWaitingMax) return // Told of when they could not be written.
    this.#waiting.push({ atMicros: BigInt(Date.now()) * 1000n, ...entry })
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null
    })
  }

  /** Waits for what was added. */
  async flush(): Promise<void> {
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const entries = this.#waiting
        this.#waiting = []
        await writeAudit(this.#deltaBasePath, entries)
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const message = `${auditPath} could not be written: ${reason}`
      this.#onNotice({ code: 'AUDIT_FAILED', message, details: {} })
    }
  }
}

export async function writeAudit(deltaBasePath: string, entries: readonly AuditEntry[]): Promise<void> {
  const table = await openOpsTable(deltaBasePath, auditPath, { ...auditDefinition, properties: {} })
  const limits = { memory_limit: `${memoryMaxBytes}B`, threads: '1' }
  const instance = await DuckDBInstance.create(':memory:', limits)
  let connection: DuckDBConnection | null = null
  try {
    connection = await instance.connect()
    await table.commit(await table.stage(connection, auditRowsSql(entries)), {})
  } finally {
    connection?.closeSync()
    instance.closeSync()
  }
}
