// The sessions of keys that are not closed, as rows come in the order of their event times. What a row costs
// does not grow with the rows of its session, and a session is looked at again only when a watermark reaches
// the earliest time at which it could have closed.
import { addWhole, subtractWhole, type Whole } from '../columns/whole.ts'
import type { Accumulator } from '../expr/index.ts'

type Fold = Extract<Accumulator, { kind: 'fold' }>

/** What a session computes; numbers are places in the list of a row's values. */
export type OpenShape = {
  readonly gapMicros: Whole
  readonly lengthMaxMicros: Whole
  readonly folds: readonly { readonly fold: Fold; readonly value: number | null }[]
  readonly distinct: readonly number[]
  readonly changes: readonly { readonly value: number; readonly withinMicros: Whole | null }[]
  readonly preceded: readonly { readonly where: number; readonly by: number; readonly rowsMin: number }[]
  readonly firsts: readonly { readonly value: number; readonly rowsMax: number }[]
}

/** Values of rows by place. Those that are counted or compared are numbers of interned values; 0 is null. */
export type RowValues = readonly { get(row: number): unknown }[]

/** About what the objects of a session take, and each value that is remembered beside them. */
const [sessionBytes, rememberedBytes] = [500, 16]
/** More different values than these are looked up in a set. */
const listedMax = 12

/** The number of a key's interned value; of several keys theirs with spaces between. */
export type SessionKey = number | string

/** So many sessions that are done lend their objects to new ones: most work would be to collect them. */
const sparesMax = 20_000

export class OpenSession {
  key: SessionKey
  startMicros: Whole
  endMicros: Whole
  rowCount = 0
  readonly folded: (Whole | null)[]
  /** By count of different values: none, one, some, or many of them. */
  readonly distinct: (0 | number | number[] | Set<number>)[]
  /**
   * By change how often there was one, and the value of the last row; then by `preceded` whether there was one
   * (1) and how many rows could precede one.
   */
  readonly counts: number[]
  readonly firsts: number[][]

  constructor(key: SessionKey, micros: Whole, shape: OpenShape) {
    this.key = key
    this.startMicros = micros
    this.endMicros = micros
    this.folded = shape.folds.map(({ fold }) => fold.empty)
    this.distinct = shape.distinct.map(() => 0)
    this.counts = new Array<number>((shape.changes.length + shape.preceded.length) * 2).fill(0)
    this.firsts = shape.firsts.map(() => [])
  }

  /** Another session, without any row. */
  begin(key: SessionKey, micros: Whole, shape: OpenShape): void {
    this.key = key
    this.startMicros = micros
    this.endMicros = micros
    this.rowCount = 0
    for (let index = 0; index < this.folded.length; index++)
      this.folded[index] = shape.folds[index]!.fold.empty
    this.distinct.fill(0)
    this.counts.fill(0)
    for (const values of this.firsts) values.length = 0
  }

  distinctCount(index: number): number {
    const values = this.distinct[index]!
    if (typeof values === 'number') return values === 0 ? 0 : 1
    return Array.isArray(values) ? values.length : values.size
  }
}

export class OpenSessions {
  readonly #shape: OpenShape
  readonly #open = new Map<SessionKey, OpenSession>()
  readonly #closing: ClosingQueue
  readonly #spares: OpenSession[] = []
  #remembered = 0

  constructor(shape: OpenShape) {
    this.#shape = shape
    this.#closing = new ClosingQueue((session) => this.#closesAt(session))
  }

  /** Sessions in memory. */
  get count(): number {
    return this.#closing.count
  }

  get bytes(): number {
    return this.count * sessionBytes + this.#remembered * rememberedBytes
  }

  /** A row that no later one precedes. */
  add(key: SessionKey, micros: Whole, values: RowValues, row: number): void {
    const shape = this.#shape
    let session = this.#open.get(key)
    if (
      session === undefined ||
      subtractWhole(micros, session.endMicros) > shape.gapMicros ||
      subtractWhole(micros, session.startMicros) >= shape.lengthMaxMicros
    ) {
      session = this.#begun(key, micros)
      this.#open.set(key, session)
      this.#closing.add(session)
    }
    this.#count(session, micros, values, row)
    session.endMicros = micros
    session.rowCount++
  }

