// What is wrong in a file of rules, and where.

export type Mistake = {
  /** Both count from 1; a column counts the characters before it as JavaScript does. */
  readonly line: number
  readonly column: number
  /** What is wrong, what was expected, and the nearest name where one was meant. */
  readonly message: string
}

/** More than these are not told: they follow from one another. */
const mistakesMax = 100

/** The mistakes of one file, by their place in its text. */
export class Mistakes {
  readonly #lineStarts: readonly number[]
  readonly #found = new Map<number, Mistake>()

  constructor(text: string) {
    const starts = [0]
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
    this.#lineStarts = starts
  }

  /** Of one place the first mistake counts. */
  add(at: number, message: string): void {
    if (this.#found.has(at) || this.#found.size >= mistakesMax) return
    let line = this.#lineStarts.findIndex((start) => start > at)
    if (line < 0) line = this.#lineStarts.length
    this.#found.set(at, { line, column: at - this.#lineStarts[line - 1]! + 1, message })
  }

  get isEmpty(): boolean {
    return this.#found.size === 0
  }

  /** In the order of the file. */
  all(): readonly Mistake[] {
    return [...this.#found].sort(([a], [b]) => a - b).map(([, mistake]) => mistake)
  }
}

/** Where something is wrong in a text, and what. */
export type Tell = (at: number, message: string) => void
