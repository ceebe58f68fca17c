// The pages of one leaf of a row group: values in a dictionary where that is smaller, else one by one.
import type { Whole } from '../columns/whole.ts'
import { type Bounds, numberBounds, setDecimal, textBounds } from './bounds.ts'
import { ByteWriter, type Indexes } from './byte-writer.ts'
import { type Dictionary, numberDictionary, textDictionary } from './dictionary.ts'
import { bitWidth, writeHybrid, writeRun } from './hybrid.ts'
import { decimalBytes, type Leaf, type PhysicalType, physicalTypes } from './leaf.ts'
import type { LeafValues } from './shred.ts'

export type Page = {
  readonly kind: 'dictionary' | 'data'
  readonly encoding: 'PLAIN' | 'RLE_DICTIONARY'
  /** Of a dictionary its entries; else levels, so that nulls count. */
  readonly valueCount: number
  readonly body: Buffer
}

export type EncodedLeaf = {
  readonly leaf: Leaf
  readonly pages: readonly Page[]
  readonly levelCount: number
  readonly nullCount: number
  /** null where there is no value that is ordered. */
  readonly bounds: Bounds | null
}

/** Readers take a page as a whole. Only long values fill one: a row group of numbers is below. */
const pageBytesMax = 2 ** 20
/** A dictionary of numbers has to save a quarter. */
const dictionaryShareMax = 0.75

const [levelsScratch, valuesScratch] = [new ByteWriter(), new ByteWriter()]

export function encodeLeaf(leaf: Leaf, given: LeafValues): EncodedLeaf {
  const { levelCount, values } = given
  const about = { leaf, levelCount, nullCount: levelCount - values.length }
  switch (leaf.type) {
    case 'boolean':
      return { ...about, ...booleans(leaf, given, values as readonly boolean[]) }
    case 'string':
      return { ...about, ...texts(leaf, given, values as readonly string[]) }
    case 'binary': {
      const binaries = values as readonly Uint8Array[]
      const pages = byteArrayPages(leaf, given, (at) => valuesScratch.lengthAndBytes(binaries[at]!))
      return { ...about, pages, bounds: null }
    }
    default:
      return { ...about, ...numbers(leaf, given, values as Float64Array | readonly Whole[]) }
  }
}

type Encoded = Pick<EncodedLeaf, 'pages' | 'bounds'>

function booleans(leaf: Leaf, given: LeafValues, values: readonly boolean[]): Encoded {
  const bits = Uint8Array.from(values, Number)
  const trueCount = bits.reduce((sum, bit) => sum + bit, 0)
  valuesScratch.clear()
  valuesScratch.packed(bits, 0, bits.length, 1)
  const bounds = bits.length === 0 ? null : { min: trueCount === bits.length, max: trueCount > 0 }
  return { pages: [dataPage(leaf, given, 0, given.levelCount, 'PLAIN')], bounds }
}

function texts(leaf: Leaf, given: LeafValues, values: readonly string[]): Encoded {
  const dictionary = textDictionary(values)
  if (dictionary === null) {
    let isAscii = true
    const pages = byteArrayPages(leaf, given, (at) => {
      if (!valuesScratch.lengthAndText(values[at]!)) isAscii = false
    })
    return { pages, bounds: textBounds(values, isAscii) }
  }
  const { distinct } = dictionary
  valuesScratch.clear()
  let isAscii = true
  for (const text of distinct) if (!valuesScratch.lengthAndText(text)) isAscii = false
  return { pages: dictionaryPages(leaf, given, dictionary), bounds: textBounds(distinct, isAscii) }
}

function numbers(leaf: Leaf, given: LeafValues, values: Float64Array | readonly Whole[]): Encoded {
  const physical = physicalTypes[leaf.type]
  const bounds = numberBounds(values)
  valuesScratch.clear()
  if (bounds !== null && values instanceof Float64Array && physical !== 'DOUBLE') {
    const dictionary = numberDictionary(values, Number(bounds.min), Number(bounds.max))
    if (dictionary !== null && isSmaller(dictionary, numberBytes[physical]!)) {
      valuesScratch.bytes(plainNumbers(physical, dictionary.distinct))
      return { pages: dictionaryPages(leaf, given, dictionary), bounds }
    }
  }
  valuesScratch.bytes(plainNumbers(physical, values))
  return { pages: [dataPage(leaf, given, 0, given.levelCount, 'PLAIN')], bounds }
}

