import { describe, expect, test } from 'vitest'
import { decidesText } from '../../../src/cli/decides-text.ts'
import { createLivePainter, type TerminalOutput } from '../../../src/cli/live-painter.ts'
import { renderLiveLine, renderLiveView } from '../../../src/cli/live-view.ts'
import {
  ALERTS_KEPT,
  emptyLiveView,
  type LiveViewReport,
  type LiveViewState,
  recentLatencyMs,
  SECONDS_KEPT,
  withDecisions,
  withNote,
  withReport,
  withTime,
} from '../../../src/cli/live-view-state.ts'
import { coloured, displayWidth } from '../../../src/cli/terminal-text.ts'
import type { Alert } from '../../../src/engines/batch-report.ts'
import { addLatencies, type LatencyCounts } from '../../../src/engines/latency.ts'
import { levelNames } from '../../../src/fraud/score.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'

const startMs = Date.UTC(2026, 9, 31, 10)
const levels = levelNames(standardLakehouse)
const alert: Alert = {
  transaction_id: '1f0732f8-c436-4850-99ed-1a44067773a0',
  user_id: 4377,
  amount: '9623.65',
  country: 'Nigeria',
  payment_method: 'crypto',
  fraud_score: 115,
  risk_level: 'CRITICAL',
  reasons: ['known_fraud', 'high_amount', 'crypto_payment', 'high_risk_country'],
  event_time: '2026-10-31T09:59:58.123456Z',
}

function report(batch: number, more: Partial<LiveViewReport> = {}): LiveViewReport {
  return {
    batch: BigInt(batch),
    timeMicros: BigInt(startMs + batch * 1000) * 1000n,
    records: 1_000 + 100 * (batch % 5),
    silverRows: 980,
    quarantinedRows: 20,
    reviewRows: 3,
    rowsByTable: {
      'bronze/transactions': 1_000,
      'silver/transactions': 980,
      'silver/quarantine': 20,
      'gold/transactions': 4,
      fraud_detection: 980,
      'aggregations/merchant': 11,
    },
    quarantineReasons: {
      late: 10,
      duplicate: 5,
      malformed: 2,
      user_id_invalid: 1,
      amount_invalid: 1,
      timestamp_invalid: 1,
    },
    watermarkMicros: BigInt(startMs + batch * 1000 - 600_000) * 1000n,
    lagRecords: 12n,
    batchMs: 85,
    latencies: latenciesOf([100 + batch]),
    riskLevels: { CRITICAL: 2, HIGH: 18, MEDIUM: 100, LOW: 300, MINIMAL: 560 },
    alerts: [{ ...alert, user_id: 4377 + batch, risk_level: batch % 2 === 0 ? 'HIGH' : 'CRITICAL' }],
    ...more,
  }
}

const countsOfAllTables = {
  'bronze/transactions': 1_000,
  'silver/transactions': 980,
  'silver/quarantine': 20,
  'gold/transactions': 4,
  fraud_detection: 980,
  'aggregations/merchant': 10,
  'aggregations/user': 10,
  'aggregations/country': 10,
  'aggregations/hourly_summary': 10,
}

/** As the engine counts them. */
function latenciesOf(milliseconds: readonly number[]): LatencyCounts {
  return addLatencies(milliseconds.map((ms) => new Map([[Math.floor(16 * Math.log2(ms)), 1]])))
}

function runningView(batches = 40, more: Partial<LiveViewReport> = {}): LiveViewState {
  let state = emptyLiveView('Assay demo', startMs, levels)
  for (let batch = 1; batch <= batches; batch++)
    state = withReport(state, report(batch, more), startMs + batch * 1000)
  return state
}

