// A run without end on a terminal: the live picture, with what is waited for and what went wrong in its head;
// the warnings and a summary stay on the terminal behind it.
import type { SourceNotice } from '../batches/notice.ts'
import type { Share } from '../decisions/decision-share.ts'
import { type DecidesAt, decidesText } from './decides-text.ts'
import { createLagEstimate } from './lag-estimate.ts'
import { type LiveView, startLiveView } from './live-painter.ts'
import type { Logger } from './logger.ts'
import { noTotals, totalsText, withBatch, withLost } from './run-totals.ts'
import { lostOffsets, type RunFacts, type RunView, startRun, warnOfRefusals } from './run-view.ts'

/** The last warnings are told once more behind the picture. */
const noticesKeptMax = 20

export function liveRunView(about: RunFacts, log: Logger): RunView {
  const startedMs = performance.now()
  const lag = createLagEstimate()
  const notices: SourceNotice[] = []
  let totals = noTotals
  let view: LiveView | null = null
  let isStopping = false
  let decides: DecidesAt | null = null
  let share: Share | null = null
  const say = (note: string | null): void => {
    if (!isStopping) view?.say(note)
  }
  const end = (): void => {
    view?.close()
    for (const { code, details, message } of notices) log.warn({ code, ...details }, message)
  }
  const summarize = (): void => {
    process.stderr.write(totalsText(totals, performance.now() - startedMs))
    warnOfRefusals(totals, about, log)
  }
  return {
    onStart(asked) {
      startRun(about, log, asked)
      const { dashboard } = asked
      const title = ['Assay', ...(dashboard === null ? [] : [dashboard.url]), about.input].join('  ')
      view = startLiveView(title, about.levels, process.stdout, process.env)
      view.say(`waiting for ${about.input}`)
    },
    onBatch(report) {
      totals = withBatch(totals, report)
      say(null)
      view?.report({ ...report, lagRecords: lag.records(report) })
    },
    onNotice(notice) {
      totals = withLost(totals, lostOffsets(notice))
      notices.push(notice)
      if (notices.length > noticesKeptMax) notices.shift()
      say(`${notice.code}: ${notice.message}`)
    },
    onDecides(at) {
      decides = at
      view?.decides(decidesText(at, share))
    },
    onShare(of) {
      share = of
      if (decides !== null) view?.decides(decidesText(decides, share))
    },
    onWait: () => say('everything is read: waiting for more'),
    onStop() {
      say('stopping: the batch at hand is finished; again to end at once')
      isStopping = true
    },
    onEnd() {
      end()
      summarize()
      return null
    },
    onFailure() {
      end()
      if (totals.batches > 0) summarize()
    },
  }
}