const numberBytes: Readonly<Partial<Record<PhysicalType, number>>> = {
  INT32: 4,
  INT64: 8,
  FIXED_LEN_BYTE_ARRAY: decimalBytes,
}

function isSmaller({ distinct, places }: Dictionary<Float64Array>, bytesEach: number): boolean {
  const placesBytes = (places.length * bitWidth(distinct.length - 1)) / 8
  return distinct.length * bytesEach + placesBytes < places.length * bytesEach * dictionaryShareMax
}

/** Typed arrays are little-endian on every machine that Node runs on in practice, as Parquet is. */
function plainNumbers(physical: PhysicalType, values: Float64Array | readonly Whole[]): Uint8Array {
  switch (physical) {
    case 'INT32':
      return bytesOf(
        values instanceof Float64Array ? new Int32Array(values) : Int32Array.from(values, Number),
      )
    case 'INT64':
      if (values instanceof Float64Array) return bytesOf(halvesOf(values))
      return bytesOf(BigInt64Array.from(values, BigInt))
    case 'DOUBLE':
      return bytesOf(values instanceof Float64Array ? values : Float64Array.from(values, Number))
    default: {
      const view = new DataView(new ArrayBuffer(values.length * decimalBytes))
      for (let at = 0; at < values.length; at++) setDecimal(view, at * decimalBytes, values[at]!)
      return bytesOf(view)
    }
  }
}

/** Numbers of 64 bits without a bigint for each. */
function halvesOf(values: Float64Array): Int32Array {
  const halves = new Int32Array(values.length * 2)
  for (let at = 0; at < values.length; at++) {
    const value = values[at]!
    const low = value >>> 0
    halves[2 * at] = low
    halves[2 * at + 1] = (value - low) / 2 ** 32
  }
  return halves
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** The dictionary's values stand in the scratch buffer. */
function dictionaryPages(leaf: Leaf, given: LeafValues, dictionary: Dictionary<ArrayLike<unknown>>): Page[] {
  const { distinct, places } = dictionary
  const body = Buffer.from(valuesScratch.written())
  const width = Math.max(1, bitWidth(distinct.length - 1))
  valuesScratch.clear()
  valuesScratch.byte(width)
  writeHybrid(valuesScratch, places, 0, places.length, width)
  return [
    { kind: 'dictionary', encoding: 'PLAIN', valueCount: distinct.length, body },
    dataPage(leaf, given, 0, given.levelCount, 'RLE_DICTIONARY'),
  ]
}

function byteArrayPages(leaf: Leaf, given: LeafValues, write: (at: number) => void): Page[] {
  const { levelCount, definitions, repetitions } = given
  const pages: Page[] = []
  let [from, at] = [0, 0]
  valuesScratch.clear()
  for (let level = 0; level < levelCount; level++) {
    if (valuesScratch.length >= pageBytesMax && (repetitions === null || repetitions[level] === 0)) {
      pages.push(dataPage(leaf, given, from, level, 'PLAIN'))
      valuesScratch.clear()
      from = level
    }
    if (definitions === null || definitions[level] === leaf.definitionMax) write(at++)
  }
  return [...pages, dataPage(leaf, given, from, levelCount, 'PLAIN')]
}

/** The levels between `from` and `to`; their values stand in the scratch buffer. */
function dataPage(leaf: Leaf, given: LeafValues, from: number, to: number, encoding: Page['encoding']): Page {
  levelsScratch.clear()
  if (leaf.repetitionMax > 0) writeLevels(given.repetitions, from, to, leaf.repetitionMax)
  writeLevels(given.definitions, from, to, leaf.definitionMax)
  const body = Buffer.concat([levelsScratch.written(), valuesScratch.written()])
  return { kind: 'data', encoding, valueCount: to - from, body }
}

function writeLevels(levels: Indexes | null, from: number, to: number, greatest: number): void {
  const start = levelsScratch.length
  levelsScratch.uint32(0)
  if (levels === null) writeRun(levelsScratch, greatest, to - from, bitWidth(greatest))
  else writeHybrid(levelsScratch, levels, from, to, bitWidth(greatest))
  levelsScratch.written().writeUInt32LE(levelsScratch.length - start - 4, start)
}
