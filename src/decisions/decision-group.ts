// Who decided: a decision says its group, so that several lakehouses can share a topic of decisions.
import type { RecordHeader } from '../batches/source.ts'

/** The header of a decision with the consumer group of who decided. */
export const groupHeader = 'assay-group'

/** A decision of before that says no group is anybody's. */
export function isOfGroup(headers: readonly RecordHeader[] | null, groupId: string): boolean {
  const value = headers?.findLast(({ key }) => key === groupHeader)?.value
  return value == null || Buffer.from(value).toString('latin1') === groupId
}
