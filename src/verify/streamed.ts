// Whether a streaming query wrote bronze.
import { isStreamed } from '../batches/streamed.ts'
import type { WrittenLakehouse } from './lakehouse.ts'

export function isStreamedLakehouse(lakehouse: WrittenLakehouse): boolean {
  const { records } = lakehouse.paths
  return lakehouse.has(records) && isStreamed(lakehouse.state(records).snapshot.txns)
}
