// The headers of pages and the footer of a Parquet file.
import type { Column } from '../columns/column.ts'
import { footerBounds, type ValueBounds } from './bounds.ts'
import type { EncodedLeaf, Page } from './encode.ts'
import { type Leaf, leavesOf, type PhysicalType, physicalTypes } from './leaf.ts'
import { numberBytes } from './plain.ts'
import { ThriftWriter } from './thrift.ts'

const formatVersion = 1
/** Readers that know of wrong files of some program go by its name and version. */
const createdBy = 'Assay version 1'

const typeCodes: Readonly<Record<PhysicalType, number>> = {
  BOOLEAN: 0,
  INT32: 1,
  INT64: 2,
  DOUBLE: 5,
  BYTE_ARRAY: 6,
  FIXED_12_BYTES: 7,
  FIXED_16_BYTES: 7,
}
const encodingCodes: Readonly<Record<Page['encoding'] | 'RLE', number>> = {
  PLAIN: 0,
  RLE: 3,
  RLE_DICTIONARY: 8,
}
const pageCodes: Readonly<Record<Page['kind'], number>> = { data: 0, dictionary: 2 }
/** ZSTD, of all pages. */
const codec = 6
const [optional, repeated] = [1, 2]

/** As `thrift` writes it; good until that writes again. */
export function pageHeader(
  thrift: ThriftWriter,
  page: Page,
  uncompressedBytes: number,
  compressedBytes: number,
): Buffer {
  thrift.out.length = 0
  thrift.int32(1, pageCodes[page.kind])
  thrift.int32(2, uncompressedBytes)
  thrift.int32(3, compressedBytes)
  if (page.kind === 'dictionary') {
    thrift.struct(7, () => {
      thrift.int32(1, page.valueCount)
      thrift.int32(2, encodingCodes[page.encoding])
    })
  } else {
    thrift.struct(5, () => {
      thrift.int32(1, page.valueCount)
      thrift.int32(2, encodingCodes[page.encoding])
      thrift.int32(3, encodingCodes.RLE) // Of definition levels,
      thrift.int32(4, encodingCodes.RLE) // and of repetition levels.
    })
  }
  thrift.end()
  return thrift.out.written()
}

/** A leaf of a row group in the file. */
export type StoredLeaf = Omit<EncodedLeaf, 'pages' | 'bounds'> & {
  readonly bounds: ValueBounds | null
  readonly encodings: ReadonlySet<Page['encoding']>
  readonly dictionaryOffset: number | null
  readonly dataOffset: number
  /** With the headers of the pages. */
  readonly uncompressedBytes: number
  readonly compressedBytes: number
}

export type StoredRowGroup = { readonly rowCount: number; readonly leaves: readonly StoredLeaf[] }

export type NamedColumn = { readonly name: string; readonly column: Column }

export function fileFooter(columns: readonly NamedColumn[], rowGroups: readonly StoredRowGroup[]): Buffer {
  const thrift = new ThriftWriter()
  thrift.int32(1, formatVersion)
  const elements = [rootElement(columns.length), ...columns.flatMap(elementsOf)]
  thrift.structs(2, elements, (element) => writeElement(thrift, element))
  thrift.int64(
    3,
    rowGroups.reduce((sum, { rowCount }) => sum + rowCount, 0),
  )
  thrift.structs(4, rowGroups, (rowGroup) => writeRowGroup(thrift, rowGroup))
  thrift.text(6, createdBy)
  // The order that a type defines: without it readers do not trust the bounds.
  const leaves = columns.flatMap(({ name, column }) => leavesOf(name, column.type))
  thrift.structs(7, leaves, () => thrift.struct(1, () => undefined))
  thrift.end()
  return thrift.out.written()
}

type Element = {
  readonly name: string
  readonly repetition: number | null
  readonly leaf: Leaf | null
  readonly childCount: number
  readonly isList: boolean
}

function rootElement(childCount: number): Element {
  return { name: 'schema', repetition: null, leaf: null, childCount, isList: false }
}

