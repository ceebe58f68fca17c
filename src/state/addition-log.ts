// What was added since a mark, so that it can be taken back. It grows by blocks: no call copies what is
// there.
const wordsOfRow = 5
const rowsOfBlock = 4096

export class AdditionLog {
  readonly #blocks: Int32Array[] = []
  #isOpen = false
  #rowCount = 0

  get bytes(): number {
    return this.#blocks.length * rowsOfBlock * wordsOfRow * 4
  }

  /** From here on additions are noted; what was noted before stays for good. */
  mark(): void {
    this.#isOpen = true
    this.#rowCount = 0
  }

  /** What was noted stays for good, and no more is noted. */
  close(): void {
    this.#isOpen = false
    this.#rowCount = 0
    this.#blocks.length = 0
  }

  note(a: number, b: number, c: number, low: number, high: number): void {
    if (!this.#isOpen) return
    const place = this.#rowCount % rowsOfBlock
    const index = (this.#rowCount - place) / rowsOfBlock
    if (index === this.#blocks.length) this.#blocks.push(new Int32Array(rowsOfBlock * wordsOfRow))
    const block = this.#blocks[index]!
    const at = place * wordsOfRow
    block[at] = a
    block[at + 1] = b
    block[at + 2] = c
    block[at + 3] = low
    block[at + 4] = high
    this.#rowCount++
  }

  /** Gives the additions since the mark, the last one first, and forgets them. The mark stays. */
  takeBack(remove: (a: number, b: number, c: number, low: number, high: number) => void): void {
    for (let row = this.#rowCount - 1; row >= 0; row--) {
      const place = row % rowsOfBlock
      const block = this.#blocks[(row - place) / rowsOfBlock]!
      const at = place * wordsOfRow
      remove(block[at]!, block[at + 1]!, block[at + 2]!, block[at + 3]!, block[at + 4]!)
    }
    this.#rowCount = 0
  }
}
