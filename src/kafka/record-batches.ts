// Record batches (message format 2) as the broker stores them: headers first, so that positions are known
// before anything is decompressed, then records as columns whose keys and values are views of the
// decompressed bytes.
import { compressionsAlgorithmsByBitmask, crc32c } from '@platformatic/kafka'
import type { RecordChunk, RecordHeader } from '../batches/source.ts'
import { LakehouseError } from '../errors/errors.ts'

export type BatchHeader = {
  readonly baseOffset: bigint
  readonly lastOffset: bigint
  readonly producerId: bigint
  readonly isTransactional: boolean
  /** A control batch holds a transaction marker, no records of anybody. */
  readonly isControl: boolean
  readonly recordCount: number
  /** Where the batch lies in the response. */
  readonly start: number
  readonly end: number
}

export type AbortedTransaction = { readonly producerId: bigint; readonly firstOffset: bigint }

type Origin = { readonly topic: string; readonly partition: number }

const HEADER_BYTES = 61
const LENGTH_AT = 8
const MAGIC_AT = 16
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const CRC_BODY_AT = ATTRIBUTES_AT
const BYTES_BEFORE_LENGTH_COUNTS = 12
const MAGIC = 2
const COMPRESSION_BITS = 0b111
const LOG_APPEND_TIME_BIT = 1 << 3
const TRANSACTIONAL_BIT = 1 << 4
const CONTROL_BIT = 1 << 5
const MARKER_ABORT = 0

/**
 * The headers of the whole batches in `bytes`. A broker cuts the last one where its byte limit is: that one
 * is left.
 */
export function readBatchHeaders(bytes: Buffer, origin: Origin): BatchHeader[] {
  const headers: BatchHeader[] = []
  let start = 0
  while (start + HEADER_BYTES <= bytes.length) {
    const length = bytes.readInt32BE(start + LENGTH_AT)
    const end = start + BYTES_BEFORE_LENGTH_COUNTS + length
    const baseOffset = bytes.readBigInt64BE(start)
    if (length < HEADER_BYTES - BYTES_BEFORE_LENGTH_COUNTS)
      throw corrupt(origin, { baseOffset, lastOffset: baseOffset }, `its length is ${length}`)
    if (bytes[start + MAGIC_AT] !== MAGIC) throw oldFormat(origin, baseOffset, bytes[start + MAGIC_AT]!)
    if (end > bytes.length) break
    const attributes = bytes.readInt16BE(start + ATTRIBUTES_AT)
    headers.push({
      baseOffset,
      lastOffset: baseOffset + BigInt(bytes.readInt32BE(start + 23)),
      producerId: bytes.readBigInt64BE(start + 43),
      isTransactional: (attributes & TRANSACTIONAL_BIT) !== 0,
      isControl: (attributes & CONTROL_BIT) !== 0,
      recordCount: bytes.readInt32BE(start + 57),
      start,
      end,
    })
    start = end
  }
  return headers
}

/**
 * The batches that a reader of committed records sees: no markers, nothing of an aborted transaction. A
 * transaction of a producer is aborted from its first offset until the producer's next abort marker.
 */
export function committedBatches(
  bytes: Buffer,
  headers: readonly BatchHeader[],
  aborted: readonly AbortedTransaction[],
): BatchHeader[] {
  const pending = [...aborted].sort((a, b) => Number(a.firstOffset - b.firstOffset))
  const abortedProducers = new Set<bigint>()
  return headers.filter((header) => {
    while (pending.length > 0 && pending[0]!.firstOffset <= header.lastOffset) {
      abortedProducers.add(pending.shift()!.producerId)
    }
    if (header.isControl) {
      if (isAbortMarker(bytes, header)) abortedProducers.delete(header.producerId)
      return false
    }
    return header.recordCount > 0 && !(header.isTransactional && abortedProducers.has(header.producerId))
  })
}

function isAbortMarker(bytes: Buffer, header: BatchHeader): boolean {
  if (header.recordCount === 0) return false // Compaction leaves the header of a marker that it removed.
  const reader = new RecordReader(bytes, header.start + HEADER_BYTES, header.end)
  reader.varint() // length
  reader.position += 1 // attributes
  reader.varlong() // timestamp delta
  reader.varint() // offset delta
  const keyLength = reader.varint()
  // The key is a version and a type, both int16.
  return keyLength >= 4 && bytes.readInt16BE(reader.position + 2) === MARKER_ABORT
}

/** The records with start <= offset < end of `batches`, all of one partition, as one chunk. */
export function decodeBatches(
  bytes: Buffer,
  batches: readonly BatchHeader[],
  range: { readonly start: bigint; readonly end: bigint },
  origin: Origin,
): RecordChunk {
  // A damaged header may say any number of records: nothing is made of it before its checksum.
  for (const batch of batches) checkSum(bytes, batch, origin)
  const capacity = batches.reduce((sum, batch) => sum + batch.recordCount, 0)
  const columns = new Columns(capacity)
  for (const batch of batches) decodeBatch(bytes, batch, range, origin, columns)
  return columns.finish(origin)
}

function checkSum(bytes: Buffer, batch: BatchHeader, origin: Origin): void {
  const body = bytes.subarray(batch.start + CRC_BODY_AT, batch.end)
  if (crc32c(body) !== bytes.readUInt32BE(batch.start + CRC_AT))
    throw corrupt(origin, batch, 'its checksum is wrong')
}

