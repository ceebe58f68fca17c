// The pages of one leaf of a row group: values in a dictionary where that is smaller, else one by one.
import { codesOfValues } from '../columns/codes.ts'
import type { Whole } from '../columns/whole.ts'
import { assert } from '../errors/errors.ts'
import { numberBounds, textBounds, type ValueBounds } from './bounds.ts'
import type { ByteWriter, Indexes } from './byte-writer.ts'
import { type Dictionary, numberDictionary } from './dictionary.ts'
import { bitWidth, writeHybrid, writeRun } from './hybrid.ts'
import { type Leaf, type NumberType, physicalTypes } from './leaf.ts'
import { numberBytes, writeNumbers } from './plain.ts'
import type { LeafValues } from './shred.ts'

export type Page = {
  readonly kind: 'dictionary' | 'data'
  readonly encoding: 'PLAIN' | 'RLE_DICTIONARY'
  /** Of a dictionary its entries; else levels, so that nulls count. */
  readonly valueCount: number
  write(out: ByteWriter): void
}

export type EncodedLeaf = {
  readonly leaf: Leaf
  /** One or two are to be written before another leaf is encoded; many may be written one after the other. */
  readonly pages: readonly Page[]
  readonly levelCount: number
  readonly nullCount: number
  /** To be asked for when all pages are written; null where there is no value that is ordered. */
  bounds(): ValueBounds | null
}

/** Readers take a page as a whole. Only long values fill one: a row group of numbers is below. */
const pageBytesMax = 2 ** 20
/** The first whole number that is too great for a type; its opposite is the least, or the first too small. */
const limits = {
  int: 2n ** 31n,
  date: 2n ** 31n,
  long: 2n ** 63n,
  timestamp: 2n ** 63n,
  'decimal(18,2)': 10n ** 18n,
  'decimal(28,2)': 10n ** 28n,
  'decimal(38,2)': 10n ** 38n,
  'decimal(38,0)': 10n ** 38n,
} as const
/** A dictionary of numbers has to save a quarter. */
const dictionaryShareMax = 0.75

export function encodeLeaf(leaf: Leaf, given: LeafValues): EncodedLeaf {
  const { levelCount, valueCount, values } = given
  const about = { leaf, levelCount, nullCount: levelCount - valueCount }
  switch (leaf.type) {
    case 'boolean':
      return { ...about, ...booleans(leaf, given, values as readonly boolean[]) }
    case 'string':
      return { ...about, ...texts(leaf, given, values as readonly string[]) }
    case 'binary':
      return {
        ...about,
        pages: binaryPages(leaf, given, values as readonly Uint8Array[]),
        bounds: () => null,
      }
    default: {
      const physical = physicalTypes[leaf.type]
      return { ...about, ...numbers(leaf, physical, given, values as Float64Array | readonly Whole[]) }
    }
  }
}

type Encoded = Pick<EncodedLeaf, 'pages' | 'bounds'>

function booleans(leaf: Leaf, given: LeafValues, values: readonly boolean[]): Encoded {
  const { first, valueCount } = given
  const bits = new Uint8Array(valueCount)
  let trueCount = 0
  for (let at = 0; at < valueCount; at++) {
    if (!values[first + at]) continue
    bits[at] = 1
    trueCount++
  }
  const page = wholePage(leaf, given, 'PLAIN', (out) => out.packed(bits, 0, valueCount, 1))
  const bounds = valueCount === 0 ? null : { min: trueCount === valueCount, max: trueCount > 0 }
  return { pages: [page], bounds: () => bounds }
}

function texts(leaf: Leaf, given: LeafValues, values: readonly string[]): Encoded {
  const { first, valueCount } = given
  const codes = given.codes === undefined ? codesOfValues(values, first, valueCount) : given.codes
  let isAscii = true
  const write = (out: ByteWriter, texts: readonly string[], from: number, to: number): void => {
    for (let at = from; at < to; at++) if (!out.lengthAndText(texts[at]!)) isAscii = false
  }
  if (codes === null) {
    const pages = byteArrayPages(leaf, given, values, (out, from, to) => write(out, values, from, to))
    return { pages, bounds: () => textBounds(values, first, first + valueCount, isAscii) }
  }
  const { values: distinct, places } = codes
  const dictionary = { distinct, places }
  const pages = dictionaryPages(leaf, given, dictionary, (out) => write(out, distinct, 0, distinct.length))
  return { pages, bounds: () => textBounds(distinct, 0, distinct.length, isAscii) }
}

