// The progress of a run with an end (`assay run --once`, `assay produce --count`): one line, repainted on a
// terminal.

import type { Environment } from '../config/config.ts'
import { isInteractive, type TerminalOutput } from './live-painter.ts'
import { bar, cutToWidth, formatCount, formatElapsed } from './terminal-text.ts'

export type ProgressState = {
  /** What is counted, as it stands behind the rate: rows, records. */
  readonly unit: string
  readonly done: number
  /** Null where the end is not known. */
  readonly total: number | null
  readonly elapsedMs: number
  /** Of the recent past. */
  readonly perSecond: number
  /** Nothing is to come. Before, work may go on although all is counted: windows are closed, files synced. */
  readonly isOver: boolean
}

const BAR_WIDTH_MAX = 30
const COLUMNS_DEFAULT = 80

/** One line of at most `width` columns: bar, share done, count, rate, time left. */
export function renderProgress(state: ProgressState, width: number): string {
  const { done, total, perSecond, unit } = state
  const rate = `${formatCount(perSecond)} ${unit}/s`
  if (total === null) {
    return cutToWidth(`${formatCount(done)} ${unit}  ${rate}  ${formatElapsed(state.elapsedMs)}`, width)
  }
  const share = total === 0 ? 1 : Math.min(done / total, 1)
  const facts = [
    `${(Math.floor(share * 1000) / 10).toFixed(1)} %`, // Rounded down: 100 % is said when it is true.
    `${formatCount(done)} of ${formatCount(total)} ${unit}`,
    rate,
    endText(state, total - done),
  ].join('  ')
  const barWidth = Math.min(BAR_WIDTH_MAX, width - facts.length - 3)
  if (barWidth < 5) return cutToWidth(facts, width)
  return `[${bar(share, barWidth)}] ${facts}`
}

function endText({ isOver, elapsedMs, perSecond }: ProgressState, left: number): string {
  if (isOver) return `${left > 0 ? 'ended after' : 'done in'} ${formatElapsed(elapsedMs)}`
  if (left <= 0) return 'finishing'
  return perSecond > 0 ? `${formatElapsed((1000 * left) / perSecond)} left` : 'waiting'
}

export type ProgressBar = {
  update(done: number, total: number | null): void
  /** Takes its line away until the next update, so that other text has a line of its own. */
  clear(): void
  /** Leaves the last state behind as a line of its own. */
  close(): void
}

const REPAINT_EVERY_MS = 100
const PLAIN_LINE_EVERY_MS = 5_000
/** The rate is that of about this much time. */
const RATE_WINDOW_MS = 3_000
const SAMPLES_MAX = 256

/** Times come from `monotonicMs`, so that a test need not wait. */
export function createProgressBar(
  unit: string,
  out: TerminalOutput,
  env: Environment,
  monotonicMs: () => number = () => performance.now(),
): ProgressBar {
  const interactive = isInteractive(out, env)
  const startMs = monotonicMs()
  const samples = [{ ms: startMs, done: 0 }]
  let state: ProgressState = { unit, done: 0, total: null, elapsedMs: 0, perSecond: 0, isOver: false }
  let shownMs = interactive ? Number.NEGATIVE_INFINITY : startMs

  const show = (): void => {
    const line = renderProgress(state, (out.columns || COLUMNS_DEFAULT) - 1)
    out.write(interactive ? `\r${line}\u001b[K` : `${line}\n`)
  }
  return {
    update(done, total) {
      const nowMs = monotonicMs()
      samples.push({ ms: nowMs, done })
      while (
        samples.length > SAMPLES_MAX ||
        (samples.length > 2 && nowMs - samples[1]!.ms >= RATE_WINDOW_MS)
      ) {
        samples.shift()
      }
      const oldest = samples[0]!
      const perSecond = nowMs > oldest.ms ? (1000 * (done - oldest.done)) / (nowMs - oldest.ms) : 0
      state = { unit, done, total, elapsedMs: nowMs - startMs, perSecond, isOver: false }
      if (nowMs - shownMs < (interactive ? REPAINT_EVERY_MS : PLAIN_LINE_EVERY_MS)) return
      shownMs = nowMs
      show()
    },
    clear() {
      if (interactive && shownMs !== Number.NEGATIVE_INFINITY) out.write('\r\u001b[K')
      if (interactive) shownMs = Number.NEGATIVE_INFINITY
    },
    close() {
      const elapsedMs = monotonicMs() - startMs
      const perSecond = elapsedMs > 0 ? (1000 * state.done) / elapsedMs : 0
      state = { ...state, elapsedMs, perSecond, isOver: true }
      show()
      if (interactive) out.write('\n')
    },
  }
}
