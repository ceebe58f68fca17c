// Ids that a viewer does not see: who a person is, and by what. The same id is masked alike everywhere
// while the process runs, so that a viewer can still count and join; another process masks it otherwise.
import { createHash, randomBytes } from 'node:crypto'
import type { NamedTable } from '../ops/readable.ts'
import { verdictsPath } from '../ops/verdicts.ts'
import type { Lakehouse } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import type { TypedColumn } from './reader.ts'

export type IdMask = {
  /** For a column that is masked: what stands in its place in a view; null for all others. */
  columnSql(column: string, type: string): string | null
  text(value: string): string
}

const digitsShown = 10

/** What stands for a person, or for a thing of one. */
const idWords: ReadonlySet<string> = new Set([
  ...['id', 'uid', 'uuid', 'guid', 'ip', 'ipv4', 'ipv6', 'mac', 'imei', 'imsi', 'fingerprint'],
  ...['email', 'mail', 'phone', 'mobile', 'telephone', 'msisdn', 'address'],
  ...['card', 'pan', 'iban', 'account', 'ssn', 'passport', 'token', 'hash'],
])
/** Who has a number: `customer_no`. */
const bearers: ReadonlySet<string> = new Set([
  ...['user', 'customer', 'client', 'member', 'person', 'holder', 'cardholder', 'payer', 'payee', 'device'],
])
/** How an id is written: `card_number`, `phone_raw`. */
const forms: ReadonlySet<string> = new Set([
  ...['number', 'num', 'nr', 'no', 'hashed', 'tokenized', 'plain', 'raw', 'full'],
])
const joinedName = /^(?:user|customer|client|device|account|card|phone|email|ip|mac)(?:id|number|no|address)$/
/** Counts of ids, and what is said of one by yes or no. */
const notOfIds = /^(?:is|has)_|^(?:distinct|unique|count|num|n)_.*s$|_count$/

/** The event's own id names no person: it is how a transaction is found again. */
export function isMaskedColumn({ names }: Pick<Lakehouse, 'names'>, column: string): boolean {
  if (column === names.event.column) return false
  return column === names.person.column || isIdName(column)
}

/** By the words at the end of the name: `card_country` and `phone_verified` say something of an id, and are none. */
function isIdName(column: string): boolean {
  const name = column.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()
  if (notOfIds.test(name)) return false
  const words = name.split(/[^a-z0-9]+/).map(singular)
  const end = words.findLastIndex((word) => word !== '' && !forms.has(word))
  const last = words[end] ?? ''
  if (idWords.has(last) || joinedName.test(last)) return true
  return bearers.has(last) && forms.has(words[end + 1] ?? '')
}

/** Without a number at its end: `phone2`. */
function singular(word: string): string {
  return idWords.has(word) ? word : word.replace(/\d+$/, '').replace(/(?<=ss)es$|(?<!s)s$/, '')
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

/** What a reviewer writes may name anybody. */
const writtenColumns: Readonly<Record<string, readonly string[]>> = { [verdictsPath]: ['reason', 'note'] }

/** What stands for `*` of a table in a SELECT; the types are DuckDB's. */
export function maskedSelect(mask: IdMask, columns: readonly TypedColumn[], { path }: NamedTable): string {
  const masked = columns.flatMap(({ name, type }) => {
    const isWritten = writtenColumns[path]?.includes(name) === true
    const sql = isWritten ? `NULL::${type}` : mask.columnSql(name, type)
    return sql === null ? [] : [`${sql} AS ${duckdb.name(name)}`]
  })
  return masked.length === 0 ? '*' : `* REPLACE (${masked.join(', ')})`
}
