// Per-file statistics: what readers skip files by. A bound may be wide, but never wrong.
//
// They come from COPY .. RETURN_STATS, which costs no second pass. What its figures are worth:
// - integers, decimals, dates, timestamps, booleans and null counts are exact;
// - text is a bound: beyond 256 bytes DuckDB cuts the minimum and raises the maximum;
// - a row group that holds only nulls takes the bounds of the whole file away, which is safe; a column with
//   NaN is sorted out by whoever ran the COPY; infinities have no JSON form and are left out;
// - a list or a map has figures of its elements only, which say nothing about the column: they are not used.
import { type ExactNumber, parseExact } from './json.ts'
import type { DeltaField, DeltaPrimitive } from './schema.ts'
import { quoteIdentifier } from './sql.ts'

export type StatsValue = ExactNumber | boolean
/** Mirrors the schema: a struct column holds the values of its fields. */
export type StatsTree = { readonly [column: string]: StatsValue | StatsTree | null }
export type FileStats = {
  readonly numRecords: bigint
  readonly minValues: StatsTree
  readonly maxValues: StatsTree
  readonly nullCount: StatsTree
}

/** What DuckDB says of one leaf column, by its quoted dotted path: `"a"."b"`. */
export type LeafFigures = ReadonlyMap<string, ReadonlyMap<string, string>>

export const statsTextMaxCharacters = 32

/**
 * Statistics of another writer may be missing or odd: then there are none, and no file is skipped by them.
 */
export function parseStats(json: string): FileStats | null {
  try {
    const parsed = parseExact(json)
    if (!isTree(parsed)) return null
    const count = parsed.numRecords
    if (typeof count !== 'number' && typeof count !== 'bigint') return null
    return {
      numRecords: BigInt(count),
      minValues: treeOrEmpty(parsed.minValues),
      maxValues: treeOrEmpty(parsed.maxValues),
      nullCount: treeOrEmpty(parsed.nullCount),
    }
  } catch {
    return null
  }
}

function isTree(value: unknown): value is StatsTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function treeOrEmpty(value: unknown): StatsTree {
  return isTree(value) ? value : {}
}

/** The `stats` text of an add action. */
export function statsToJson(fields: readonly DeltaField[], figures: LeafFigures, numRecords: bigint): string {
  const trees = treesOf(fields, figures, [])
  return JSON.stringify({
    numRecords: JSON.rawJSON(numRecords.toString()),
    minValues: Object.fromEntries(trees.min),
    maxValues: Object.fromEntries(trees.max),
    nullCount: Object.fromEntries(trees.nulls),
  })
}

type Entries = [string, unknown][]
type Trees = { readonly min: Entries; readonly max: Entries; readonly nulls: Entries }

function treesOf(fields: readonly DeltaField[], figures: LeafFigures, path: readonly string[]): Trees {
  const trees: Trees = { min: [], max: [], nulls: [] }
  for (const { name, type } of fields) {
    if (typeof type === 'string') addLeaf(trees, name, type, figures.get(leafKey([...path, name])))
    else if (type.type === 'struct') {
      const inner = treesOf(type.fields, figures, [...path, name])
      if (inner.min.length > 0) trees.min.push([name, Object.fromEntries(inner.min)])
      if (inner.max.length > 0) trees.max.push([name, Object.fromEntries(inner.max)])
      if (inner.nulls.length > 0) trees.nulls.push([name, Object.fromEntries(inner.nulls)])
    }
  }
  return trees
}

export function leafKey(path: readonly string[]): string {
  return path.map(quoteIdentifier).join('.')
}

function addLeaf(
  trees: Trees,
  name: string,
  type: DeltaPrimitive,
  figures: ReadonlyMap<string, string> | undefined,
): void {
  const nulls = figures?.get('null_count')
  if (nulls !== undefined && /^\d+$/.test(nulls)) trees.nulls.push([name, JSON.rawJSON(nulls)])
  const [min, max] = [figures?.get('min'), figures?.get('max')]
  const lower = min === undefined ? null : lowerBound(type, min)
  const upper = max === undefined ? null : upperBound(type, max)
  if (lower !== null) trees.min.push([name, lower])
  if (upper !== null) trees.max.push([name, upper])
}

function lowerBound(type: DeltaPrimitive, text: string): unknown {
  switch (type) {
    case 'string':
      return textLowerBound(text)
    case 'timestamp':
      return timestampBound(text, 'down')
    default:
      return exactBound(type, text, 'down')
  }
}

function upperBound(type: DeltaPrimitive, text: string): unknown {
  switch (type) {
    case 'string':
      return textUpperBound(text)
    case 'timestamp':
      return timestampBound(text, 'up')
    default:
      return exactBound(type, text, 'up')
  }
}

function exactBound(type: DeltaPrimitive, text: string, direction: 'down' | 'up'): unknown {
  switch (type) {
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : null
    case 'date':
      return /^\d{4}-\d\d-\d\d$/.test(text) ? text : null
    case 'float':
    case 'double':
      return floatBound(type, Number(text), direction)
    case 'binary':
      return null
    default: // Whole numbers and decimals keep their own text.
      return /^-?\d+(\.\d+)?$/.test(text) ? JSON.rawJSON(text) : null
  }
}

function floatBound(type: 'float' | 'double', value: number, direction: 'down' | 'up'): unknown {
  if (!Number.isFinite(value)) return null
  // Some readers order -0.0 before 0.0 and Parquet may keep either: take the one that bounds both.
  if (value === 0) return JSON.rawJSON(direction === 'down' ? '-0.0' : '0.0')
  return type === 'float' ? Math.fround(value) : value // The double that equals the float, for any reader.
}

/** Cut to milliseconds, as Spark's format has it; a maximum is raised so that no row is beyond it. */
function timestampBound(text: string, direction: 'down' | 'up'): string | null {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/.exec(text)
  if (!match) return null // infinity, years before 1 or after 9999
  const micros = (match[3] ?? '').padEnd(6, '0')
  const cut = Date.parse(`${match[1]}T${match[2]}.${micros.slice(0, 3)}Z`)
  const bound = direction === 'up' && micros.slice(3) !== '000' ? cut + 1 : cut
  const iso = new Date(bound).toISOString()
  return iso.startsWith('+') ? null : iso
}

/** The first characters: a prefix sorts before the text. Characters are code points, so no pair is halved. */
export function textLowerBound(text: string): string {
  const characters = firstCharacters(text, statsTextMaxCharacters + 1)
  return characters.length <= statsTextMaxCharacters ? text : characters.slice(0, -1).join('')
}

const asciiGreatest = '\u007f'
const unicodeGreatest = '\u{10ffff}'

/**
 * The first characters and one more that is greater than the one that was cut off. Characters that nothing is
 * greater than are kept; a text with too many of them has no bound (null). Readers compare UTF-8 bytes.
 */
export function textUpperBound(text: string): string | null {
  const keptMax = 2 * statsTextMaxCharacters
  const characters = firstCharacters(text, keptMax + 1)
  if (characters.length <= statsTextMaxCharacters) return text
  for (let kept = statsTextMaxCharacters; kept <= keptMax; kept++) {
    const next = characters[kept]
    if (next === undefined) return text
    if (next === unicodeGreatest) continue
    return characters.slice(0, kept).join('') + (next < asciiGreatest ? asciiGreatest : unicodeGreatest)
  }
  return null
}

function firstCharacters(text: string, count: number): string[] {
  // A character has at most two UTF-16 units: the rest of a long text is not looked at.
  return Array.from(text.slice(0, 2 * count)).slice(0, count)
}
