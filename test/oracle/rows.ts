// The shape in which tables are compared: plain rows of plain cells, whoever computed or read them.
import type { OffsetRange } from '../../src/batches/offsets.ts'
import type { OracleConfig } from './oracle.ts'

/**
 * bigint: every integer, and instants as microseconds since the epoch. number: doubles only. string: text,
 * dates as YYYY-MM-DD, decimals with their scale, bytes as base64.
 */
export type Cell =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly Cell[]
  | { readonly [name: string]: Cell }
export type Row = { readonly [column: string]: Cell }

/** The tables of the lakehouse by their path below its directory. */
export const tableNames = [
  'bronze/transactions',
  'silver/transactions',
  'silver/quarantine',
  'gold/transactions',
  'fraud_detection',
  'aggregations/merchant',
  'aggregations/user',
  'aggregations/country',
  'aggregations/hourly_summary',
  'quality/metrics',
  'aggregations/sessions',
] as const
export type TableName = (typeof tableNames)[number]
export type Tables = { readonly [name in TableName]: readonly Row[] }

/** One record as the topic holds it. */
export type RawRecord = {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[] | null
  readonly timestampMs: number | null
}

export type OracleBatch = {
  readonly batch: bigint
  readonly timeMicros: bigint
  readonly ranges: readonly OffsetRange[]
  /** A batch without records that closes every window. */
  readonly finalize: boolean
  /** The partitions that had more than the batch took. */
  readonly waiting?: readonly { readonly topic: string; readonly partition: number }[]
  /** What the batch was decided by, where that is another than for the others. */
  readonly config?: OracleConfig
}

export function base64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('base64')
}