describe('the live view', () => {
  test.each([60, 80, 120])('looks like this on %d columns', (width) => {
    expect(renderLiveView(runningView(), width, 30)).toMatchSnapshot()
  })

  test('a run that decides says where it is asked, and what its share is', () => {
    const at = { rows: 7, url: 'http://localhost:8081', metricsUrl: null }
    const share = { partitions: [{ topic: 't', partition: 3 }], generation: 4, memberCount: 2 }
    const state = emptyLiveView('Assay', startMs, levels)
    const lineOf = (text: string, width: number) =>
      renderLiveView(withDecisions(state, text), width, 24)
        .split('\n')
        .find((line) => line.startsWith('Decisions'))
    expect(lineOf(decidesText(at, null), 80)).toBe(
      'Decisions   http://localhost:8081/v1/decisions   waiting for its share',
    )
    expect(lineOf(decidesText(at, share), 80)).toBe(
      'Decisions   http://localhost:8081/v1/decisions   1 partition, 2 processes',
    )
    expect(lineOf(decidesText(at, share), 40)).toHaveLength(40)
    expect(lineOf(decidesText({ ...at, url: null }, share), 80)).toBe('Decisions   1 partition, 2 processes')
    expect(renderLiveView(state, 80, 24)).not.toContain('Decisions')
  })

  test('looks like this before the first batch', () => {
    expect(renderLiveView(emptyLiveView('Assay demo', startMs, levels), 80, 24)).toMatchSnapshot()
  })

  test.each([40, 59, 60, 79, 80, 119, 132, 160])('fits into %d columns, and into every height', (width) => {
    const states = [
      runningView(),
      emptyLiveView('A title of a demo that is rather long for a terminal', startMs, levels),
    ]
    for (const state of states) {
      for (const height of [1, 5, 10, 24, 60]) {
        const lines = renderLiveView(state, width, height, coloured).split('\n')
        expect(lines.length).toBeLessThanOrEqual(height)
        for (const line of lines) expect(displayWidth(line), JSON.stringify(line)).toBeLessThanOrEqual(width)
      }
    }
  })

  test('holds no escape sequence without colours', () => {
    expect(renderLiveView(runningView(), 100, 40)).not.toContain('\u001b')
    expect(renderLiveView(runningView(), 100, 40, coloured)).toContain('\u001b[')
  })

  test('lets no text from data reach the terminal as a command, or break the layout', () => {
    const evil =
      '\u001b[2J\u0007\r\n\u009b31m\u202eabc\u200b\ud800 漢字漢字漢字漢字漢字漢字 e\u0301\u0301\u0301\u0301\u0301'
    const reason = 'late\u001b]0;title\u0007'
    const state = runningView(3, {
      alerts: [
        {
          ...{
            ...alert,
            transaction_id: evil,
            amount: evil,
            country: evil,
            payment_method: evil,
            event_time: evil,
          },
          ...{ risk_level: evil, reasons: [evil.repeat(1_000)] },
        },
      ],
      quarantineReasons: { [reason]: 1 },
      rowsByTable: { 'silver/quarantine': 1, [evil]: 1 },
    })
    for (const width of [60, 80, 132, 150]) {
      const lines = renderLiveView(state, width, 40).split('\n')
      for (const line of lines) {
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u)
        expect(displayWidth(line)).toBeLessThanOrEqual(width)
      }
    }
  })

  test('keeps a bounded past', () => {
    const batches = Math.max(SECONDS_KEPT, ALERTS_KEPT) + 50
    const state = runningView(batches)
    expect(state.latenciesBySecond.length).toBe(SECONDS_KEPT)
    expect(state.recordsBySecond.length).toBe(SECONDS_KEPT)
    expect(state.alerts.length).toBe(ALERTS_KEPT)
    expect(state.alerts[0]!.user_id).toBe(4377 + batches)
  })

  test('shows a rate that falls to zero when nothing comes any more', () => {
    const state = runningView()
    expect(renderLiveLine(state)).toContain('1,200 rows/s')
    expect(renderLiveLine(withTime(state, state.nowMs + 60_000))).toContain(' 0 rows/s')
  })

  test('says one line for a log', () => {
    expect(renderLiveLine(runningView())).toMatchInlineSnapshot(
      `"48,000 records | 1,200 rows/s | latency p99 143 ms | watermark 2026-10-31 09:50:40Z, 10 min 0 s behind | lag 12 | quarantine 800 | critical 80, high 720"`,
    )
  })
})

describe('on a terminal of 80 by 24', () => {
  const lines = (state: LiveViewState, width = 80): string[] => renderLiveView(state, width, 24).split('\n')

  test('the risky transactions are seen, with all tables', () => {
    const state = runningView(40, { rowsByTable: countsOfAllTables })
    const seen = lines(state)
    const titles = seen.findIndex((line) => line.startsWith('Time'))
    expect(
      seen.slice(titles + 1).filter((line) => line.includes('known_fraud')).length,
    ).toBeGreaterThanOrEqual(5)
    for (const name of Object.keys(countsOfAllTables)) expect(seen.join('\n')).toContain(name)
  })

  test('they are seen on 60 columns too: reasons and aggregations give way', () => {
    const seen = lines(runningView(40, { rowsByTable: countsOfAllTables }), 60)
    expect(seen.some((line) => line.startsWith('09:59:58'))).toBe(true)
    expect(seen.join('\n')).toMatch(/^aggregations +1,600$/m)
  })

  test('without any, the reasons of quarantine keep their lines', () => {
    expect(lines(runningView(40, { alerts: [] })).join('\n')).toMatch(/^ {2}late +400 /m)
  })
})

test('risky transactions stand in the order of their times, the newest first', () => {
  const at = (second: number): Alert => ({ ...alert, event_time: `2026-10-31T09:59:0${second}Z` })
  let state = withReport(
    emptyLiveView('', startMs, levels),
    report(1, { alerts: [at(3), at(5), at(1)] }),
    startMs,
  )
  state = withReport(state, report(2, { alerts: [at(2), at(4)] }), startMs)
  expect(state.alerts.map(({ event_time }) => event_time.at(-2))).toEqual(['5', '4', '3', '2', '1'])
})

