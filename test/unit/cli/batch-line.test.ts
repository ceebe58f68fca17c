import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { batchLine } from '../../../src/cli/batch-line.ts'
import { createLogger } from '../../../src/cli/logger.ts'
import type { BatchReport } from '../../../src/engines/batch-report.ts'
import { latencyBucket } from '../../../src/engines/latency.ts'

const report: BatchReport = {
  batch: 123_456n,
  timeMicros: 0n,
  records: 200_000,
  silverRows: 198_766,
  quarantinedRows: 1_234,
  quarantineReasons: { late: 1_234 },
  refusedSample: null,
  rowsByTable: {},
  watermarkMicros: 1_795_000_000_000_000n,
  input: { consumed: 10n, lag: 12_345_678n },
  batchMs: 5,
  latencyMs: 800,
  latencies: new Map([[latencyBucket(1_500), 200_000]]),
  riskLevels: {},
  firings: {},
  overflows: {},
  shadows: [],
  newestRecords: [],
  reviewRows: 17,
  alerts: [],
}

test('what came of a batch stands in one line of a terminal, the most important first', () => {
  const written: string[] = []
  const write = (line: string): boolean => written.push(line) > 0
  const stderr = { isTTY: true, write } as unknown as NodeJS.WriteStream
  const log = createLogger({ level: 'info', format: 'pretty' }, stderr)
  for (const columns of [80, 100, 200]) log.info(batchLine(report, 3n, columns))
  const lines = written.map((line) => stripVTControlCharacters(line).trimEnd())
  expect(lines.map((line) => line.slice(19))).toEqual([
    'batch 123456: 200,000 records, lost 3, lag 12,345,678',
    'batch 123456: 200,000 records, lost 3, lag 12,345,678, quarantined 1,234',
    'batch 123456: 200,000 records, lost 3, lag 12,345,678, quarantined 1,234, p99 1.5 s, review 17, watermark 2026-11-18T11:06:40Z',
  ])
  expect(lines[0]!.length).toBeLessThan(80)
  expect(lines[1]!.length).toBeLessThan(100)
})

test('of a batch without anything to tell only its records are told', () => {
  const quiet = { ...report, quarantinedRows: 0, reviewRows: 0, input: null, latencies: new Map() }
  expect(batchLine({ ...quiet, records: 1, watermarkMicros: null }, 0n, 80)).toBe('batch 123456: 1 record')
})
