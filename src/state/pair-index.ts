// Pairs of 32-bit numbers, each with the place at which it came: 0, 1, 2 ... A hash table with open
// addressing holds the places, so a pair takes about twenty bytes and no object.

const slotsMin = 8
const fillMax = 0.6

export class PairIndex {
  /** A place plus one; 0 is free. */
  #slots: Int32Array<ArrayBuffer>
  #pairs: Int32Array<ArrayBuffer>
  #count = 0

  /** With room for so many pairs. */
  constructor(expectedCount = 0) {
    let slots = slotsMin
    while (slots * fillMax < expectedCount) slots *= 2
    this.#slots = new Int32Array(slots)
    this.#pairs = new Int32Array(Math.max(slotsMin, expectedCount * 2))
  }

  /** How many different pairs there are. */
  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#slots.byteLength + this.#pairs.byteLength
  }

  /** The first number of the pair at the place. */
  first(place: number): number {
    return this.#pairs[place * 2]!
  }

  second(place: number): number {
    return this.#pairs[place * 2 + 1]!
  }

  /** The place of the pair, which is the last one where the pair is new. */
  place(a: number, b: number): number {
    const [slots, pairs] = [this.#slots, this.#pairs]
    const mask = slots.length - 1
    let slot = mixed(a, b) & mask
    for (let entry = slots[slot]!; entry !== 0; entry = slots[slot]!) {
      const at = (entry - 1) * 2
      if (pairs[at] === a && pairs[at + 1] === b) return entry - 1
      slot = (slot + 1) & mask
    }
    return this.#add(slot, a, b)
  }

  #add(slot: number, a: number, b: number): number {
    const place = this.#count++
    if (place * 2 === this.#pairs.length) {
      const pairs = new Int32Array(this.#pairs.length * 2)
      pairs.set(this.#pairs)
      this.#pairs = pairs
    }
    this.#pairs[place * 2] = a
    this.#pairs[place * 2 + 1] = b
    if (this.#count > this.#slots.length * fillMax) this.#grow()
    else this.#slots[slot] = place + 1
    return place
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let place = 0; place < this.#count; place++) {
      let slot = mixed(this.first(place), this.second(place)) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = place + 1
    }
    this.#slots = slots
  }
}

function mixed(a: number, b: number): number {
  let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}
