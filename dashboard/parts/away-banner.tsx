import { timeOfDay } from '../format.ts'
import { live } from '../live.ts'
import { useStore } from '../store.ts'

export function AwayBanner() {
  const { state, isAway } = useStore(live)
  if (!isAway) return null
  return (
    <p class="banner" role="alert">
      The process does not answer.{' '}
      {state === null ? '' : `What is shown is as of ${timeOfDay(state.asOfMs)} UTC. `}
      This page comes back by itself.
    </p>
  )
}
