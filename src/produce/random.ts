// Seeded randomness for synthetic data: the same seed gives the same bytes on every machine.
import { assert } from '../errors/errors.ts'

const TWO_POW_32 = 2 ** 32

/**
 * The sfc32 generator. Each `stream` of a seed is independent, so that one feature's draws never shift
 * another's.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1
  #normalSpare: number | null = null

  constructor(seed: number, stream: string) {
    this.#a = hash32(`${seed}/${stream}/a`)
    this.#b = hash32(`${seed}/${stream}/b`)
    this.#c = hash32(`${seed}/${stream}/c`)
    // The first outputs of related seeds are still alike.
    for (let round = 0; round < 12; round++) this.uint32()
  }

  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** Uniform in [0, 1). */
  float(): number {
    return this.uint32() / TWO_POW_32
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.float() * (high - low)
  }

  /** A whole number, uniform in [low, high], both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.float() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.float() < probability
  }

  pick<T>(from: readonly T[]): T {
    assert(from.length > 0, 'nothing to pick from')
    return from[Math.floor(this.float() * from.length)]!
  }

  /** Standard normal, by the polar method: it gives two values at a time. */
  normal(): number {
    if (this.#normalSpare !== null) {
      const spare = this.#normalSpare
      this.#normalSpare = null
      return spare
    }
    let x: number
    let y: number
    let square: number
    do {
      x = this.float() * 2 - 1
      y = this.float() * 2 - 1
      square = x * x + y * y
    } while (square >= 1 || square === 0)
    const scale = Math.sqrt((-2 * Math.log(square)) / square)
    this.#normalSpare = y * scale
    return x * scale
  }
}

/** FNV-1a with a final mix, over the text's UTF-16 units. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return mix32(hash)
}

/** Spreads the bits of a whole number over 32 bits; a bijection, so different numbers stay different. */
export function mix32(value: number): number {
  let mixed = value | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** Picks an index with a probability in proportion to its weight, in constant time (Vose's alias method). */
export class WeightedIndex {
  readonly #keep: Float64Array
  readonly #alias: Uint32Array

  constructor(weights: readonly number[] | Float64Array) {
    const count = weights.length
    const total = Float64Array.from(weights).reduce((sum, weight) => sum + weight, 0)
    assert(count > 0 && total > 0, 'weights must not be empty or all zero')
    this.#keep = Float64Array.from(weights, (weight) => (weight * count) / total)
    this.#alias = Uint32Array.from({ length: count }, (_, index) => index)
    const poor: number[] = []
    const rich: number[] = []
    for (let index = 0; index < count; index++) (this.#keep[index]! < 1 ? poor : rich).push(index)
    while (poor.length > 0 && rich.length > 0) {
      const small = poor.pop()!
      const large = rich[rich.length - 1]!
      this.#alias[small] = large
      this.#keep[large] = this.#keep[large]! - (1 - this.#keep[small]!)
      if (this.#keep[large]! < 1) poor.push(rich.pop()!)
    }
    // What rounding left over is 1 in exact arithmetic.
    for (const index of [...poor, ...rich]) this.#keep[index] = 1
  }

  pick(random: Random): number {
    const index = Math.floor(random.float() * this.#keep.length)
    return random.float() < this.#keep[index]! ? index : this.#alias[index]!
  }
}

/** Weights of ranks 1..count that fall with the rank's power: a few are very popular, most are rare. */
export function zipfWeights(count: number, exponent: number): Float64Array {
  return Float64Array.from({ length: count }, (_, index) => 1 / (index + 1) ** exponent)
}

/** 0..count-1 in random order. */
export function shuffledIndexes(count: number, random: Random): Uint32Array {
  const indexes = Uint32Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const other = random.whole(0, last)
    const moved = indexes[last]!
    indexes[last] = indexes[other]!
    indexes[other] = moved
  }
  return indexes
}

/**
 * Takes an exact share of a sequence at random places: of the first n indexes, n * share within one. A place
 * that another sampler took first is made up at the next free one.
 */
export class ShareSampler {
  readonly #random: Random
  readonly #share: number
  #taken = 0
  #nextIndex: number

  constructor(share: number, random: Random) {
    assert(share >= 0 && share <= 1, `a share must be between 0 and 1, not ${share}`)
    this.#random = random
    this.#share = share
    this.#nextIndex = this.#place()
  }

  /** True when `index` belongs to the share. Indexes must not go back. */
  take(index: number): boolean {
    if (index < this.#nextIndex) return false
    this.#taken++
    this.#nextIndex = this.#place()
    return true
  }

  #place(): number {
    if (this.#share === 0) return Number.POSITIVE_INFINITY
    return Math.floor((this.#taken + this.#random.float()) / this.#share)
  }
}
