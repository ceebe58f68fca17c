// The quantile of doubles, the same on every engine: between the two values at the position q x (n - 1) of
// their order, as lo + (hi - lo) x fraction. What engines bring of their own rounds otherwise.
import type { Engine } from './function.ts'

/** Of values in ascending order; null where there are none. */
export function quantileOf(sorted: Float64Array, q: number): number | null {
  if (sorted.length === 0) return null
  const position = q * (sorted.length - 1)
  const low = Math.floor(position)
  const [lo, hi] = [sorted[low]!, sorted[Math.ceil(position)]!]
  return lo + (hi - lo) * (position - low)
}

/** Of the doubles of a list, none of which is null. The list stands in it once. */
export const quantileSql: Readonly<Record<Engine, (list: string, q: number) => string>> = {
  duckdb: (list, q) => {
    const position = `(CAST(${q} AS DOUBLE) * (len(s) - 1))`
    const at = (of: string): string => `s[CAST(${of}(${position}) AS BIGINT) + 1]`
    const between = `${at('floor')} + (${at('ceil')} - ${at('floor')}) * (${position} - floor(${position}))`
    return `list_transform([list_sort(${list})], lambda s: CASE WHEN len(s) > 0 THEN ${between} END)[1]`
  },
  spark: (list, q) => {
    const position = `(CAST(${q} AS DOUBLE) * (size(s) - 1))`
    const at = (of: string): string => `s[CAST(${of}(${position}) AS INT)]`
    const between = `${at('floor')} + (${at('ceil')} - ${at('floor')}) * (${position} - floor(${position}))`
    return `transform(array(array_sort(${list})), s -> CASE WHEN size(s) > 0 THEN ${between} END)[0]`
  },
}
