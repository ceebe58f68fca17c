// Ids that a viewer does not see: who a person is, and by what. The same id is masked alike everywhere
// while the process runs, so that a viewer can still count and join; another process masks it otherwise.
import { createHash, randomBytes } from 'node:crypto'
import type { Lakehouse } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import type { TypedColumn } from './reader.ts'

export type IdMask = {
  /** For a column that is masked: what stands in its place in a view; null for all others. */
  columnSql(column: string, type: string): string | null
  text(value: string): string
}

const digitsShown = 10
const idNames = /(?:^|_)(?:id|ip|email|phone|card|pan|iban|fingerprint)$/

/** The event's own id names no person: it is how a transaction is found again. */
export function isMaskedColumn({ names }: Pick<Lakehouse, 'names'>, column: string): boolean {
  if (column === names.event.column) return false
  return column === names.person.column || idNames.test(column)
}

export function createMask(
  lakehouse: Pick<Lakehouse, 'names'>,
  salt = randomBytes(16).toString('hex'),
): IdMask {
  return {
    columnSql(column, type) {
      const name = duckdb.name(column)
      if (isRaw(type)) return `NULL::${type}`
      if (!isMaskedColumn(lakehouse, column)) return null
      const hash = `left(sha256(${duckdb.text(salt)} || CAST(${name} AS VARCHAR)), ${digitsShown})`
      return `CASE WHEN ${name} IS NOT NULL THEN 'id-' || ${hash} END`
    },
    text: (value) =>
      `id-${createHash('sha256').update(salt).update(value).digest('hex').slice(0, digitsShown)}`,
  }
}

/** Bytes of records, and their headers, may hold any id. */
function isRaw(type: string): boolean {
  return type.includes('BLOB')
}

/** What stands for `*` of a table in a SELECT; the types are DuckDB's. */
export function maskedSelect(mask: IdMask, columns: readonly TypedColumn[]): string {
  const masked = columns.flatMap(({ name, type }) => {
    const sql = mask.columnSql(name, type)
    return sql === null ? [] : [`${sql} AS ${duckdb.name(name)}`]
  })
  return masked.length === 0 ? '*' : `* REPLACE (${masked.join(', ')})`
}
