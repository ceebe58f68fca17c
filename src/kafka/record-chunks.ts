// Records of batches as columns, in chunks of bounded size. Keys and values are views of the decompressed
// bytes; of a batch that holds much, only a piece is decompressed at a time.
import { crc32c } from '@platformatic/kafka'
import type { RecordChunk, RecordHeader } from '../batches/source.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type Content, decompress } from './decompress.ts'
import { type BatchHeader, corrupt, type Origin } from './record-batches.ts'
import { RecordReader } from './record-reader.ts'

/** Records handed over at once. */
const CHUNK_RECORDS_MAX = 50_000
/** And their bytes, unless a single record has more. */
export const CHUNK_BYTES_MAX = 16 * 1024 * 1024
/** Memory that one record may take. */
export const KAFKA_RECORD_BYTES_MAX = 128 * 1024 * 1024

const HEADER_BYTES = 61
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const BASE_TIMESTAMP_AT = 27
const MAX_TIMESTAMP_AT = 35
const COMPRESSION_BITS = 0b111
const LOG_APPEND_TIME_BIT = 1 << 3

/** A chunk, and the offset behind its last record. */
export type DecodedChunk = { readonly records: RecordChunk; readonly behind: bigint }

/** The records with start <= offset < end of `batches`, all of one partition. */
export async function* decodeBatches(
  bytes: Buffer,
  batches: readonly BatchHeader[],
  range: { readonly start: bigint; readonly end: bigint },
  origin: Origin,
): AsyncGenerator<DecodedChunk> {
  let countMax = batches.reduce((sum, { recordCount }) => sum + recordCount, 0)
  let columns = new Columns(origin, countMax)
  for (const batch of batches) {
    checkSum(bytes, batch, origin)
    const records = new BatchRecords(bytes, batch, range, origin)
    const content = contentOf(bytes, batch, origin)
    // Hardly any batch comes in more than one piece: only those take turns with others.
    const [whole, pieces] = Array.isArray(content) ? [content, null] : [[], content]
    for (const piece of whole) {
      records.feed(piece)
      while (records.fill(columns)) {
        yield columns.finish()
        columns = new Columns(origin, countMax)
      }
    }
    if (pieces !== null) {
      for await (const piece of piecesOf(pieces, batch, origin)) {
        records.feed(piece)
        while (records.fill(columns)) {
          yield columns.finish()
          columns = new Columns(origin, countMax)
        }
        if (records.isDone()) break
      }
    }
    if (!records.isDone()) throw corrupt(origin, batch, 'a record is cut off')
    countMax -= batch.recordCount
  }
  if (columns.count > 0) yield columns.finish()
}

function checkSum(bytes: Buffer, batch: BatchHeader, origin: Origin): void {
  const body = bytes.subarray(batch.start + ATTRIBUTES_AT, batch.end)
  if (crc32c(body) !== bytes.readUInt32BE(batch.start + CRC_AT))
    throw corrupt(origin, batch, 'its checksum is wrong')
}

function contentOf(bytes: Buffer, batch: BatchHeader, origin: Origin): Content {
  const compression = bytes.readInt16BE(batch.start + ATTRIBUTES_AT) & COMPRESSION_BITS
  const stored = bytes.subarray(batch.start + HEADER_BYTES, batch.end)
  let content: Content | null
  try {
    content = decompress(stored, compression)
  } catch (cause) {
    throw notDecompressed(origin, batch, cause)
  }
  if (content === null) throw corrupt(origin, batch, `its compression (${compression}) is not known`)
  return content
}

async function* piecesOf(content: Content, batch: BatchHeader, origin: Origin): AsyncGenerator<Buffer> {
  try {
    yield* content
  } catch (cause) {
    throw notDecompressed(origin, batch, cause)
  }
}

function notDecompressed(origin: Origin, batch: BatchHeader, cause: unknown): LakehouseError {
  return corrupt(origin, batch, 'it cannot be decompressed', cause)
}

/** The records of one batch, as its bytes come. */
class BatchRecords {
  readonly #batch: BatchHeader
  readonly #origin: Origin
  readonly #start: number
  readonly #end: number
  readonly #reader = new RecordReader()
  readonly #baseOffset: number
  readonly #baseTimestampMs: number
  readonly #exactBaseTimestampMs: bigint
  readonly #isBaseExact: boolean
  readonly #appendTimeMs: bigint | null
  #left: number

  constructor(
    bytes: Buffer,
    batch: BatchHeader,
    range: { readonly start: bigint; readonly end: bigint },
    origin: Origin,
  ) {
    this.#batch = batch
    this.#origin = origin
    this.#start = Number(range.start)
    this.#end = Number(range.end)
    this.#left = batch.recordCount
    this.#baseOffset = Number(batch.baseOffset)
    this.#exactBaseTimestampMs = bytes.readBigInt64BE(batch.start + BASE_TIMESTAMP_AT)
    this.#baseTimestampMs = Number(this.#exactBaseTimestampMs)
    this.#isBaseExact = Number.isSafeInteger(this.#baseTimestampMs)
    const attributes = bytes.readInt16BE(batch.start + ATTRIBUTES_AT)
    const hasAppendTime = (attributes & LOG_APPEND_TIME_BIT) !== 0
    this.#appendTimeMs = hasAppendTime ? bytes.readBigInt64BE(batch.start + MAX_TIMESTAMP_AT) : null
  }

