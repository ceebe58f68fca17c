// What a project says of its records: where the columns of silver come from, which further columns there are,
// and what is refused beside what cannot be read.
import type { Columns, ColumnType, Expr } from '../expr/index.ts'
import type { FieldColumns, UserType } from './columns.ts'
import type { ExtraReading, MinorUnits, TimeReading } from './mapping.ts'

/**
 * Where a record has a value: names with points between them (`customer.id`), or a list of names, which may
 * have points themselves.
 */
export type FieldPath = string | readonly string[]

/** A field that is not named here is read from the name that the seed has for it; null: there is none. */
export type Fields = {
  /** A text, or a whole number, of which the digits are taken. */
  readonly transaction_id?: FieldPath | { readonly path: FieldPath; readonly as?: 'text' | 'whole' }
  /** `int` a number with a whole value in 32 bits, `long` one in 64 bits, `string` a text. */
  readonly user_id?: FieldPath | { readonly path: FieldPath; readonly type?: UserType }
  /**
   * `decimal_text` is "12.50"; `minor_units` a whole number, of which 100 are one, or as many as a currency of
   * other `digits` has (0 for yen, 3 for Kuwaiti dinar). It is rounded to cents.
   */
  readonly amount?:
    | FieldPath
    | { readonly path: FieldPath; readonly as?: 'number' | 'decimal_text' | 'minor_units' }
    | { readonly path: FieldPath; readonly as: 'minor_units'; readonly digits: MinorUnits['digits'] }
  /** Epochs are whole numbers of seconds, milliseconds or microseconds. */
  readonly timestamp?: FieldPath | { readonly path: FieldPath; readonly as?: TimeReading }
  readonly is_fraud?: FieldPath | null
  readonly merchant?: FieldPath | null
  readonly payment_method?: FieldPath | null
  /** One text, which is split at its last ", ", or a city and a country. */
  readonly location?: FieldPath | { readonly city?: FieldPath; readonly country?: FieldPath } | null
  readonly device_id?: FieldPath | null
}

/** A column that the seed does not have; null where the record has no such value. */
export type ExtraField<T extends ColumnType = ColumnType> = {
  readonly path: FieldPath
  readonly as: ExtraReading
  readonly type: T
}

export type ExtraFields = Readonly<Record<string, ExtraField>>

/** A text, trimmed; empty is null. */
export function textField(path: FieldPath): ExtraField<'string'> {
  return { path, as: 'text', type: 'string' }
}

/** A number: a double, or with `scale: 2` the decimal that it is rounded to, as amounts are. */
export function numberField(path: FieldPath): ExtraField<'double'>
export function numberField(path: FieldPath, options: { readonly scale: 2 }): ExtraField<'decimal(18,2)'>
export function numberField(path: FieldPath, options?: { readonly scale: 2 }): ExtraField {
  return options === undefined
    ? { path, as: 'number', type: 'double' }
    : {
        path,
        as: options.scale === 2 ? 'cents' : `a number of ${options.scale} places`,
        type: 'decimal(18,2)',
      }
}

/** A whole number of 64 bits. */
export function wholeField(path: FieldPath): ExtraField<'long'> {
  return { path, as: 'whole', type: 'long' }
}

export function boolField(path: FieldPath): ExtraField<'boolean'> {
  return { path, as: 'boolean', type: 'boolean' }
}

export function timeField(path: FieldPath, as: TimeReading = 'iso'): ExtraField<'timestamp'> {
  return { path, as, type: 'timestamp' }
}

export type ExtraSchema<E extends ExtraFields> = { readonly [K in keyof E]: E[K]['type'] }

/** The type of the column user_id. */
export type UserTypeOf<F extends Fields> = F['user_id'] extends { readonly type: infer T extends UserType }
  ? T
  : 'int'

/** A record for which `when` is true is refused; null is not true. */
export type Check<U extends UserType = UserType, X = unknown> = {
  /** Stands behind the reasons that every project has. */
  readonly reason: string
  readonly when: (row: Columns<FieldColumns<U> & X>) => Expr<'boolean'>
  /** What an analyst reads. */
  readonly meaning?: string
}

export type TransactionFields<F extends Fields, E extends ExtraFields> = {
  readonly fields?: F
  readonly extra?: E
  readonly checks?: readonly Check<UserTypeOf<F>, ExtraSchema<E>>[]
}
