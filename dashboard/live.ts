// The one stream of what happens: the state of all pages that show the run.
import type {
  BatchTrace,
  FeedRow,
  HelloEvent,
  LivePoint,
  LiveState,
  TickEvent,
} from '../src/dashboard/api.ts'
import { loadSession, session } from './server.ts'
import { createStore } from './store.ts'

export type Live = {
  readonly state: LiveState | null
  readonly points: readonly LivePoint[]
  readonly batches: readonly BatchTrace[]
  readonly feed: readonly FeedRow[]
  /** When something was heard last, by this browser's clock; the state stays when nothing is heard any more. */
  readonly heardMs: number
  readonly isAway: boolean
}

const pointsKept = 600
const batchesKept = 40
const feedKept = 400
/** A tick comes each second. */
const silentMaxMs = 4_000

export const live = createStore<Live>({
  ...{ state: null, points: [], batches: [], feed: [] },
  ...{ heardMs: Date.now(), isAway: false },
})

/** A process that was away has forgotten the session: it is asked for again before the stream is. */
const asksAgainAfterMs = 1_000

/** Until the function that it gives is called. */
export function followRun(): () => void {
  let isOver = false
  let source = listen()
  const timer = setInterval(() => {
    const known = live.get()
    const isAway = Date.now() - known.heardMs > silentMaxMs
    if (isAway !== known.isAway) live.set({ ...known, isAway })
  }, 500)
  const again = setInterval(async () => {
    // What is only interrupted comes back by itself.
    if (source.readyState !== EventSource.CLOSED) return
    await loadSession().catch(() => undefined)
    if (!isOver && session.get()?.user != null) source = listen()
  }, asksAgainAfterMs)
  return () => {
    isOver = true
    clearInterval(timer)
    clearInterval(again)
    source.close()
  }
}

function listen(): EventSource {
  const source = new EventSource('/api/events')
  const hear = (next: Partial<Live>): void => {
    live.set({ ...live.get(), ...next, heardMs: Date.now(), isAway: false })
  }
  source.addEventListener('hello', (event) => {
    const { state, points, batches, feed } = JSON.parse(event.data) as HelloEvent
    hear({ state, points, batches, feed })
  })
  source.addEventListener('tick', (event) => {
    const { state, points, batches, feed } = JSON.parse(event.data) as TickEvent
    const known = live.get()
    hear({
      state,
      points: [...known.points, ...points].slice(-pointsKept),
      batches: [...known.batches, ...batches].slice(-batchesKept),
      feed: [...feed, ...known.feed].slice(0, feedKept),
    })
  })
  return source
}
