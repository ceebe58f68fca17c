// The live view of a running pipeline, as text: state and size in, lines out. It draws nothing itself.

import type { Alert, AlertCell } from '../engines/batch-report.ts'
import { unitOf } from '../errors/counted.ts'
import { type LiveViewState, recentLatencyMs, recentRates } from './live-view-state.ts'
import { topReasons } from './refusals.ts'
import {
  bar,
  cleanCell,
  cutToWidth,
  displayWidth,
  fitLeft,
  fitRight,
  formatCount,
  formatElapsed,
  type Paint,
  plain,
  type Style,
  sparkline,
} from './terminal-text.ts'

const WIDTH_MIN = 40
const WIDTH_MAX = 160
/** From here on, tables and risk levels stand side by side. */
const TWO_COLUMNS_WIDTH = 80
const RATE_SECONDS = 5
const LABEL_WIDTH = 12
const REASONS_SHOWN_MAX = 4
const GAP = 3
const LEVELS_SHOWN_MAX = 8
/** Risky transactions are what one looks for: an empty line, their titles and five of them have room. */
const ALERT_LINES_MIN = 7

/** From the highest level on; the lowest is green, whatever stands before it. */
const levelStyles: readonly Style[] = ['magenta', 'red', 'yellow', 'cyan']

function styleOf(level: string, { levels }: LiveViewState): Style {
  const index = levels.indexOf(level)
  return index < 0 ? 'dim' : index === levels.length - 1 ? 'green' : (levelStyles[index] ?? 'cyan')
}

/**
 * At most `height` lines of at most `width` columns, joined by LF. Without `paint` it holds no escape
 * sequence.
 */
export function renderLiveView(state: LiveViewState, width: number, height: number, paint = plain): string {
  const columns = Math.min(Math.max(width, WIDTH_MIN), WIDTH_MAX)
  const top = [...renderHead(state, columns, paint), '']
  const alertsMin = Math.min(ALERT_LINES_MIN, 2 + Math.max(state.alerts.length, 1))
  const middle = renderMiddle(state, columns, height - top.length - alertsMin, paint)
  const roomForAlerts = height - top.length - middle.length - 1
  const alerts = roomForAlerts < 2 ? [] : ['', ...renderAlerts(state, columns, roomForAlerts, paint)]
  return [...top, ...middle, ...alerts].slice(0, Math.max(height, 1)).join('\n')
}

/** The same in one plain line, for a log. */
export function renderLiveLine(state: LiveViewState): string {
  const highest = state.levels.slice(0, -1).slice(0, 2)
  const risky = highest.map((level) => {
    return `${cleanCell(level).toLowerCase()} ${formatCount(state.riskLevels[level] ?? 0)}`
  })
  return [
    `${formatCount(state.records)} ${unitOf(state.records, 'record')}`,
    `${formatCount(rateNow(state))} rows/s`,
    `latency p99 ${duration(recentLatencyMs(state, 0.99))}`,
    `watermark ${watermarkText(state)}`,
    `lag ${state.lagRecords === null ? 'unknown' : formatCount(state.lagRecords)}`,
    `quarantine ${formatCount(state.rowsByTable['silver/quarantine'] ?? 0)}`,
    ...(risky.length === 0 ? [] : [risky.join(', ')]),
  ].join(' | ')
}

