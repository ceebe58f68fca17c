// Definitions as text, and back: what a batch was computed by can be read again when the sources have
// changed.
import { assert } from '../errors/errors.ts'
import type { TableDefinition } from './table.ts'

/** Text of anything that a plan is made of; equal things have equal texts. */
export function storedText(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'bigint') return { $long: String(part) }
    if (part instanceof Uint8Array) return { $bytes: Buffer.from(part).toString('hex') }
    return part
  })
}

/** The table that `storedText` wrote. Its functions are those that have their names today. */
export function storedTable(text: string): TableDefinition {
  const table: unknown = JSON.parse(text, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null) return part
    if ('$long' in part) return BigInt(String(part.$long))
    if ('$bytes' in part) return new Uint8Array(Buffer.from(String(part.$bytes), 'hex'))
    return part
  })
  assert(typeof table === 'object' && table !== null && 'rows' in table && 'path' in table, 'a table')
  return table as TableDefinition // As storedText wrote it.
}
