// What is wrong with the lakehouse as alerts know it: each finding with a key that stays while it lasts.
import type { RunStatus } from '../engines/run-status.ts'
import { stoppedFinding } from '../engines/stopped-status.ts'
import type { HealthFinding } from './plan-notifications.ts'

/**
 * Of the processes that carry the streams; the first of two with one key. What a process says of itself has
 * the key of one stream, whichever others it carries besides. Streams stop one by one: each has its own key.
 */
export function healthFindings(statuses: readonly RunStatus[]): readonly HealthFinding[] {
  const byKey = new Map<string, HealthFinding>()
  const add = (finding: HealthFinding): void => {
    if (!byKey.has(finding.key)) byKey.set(finding.key, finding)
  }
  for (const { streams, findings, state } of statuses) {
    for (const finding of findings) {
      const { kind } = finding
      if (kind !== 'stopped') add({ ...finding, key: `${kind}/${[...streams].sort()[0]}` })
      // Whether a process is well that cannot be asked from here, nobody knows.
      else if (state !== 'unknown')
        for (const stream of streams) add({ ...stoppedFinding([stream], null), key: `${kind}/${stream}` })
    }
  }
  return [...byKey.values()]
}
