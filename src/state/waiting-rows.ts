// Rows that wait until no earlier one can come, and then are taken in the order of their event times, those
// of one time in the order in which they were added. Rows that came together stand as they came, with a list
// of them in order; of all such lists the one with the earliest row comes next.
import type { Whole } from '../columns/whole.ts'

/** Rows that came together. */
export type RowGroup = { readonly rowCount: number; readonly bytes: number }

/** What a row, and a group, take beside what the group itself says. */
const [rowBytes, groupBytes] = [4, 300]

type Run<G> = {
  readonly group: G
  readonly timeOf: (row: number) => Whole
  /** The rows in order. */
  readonly order: Int32Array
  /** How many groups were added before. */
  readonly number: number
  /** How many rows were taken, and the time of the next one. */
  taken: number
  nextMicros: Whole
}

export class WaitingRows<G extends RowGroup> {
  /** A heap: no run comes before those at half its place. */
  readonly #runs: Run<G>[] = []
  #added = 0
  #rowCount = 0
  #bytes = 0

  get rowCount(): number {
    return this.#rowCount
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `timeOf` gives a row's event time; `arrived` the rows as they arrived, null where they stand so. */
  add(group: G, timeOf: (row: number) => Whole, arrived: readonly number[] | null): void {
    const { rowCount } = group
    if (rowCount === 0) return
    const order = timeOrder(rowCount, timeOf, arrived)
    const run = { group, timeOf, order, number: this.#added++, taken: 0, nextMicros: timeOf(order[0]!) }
    this.#rowCount += rowCount
    this.#bytes += bytesOf(group)
    const runs = this.#runs
    let place = runs.length
    runs.push(run)
    while (place > 0) {
      const above = (place - 1) >> 1
      if (!isBefore(run, runs[above]!)) break
      runs[place] = runs[above]!
      place = above
    }
    runs[place] = run
  }

  /** Hands over rows before an instant, and forgets them; false where some are left after about so many. */
  take(toMicros: Whole, rowsMax: number, each: (group: G, row: number, micros: Whole) => void): boolean {
    const leftMin = this.#rowCount - rowsMax
    for (let run = this.#runs[0]; run !== undefined && run.nextMicros < toMicros; run = this.#runs[0]) {
      if (this.#rowCount <= leftMin) return false
      // The run of the row that comes after all that this one has before it.
      const [one, other] = [this.#runs[1], this.#runs[2]]
      const next = one === undefined || (other !== undefined && isBefore(other, one)) ? other : one
      const { group, order, timeOf } = run
      while (run.nextMicros < toMicros && this.#rowCount > leftMin) {
        if (next !== undefined && isBefore(next, run)) break
        each(group, order[run.taken]!, run.nextMicros)
        this.#rowCount--
        if (++run.taken === order.length) break
        run.nextMicros = timeOf(order[run.taken]!)
      }
      this.#settleFirst()
    }
    return true
  }

  clear(): void {
    this.#runs.length = 0
    this.#rowCount = 0
    this.#bytes = 0
  }

  /** Puts the first run where it belongs by now; one without rows is gone. */
  #settleFirst(): void {
    const runs = this.#runs
    let run = runs[0]!
    if (run.taken === run.order.length) {
      this.#bytes -= bytesOf(run.group)
      run = runs.pop()!
      if (runs.length === 0) return
    }
    let place = 0
    for (;;) {
      let below = place * 2 + 1
      if (below >= runs.length) break
      if (below + 1 < runs.length && isBefore(runs[below + 1]!, runs[below]!)) below++
      if (!isBefore(runs[below]!, run)) break
      runs[place] = runs[below]!
      place = below
    }
    runs[place] = run
  }
}

function bytesOf({ bytes, rowCount }: RowGroup): number {
  return bytes + rowCount * rowBytes + groupBytes
}

function isBefore(one: Run<unknown>, other: Run<unknown>): boolean {
  return one.nextMicros === other.nextMicros ? one.number < other.number : one.nextMicros < other.nextMicros
}

/** The rows by their times; those of one time as they arrived. */
function timeOrder(
  rowCount: number,
  timeOf: (row: number) => Whole,
  arrived: readonly number[] | null,
): Int32Array {
  const rows = arrived ?? Array.from({ length: rowCount }, (_, row) => row)
  let index = 1
  while (index < rowCount && timeOf(rows[index - 1]!) <= timeOf(rows[index]!)) index++
  if (index >= rowCount) return Int32Array.from(rows)
  // A stable sort, and a fast one where most rows stand in order.
  const sorted = rows.toSorted((a, b) => {
    const [one, other] = [timeOf(a), timeOf(b)]
    return one === other ? 0 : one < other ? -1 : 1
  })
  return Int32Array.from(sorted)
}
