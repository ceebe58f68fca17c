// Times in as few bytes as they need: four, where all of them lie near each other, else eight.

/** Each value plus a base is a time. */
export type TimeValues = Int32Array | Float64Array

/** The values that have 32 bits or less. */
export type NarrowRange = { readonly valueMin: number; readonly valueMax: number }

/**
 * The base for times from `least` to `most`, or null where they do not fit. Mostly later ones will follow,
 * and a few earlier ones.
 */
export function narrowBase(least: number, most: number, { valueMin, valueMax }: NarrowRange): number | null {
  const spare = valueMax - valueMin - (most - least)
  return spare < 0 ? null : least - Math.floor(spare / 4) - valueMin
}

export function newValues(isNarrow: boolean, length: number): TimeValues {
  return isNarrow ? new Int32Array(length) : new Float64Array(length)
}