test('a latency is that of records, not of batches', () => {
  const slow = latenciesOf([9_000])
  const fast = latenciesOf(Array.from({ length: 999 }, () => 100))
  let state = withReport(emptyLiveView('', startMs, levels), report(1, { latencies: slow }), startMs)
  expect(recentLatencyMs(state, 0.99)).toBeGreaterThan(8_000)
  state = withReport(state, report(2, { latencies: fast }), startMs + 1_000)
  expect(recentLatencyMs(state, 0.99)).toBeLessThan(110)
  expect(recentLatencyMs(state, 1)).toBeGreaterThan(8_000)
  expect(recentLatencyMs(withTime(state, startMs + SECONDS_KEPT * 1_000 + 2_000), 0.5)).toBe(null)
})

test('what is done in place of batches is told', () => {
  const state = withNote(runningView(), 'stopping: the batch at hand is finished')
  expect(renderLiveView(state, 80, 24)).toContain('stopping: the batch at hand is finished')
})

describe('the painter', () => {
  function output(more: Partial<TerminalOutput> = {}): TerminalOutput & { written: string[] } {
    const written: string[] = []
    return {
      isTTY: true,
      columns: 80,
      rows: 24,
      ...more,
      written,
      write: (text: string) => written.push(text),
    }
  }

  test('repaints in place on a terminal, and gives it back with the last state', () => {
    const out = output()
    const painter = createLivePainter(out, {})
    const state = runningView()
    painter.paint(state)
    painter.paint(withTime(state, state.nowMs + 200))
    painter.close(withTime(state, state.nowMs + 300))
    expect(out.written[0]).toContain('\u001b[?1049h')
    expect(out.written[1]).not.toContain('\u001b[?1049h')
    expect(out.written[1]).not.toContain('\u001b[2J') // Clearing before painting is what flickers.
    expect(out.written.at(-2)).toContain('\u001b[?25h\u001b[?1049l')
    expect(out.written.at(-1)).toContain('Throughput')
  })

  test('gives the terminal back while the process is stopped, and takes it again after', () => {
    const out = output()
    const painter = createLivePainter(out, {})
    const state = runningView()
    painter.paint(state)
    painter.leave()
    painter.leave() // Of a terminal that it does not have it gives nothing back.
    expect(out.written.slice(1)).toEqual(['\u001b[?25h\u001b[?1049l'])
    painter.paint(withTime(state, state.nowMs + 200))
    expect(out.written.at(-1)).toContain('\u001b[?1049h')
  })

  test('takes a usual size where the terminal has none', () => {
    const out = output({ columns: 0, rows: 0 })
    createLivePainter(out, {}).paint(runningView())
    expect(out.written[0]).toContain('CRITICAL')
  })

  test('NO_COLOR takes the colours away and nothing else', () => {
    const frame = (environment: Record<string, string>): string => {
      const out = output()
      createLivePainter(out, environment).paint(runningView())
      return out.written[0]!
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are what is looked for.
    const colour = /\u001b\[[349][0-9]m/g
    const [painted, bare] = [frame({}), frame({ NO_COLOR: '1' })]
    expect(painted).toMatch(colour)
    expect(bare).not.toMatch(colour)
    expect(bare).toBe(painted.replaceAll(colour, ''))
    expect(frame({ NO_COLOR: '' })).toBe(painted)
  })

  test('paints at most ten frames a second, and none while the terminal is behind', () => {
    const out = output()
    const painter = createLivePainter(out, {})
    const state = runningView()
    for (let ms = 0; ms < 1_000; ms += 10) painter.paint(withTime(state, state.nowMs + ms))
    expect(out.written.length).toBe(10)
    const slow = output({ writableNeedDrain: true })
    createLivePainter(slow, {}).paint(state)
    expect(slow.written).toEqual([])
  })

  test.each([
    ['the output is no terminal', { isTTY: false }, {}],
    ['CI is set', {}, { CI: 'true' }],
    ['the terminal is dumb', {}, { TERM: 'dumb' }],
  ])('writes one plain line a second where %s', (_, stream, environment) => {
    const out = output(stream)
    const painter = createLivePainter(out, environment)
    const state = runningView()
    for (let ms = 0; ms < 5_000; ms += 100) painter.paint(withTime(state, state.nowMs + ms))
    expect(out.written.length).toBe(5)
    for (const line of out.written) expect(line).toMatch(/^\P{Cc}+\n$/u)
  })
})

test('levels are those of the lakehouse, whatever they are called', () => {
  const own = emptyLiveView('', startMs, ['SEVERE_BEYOND_WORDS', 'ODD', 'MINIMAL'])
  const lines = { riskLevels: { ODD: 3, MINIMAL: 9 }, alerts: [{ ...alert, risk_level: 'ODD' }] }
  const state = withReport(own, report(1, lines), startMs)
  const view = renderLiveView(state, 100, 40)
  expect(view).toMatch(/ODD .* 3 .*25\.0 %/)
  expect(view).not.toContain('CRITICAL')
  for (const line of view.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(100)
  expect(renderLiveLine(state)).toMatch(/severe_beyond_words 0, odd 3$/)
})
