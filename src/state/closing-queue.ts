import type { Whole } from '../columns/whole.ts'

/**
 * Sessions by the time at which each could close when it was last looked at: that is later by now where rows
 * came since. A heap: the least time stands first, and none is greater than those at twice its place.
 */
export class ClosingQueue {
  readonly #sessions: number[] = []
  readonly #times: Whole[] = []
  readonly #closesAt: (place: number) => Whole

  constructor(closesAt: (place: number) => Whole) {
    this.#closesAt = closesAt
  }

  get count(): number {
    return this.#sessions.length
  }

  add(session: number): void {
    const [sessions, times] = [this.#sessions, this.#times]
    const micros = this.#closesAt(session)
    let place = sessions.length
    sessions.push(session)
    times.push(micros)
    while (place > 0) {
      const above = (place - 1) >> 1
      if (!(micros < times[above]!)) break
      sessions[place] = sessions[above]!
      times[place] = times[above]!
      place = above
    }
    sessions[place] = session
    times[place] = micros
  }

  /** Takes out one that closes up to an instant; null where there is none. */
  next(toMicros: Whole): number | null {
    const [sessions, times] = [this.#sessions, this.#times]
    while (sessions.length > 0 && times[0]! <= toMicros) {
      const first = sessions[0]!
      const micros = this.#closesAt(first)
      if (micros > toMicros) {
        this.#sink(first, micros)
        continue
      }
      const last = sessions.pop()!
      const lastMicros = times.pop()!
      if (sessions.length > 0) this.#sink(last, lastMicros)
      return first
    }
    return null
  }

  /** Puts a session in the first place, and from there to where it belongs. */
  #sink(session: number, micros: Whole): void {
    const [sessions, times] = [this.#sessions, this.#times]
    let place = 0
    for (;;) {
      let below = place * 2 + 1
      if (below >= times.length) break
      if (below + 1 < times.length && times[below + 1]! < times[below]!) below++
      if (!(times[below]! < micros)) break
      sessions[place] = sessions[below]!
      times[place] = times[below]!
      place = below
    }
    sessions[place] = session
    times[place] = micros
  }
}
