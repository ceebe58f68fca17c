// Long work in small parts: between them timers and sockets have their turn, and with them the signs of life
// that keep a lock.
import { setImmediate as nextTurn } from 'node:timers/promises'

/** So long the process computes without a look at its sockets and timers. */
const turnMs = 10

let turnAtMs = 0

/** To be awaited between two parts of work; hardly ever there is something to wait for. */
export async function turn(): Promise<void> {
  if (performance.now() < turnAtMs) return
  await nextTurn()
  turnAtMs = performance.now() + turnMs
}
