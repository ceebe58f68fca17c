// Whether a streaming query wrote bronze.
import { isStreamed } from '../batches/streamed.ts'
import type { WrittenLakehouse } from './lakehouse.ts'

const bronze = 'bronze/transactions'

export function isStreamedLakehouse(lakehouse: WrittenLakehouse): boolean {
  return lakehouse.has(bronze) && isStreamed(lakehouse.state(bronze).snapshot.txns)
}
