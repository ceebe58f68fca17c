// Record batches (message format 2) as the broker stores them: only their headers, so that positions are
// known before anything is decompressed.
import { LakehouseError } from '../errors/errors.ts'
import { RecordReader } from './record-reader.ts'

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

/** Where records are from. */
export type Origin = { readonly topic: string; readonly partition: number }

const HEADER_BYTES = 61
const LENGTH_AT = 8
const MAGIC_AT = 16
const ATTRIBUTES_AT = 21
const BYTES_BEFORE_LENGTH_COUNTS = 12
const MAGIC = 2
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
  const reader = new RecordReader()
  const record = bytes.subarray(header.start + HEADER_BYTES, header.end)
  reader.feed(record)
  reader.varint() // length
  reader.position += 1 // attributes
  reader.varlong() // timestamp delta
  reader.varint() // offset delta
  // The key is a version and a type, both int16.
  const key = reader.bytesOrNull()
  return key !== null && key.length >= 4 && key.readInt16BE(2) === MARKER_ABORT
}

export function corrupt(
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
