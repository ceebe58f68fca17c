// What a batch did, for people: one line of the log on a terminal.
import type { BatchReport } from '../engines/batch-report.ts'
import { latencyQuantileMs } from '../engines/latency.ts'
import { unitOf } from '../errors/counted.ts'
import { displayWidth, formatCount, formatElapsed } from './terminal-text.ts'

/** The time and the level in front of a message, and the last column: a text up to there may wrap. */
const columnsBesideMessage = 20

/**
 * The records, and then, by its importance, as much of what came of them as fits into a line. What is zero is
 * left out. `lost` offsets are those of the run so far.
 */
export function batchLine(report: BatchReport, lost: bigint, columns: number): string {
  const { batch, records, input, quarantinedRows, reviewRows, watermarkMicros } = report
  const overflows = Object.values(report.overflows).reduce((sum, count) => sum + count, 0)
  const shadowFailures = report.shadows.reduce((sum, { failedRows }) => sum + failedRows, 0)
  const p99 = latencyQuantileMs(report.latencies, 0.99)
  const watermark = watermarkMicros === null ? null : new Date(Number(watermarkMicros / 1000n)).toISOString()
  const facts = [
    lost > 0n ? `lost ${formatCount(lost)}` : null,
    input !== null && input.lag > 0n ? `lag ${formatCount(input.lag)}` : null,
    quarantinedRows > 0 ? `quarantined ${formatCount(quarantinedRows)}` : null,
    p99 === null ? null : `p99 ${formatElapsed(p99)}`,
    overflows > 0 ? `rules not calculated ${formatCount(overflows)}` : null,
    shadowFailures > 0 ? `not calculated by shadows ${formatCount(shadowFailures)}` : null,
    reviewRows > 0 ? `review ${formatCount(reviewRows)}` : null,
    watermark === null ? null : `watermark ${watermark.slice(0, 19)}Z`,
  ]
  let line = `batch ${batch}: ${formatCount(records)} ${unitOf(records, 'record')}`
  for (const fact of facts) {
    if (fact === null) continue
    const longer = `${line}, ${fact}`
    if (displayWidth(longer) > columns - columnsBesideMessage) break
    line = longer
  }
  return line
}
