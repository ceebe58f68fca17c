// Dictionaries: the distinct values of a leaf, and for each value its place among them.

export type Dictionary<T> = {
  readonly distinct: T
  /** For each value; only good until the next dictionary is made. */
  readonly places: Uint32Array
}

/** Whole numbers within such a range are found by their distance from the least. */
const rangeMax = 2 ** 16
/** A table of the range is cleared for each leaf: it must be small beside the values. */
const rangePerValue = 32

let places = new Uint32Array(0)
const firstPlaces = new Uint32Array(rangeMax)

function placesFor(count: number): Uint32Array {
  if (places.length < count) places = new Uint32Array(count)
  return places.subarray(0, count)
}

/** null where the numbers are too far apart; `values` are whole and between `min` and `max`. */
export function numberDictionary(
  values: Float64Array,
  min: number,
  max: number,
): Dictionary<Float64Array> | null {
  const range = max - min + 1
  if (range > rangeMax || range > values.length * rangePerValue) return null
  const found = placesFor(values.length)
  const distinct = new Float64Array(Math.min(range, values.length))
  firstPlaces.fill(0, 0, range)
  let count = 0
  for (let at = 0; at < values.length; at++) {
    const value = values[at]!
    let place = firstPlaces[value - min]! // From 1 on: 0 is none.
    if (place === 0) {
      distinct[count] = value
      place = ++count
      firstPlaces[value - min] = place
    }
    found[at] = place - 1
  }
  return { distinct: distinct.subarray(0, count), places: found }
}
