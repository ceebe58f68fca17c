// The contract of a place that produced records go to.
import type { GeneratedRecord } from './generator.ts'

export type RecordWriter = {
  /**
   * Resolves when there is room for more: what waits is bounded. Fails with the failure of an earlier write
   * too.
   */
  write(records: readonly GeneratedRecord[]): Promise<void>
  /** Resolves when everything written has arrived; fails where something did not. */
  close(): Promise<void>
}
