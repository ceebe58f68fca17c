// The state of the run in one word, with as of when.
import { duration, timeOfDay } from '../format.ts'
import { live } from '../live.ts'
import { useStore } from '../store.ts'

const meanings = {
  starting: ['neutral', 'Starting'],
  backlog: ['warn', 'Backlog'],
  live: ['good', 'Live'],
  waiting: ['good', 'Live, all read'],
  failing: ['bad', 'Failing'],
  away: ['bad', 'Input away'],
  stopping: ['neutral', 'Stopping'],
} as const

export function RunState() {
  const { state, isAway } = useStore(live)
  if (state === null) return <p class="run-state" aria-live="polite" />
  const [tone, word] = isAway ? (['bad', 'Process away'] as const) : meanings[state.state]
  const errors = state.findings.filter(({ severity }) => severity === 'error').length
  const age = state.lastBatchMs === null ? null : state.asOfMs - state.lastBatchMs
  return (
    <p class="run-state">
      <span class={`pill ${tone}`} role="status">
        {word}
        {errors > 0 && !isAway && state.state !== 'failing' ? ` · ${errors} wrong` : ''}
      </span>
      <span class="as-of">
        as of <time>{timeOfDay(state.asOfMs)}</time> UTC
        {age === null ? '' : `, last batch ${duration(Math.max(0, age))} before`}
      </span>
    </p>
  )
}
