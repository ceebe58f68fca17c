// Different ids, a bit for each: ids are small numbers, so a set of many takes less than a byte for each.

const bytesMin = 64

export class IdSet {
  #bits: Uint8Array<ArrayBuffer>
  #count = 0

  /** With room for what another one has. */
  constructor(like?: IdSet) {
    this.#bits = new Uint8Array(like === undefined ? bytesMin : like.#bits.length)
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bits.byteLength
  }

  /** The ids of some rows; 0 is null, and is left out. */
  addRows(ids: Int32Array, rows: readonly number[]): void {
    for (let at = 0; at < rows.length; at++) {
      const id = ids[rows[at]!]!
      const place = id >> 3
      if (place >= this.#bits.length) this.#grow(place + 1)
      this.#addBits(place, 1 << (id & 7))
    }
  }

  addAll(other: IdSet): void {
    if (other.#bits.length > this.#bits.length) this.#grow(other.#bits.length)
    for (let place = 0; place < other.#bits.length; place++) this.#addBits(place, other.#bits[place]!)
  }

  #addBits(place: number, bits: number): void {
    let more = bits & ~this.#bits[place]!
    if (place === 0) more &= ~1 // Null.
    if (more === 0) return
    this.#bits[place]! |= more
    for (; more !== 0; more &= more - 1) this.#count++
  }

  #grow(byteCount: number): void {
    const bits = new Uint8Array(Math.max(byteCount, this.#bits.length * 2))
    bits.set(this.#bits)
    this.#bits = bits
  }
}
