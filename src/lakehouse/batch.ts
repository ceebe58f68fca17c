// What every batch brings beside its rows; bound by the engine.
import { parameter } from '../expr/index.ts'

/** The batch's time: strictly increasing from batch to batch. */
export const processingTime = parameter('processing_time', 'timestamp')

/** Silver's watermark at the start of the batch; null before the first row. */
export const watermark = parameter('watermark', 'timestamp')

/** How far apart, in event time, two rows with one id may be and still be the same transaction. */
export const dedupMicros = parameter('dedup_micros', 'long')

export const minutes = (count: number): bigint => BigInt(count) * 60_000_000n