function binaryPages(leaf: Leaf, given: LeafValues, values: readonly Uint8Array[]): Page[] {
  return byteArrayPages(leaf, given, values, (out, from, to) => {
    for (let at = from; at < to; at++) out.lengthAndBytes(values[at]!)
  })
}

function numbers(
  leaf: Leaf,
  physical: NumberType,
  given: LeafValues,
  values: Float64Array | readonly Whole[],
): Encoded {
  const bounds = numberBounds(values)
  if (leaf.type !== 'double') {
    const limit = limits[leaf.type as keyof typeof limits]
    const fits = values.length === 0 || (bounds !== null && bounds.min >= -limit && bounds.max < limit)
    assert(fits, `${leaf.path.join('.')}: a value is no ${leaf.type}`) // Else it would be cut to its lowest bits.
  }
  if (bounds !== null && values instanceof Float64Array && physical !== 'DOUBLE') {
    const dictionary = numberDictionary(values, Number(bounds.min), Number(bounds.max))
    if (dictionary !== null && isSmaller(dictionary, values.length, numberBytes[physical])) {
      const write = (out: ByteWriter) => writeNumbers(out, physical, dictionary.distinct)
      return { pages: dictionaryPages(leaf, given, dictionary, write), bounds: () => bounds }
    }
  }
  const page = wholePage(leaf, given, 'PLAIN', (out) => writeNumbers(out, physical, values))
  return { pages: [page], bounds: () => bounds }
}

function isSmaller({ distinct }: Dictionary<Float64Array>, count: number, bytesEach: number): boolean {
  const placesBytes = (count * bitWidth(distinct.length - 1)) / 8
  return distinct.length * bytesEach + placesBytes < count * bytesEach * dictionaryShareMax
}

function dictionaryPages<T extends ArrayLike<unknown>>(
  leaf: Leaf,
  given: LeafValues,
  { distinct, places }: Dictionary<T>,
  writeDistinct: (out: ByteWriter) => void,
): Page[] {
  const width = Math.max(1, bitWidth(distinct.length - 1))
  const data = wholePage(leaf, given, 'RLE_DICTIONARY', (out) => {
    out.byte(width)
    writeHybrid(out, places, 0, places.length, width)
  })
  return [{ kind: 'dictionary', encoding: 'PLAIN', valueCount: distinct.length, write: writeDistinct }, data]
}

function wholePage(
  leaf: Leaf,
  given: LeafValues,
  encoding: Page['encoding'],
  writeValues: (out: ByteWriter) => void,
): Page {
  return dataPage(leaf, given, 0, given.levelCount, encoding, writeValues)
}

function byteArrayPages(
  leaf: Leaf,
  given: LeafValues,
  values: readonly { readonly length: number }[],
  writeValues: (out: ByteWriter, from: number, to: number) => void,
): Page[] {
  const { levelCount, definitions, repetitions, first } = given
  const pages: Page[] = []
  let [levelFrom, valueFrom, at, bytes] = [0, first, first, 0]
  const endPage = (level: number): void => {
    const [from, to] = [valueFrom, at]
    pages.push(dataPage(leaf, given, levelFrom, level, 'PLAIN', (out) => writeValues(out, from, to)))
    ;[levelFrom, valueFrom, bytes] = [level, at, 0]
  }
  for (let level = 0; level < levelCount; level++) {
    if (bytes >= pageBytesMax && (repetitions === null || repetitions[level] === 0)) endPage(level)
    if (definitions === null || definitions[level] === leaf.definitionMax) bytes += values[at++]!.length + 4
  }
  endPage(levelCount)
  return pages
}

/** The levels from `from` on, up to `to`, and their values. */
function dataPage(
  leaf: Leaf,
  given: LeafValues,
  from: number,
  to: number,
  encoding: Page['encoding'],
  writeValues: (out: ByteWriter) => void,
): Page {
  const write = (out: ByteWriter): void => {
    if (leaf.repetitionMax > 0) writeLevels(out, given.repetitions, from, to, leaf.repetitionMax)
    writeLevels(out, given.definitions, from, to, leaf.definitionMax)
    writeValues(out)
  }
  return { kind: 'data', encoding, valueCount: to - from, write }
}

function writeLevels(
  out: ByteWriter,
  levels: Indexes | null,
  from: number,
  to: number,
  greatest: number,
): void {
  const start = out.length
  out.uint32(0)
  if (levels === null) writeRun(out, greatest, to - from, bitWidth(greatest))
  else writeHybrid(out, levels, from, to, bitWidth(greatest))
  out.setUint32(start, out.length - start - 4)
}
