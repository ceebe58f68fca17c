// Which occurrences of a step a run of the tests is killed at: each start of the tests takes others, and
// KILLS=5 (`npm run test:kills`) more of them at once.
import { isItsTurn } from '../turns.ts'

const killsPerStep = Number(process.env.KILLS ?? 1)

/** Of a step that a run comes to so many times: for every other step the first time, for the rest any. */
export function chosenOccurrences(seed: number, index: number, count: number): readonly number[] {
  const first = isItsTurn(seed, index, 2) ? [1] : []
  const others = Array.from({ length: killsPerStep - (first.length > 0 ? 1 : 0) }, (_, kill) => {
    return 1 + ((seed + index * 7919 + kill * 104_729) % Math.max(count, 1))
  })
  return [...new Set([...first, ...others])]
}