function decodeBatch(
  bytes: Buffer,
  batch: BatchHeader,
  range: { readonly start: bigint; readonly end: bigint },
  origin: Origin,
  columns: Columns,
): void {
  const attributes = bytes.readInt16BE(batch.start + ATTRIBUTES_AT)
  const maxTimestamp = Number(bytes.readBigInt64BE(batch.start + 35))
  const appendTime = (attributes & LOG_APPEND_TIME_BIT) !== 0 ? maxTimestamp : null
  const baseTimestamp = Number(bytes.readBigInt64BE(batch.start + 27))
  const stored = bytes.subarray(batch.start + HEADER_BYTES, batch.end)
  const records = decompress(stored, attributes & COMPRESSION_BITS, batch, origin)
  const reader = new RecordReader(records, 0, records.length)
  const base = Number(batch.baseOffset)
  const start = Number(range.start)
  const end = Number(range.end)
  for (let index = 0; index < batch.recordCount; index += 1) {
    const length = reader.varint()
    const recordEnd = reader.position + length
    if (length < 0 || recordEnd > records.length) throw corrupt(origin, batch, 'a record is cut off')
    reader.position += 1 // attributes, unused
    const timestamp = reader.varlong() + baseTimestamp
    const offset = base + reader.varint()
    if (offset < start || offset >= end) {
      reader.position = recordEnd
      continue
    }
    const key = reader.bytesOrNull()
    const value = reader.bytesOrNull()
    const headers = reader.headersOrNull()
    if (reader.position !== recordEnd) throw corrupt(origin, batch, 'a record does not have its length')
    columns.add(offset, appendTime ?? timestamp, key, value, headers)
  }
}

function decompress(stored: Buffer, compression: number, batch: BatchHeader, origin: Origin): Buffer {
  if (compression === 0) return stored
  const algorithm =
    compressionsAlgorithmsByBitmask[compression as keyof typeof compressionsAlgorithmsByBitmask]
  if (algorithm === undefined) throw corrupt(origin, batch, `its compression (${compression}) is not known`)
  try {
    return algorithm.decompressSync(stored)
  } catch (cause) {
    throw corrupt(origin, batch, 'it cannot be decompressed', cause)
  }
}

class Columns {
  readonly #offsets: BigInt64Array
  readonly #timestampsMs: BigInt64Array
  readonly #keys: (Uint8Array | null)[] = []
  readonly #values: (Uint8Array | null)[] = []
  readonly #headers: (readonly RecordHeader[] | null)[] = []

  constructor(capacity: number) {
    this.#offsets = new BigInt64Array(capacity)
    this.#timestampsMs = new BigInt64Array(capacity)
  }

  add(
    offset: number,
    timestampMs: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[] | null,
  ): void {
    const index = this.#values.length
    this.#offsets[index] = BigInt(offset)
    this.#timestampsMs[index] = BigInt(timestampMs)
    this.#keys.push(key)
    this.#values.push(value)
    this.#headers.push(headers)
  }

  finish(origin: Origin): RecordChunk {
    const count = this.#values.length
    return {
      topic: origin.topic,
      partition: origin.partition,
      count,
      offsets: this.#offsets.subarray(0, count),
      timestampsMs: this.#timestampsMs.subarray(0, count),
      keys: this.#keys,
      values: this.#values,
      headers: this.#headers,
    }
  }
}

/**
 * Reads the fields of records. Behind the end it reads zeros; the caller compares positions record by record.
 */
class RecordReader {
  readonly #bytes: Buffer
  readonly #end: number
  position: number

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.#end = end
    this.position = start
  }

  varint(): number {
    let byte = this.#bytes[this.position++]!
    let value = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = this.#bytes[this.position++]!
      value |= (byte & 0x7f) << shift
    }
    return (value >>> 1) ^ -(value & 1)
  }

  /** A 64-bit varint as a number: exact up to 2^53, which no timestamp in milliseconds comes near. */
  varlong(): number {
    let byte = this.#bytes[this.position++]!
    let value = byte & 0x7f
    for (let factor = 128; byte >= 0x80; factor *= 128) {
      byte = this.#bytes[this.position++]!
      value += (byte & 0x7f) * factor
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  bytesOrNull(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const start = this.position
    this.position = start + length
    return this.#bytes.subarray(start, this.position)
  }

  headersOrNull(): RecordHeader[] | null {
    const count = this.varint()
    if (count <= 0) return null
    const headers: RecordHeader[] = []
    for (let index = 0; index < count && this.position < this.#end; index += 1) {
      const key = this.bytesOrNull()
      headers.push({ key: key === null ? '' : key.toString('utf8'), value: this.bytesOrNull() })
    }
    return headers
  }
}

function corrupt(
  origin: Origin,
  batch: Pick<BatchHeader, 'baseOffset' | 'lastOffset'>,
  what: string,
  cause?: unknown,
): LakehouseError {
  return new LakehouseError(
    'KAFKA_RECORDS_CORRUPT',
    `The records of ${origin.topic}, partition ${origin.partition}, offsets ${batch.baseOffset} to ` +
      `${batch.lastOffset} ` +
      `cannot be read: ${what}. Check the broker's disk and log (kafka-dump-log.sh shows the batch).`,
    { cause, details: { ...origin, baseOffset: batch.baseOffset, lastOffset: batch.lastOffset } },
  )
}

function oldFormat(origin: Origin, offset: bigint, magic: number): LakehouseError {
  return new LakehouseError(
    'KAFKA_RECORDS_CORRUPT',
    `${origin.topic}, partition ${origin.partition} holds message format ${magic} at offset ` +
      `${offset}; Assay reads ` +
      'format 2, which producers have written since Kafka 0.11. Copy the topic with a current producer.',
    { details: { ...origin, offset, magic } },
  )
}
