// Rows that wait, and the sessions that they are put into, against a cut that goes through the rows of each
// key one after another.
import { expect, test } from 'vitest'
import { aggregateNamed } from '../../../src/expr/index.ts'
import { OpenSessions, type OpenShape } from '../../../src/state/open-sessions.ts'
import { flagOfNull, flagOfTrue, WaitingRows } from '../../../src/state/waiting-rows.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const [gap, length] = [30, 120]

type Row = {
  readonly key: number
  readonly micros: number
  readonly amount: number | null
  readonly id: number
  readonly isLarge: boolean | null
  readonly isSmall: boolean
}

function foldOf(name: string): OpenShape['folds'][number]['fold'] {
  const { javascript } = aggregateNamed(name)
  if (javascript.kind !== 'fold') throw new Error(`${name} is no fold`)
  return javascript
}

/** Values: an amount, an interned text, two conditions. */
const shape: OpenShape = {
  gapMicros: gap,
  lengthMaxMicros: length,
  folds: [
    { fold: foldOf('countRows'), value: null },
    { fold: foldOf('sumMoney'), value: 0 },
    { fold: foldOf('countWhere'), value: 2 },
    { fold: foldOf('countNulls'), value: 2 },
    { fold: foldOf('countNulls'), value: 1 },
  ],
  distinct: [1],
  changes: [
    { value: 1, withinMicros: null },
    { value: 1, withinMicros: 5 },
  ],
  preceded: [{ where: 2, by: 3, rowsMin: 2 }],
  firsts: [
    { value: 1, rowsMax: 20, keepsNulls: false },
    { value: 1, rowsMax: 12, keepsNulls: true },
  ],
}

function randomOf(from: number): (below: number) => number {
  let state = from >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function naive(rows: readonly Row[]): string[] {
  const cut: Row[][] = []
  for (const ofKey of Map.groupBy(rows, ({ key }) => key).values()) {
    let current: Row[] = []
    for (const row of ofKey.toSorted((a, b) => a.micros - b.micros)) {
      const goesOn = current.length > 0 && row.micros - current.at(-1)!.micros <= gap
      if (goesOn && row.micros - current[0]!.micros < length) current.push(row)
      else {
        current = [row]
        cut.push(current)
      }
    }
  }
  return cut.map((session) => {
    const changed = (within: number) =>
      session.filter((row, at) => {
        const before = session[at - 1]
        if (before === undefined || row.micros - before.micros > within) return false
        return row.id !== 0 && before.id !== 0 && row.id !== before.id
      }).length
    const known = session.filter(({ amount }) => amount !== null)
    return JSON.stringify([
      session[0]!.key,
      session[0]!.micros,
      session.at(-1)!.micros,
      session.length,
      known.length === 0 ? null : known.reduce((sum, { amount }) => sum + amount!, 0),
      session.filter(({ isLarge }) => isLarge === true).length,
      session.filter(({ isLarge }) => isLarge === null).length,
      session.filter(({ id }) => id === 0).length,
      new Set(session.map(({ id }) => id).filter((id) => id !== 0)).size,
      changed(Number.POSITIVE_INFINITY),
      changed(5),
      session.some(
        ({ isLarge }, at) =>
          isLarge === true && session.slice(0, at).filter((one) => one.isSmall).length >= 2,
      ),
      session.slice(0, 20).flatMap(({ id }) => (id === 0 ? [] : [id])),
      session.slice(0, 12).map(({ id }) => id),
    ])
  })
}

test('rows in any batches and disorder make the sessions that a naive cut makes', () => {
  const random = randomOf(seed)
  for (let round = 0; round < 30; round++) {
    const keys = 1 + random(6)
    const ids = 2 + random(60)
    const rowCount = 1 + random(900)
    const step = 1 + random(12)
    const rows: Row[] = []
    for (let at = 0, micros = 0; at < rowCount; at++) {
      micros += random(100) === 0 ? gap * 2 : random(step)
      rows.push({
        key: 1 + random(keys),
        micros: Math.max(0, micros - random(10)), // Out of order by less than the watermark is late.
        amount: random(5) === 0 ? null : random(1_000),
        id: random(ids),
        isLarge: random(9) === 0 ? null : random(2) === 0,
        isSmall: random(2) === 0,
      })
    }
    const waiting = new WaitingRows(['whole', 'id', 'flag', 'flag'])
    const open = new OpenSessions(shape)
    const taken = new Int32Array(1 + random(64))
    const found: string[] = []
    const close = (to: number): void => {
      const places = open.closed(to, 1 + random(50))
      if (places.length === 0) return
      for (const place of places) {
        found.push(
          JSON.stringify([
            open.keyOf(place),
            open.startOf(place),
            open.endOf(place),
            ...shape.folds.map((_, index) => open.folded(place, index)),
            open.distinctCount(place, 0),
            open.changes(place, 0),
            open.changes(place, 1),
            open.isPreceded(place, 0),
            open.firsts(place, 0, (id) => id),
            open.firsts(place, 1, (id) => id),
          ]),
        )
      }
      open.release(places)
      close(to)
    }
    const pass = (to: number): void => {
      for (let count = waiting.take(to, taken); count > 0; count = waiting.take(to, taken)) {
        open.add(waiting, taken, count)
        const last = waiting.times[taken[count - 1]!] as number
        waiting.giveBack(taken, count)
        close(last)
      }
      close(to)
    }
    for (let from = 0; from < rows.length; ) {
      const batch = rows.slice(from, from + 1 + random(120))
      from += batch.length
      const places = waiting.reserve(batch.length)
      for (const [index, row] of batch.entries()) {
        const place = places[index]!
        const [amounts, texts, large, small] = waiting.values as [
          number[],
          Int32Array,
          Uint8Array,
          Uint8Array,
        ]
        waiting.times[place] = row.micros
        waiting.keys[place] = row.key
        amounts[place] = row.amount ?? Number.NaN
        texts[place] = row.id
        large[place] = row.isLarge === null ? flagOfNull : row.isLarge ? flagOfTrue : 0
        small[place] = row.isSmall ? flagOfTrue : 0
      }
      waiting.add(places)
      const seen = Math.max(...rows.slice(0, from).map(({ micros }) => micros))
      pass(seen - 25)
    }
    pass(Number.MAX_SAFE_INTEGER)
    expect(found.toSorted(), `repeat with SEED=${seed}, round ${round}`).toEqual(naive(rows).toSorted())
    expect([waiting.rowCount, open.count]).toEqual([0, 0])
    expect(open.bytes).toBeLessThan(1_000_000)
  }
})
