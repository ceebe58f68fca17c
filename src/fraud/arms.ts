// In which arm of an experiment a customer is: by the name of the experiment and the customer's key alone, so
// that every engine, every batch and whoever reads the tables says the same.
import { LakehouseError } from '../errors/errors.ts'
import { asLong, type Expr, int, joined, lessThan, sha256Hex, text, when, wholeText } from '../expr/index.ts'

export const armNames = ['control', 'candidate'] as const
export type ArmName = (typeof armNames)[number]

export type ExperimentShare = {
  readonly name: string
  /** Of the customers, how many are in the candidate's arm: more than 0, less than 1. */
  readonly share: number
}

/** Of the digest so many hexadecimal digits count: a double holds each number that they write. */
export const armDigits = 13

/**
 * 'candidate' where the first 13 hexadecimal digits of SHA-256 of `name|key` in UTF-8, divided by 16^13, are
 * below the share; else 'control', as for a key that is null.
 */
export function armOf({ name, share }: ExperimentShare, key: Expr<'string'>): Expr<'string'> {
  const digest = sha256Hex(joined(text(`${name}|`), key), int(Math.ceil(armDigits / 2)))
  return when([[lessThan(digest, text(armBound(share))), text('candidate')]], text('control'))
}

/**
 * The least number, in 13 hexadecimal digits, that is not below the share. Texts of such digits are in the
 * order of their numbers, and a longer one that begins with the bound is behind it.
 */
export function armBound(share: number): string {
  return Math.ceil(share * 16 ** armDigits)
    .toString(16)
    .padStart(armDigits, '0')
}

/** Types of columns that can name a customer. */
export const customerTypes: readonly string[] = ['string', 'int', 'long']

/** The column that names the customer, as text: a whole number by its digits. Fails with CONFIG_INVALID. */
export function customerKey(row: Readonly<Record<string, Expr>>, by: string): Expr<'string'> {
  const column = Object.hasOwn(row, by) ? row[by]! : null
  if (column === null || !customerTypes.includes(column.type)) {
    const message = `customers are named by a column of text or whole numbers, and ${by} is ${column === null ? 'no column' : `of type ${column.type}`}.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  if (column.type === 'string') return column as Expr<'string'>
  return wholeText(column.type === 'int' ? asLong(column as Expr<'int'>) : (column as Expr<'long'>))
}
