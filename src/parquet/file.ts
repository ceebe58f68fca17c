// Parquet files from columns in memory, as docs/decisions/parquet-writer.md says.
import type { Column } from '../columns/column.ts'
import { assert } from '../errors/errors.ts'
import { turn } from '../steps/turn.ts'
import { type ValueBounds, widerBounds } from './bounds.ts'
import { type ByteWriter, giveBack, takeWriter } from './byte-writer.ts'
import { type EncodedLeaf, encodeLeaf, type Page } from './encode.ts'
import { fileFooter, type NamedColumn, pageHeader, type StoredLeaf, type StoredRowGroup } from './footer.ts'
import { type Leaf, leavesOf } from './leaf.ts'
import { leafValues, type RowRange } from './shred.ts'
import { ThriftWriter } from './thrift.ts'
import { compressPage, roomForPage, storedFrame } from './zstd.ts'

export type LeafSummary = {
  readonly path: readonly string[]
  readonly nullCount: number
  /** null where no value is ordered, or one is not: binary, NaN. Text is whole, however long. */
  readonly bounds: ValueBounds | null
}

export type FileSummary = {
  readonly rowCount: number
  readonly byteCount: number
  readonly leaves: readonly LeafSummary[]
}

/** As DuckDB's: small enough for memory, large enough to compress. */
export const rowGroupRowsMax = 122_880
/** Compressing costs more than it saves on pages of fewer bytes. */
const compressedBytesMin = 4096
const magic = Buffer.from('PAR1')
const headers = new ThriftWriter()

/** So many bytes are handed on at once; of a small file all. */
const writtenBytesMin = 2 ** 20

/**
 * Writes the rows of `range` as one file: hands its bytes to `write` one part after the other, and waits for
 * each. All columns are nullable in the file. Nothing may be pushed to them until it is done.
 */
export async function writeParquet(
  columns: readonly NamedColumn[],
  { from, to, indexes }: RowRange,
  write: (bytes: Uint8Array) => Promise<void> | void,
  shared: SharedLeaves | null = null,
): Promise<FileSummary> {
  assert(columns.length > 0, 'a Parquet file has a column')
  const rowGroups: StoredRowGroup[] = []
  let pieces: Uint8Array[] = [magic]
  let byteCount = magic.length
  for (let start = from; start < to; start += rowGroupRowsMax) {
    const range = { from: start, to: Math.min(to, start + rowGroupRowsMax), indexes }
    const compressed = await compressedLeaves(columns, range, shared)
    let offset = byteCount
    const leaves = compressed.map((leaf) => {
      const stored = storedAt(leaf, offset)
      offset += stored.compressedBytes
      return stored
    })
    rowGroups.push({ rowCount: range.to - range.from, leaves })
    pieces.push(...compressed.flatMap(({ pages }) => pages.flatMap(({ header, body }) => [header, body])))
    if (offset - byteCount >= writtenBytesMin) {
      await write(Buffer.concat(pieces))
      pieces = []
    }
    byteCount = offset
  }
  const footer = fileFooter(columns, rowGroups)
  const footerLength = Buffer.alloc(4)
  footerLength.writeUInt32LE(footer.length)
  await write(Buffer.concat([...pieces, footer, footerLength, magic]))
  byteCount += footer.length + footerLength.length + magic.length
  return { rowCount: to - from, byteCount, leaves: summaries(columns, rowGroups) }
}

type CompressedPage = Pick<Page, 'kind' | 'encoding'> & {
  readonly header: Buffer
  readonly body: Buffer
  readonly uncompressedBytes: number
}

type CompressedLeaf = Omit<EncodedLeaf, 'pages' | 'bounds'> & {
  readonly bounds: ValueBounds | null
  readonly pages: readonly CompressedPage[]
}

/**
 * What files of the same rows have in common: a column that is in several of them is encoded and compressed
 * once. Its bytes are kept as long as this is.
 */
export class SharedLeaves {
  readonly #known = new Map<
    Column,
    { readonly range: RowRange; readonly leaves: Promise<CompressedLeaf>[] }[]
  >()

  readonly #ranges = new Map<Column, unknown>()

  /** How the rows are parted by the values of a column: for all files the same ranges, which `of` knows again. */
  rangesBy<T>(column: Column, part: () => T): T {
    const known = this.#ranges.get(column) as T | undefined // As `part` made them before.
    const ranges = known ?? part()
    this.#ranges.set(column, ranges)
    return ranges
  }

