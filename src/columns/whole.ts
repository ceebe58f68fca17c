// Whole numbers of 64 bits and more as JavaScript computes them fast and exactly: a number where it is exact,
// a bigint elsewhere. Each number has one form, so `===` compares them, and `<` compares the two forms exactly.

/** A whole number: a number between -(2^53 - 1) and 2^53 - 1, else a bigint. Never -0. */
export type Whole = number | bigint

/** The one form of a whole number. */
export function whole(value: bigint): Whole {
  return value >= -safeMax && value <= safeMax ? Number(value) : value
}

const safeMax = BigInt(Number.MAX_SAFE_INTEGER)

export function addWhole(a: Whole, b: Whole): Whole {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return whole(BigInt(a) + BigInt(b))
}

export function subtractWhole(a: Whole, b: Whole): Whole {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b
    if (Number.isSafeInteger(difference)) return difference
  }
  return whole(BigInt(a) - BigInt(b))
}

export function multiplyWhole(a: Whole, b: Whole): Whole {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b
    if (Number.isSafeInteger(product)) return product + 0 // A sum with 0 is never -0.
  }
  return whole(BigInt(a) * BigInt(b))
}

/** The greatest multiple of `size` that is not greater than `value`; `size` is positive. */
export function floorToMultiple(value: Whole, size: Whole): Whole {
  if (typeof value === 'number' && typeof size === 'number') {
    const rest = value % size
    const floor = value - (rest < 0 ? rest + size : rest)
    if (Number.isSafeInteger(floor)) return floor + 0 // A sum with 0 is never -0.
  }
  const [bigValue, bigSize] = [BigInt(value), BigInt(size)]
  const rest = bigValue % bigSize
  return whole(bigValue - (rest < 0n ? rest + bigSize : rest))
}

/** The least whole number that is `value` divided by `size`, rounded down; `size` is positive. */
export function floorDivide(value: Whole, size: number): number {
  if (typeof value === 'number') return Math.floor(value / size)
  const [bigValue, bigSize] = [value, BigInt(size)]
  const rest = bigValue % bigSize
  return Number((bigValue - (rest < 0n ? rest + bigSize : rest)) / bigSize)
}

/** The double nearest to so many hundredths. */
export function hundredthsAsDouble(value: Whole): number {
  if (typeof value === 'number') return value / 100
  // A division would round the hundredths first; JavaScript reads a text as the nearest double.
  return Number(`${value}e-2`)
}