  /** One that closes where all rows before this instant are there; null where there is none. */
  nextClosed(toMicros: Whole): OpenSession | null {
    const session = this.#closing.next(toMicros)
    if (session === null) return null
    if (this.#open.get(session.key) === session) this.#open.delete(session.key)
    for (let index = 0; index < session.distinct.length; index++) {
      this.#remembered -= session.distinctCount(index)
    }
    for (const values of session.firsts) this.#remembered -= values.length
    return session
  }

  /** Nobody looks at a session any more that was closed. */
  release(session: OpenSession): void {
    if (this.#spares.length < sparesMax) this.#spares.push(session)
  }

  #begun(key: SessionKey, micros: Whole): OpenSession {
    const spare = this.#spares.pop()
    if (spare === undefined) return new OpenSession(key, micros, this.#shape)
    spare.begin(key, micros, this.#shape)
    return spare
  }

  changes(session: OpenSession, index: number): number {
    return session.counts[index * 2]!
  }

  isPreceded(session: OpenSession, index: number): boolean {
    return session.counts[(this.#shape.changes.length + index) * 2] === 1
  }

  #closesAt({ startMicros, endMicros }: OpenSession): Whole {
    const { gapMicros, lengthMaxMicros } = this.#shape
    const behindGap = addWhole(addWhole(endMicros, gapMicros), 1)
    const atLength = addWhole(startMicros, lengthMaxMicros)
    return behindGap < atLength ? behindGap : atLength
  }

  #count(session: OpenSession, micros: Whole, values: RowValues, row: number): void {
    const { folds, distinct, changes, preceded, firsts } = this.#shape
    const { folded, counts } = session
    for (let index = 0; index < folds.length; index++) {
      const { fold, value } = folds[index]!
      folded[index] = fold.add(folded[index]!, value === null ? null : (values[value]!.get(row) as never))
    }
    for (let index = 0; index < distinct.length; index++) {
      const id = values[distinct[index]!]!.get(row) as number
      if (id !== 0) this.#addDistinct(session, index, id)
    }
    for (let index = 0; index < changes.length; index++) {
      const { value, withinMicros } = changes[index]!
      const at = index * 2
      const [id, before] = [values[value]!.get(row) as number, counts[at + 1]!]
      counts[at + 1] = id
      if (id === 0 || before === 0 || id === before) continue
      const isNear = withinMicros === null || subtractWhole(micros, session.endMicros) <= withinMicros
      if (isNear) counts[at]!++
    }
    for (let index = 0; index < preceded.length; index++) {
      const { where, by, rowsMin } = preceded[index]!
      const at = (changes.length + index) * 2
      if (counts[at + 1]! >= rowsMin && values[where]!.get(row) === true) counts[at] = 1
      if (values[by]!.get(row) === true) counts[at + 1]!++
    }
    for (let index = 0; index < firsts.length; index++) {
      const { value, rowsMax } = firsts[index]!
      if (session.rowCount >= rowsMax) continue
      const id = values[value]!.get(row) as number
      if (id === 0) continue
      session.firsts[index]!.push(id)
      this.#remembered++
    }
  }

  #addDistinct(session: OpenSession, index: number, id: number): void {
    const values = session.distinct[index]!
    if (values === id) return
    if (values === 0) session.distinct[index] = id
    else if (typeof values === 'number') session.distinct[index] = [values, id]
    else if (Array.isArray(values)) {
      if (values.includes(id)) return
      values.push(id)
      if (values.length > listedMax) session.distinct[index] = new Set(values)
    } else {
      if (values.has(id)) return
      values.add(id)
    }
    this.#remembered++
  }
}

/**
 * Sessions by the time at which each could close when it was last looked at: that is later by now where rows
 * came since. A heap: the least time stands first, and none is greater than those at twice its place.
 */
class ClosingQueue {
  readonly #sessions: OpenSession[] = []
  readonly #times: Whole[] = []
  readonly #closesAt: (session: OpenSession) => Whole

  constructor(closesAt: (session: OpenSession) => Whole) {
    this.#closesAt = closesAt
  }

  get count(): number {
    return this.#sessions.length
  }

  add(session: OpenSession): void {
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
  next(toMicros: Whole): OpenSession | null {
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
  #sink(session: OpenSession, micros: Whole): void {
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