/** A tree in the order of its nodes: each group before what is in it. */
function elementsOf({ name, column }: NamedColumn): Element[] {
  const leaves = leavesOf(name, column.type)
  const group = { repetition: optional, leaf: null, childCount: 1, isList: false }
  const leafElements = leaves.map((leaf): Element => {
    return { ...group, name: leaf.path.at(-1)!, leaf, childCount: 0 }
  })
  if (leaves[0]!.repetitionMax === 0) return leafElements
  const list = [
    { ...group, name, isList: true },
    { ...group, name: 'list', repetition: repeated },
  ]
  if (leaves.length === 1) return [...list, ...leafElements]
  return [...list, { ...group, name: 'element', childCount: leaves.length }, ...leafElements]
}

function writeElement(thrift: ThriftWriter, element: Element): void {
  const { leaf } = element
  if (leaf !== null) {
    const physical = physicalTypes[leaf.type]
    thrift.int32(1, typeCodes[physical])
    if (physical === 'FIXED_12_BYTES' || physical === 'FIXED_16_BYTES') thrift.int32(2, numberBytes[physical])
  }
  if (element.repetition !== null) thrift.int32(3, element.repetition)
  thrift.text(4, element.name)
  if (element.childCount > 0) thrift.int32(5, element.childCount)
  writeMeaning(thrift, element)
}

/** What the bytes of a type mean, in the old words and in the new ones: readers know either. */
function writeMeaning(thrift: ThriftWriter, { leaf, isList }: Element): void {
  const empty = () => undefined
  if (isList) {
    thrift.int32(6, 3)
    thrift.struct(10, () => thrift.struct(3, empty))
    return
  }
  switch (leaf?.type) {
    case 'string':
      thrift.int32(6, 0)
      thrift.struct(10, () => thrift.struct(1, empty))
      return
    case 'date':
      thrift.int32(6, 6)
      thrift.struct(10, () => thrift.struct(6, empty))
      return
    case 'timestamp':
      thrift.int32(6, 10)
      thrift.struct(10, () =>
        thrift.struct(8, () => {
          thrift.boolean(1, true) // Adjusted to UTC.
          thrift.struct(2, () => thrift.struct(2, empty)) // Microseconds.
        }),
      )
      return
    case 'decimal(18,2)':
    case 'decimal(28,2)':
    case 'decimal(38,2)':
    case 'decimal(38,0)': {
      const [precision, scale] = leaf.type.slice('decimal('.length, -1).split(',').map(Number) as [
        number,
        number,
      ]
      thrift.int32(6, 5)
      thrift.int32(7, scale)
      thrift.int32(8, precision)
      thrift.struct(10, () =>
        thrift.struct(5, () => {
          thrift.int32(1, scale)
          thrift.int32(2, precision)
        }),
      )
      return
    }
    default: // Other types are what their bytes say.
  }
}

function writeRowGroup(thrift: ThriftWriter, { rowCount, leaves }: StoredRowGroup): void {
  const sum = (bytes: (leaf: StoredLeaf) => number) => leaves.reduce((total, leaf) => total + bytes(leaf), 0)
  thrift.structs(1, leaves, (leaf) => {
    thrift.int64(2, leaf.dictionaryOffset ?? leaf.dataOffset)
    thrift.struct(3, () => writeLeaf(thrift, leaf))
  })
  thrift.int64(
    2,
    sum(({ uncompressedBytes }) => uncompressedBytes),
  )
  thrift.int64(3, rowCount)
  const first = leaves[0]!
  thrift.int64(5, first.dictionaryOffset ?? first.dataOffset)
  thrift.int64(
    6,
    sum(({ compressedBytes }) => compressedBytes),
  )
}

function writeLeaf(thrift: ThriftWriter, stored: StoredLeaf): void {
  thrift.int32(1, typeCodes[physicalTypes[stored.leaf.type]])
  thrift.int32s(2, [encodingCodes.RLE, ...[...stored.encodings].map((encoding) => encodingCodes[encoding])])
  thrift.texts(3, stored.leaf.path)
  thrift.int32(4, codec)
  thrift.int64(5, stored.levelCount)
  thrift.int64(6, stored.uncompressedBytes)
  thrift.int64(7, stored.compressedBytes)
  thrift.int64(9, stored.dataOffset)
  if (stored.dictionaryOffset !== null) thrift.int64(11, stored.dictionaryOffset)
  const bounds = stored.bounds === null ? null : footerBounds(stored.leaf, stored.bounds)
  thrift.struct(12, () => {
    thrift.int64(3, stored.nullCount)
    if (bounds === null) return
    thrift.binary(5, bounds.max)
    thrift.binary(6, bounds.min)
  })
}
