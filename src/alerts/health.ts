// What is wrong with the lakehouse as alerts know it: each finding with a key that stays while it lasts.
import type { RunStatus } from '../engines/run-status.ts'
import type { HealthFinding } from './plan-notifications.ts'

/** Of the processes that carry the streams; the first of two with one key. */
export function healthFindings(statuses: readonly RunStatus[]): readonly HealthFinding[] {
  const byKey = new Map<string, HealthFinding>()
  for (const { streams, findings } of statuses) {
    for (const finding of findings) {
      const key = `${finding.kind}/${streams.join('+')}`
      if (!byKey.has(key)) byKey.set(key, { ...finding, key })
    }
  }
  return [...byKey.values()]
}