function renderHead(state: LiveViewState, width: number, paint: Paint): string[] {
  const batch = state.batch === null ? 'waiting for the first batch' : `batch ${formatCount(state.batch)}`
  const facts = `${state.note ?? batch} · up ${formatElapsed(state.nowMs - state.startedMs)}`
  const title = cutToWidth(cleanCell(state.title), width - displayWidth(facts) - 2)
  const space = ' '.repeat(Math.max(1, width - displayWidth(title) - displayWidth(facts)))
  const rate = `${formatCount(rateNow(state))} rows/s`
  const sparkWidth = Math.max(0, Math.min(60, width - LABEL_WIDTH - 20))
  const spark = sparkline(recentRates(state, sparkWidth))
  const latencies = [
    `p50 ${duration(recentLatencyMs(state, 0.5))}`,
    `p99 ${duration(recentLatencyMs(state, 0.99))}`,
    `batch ${duration(state.batchMs)}`,
  ].join('   ')
  const { lagRecords } = state
  const lag = lagRecords === null ? 'unknown' : `${formatCount(lagRecords)} ${unitOf(lagRecords, 'record')}`
  return [
    paint('bold', title) + space + paint('dim', cutToWidth(facts, width)),
    paint('dim', '─'.repeat(width)),
    labelled('Throughput', fitLeft(rate, 18) + paint('green', spark), paint),
    labelled('Latency', cutToWidth(latencies, width - LABEL_WIDTH), paint),
    labelled('Watermark', cutToWidth(watermarkText(state), width - LABEL_WIDTH), paint),
    labelled('Lag', lag, paint),
    ...(state.decisions === null
      ? []
      : [labelled('Decisions', cutToWidth(cleanCell(state.decisions), width - LABEL_WIDTH), paint)]),
  ]
}

function labelled(label: string, text: string, paint: Paint): string {
  return paint('dim', fitLeft(label, LABEL_WIDTH)) + text
}

function rateNow(state: LiveViewState): number {
  const rates = recentRates(state, RATE_SECONDS)
  return rates.length === 0 ? 0 : rates.reduce((sum, rate) => sum + rate, 0) / rates.length
}

function duration(ms: number | null): string {
  return ms === null ? '-' : formatElapsed(ms)
}

function watermarkText(state: LiveViewState): string {
  if (state.watermarkMicros === null) return 'none yet'
  const ms = Number(state.watermarkMicros / 1000n)
  const text = new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
  const behindMs = state.nowMs - ms
  return behindMs > 0 ? `${text}Z, ${formatElapsed(behindMs)} behind` : `${text}Z`
}

/** Of at most `height` lines, where what must be told fits into them. */
function renderMiddle(state: LiveViewState, width: number, height: number, paint: Paint): string[] {
  if (width < TWO_COLUMNS_WIDTH) {
    const risk = renderRisk(state, width, paint)
    return [...renderTables(state, width, height - risk.length - 1, paint), '', ...risk]
  }
  const leftWidth = Math.floor((width - GAP) / 2)
  const left = renderTables(state, leftWidth, height, paint)
  const right = renderRisk(state, width - GAP - leftWidth, paint)
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) => {
    const leftLine = left[index] ?? ' '.repeat(leftWidth)
    return index < right.length ? leftLine + ' '.repeat(GAP) + right[index]! : leftLine
  })
}

/**
 * Every line is exactly `width` columns. Where `height` lines are too few, the reasons of quarantine give way
 * first; then the aggregations become one line.
 */
function renderTables(state: LiveViewState, width: number, height: number, paint: Paint): string[] {
  // Names of tables are seen whole on 80 columns.
  const numberWidth = Math.min(14, Math.max(11, width - 27))
  const row = (name: string, count: number): string =>
    fitLeft(cleanCell(name), width - numberWidth) + fitRight(formatCount(count), numberWidth)
  const lines = [paint('bold', fitLeft('Table', width - numberWidth) + fitRight('Rows', numberWidth))]
  const all = Object.entries(state.rowsByTable)
  const counts = all.length < height ? all : byFolder(all)
  const reasonsMax = Math.min(REASONS_SHOWN_MAX + 1, height - 1 - counts.length)
  for (const [name, count] of counts) {
    lines.push(row(name, count))
    if (name !== 'silver/quarantine') continue
    const reasons = topReasons(state.quarantineReasons, reasonsMax)
    for (const [reason, rows] of reasons) lines.push(paint('dim', row(`  ${reason}`, rows)))
  }
  return lines
}

