// Parquet files from columns in memory, as docs/decisions/parquet-writer.md says.
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdCompressSync } from 'node:zlib'
import { assert } from '../errors/errors.ts'
import { type Bounds, widerBounds } from './bounds.ts'
import { type EncodedLeaf, encodeLeaf, type Page } from './encode.ts'
import {
  type Codec,
  fileFooter,
  type NamedColumn,
  pageHeader,
  type StoredLeaf,
  type StoredRowGroup,
} from './footer.ts'
import { leavesOf } from './leaf.ts'
import { leafValues, type RowRange } from './shred.ts'

export type LeafSummary = {
  readonly path: readonly string[]
  readonly nullCount: number
  /** null where no value is ordered, or one is not: binary, NaN. Text is whole, however long. */
  readonly bounds: Bounds | null
}

export type FileSummary = {
  readonly rowCount: number
  readonly byteCount: number
  readonly leaves: readonly LeafSummary[]
}

/** As DuckDB's: small enough for memory, large enough to compress. */
export const rowGroupRowsMax = 122_880
/** A call of zstd costs more than it saves on leaves of fewer bytes. */
const compressedBytesMin = 4096
/** Pages of so many bytes are compressed on other threads, others at once. */
const compressedAsideBytesMin = 2 ** 16
/** The fastest level that has the ratio of the usual one on JSON and ids. */
const zstdParams = { [constants.ZSTD_c_compressionLevel]: 1 }
const magic = Buffer.from('PAR1')
const compressAside = promisify(zstdCompress)

/**
 * Writes the rows of `range` as one file: hands its bytes to `write` piece after piece, and waits for each.
 * All columns are nullable in the file.
 */
export async function writeParquet(
  columns: readonly NamedColumn[],
  { from, to, indexes }: RowRange,
  write: (pieces: readonly Uint8Array[]) => Promise<void> | void,
): Promise<FileSummary> {
  assert(columns.length > 0, 'a Parquet file has a column')
  const rowGroups: StoredRowGroup[] = []
  let byteCount = 0
  const put = async (pieces: readonly Uint8Array[]): Promise<void> => {
    await write(pieces)
    for (const piece of pieces) byteCount += piece.length
  }
  await put([magic])
  for (let start = from; start < to; start += rowGroupRowsMax) {
    const range = { from: start, to: Math.min(to, start + rowGroupRowsMax), indexes }
    const compressed = await Promise.all(encodeColumns(columns, range).map(compress))
    let offset = byteCount
    const leaves = compressed.map((leaf) => {
      const stored = storedAt(leaf, offset)
      offset += stored.compressedBytes
      return stored
    })
    rowGroups.push({ rowCount: range.to - range.from, leaves })
    await put(compressed.flatMap(({ pieces }) => pieces))
  }
  const footer = fileFooter(columns, rowGroups)
  const footerLength = Buffer.alloc(4)
  footerLength.writeUInt32LE(footer.length)
  await put([footer, footerLength, magic])
  return { rowCount: to - from, byteCount, leaves: summaries(columns, rowGroups) }
}

function encodeColumns(columns: readonly NamedColumn[], range: RowRange): EncodedLeaf[] {
  return columns.flatMap(({ name, column }) => {
    const values = leafValues(column, range)
    return leavesOf(name, column.type).map((leaf, index) => encodeLeaf(leaf, values[index]!))
  })
}

type CompressedLeaf = EncodedLeaf & {
  readonly codec: Codec
  /** Headers and bodies in turn. */
  readonly pieces: readonly Uint8Array[]
}

async function compress(encoded: EncodedLeaf): Promise<CompressedLeaf> {
  const bytes = encoded.pages.reduce((sum, { body }) => sum + body.length, 0)
  const codec = bytes < compressedBytesMin ? 'UNCOMPRESSED' : 'ZSTD'
  const bodies = codec === 'ZSTD' ? await Promise.all(encoded.pages.map(compressed)) : null
  const pieces = encoded.pages.flatMap((page, index) => {
    const body = bodies?.[index] ?? page.body
    return [pageHeader(page, body.length), body]
  })
  return { ...encoded, codec, pieces }
}

function compressed({ body }: Page): Promise<Buffer> | Buffer {
  // What does not fit into the first chunk goes into others, which costs little more.
  const options = { params: zstdParams, chunkSize: Math.max(64, body.length >> 1) }
  if (body.length < compressedAsideBytesMin) return zstdCompressSync(body, options)
  return compressAside(body, options)
}

function storedAt({ pages, pieces, ...encoded }: CompressedLeaf, offset: number): StoredLeaf {
  const bytes = pieces.map(({ length }) => length)
  const compressedBytes = bytes.reduce((sum, count) => sum + count, 0)
  const headerBytes = pages.reduce((sum, _, index) => sum + bytes[2 * index]!, 0)
  const hasDictionary = pages[0]!.kind === 'dictionary'
  return {
    ...encoded,
    encodings: new Set(pages.map(({ encoding }) => encoding)),
    dictionaryOffset: hasDictionary ? offset : null,
    dataOffset: hasDictionary ? offset + bytes[0]! + bytes[1]! : offset,
    uncompressedBytes: pages.reduce((sum, { body }) => sum + body.length, headerBytes),
    compressedBytes,
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
