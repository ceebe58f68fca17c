import { describe, expect, test, vi } from 'vitest'
import type { Logger } from '../../../src/cli/logger.ts'
import { nearlyAllRefused } from '../../../src/cli/refusals.ts'
import { noTotals, type RunTotals, totalsText, withBatch } from '../../../src/cli/run-totals.ts'
import { openRunView } from '../../../src/cli/run-view.ts'
import type { BatchReport, RefusedSample } from '../../../src/engines/batch-report.ts'
import { reasonMeanings } from '../../../src/lakehouse/reasons.ts'

const sample: RefusedSample = {
  reason: 'user_id_invalid',
  topic: 'payments',
  partition: 3,
  offset: 17n,
  value: Buffer.from(`{"transaction_id":"t-1",\n"note":"\u001b[2J${'x'.repeat(1_000)}"}`),
}

function report(records: number, reasons: Record<string, number>, more: Partial<BatchReport> = {}) {
  const quarantined = Object.values(reasons).reduce((sum, count) => sum + count, 0)
  const whole: BatchReport = {
    batch: 1n,
    timeMicros: 0n,
    records,
    silverRows: records - quarantined,
    quarantinedRows: quarantined,
    quarantineReasons: reasons,
    refusedSample: 2 * quarantined > records ? sample : null,
    rowsByTable: {
      'bronze/transactions': records,
      'silver/transactions': records - quarantined,
      'silver/quarantine': quarantined,
      fraud_detection: records - quarantined,
    },
    watermarkMicros: null,
    input: { consumed: 10n, lag: 12_345_678_901n },
    batchMs: 5,
    latencyMs: null,
    latencies: new Map(),
    riskLevels: {},
    firings: {},
    overflows: {},
    shadows: [],
    newestRecords: [],
    reviewRows: 0,
    alerts: [],
    ...more,
  }
  return whole
}

const totalsOf = (...reports: BatchReport[]): RunTotals => reports.reduce(withBatch, noTotals)

test('the summary has the reasons of refusal under quarantine, the commonest first', () => {
  const totals = totalsOf(
    report(100, { late: 1, malformed: 3 }),
    report(1_000, { duplicate: 5, amount_invalid: 3, malformed: 1 }),
  )
  expect(totalsText(totals, 1_234)).toMatchInlineSnapshot(`
    "1,100 records in 2 batches, 1.2 s
      bronze/transactions            1,100
      silver/transactions            1,087
      silver/quarantine              13
        duplicate                    5
        malformed                    4
        amount_invalid               3
        late                         1
      fraud_detection                1,087
    "
  `)
})