  feed(piece: Buffer): void {
    this.#reader.feed(piece)
  }

  /** True behind the last record of the batch or of the range. */
  isDone(): boolean {
    return this.#left === 0
  }

  /** Reads records into the columns: true where those are full, false where the bytes or the records end. */
  fill(columns: Columns): boolean {
    const reader = this.#reader
    while (this.#left > 0) {
      const recordStart = reader.position
      const bytes = reader.recordLength(KAFKA_RECORD_BYTES_MAX)
      if (bytes === null) return false
      if (bytes < 0) throw corrupt(this.#origin, this.#batch, 'the length of a record is not one')
      const recordEnd = reader.position + bytes
      reader.position += 1 // attributes, unused
      const timestampMs = this.#timestampMs()
      const offset = this.#baseOffset + reader.varint()
      if (bytes > KAFKA_RECORD_BYTES_MAX) throw tooLarge(this.#origin, offset, bytes)
      if (offset >= this.#end) {
        this.#left = 0 // All that follow are behind the range, too.
        return false
      }
      if (offset < this.#start) {
        reader.position = recordEnd
      } else if (columns.isFullWith(bytes)) {
        reader.position = recordStart
        return true
      } else {
        const key = reader.bytesOrNull()
        const value = reader.bytesOrNull()
        const headers = reader.headersOrNull()
        if (reader.position !== recordEnd)
          throw corrupt(this.#origin, this.#batch, 'a record does not have its length')
        columns.add(offset, this.#appendTimeMs ?? timestampMs, key, value, headers, bytes)
      }
      this.#left -= 1
    }
    return false
  }

  /** Any 64 bits: a timestamp in nanoseconds is beyond what a number holds exactly. */
  #timestampMs(): bigint {
    const reader = this.#reader
    const position = reader.position
    const timestampMs = this.#baseTimestampMs + reader.varlong()
    if (this.#isBaseExact && Math.abs(timestampMs) <= Number.MAX_SAFE_INTEGER) return BigInt(timestampMs)
    reader.position = position
    return BigInt.asIntN(64, this.#exactBaseTimestampMs + reader.exactVarlong())
  }
}

class Columns {
  count = 0
  readonly #origin: Origin
  readonly #offsets: BigInt64Array
  readonly #timestampsMs: BigInt64Array
  readonly #keys: (Uint8Array | null)[] = []
  readonly #values: (Uint8Array | null)[] = []
  readonly #headers: (readonly RecordHeader[] | null)[] = []
  #bytes = 0

  constructor(origin: Origin, countMax: number) {
    this.#origin = origin
    // A header may say any number of records.
    const capacity = Math.min(countMax, CHUNK_RECORDS_MAX)
    this.#offsets = new BigInt64Array(capacity)
    this.#timestampsMs = new BigInt64Array(capacity)
  }

  /** True where a record of so many bytes has to go into the next chunk. */
  isFullWith(bytes: number): boolean {
    return this.count >= CHUNK_RECORDS_MAX || (this.count > 0 && this.#bytes + bytes > CHUNK_BYTES_MAX)
  }

  add(
    offset: number,
    timestampMs: bigint,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[] | null,
    bytes: number,
  ): void {
    this.#offsets[this.count] = BigInt(offset)
    this.#timestampsMs[this.count] = timestampMs
    this.#keys.push(key)
    this.#values.push(value)
    this.#headers.push(headers)
    this.count += 1
    this.#bytes += bytes
  }

  finish(): DecodedChunk {
    const { topic, partition } = this.#origin
    const records = {
      topic,
      partition,
      count: this.count,
      offsets: this.#offsets.subarray(0, this.count),
      timestampsMs: this.#timestampsMs.subarray(0, this.count),
      keys: this.#keys,
      values: this.#values,
      headers: this.#headers,
    }
    return { records, behind: this.#offsets[this.count - 1]! + 1n }
  }
}

function tooLarge(origin: Origin, offset: number, bytes: number): LakehouseError {
  const { topic, partition } = origin
  return new LakehouseError(
    'KAFKA_RECORD_TOO_LARGE',
    `${topic}, partition ${partition}: the record at offset ${offset} has ${bytes} bytes, more than the ` +
      `${KAFKA_RECORD_BYTES_MAX} that Assay holds of one record. Copy the topic without it, or delete the ` +
      'records up to it (kafka-delete-records.sh) and set ON_DATA_LOSS=continue.',
    { details: { topic, partition, offset: BigInt(offset), bytes, bytesMax: KAFKA_RECORD_BYTES_MAX } },
  )
}
