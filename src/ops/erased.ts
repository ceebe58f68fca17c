// ops/erased: the records whose rows were taken out of the tables on purpose, by `assay erase`, or by another
// program whose deletion was adopted. It says where each record was, and nothing of what it held.
import { type DeltaSnapshot, type DeltaTableDefinition, fetchedScanSql } from '../delta/index.ts'

export const erasedPath = 'ops/erased'

/** The application id of the txn action whose version is the last erasure that was begun. */
export const begunAppId = 'assay/erase'
/** The same of the last one that was carried to its end. */
export const carriedAppId = 'assay/erase/carried'

export const erasedDefinition = {
  description: 'The records whose rows were erased: where each was, by which erasure, and after which batch.',
  partitionColumns: [],
  fields: [
    { name: 'topic', type: 'string', nullable: true, metadata: {} },
    { name: 'partition', type: 'integer', nullable: true, metadata: {} },
    { name: 'offset', type: 'long', nullable: true, metadata: {} },
    { name: 'erase', type: 'long', nullable: true, metadata: {} },
    { name: 'erased_at', type: 'timestamp', nullable: true, metadata: {} },
    { name: 'after_batch', type: 'long', nullable: true, metadata: {} },
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>

export type Erasure = {
  /** Counts the erasures of the lakehouse, from 1 on. */
  readonly erase: bigint
  readonly erasedAtMicros: bigint
  /** The last batch that the tables had. */
  readonly afterBatch: bigint
}

/** A SELECT of the rows, in the columns of the table; `positions` has topic, partition and offset. */
export function erasedRowsSql(positions: string, { erase, erasedAtMicros, afterBatch }: Erasure): string {
  return `SELECT topic, partition, "offset", ${erase}::BIGINT AS erase,
    make_timestamp(${erasedAtMicros}) AS erased_at, ${afterBatch}::BIGINT AS after_batch FROM ${positions}`
}

/**
 * A SELECT of where the erased records were, each once, with its erasures and the last batch that was there
 * by then.
 */
export async function erasedPositionsSql(
  erased: DeltaSnapshot,
  directory: string,
  moreThan = 0n,
): Promise<string> {
  return `SELECT topic, partition, "offset", max(after_batch) AS after_batch, list(erase) AS erases
    FROM (${await fetchedScanSql(erased, directory)}) WHERE erase > ${moreThan} GROUP BY topic, partition, "offset"`
}

/** The application id of the txn action that says that a deletion by another program was adopted. */
export function adoptedAppId(path: string, version: bigint): string {
  return `assay/adopted/${version}/${path}`
}

/** The erasures that were no more than adoptions. */
export function adoptedErasures(txns: DeltaSnapshot['txns']): bigint[] {
  return [...txns].filter(([appId]) => appId.startsWith('assay/adopted/')).map(([, { version }]) => version)
}

export function lastErasures(txns: DeltaSnapshot['txns']): {
  readonly begun: bigint
  readonly carried: bigint
} {
  return {
    begun: txns.get(begunAppId)?.version ?? 0n,
    carried: txns.get(carriedAppId)?.version ?? 0n,
  }
}
