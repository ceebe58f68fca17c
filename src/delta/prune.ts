// Which files a range of values can be in. A file is left out only when its partition values or statistics
// prove that no row of it is in the range; whatever is missing, odd or imprecise keeps it.
import type { AddFile } from './actions.ts'
import type { DeltaField, DeltaType } from './schema.ts'
import { type StatsTree, type StatsValue, statsTextMaxCharacters } from './stats.ts'

/**
 * A Date is an instant; for a timestamp a text is ISO 8601 and without a zone UTC, a bigint microseconds
 * since the epoch; for a date a text is YYYY-MM-DD.
 */
export type PruneValue = string | number | bigint | boolean | Date

/** Rows with min <= column <= max are wanted; null is in no range. Columns of a struct are not pruned by. */
export type PruneRange = { readonly column: string; readonly min?: PruneValue; readonly max?: PruneValue }

export function mayHold(
  file: AddFile,
  ranges: readonly PruneRange[],
  fields: readonly DeltaField[],
  partitionColumns: readonly string[],
): boolean {
  return ranges.every((range) => {
    const type = fields.find((field) => field.name === range.column)?.type
    if (type === undefined || typeof type !== 'string') return true
    if (!partitionColumns.includes(range.column)) return statsMayMatch(file, range, type)
    const value = file.partitionValues[range.column] ?? null
    // Another writer's zone-less time may be in any zone.
    if (type === 'timestamp' && value !== null && !value.endsWith('Z')) return true
    return value !== null && within({ lower: value, upper: value }, range, type)
  })
}

function statsMayMatch(file: AddFile, range: PruneRange, type: DeltaType): boolean {
  const { stats } = file
  if (stats === null) return true
  const nulls = leafOf(stats.nullCount, range.column)
  if (nulls !== null && stats.numRecords > 0n && BigInt(nulls) === stats.numRecords) return false
  return within(
    { lower: leafOf(stats.minValues, range.column), upper: leafOf(stats.maxValues, range.column) },
    range,
    type,
  )
}

function leafOf(tree: StatsTree, column: string): Exclude<StatsValue, boolean> | null {
  const value = Object.hasOwn(tree, column) ? tree[column] : null
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? value : null
}

type Bounds = { readonly lower: StatsValue | null; readonly upper: StatsValue | null }

function within(bounds: Bounds, range: PruneRange, type: DeltaType): boolean {
  if (range.max !== undefined && bounds.lower !== null) {
    const order = compare(bounds.lower, range.max, type, 'lower')
    if (order !== null && order > 0) return false
  }
  if (range.min !== undefined && bounds.upper !== null) {
    const order = compare(bounds.upper, range.min, type, 'upper')
    if (order !== null && order < 0) return false
  }
  return true
}

/** Order of a bound and a wanted value; null where they cannot be compared safely. */
function compare(
  bound: StatsValue,
  wanted: PruneValue,
  type: DeltaType,
  side: 'lower' | 'upper',
): number | null {
  if (typeof type !== 'string') return null
  switch (type) {
    case 'string':
      return typeof bound === 'string' && typeof wanted === 'string' ? compareText(bound, wanted, side) : null
    case 'date':
      return compareDates(bound, wanted)
    case 'timestamp':
      return compareTimes(bound, wanted, side)
    case 'float':
    case 'double':
      return compareFloats(bound, wanted, type, side)
    case 'boolean':
    case 'binary':
      return null
    default:
      return compareDecimals(bound, wanted)
  }
}

function compareText(bound: string, wanted: string, side: 'lower' | 'upper'): number {
  // A writer that cuts a maximum without raising it says only how the greatest text begins.
  const mayBeCut = side === 'upper' && bound.length >= statsTextMaxCharacters && wanted.startsWith(bound)
  return mayBeCut ? 0 : Buffer.compare(Buffer.from(bound), Buffer.from(wanted))
}

function compareDates(bound: StatsValue, wanted: PruneValue): number | null {
  const isDate = (value: unknown): value is string =>
    typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value)
  const text = wanted instanceof Date ? wanted.toISOString() : wanted
  const day = wanted instanceof Date ? wanted.toISOString().slice(0, 10) : text
  return isDate(bound) && isDate(day) ? Buffer.compare(Buffer.from(bound), Buffer.from(day)) : null
}

/** Spark cuts a maximum to milliseconds, so a row may be up to 999 microseconds beyond it. */
function compareTimes(bound: StatsValue, wanted: PruneValue, side: 'lower' | 'upper'): number | null {
  const boundMicros = typeof bound === 'string' ? millisecondMicros(bound) : null
  const wantedMicros = wanted instanceof Date ? BigInt(wanted.getTime()) * 1000n : instantMicros(wanted)
  if (boundMicros === null || wantedMicros === null) return null
  return order(side === 'upper' ? boundMicros + 999n : boundMicros, wantedMicros)
}

function millisecondMicros(text: string): bigint | null {
  const hasZone = /(Z|[+-]\d\d:\d\d)$/.test(text)
  const milliseconds = hasZone ? Date.parse(text) : Number.NaN
  return Number.isNaN(milliseconds) ? null : BigInt(milliseconds) * 1000n
}

function instantMicros(wanted: PruneValue): bigint | null {
  if (typeof wanted === 'bigint') return wanted
  if (typeof wanted !== 'string') return null
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)?$/.exec(wanted)
  if (!match) return null
  const seconds = Date.parse(`${match[1]}T${match[2]}${match[4] ?? 'Z'}`)
  return Number.isNaN(seconds) ? null : BigInt(seconds) * 1000n + BigInt((match[3] ?? '').padEnd(6, '0'))
}

/** A float's text may be the shortest one, which as a double is a little off the float. */
function compareFloats(
  bound: StatsValue,
  wanted: PruneValue,
  type: 'float' | 'double',
  side: 'lower' | 'upper',
): number | null {
  const value = numberOf(bound)
  const target = numberOf(wanted)
  if (value === null || target === null) return null
  if (type === 'double') return value - target || 0
  const nearest = Math.fround(value)
  return (side === 'upper' ? Math.max(value, nearest) : Math.min(value, nearest)) - target || 0
}

function numberOf(value: unknown): number | null {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return null
  const number = Number(value)
  return Number.isNaN(number) || value === '' ? null : number
}

function compareDecimals(bound: StatsValue, wanted: PruneValue): number | null {
  const [a, b] = [decimalParts(bound), decimalParts(wanted)]
  if (a === null || b === null) return null
  const scale = Math.max(a.scale, b.scale)
  return order(a.digits * 10n ** BigInt(scale - a.scale), b.digits * 10n ** BigInt(scale - b.scale))
}

function decimalParts(value: unknown): { readonly digits: bigint; readonly scale: number } | null {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return null
  const match = /^(-?\d+)(?:\.(\d+))?$/.exec(String(value))
  if (!match) return null // 1e+21: such a number is not exact any more.
  return { digits: BigInt(`${match[1]}${match[2] ?? ''}`), scale: match[2]?.length ?? 0 }
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
