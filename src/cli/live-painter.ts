// Shows the live view: repainted in place on a terminal, one plain line a second anywhere else.

import type { Environment } from '../config/config.ts'
import { renderLiveLine, renderLiveView } from './live-view.ts'
import {
  emptyLiveView,
  type LiveViewReport,
  type LiveViewState,
  withDecisions,
  withNote,
  withReport,
  withTime,
} from './live-view-state.ts'
import { coloured, colourless, type Paint } from './terminal-text.ts'

/** The part of a terminal stream that is used here. */
export type TerminalOutput = {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  /** True while what was written before still waits: a frame is left out rather than queued. */
  readonly writableNeedDrain?: boolean
  write(text: string): unknown
}

/** Whether lines may be repainted: not into a file or a pipe, and not in CI. */
export function isInteractive(out: TerminalOutput, env: Environment): boolean {
  return out.isTTY === true && !env.CI && env.TERM !== 'dumb'
}

export type LivePainter = {
  paint(state: LiveViewState): void
  /** Gives the terminal back until the next `paint`. */
  leave(): void
  /** Gives the terminal back, with the last state on it. */
  close(state: LiveViewState): void
}

const ESCAPE = '\u001b['
const ENTER = `${ESCAPE}?1049h${ESCAPE}?25l` // The alternate screen, no cursor.
const LEAVE = `${ESCAPE}?25h${ESCAPE}?1049l`
const FRAME_START = `${ESCAPE}?2026h${ESCAPE}H` // Shown at once where the terminal can; from the top left.
const FRAME_END = `${ESCAPE}J${ESCAPE}?2026l`
const LINE_END = `${ESCAPE}K\r\n`
// Also where a terminal says that it has no columns, as some without a window do.
const COLUMNS_DEFAULT = 80
const ROWS_DEFAULT = 24
const FRAME_EVERY_MS = 100
const LINE_EVERY_MS = 1_000

export function createLivePainter(out: TerminalOutput, env: Environment): LivePainter {
  return isInteractive(out, env)
    ? createScreenPainter(out, env.NO_COLOR ? colourless : coloured)
    : createLinePainter(out)
}

function createScreenPainter(out: TerminalOutput, paint: Paint): LivePainter {
  let paintedMs = Number.NEGATIVE_INFINITY
  let entered = false
  const frame = (state: LiveViewState): string =>
    renderLiveView(state, out.columns || COLUMNS_DEFAULT, out.rows || ROWS_DEFAULT, paint)
  const leave = (): void => {
    if (entered) out.write(LEAVE)
    entered = false
  }
  return {
    paint(state) {
      if (state.nowMs - paintedMs < FRAME_EVERY_MS || out.writableNeedDrain === true) return
      paintedMs = state.nowMs
      out.write(
        (entered ? '' : ENTER) +
          FRAME_START +
          frame(state).replaceAll('\n', LINE_END) +
          `${ESCAPE}K` +
          FRAME_END,
      )
      entered = true
    },
    leave,
    close(state) {
      leave()
      out.write(`${frame(state)}\n`)
    },
  }
}

function createLinePainter(out: TerminalOutput): LivePainter {
  let writtenMs = Number.NEGATIVE_INFINITY
  return {
    paint(state) {
      if (state.nowMs - writtenMs < LINE_EVERY_MS) return
      writtenMs = state.nowMs
      out.write(`${renderLiveLine(state)}\n`)
    },
    leave() {},
    close(state) {
      out.write(`${renderLiveLine(state)}\n`)
    },
  }
}

export type LiveView = {
  report(report: LiveViewReport): void
  /** Says what is being done instead of carrying batches; null that batches are carried. */
  say(note: string | null): void
  /** Says where the run decides transactions as they come. */
  decides(text: string): void
  close(): void
}

const TICK_EVERY_MS = 250

/** A live view that is fed with reports and repaints by itself until it is closed. */
export function startLiveView(
  title: string,
  levels: readonly string[],
  out: TerminalOutput,
  env: Environment,
): LiveView {
  const painter = createLivePainter(out, env)
  let state = emptyLiveView(title, Date.now(), levels)
  let closed = false
  const ticks = setInterval(() => {
    state = withTime(state, Date.now())
    painter.paint(state)
  }, TICK_EVERY_MS)
  ticks.unref()
  // Ctrl-Z stops the process as ever, and the shell has its terminal meanwhile.
  const suspend = (): void => {
    painter.leave()
    process.kill(process.pid, 'SIGSTOP')
  }
  process.on('SIGTSTP', suspend)
  const close = (): void => {
    if (closed) return
    closed = true
    clearInterval(ticks)
    process.off('exit', close).off('SIGTSTP', suspend)
    painter.close(withTime(state, Date.now()))
  }
  process.on('exit', close) // However the process ends, the terminal has its cursor and screen back.
  return {
    report(report) {
      state = withReport(state, report, Date.now())
      painter.paint(state)
    },
    say(note) {
      state = withNote(withTime(state, Date.now()), note)
      painter.paint(state)
    },
    decides(text) {
      state = withDecisions(withTime(state, Date.now()), text)
      painter.paint(state)
    },
    close,
  }
}