  /** The leaves of just these rows; empty where they are to be made, and added. */
  of(column: Column, range: RowRange): Promise<CompressedLeaf>[] {
    const ofColumn = this.#known.get(column) ?? []
    this.#known.set(column, ofColumn)
    const isSame = (other: RowRange) =>
      other.from === range.from && other.to === range.to && other.indexes === range.indexes
    const known = ofColumn.find((one) => isSame(one.range)) ?? { range, leaves: [] }
    if (!ofColumn.includes(known)) ofColumn.push(known)
    return known.leaves
  }
}

/** Leaves are encoded here, one after the other, while other threads compress those before them. */
async function compressedLeaves(
  columns: readonly NamedColumn[],
  range: RowRange,
  shared: SharedLeaves | null,
): Promise<CompressedLeaf[]> {
  const all: { readonly leaf: Leaf; readonly compressed: Promise<CompressedLeaf> }[] = []
  for (const { name, column } of columns) {
    const leaves = leavesOf(name, column.type)
    const made = shared?.of(column, range) ?? []
    if (made.length === 0) {
      const values = leafValues(column, range)
      for (const [index, leaf] of leaves.entries())
        made.push(compressedLeaf(encodeLeaf(leaf, values[index]!)))
      for (const one of made) one.catch(() => undefined) // It is told below.
      await roomForPage()
      await turn() // Small pages wait for no other thread.
    }
    // The other file may have another name for the column.
    all.push(...leaves.map((leaf, index) => ({ leaf, compressed: made[index]! })))
  }
  return Promise.all(all.map(async ({ leaf, compressed }) => ({ ...(await compressed), leaf })))
}

async function compressedLeaf({ pages: drafts, bounds, ...encoded }: EncodedLeaf): Promise<CompressedLeaf> {
  const pages: Promise<CompressedPage>[] = []
  if (drafts.length <= 2) {
    const written = drafts.map((page) => ({ page, out: writtenPage(page) }))
    pages.push(...written.map(({ page, out }) => compressedPage(page, out)))
    return { ...encoded, bounds: bounds(), pages: await Promise.all(pages) }
  }
  for (const page of drafts) {
    const one = compressedPage(page, writtenPage(page))
    one.catch(() => undefined) // It is told below.
    pages.push(one)
    await roomForPage()
  }
  return { ...encoded, bounds: bounds(), pages: await Promise.all(pages) }
}

function writtenPage(page: Page): ByteWriter {
  const out = takeWriter()
  page.write(out)
  return out
}

async function compressedPage(page: Page, out: ByteWriter): Promise<CompressedPage> {
  const { kind, encoding } = page
  const bytes = out.written()
  const body = bytes.length < compressedBytesMin ? storedFrame(bytes) : await compressPage(bytes)
  const header = Buffer.from(pageHeader(headers, page, out.length, body.length))
  const uncompressedBytes = header.length + out.length
  giveBack(out)
  return { kind, encoding, header, body, uncompressedBytes }
}

function storedAt({ pages, ...encoded }: CompressedLeaf, offset: number): StoredLeaf {
  const [first] = pages
  const hasDictionary = first!.kind === 'dictionary'
  return {
    ...encoded,
    encodings: new Set(pages.map(({ encoding }) => encoding)),
    dictionaryOffset: hasDictionary ? offset : null,
    dataOffset: hasDictionary ? offset + first!.header.length + first!.body.length : offset,
    uncompressedBytes: pages.reduce((sum, { uncompressedBytes }) => sum + uncompressedBytes, 0),
    compressedBytes: pages.reduce((sum, { header, body }) => sum + header.length + body.length, 0),
  }
}

function summaries(columns: readonly NamedColumn[], rowGroups: readonly StoredRowGroup[]): LeafSummary[] {
  const leaves = columns.flatMap(({ name, column }) => leavesOf(name, column.type))
  return leaves.map(({ path }, index) => {
    const stored = rowGroups.map((rowGroup) => rowGroup.leaves[index]!)
    const nullCount = stored.reduce((sum, leaf) => sum + leaf.nullCount, 0)
    // A row group of nulls bounds nothing; one with values but without bounds takes those of all away.
    const withValues = stored.filter((leaf) => leaf.levelCount > leaf.nullCount)
    const bounds = withValues.map((leaf) => leaf.bounds)
    const all = bounds.every((one) => one !== null) && bounds.length > 0
    return { path, nullCount, bounds: all ? bounds.reduce((a, b) => widerBounds(a, b)) : null }
  })
}