/** The aggregations as one line; the others keep theirs. */
function byFolder(counts: readonly (readonly [name: string, count: number])[]): [string, number][] {
  const sums = new Map<string, number>()
  for (const [name, count] of counts) {
    const line = name.replace(/^(aggregations)\/.*/, '$1')
    sums.set(line, (sums.get(line) ?? 0) + count)
  }
  return [...sums]
}

function renderRisk(state: LiveViewState, width: number, paint: Paint): string[] {
  const total = Object.values(state.riskLevels).reduce((sum, count) => sum + count, 0)
  const nameWidth = Math.max(9, ...state.levels.map((level) => Math.min(displayWidth(level), 14) + 1))
  const barWidth = Math.max(4, width - nameWidth - 13 - 8)
  const lines = state.levels.slice(0, LEVELS_SHOWN_MAX).map((level) => {
    const count = state.riskLevels[level] ?? 0
    const share = total === 0 ? 0 : count / total
    const percent = fitRight(`${(100 * share).toFixed(1)} %`, 8)
    return (
      fitLeft(cleanCell(level), nameWidth) +
      paint(styleOf(level, state), bar(share, barWidth)) +
      fitRight(formatCount(count), 13) +
      percent
    )
  })
  return [paint('bold', 'Risk'), ...lines]
}

type Column = {
  readonly title: string
  readonly width: number
  readonly right: boolean
  /** Widths of the view that show the column: the most telling ones are there from the smallest on. */
  readonly shownFrom: number
  readonly shownBelow: number
  readonly text: (alert: Alert) => string
}

const alertColumns: readonly Column[] = [
  column('Time', 8, 'left', 0, ({ event_time }) => event_time.slice(11, 19)),
  column('Score', 5, 'right', 0, ({ fraud_score }) => String(fraud_score)),
  column('User', 8, 'right', 0, ({ user_id }) => cellOf(user_id)),
  column('Amount', 12, 'right', 0, ({ amount }) => cellOf(amount)),
  column('Country', 14, 'left', 72, ({ country }) => cellOf(country)),
  column('Payment', 13, 'left', 86, ({ payment_method }) => cellOf(payment_method)),
  column('Transaction', 11, 'left', 60, ({ transaction_id }) => cellOf(transaction_id), 132),
  column('Transaction', 36, 'left', 132, ({ transaction_id }) => cellOf(transaction_id)),
]

function cellOf(value: AlertCell | undefined): string {
  return value === null || value === undefined ? '-' : String(value)
}

function column(
  title: string,
  width: number,
  side: 'left' | 'right',
  shownFrom: number,
  text: Column['text'],
  shownBelow = Number.POSITIVE_INFINITY,
): Column {
  return { title, width, right: side === 'right', shownFrom, shownBelow, text }
}

function renderAlerts(state: LiveViewState, width: number, linesMax: number, paint: Paint): string[] {
  const { alerts } = state
  const columns = alertColumns.filter(({ shownFrom, shownBelow }) => width >= shownFrom && width < shownBelow)
  const used = columns.reduce((sum, column) => sum + column.width + 1, 0)
  const cell = (column: Column, text: string): string =>
    (column.right ? fitRight : fitLeft)(text, column.width)
  const titles = [...columns.map((column) => cell(column, column.title)), 'Reasons'].join(' ')
  const lines = alerts.slice(0, linesMax - 1).map((alert) => {
    const cells = columns.map((column) => cell(column, cleanCell(column.text(alert)))).join(' ')
    const style = styleOf(alert.risk_level, state)
    return paint(style, `${cells} ${cutToWidth(cleanCell(alert.reasons.join(' ')), width - used)}`)
  })
  return [
    paint('bold', cutToWidth(titles, width)),
    ...(lines.length > 0 ? lines : [paint('dim', 'No risky transaction yet.')]),
  ]
}