describe('a run in which nearly everything was refused', () => {
  test('says how much, the commonest reason, and a record: cut, and safe to print', () => {
    const message = nearlyAllRefused(
      totalsOf(report(1_000, { malformed: 5, user_id_invalid: 990 })),
      'refused',
      reasonMeanings,
    )!
    expect(message).toMatch(/refused: 995 of 1,000 records, 990 as user_id_invalid \(user_id is absent/)
    expect(message).toMatch(/such as payments, partition 3, offset 17: \{"transaction_id":"t-1",␊"note":"/)
    expect(message).toContain('docs/guide/records.md')
    expect(message).not.toMatch(/\p{Cc}/u)
    expect(message.length).toBeLessThan(600)
  })

  test('a tombstone is told as what has no value', () => {
    const totals = totalsOf(report(1, { user_id_invalid: 1 }, { refusedSample: { ...sample, value: null } }))
    expect(nearlyAllRefused(totals, 'refused', reasonMeanings)).toContain('offset 17, which has no value')
  })

  test('one in which most records were taken says nothing', () => {
    expect(
      nearlyAllRefused(totalsOf(report(1_000, { malformed: 500, late: 399 })), 'refused', reasonMeanings),
    ).toBe(null)
    expect(nearlyAllRefused(totalsOf(report(0, {})), 'refused', reasonMeanings)).toBe(null)
  })
})

describe('the log of a run without end', () => {
  function view() {
    const told: (readonly [level: string, facts: unknown, message: string])[] = []
    const entry = (level: string) => (facts: unknown, message?: string) =>
      void told.push([level, message === undefined ? {} : facts, message ?? String(facts)])
    const log = { info: entry('info'), warn: entry('warn') } as unknown as Logger
    const about = {
      input: 'topic payments at localhost:9092',
      deltaBasePath: '/lake',
      tables: 9,
      streams: ['kafka-to-delta'] as const,
      engine: 'embedded' as const,
      project: null,
      reasons: reasonMeanings,
      levels: [],
      refused: 'silver.quarantine',
    }
    return { told, run: openRunView(about, log, false, { level: 'info', format: 'json' }) }
  }

  test('says what it reads and writes, what it waits for, that it stops, and what it did', () => {
    const { told, run } = view()
    run.onStart({ url: null, movedFrom: null, dashboard: null })
    run.onWait()
    run.onWait()
    run.onBatch(report(10, { late: 1 }))
    run.onWait() // Between two batches: not worth a line.
    run.onStop('SIGTERM')
    run.onEnd()
    expect(told.map(([, , message]) => message.replace(/, \d+ ms$/, ''))).toEqual([
      'reading topic payments at localhost:9092, writing 9 tables in /lake',
      'everything is read: waiting for more in topic payments at localhost:9092',
      'batch 1: 10 records',
      'SIGTERM: stopping after the batch at hand; a second signal ends the process at once, which loses nothing either',
      'ended: 10 records in 1 batch',
    ])
    expect(told[2]![1]).toMatchObject({ batch: 1n, lag: 12_345_678_901n, reasons: { late: 1 } })
    expect(told[4]![1]).toMatchObject({ records: 10, quarantined: 1, rows: { 'silver/transactions': 9 } })
  })

  test('says that it waits again when that lasts', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const { told, run } = view()
      run.onBatch(report(10, {}))
      vi.advanceTimersByTime(29_000)
      run.onWait()
      expect(told).toHaveLength(1)
      vi.advanceTimersByTime(2_000)
      run.onWait()
      run.onWait()
      expect(told).toHaveLength(2)
    } finally {
      vi.useRealTimers()
    }
  })

  test('warns of refusals at the first batch, and then seldom', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const { told, run } = view()
      const warnings = () => told.filter(([level]) => level === 'warn').length
      run.onBatch(report(3, { user_id_invalid: 3 }))
      expect(warnings()).toBe(1)
      for (let batch = 0; batch < 50; batch++) run.onBatch(report(100, { user_id_invalid: 100 }))
      expect(warnings()).toBe(1)
      vi.advanceTimersByTime(11 * 60_000)
      for (let batch = 0; batch < 10; batch++) run.onBatch(report(100, { user_id_invalid: 100 }))
      expect(warnings()).toBe(2)
    } finally {
      vi.useRealTimers()
    }
  })

  test('a failure before the first batch ends without a summary', () => {
    const { told, run } = view()
    run.onFailure()
    expect(told).toEqual([])
  })
})

test('a terminal that does not know its width gets lines for 80 columns', () => {
  const { isTTY, columns } = process.stderr
  const said: unknown[] = []
  const log = { info: (...facts: unknown[]) => void said.push(...facts) } as unknown as Logger
  Object.assign(process.stderr, { isTTY: true, columns: 0 })
  try {
    const about = {
      input: 'topic t',
      deltaBasePath: '/t',
      tables: 1,
      streams: [],
      engine: 'embedded',
      project: null,
      reasons: reasonMeanings,
      levels: [],
      refused: 'silver.quarantine',
    } as const
    openRunView(about, log, false, { level: 'info', format: 'pretty' }).onBatch(report(1_000, { late: 4 }))
  } finally {
    Object.assign(process.stderr, { isTTY, columns })
  }
  expect(said).toEqual(['batch 1: 1,000 records, lag 12,345,678,901, quarantined 4'])
})
