// The mapping of a project as data: which value of a record each column is, and how it is read. Whoever reads
// records goes by it: the plan of silver, the proof that reads them a second time, and samples.
import type { ColumnType } from '../expr/index.ts'
import type { JsonPath } from '../plan/index.ts'

/** An instant as text, or as a whole number of units since 1970. */
export const timeReadings = ['iso', 'epoch_s', 'epoch_ms', 'epoch_us'] as const
export type TimeReading = (typeof timeReadings)[number]

/**
 * - `text` a string, trimmed, empty is null; `boolean` true or false; `number` a finite double.
 * - `whole` a whole number of 64 bits; `cents` a number, rounded to cents.
 */
export type ExtraReading = 'text' | 'boolean' | 'number' | 'whole' | 'cents' | TimeReading

export type Source<R extends string = string> = { readonly path: JsonPath; readonly as: R }

/** Places of a currency's minor unit: 100 of them are one of it where none is said. */
export const minorDigits = [0, 2, 3, 4] as const
export type MinorUnits = Source<'minor_units'> & { readonly digits?: (typeof minorDigits)[number] }

/** Null is a column that no record has a value for. */
export type Mapping = {
  readonly transaction_id: Source<'text' | 'whole'>
  readonly user_id: Source<'int' | 'long' | 'string'>
  readonly amount: Source<'number' | 'decimal_text'> | MinorUnits
  readonly timestamp: Source<TimeReading>
  readonly is_fraud: Source<'boolean'> | null
  readonly merchant: Source<'text'> | null
  readonly payment_method: Source<'text'> | null
  /** One text is split; city and country stand apart, and one of them may be null. */
  readonly location:
    | Source<'text'>
    | { readonly city: Source<'text'> | null; readonly country: Source<'text'> | null }
    | null
  readonly device_id: Source<'text'> | null
  /** By column, in their order. */
  readonly extra: Readonly<Record<string, Source<ExtraReading>>>
}

/** Whether city and country are columns that are read, and not parts of a text. */
export function isPlaceApart(
  location: Mapping['location'],
): location is Exclude<Mapping['location'], Source | null> {
  return location !== null && !('path' in location)
}

/** The type of a column that is read so. */
export const extraTypes = {
  text: 'string',
  boolean: 'boolean',
  number: 'double',
  whole: 'long',
  cents: 'decimal(18,2)',
  iso: 'timestamp',
  epoch_s: 'timestamp',
  epoch_ms: 'timestamp',
  epoch_us: 'timestamp',
} as const satisfies Readonly<Record<ExtraReading, ColumnType>>

/** The columns that the project has beside the seed's; types here do not know which. */
export function ownSchema({ extra }: Mapping): Readonly<Record<never, ColumnType>> {
  return Object.fromEntries(Object.entries(extra).map(([name, { as }]) => [name, extraTypes[as]]))
}
