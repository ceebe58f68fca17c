// How the values of a feature, or scores, are spread, and how far other ones are from it: PSI and KS.

export type Distribution =
  /** `edges` divide the values into `shares`, the last one of what is missing; `quantiles` are for KS. */
  | {
      readonly kind: 'number'
      readonly edges: readonly number[]
      readonly shares: readonly number[]
      readonly quantiles: readonly number[]
      /** Of each quantile, the share of values up to it; absent in old cards: each stands for as many. */
      readonly cumulative?: readonly number[]
    }
  /** The shares of the texts, of what is none of them or missing the last one. */
  | { readonly kind: 'category'; readonly texts: readonly string[]; readonly shares: readonly number[] }

export type Distance = {
  readonly rows: number
  /** The population stability index. */
  readonly psi: number
  /** The greatest distance of the cumulative shares, of values that are there. */
  readonly ks: number
  readonly level: DriftLevel
}

/**
 * Of PSI beyond what chance makes of so many rows, as is usual: up to 0.1 a population is the same, up to
 * 0.25 it has moved, above it is another one. Of few rows nothing is said.
 */
export const driftLevels = ['stable', 'moderate', 'drifted', 'too_few'] as const
export type DriftLevel = (typeof driftLevels)[number]

const bins = 10
const quantileCount = 100
/** A share of nothing would make any distance infinite. */
const shareMin = 1e-4
const moderateMin = 0.1
const driftedMin = 0.25
/** Of fewer rows chance makes anything. */
const rowsMin = 100

export function distributionOf(values: Float64Array, categories: readonly string[] | null): Distribution {
  if (categories !== null) {
    return { kind: 'category', texts: categories, shares: shared(categoryCounts(values, categories.length)) }
  }
  const sorted = values.filter((value) => !Number.isNaN(value)).sort()
  const edges = limitsAt(sorted, bins)
  const quantiles = sortedOnce([...edges, ...limitsAt(sorted, quantileCount)])
  const cumulative = quantiles.map((limit) => countUpTo(sorted, limit) / sorted.length)
  return { kind: 'number', edges, shares: shared(numberCounts(values, edges)), quantiles, cumulative }
}

/**
 * The least and the greatest value and those that divide the values into as many parts. One that is more than
 * a part by itself has a limit just below it too, and so has the least: what is new beside it, or below
 * everything, is not counted as one of them.
 */
function limitsAt(sorted: Float64Array, parts: number): number[] {
  if (sorted.length === 0) return []
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor((part / parts) * sorted.length))]!
  const values = sortedOnce(Array.from({ length: parts + 1 }, (_, part) => at(part)))
  const limits = values.flatMap((value) => {
    const below = countUpTo(sorted, justBelow(value))
    const isMany = countUpTo(sorted, value) - below > sorted.length / parts
    return below === 0 || isMany ? [justBelow(value), value] : [value]
  })
  // JSON has no infinity; the greatest double divides it from all other values as well.
  return sortedOnce(limits.map((limit) => Math.max(-Number.MAX_VALUE, Math.min(limit, Number.MAX_VALUE))))
}

/** The greatest double that is less. */
function justBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE
  if (value === Number.NEGATIVE_INFINITY) return value
  const bits = new BigInt64Array(Float64Array.of(value).buffer)
  bits[0]! += value > 0 ? -1n : 1n
  return new Float64Array(bits.buffer)[0]!
}

/** How many of the sorted values are not greater than the limit. */
function countUpTo(sorted: Float64Array, limit: number): number {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (sorted[middle]! <= limit) from = middle + 1
    else to = middle
  }
  return from
}

function sortedOnce(values: readonly number[]): number[] {
  return [...new Set(values)].toSorted((a, b) => a - b)
}

export function scoreDistribution(scores: Float64Array): Distribution {
  return distributionOf(scores, null)
}

/** How often values come, as `tallySql` counts them: as far as each of the limits of a distribution. */
export type ValueCounts = {
  readonly rows: number
  /** Of those that are there; of categories, of those that are known. */
  readonly present: number
  /** Of a number between a limit and the one before; of a category by its number. */
  readonly counts: readonly number[]
}

/** Up to where values are counted: numbers that are not greater, or the numbers of the categories. */
export function limitsOf(from: Distribution): readonly number[] {
  if (from.kind === 'category') return from.texts.map((_, code) => code)
  return sortedOnce([...from.edges, ...from.quantiles])
}

export function distanceOf(from: Distribution, tally: ValueCounts): Distance {
  const { rows } = tally
  const isShares = shared(from.kind === 'category' ? categoriesOf(tally) : binsOf(from.edges, from, tally))
  const psi = isShares.reduce((sum, share, index) => {
    const was = Math.max(from.shares[index]!, shareMin)
    // Where no row of few is in a bin, its share may still be as large as half of one.
    const is = share > 0 ? share : Math.max(shareMin, Math.min(was, 0.5 / Math.max(rows, 1)))
    return sum + (is - was) * Math.log(is / was)
  }, 0)
  const ks = from.kind === 'category' ? greatestGap(isShares, from.shares) : kolmogorov(from, tally)
  // Where nothing changed, PSI is a sum of so many squares of chance; empty bins are none of them.
  const inUse = isShares.filter((share, index) => share > 0 || from.shares[index]! > 0).length
  const byChance = rows === 0 ? 0 : (3 * inUse) / rows
  return { rows, psi, ks, level: levelOf(rows, psi - byChance) }
}

function levelOf(rows: number, psi: number): DriftLevel {
  if (rows < rowsMin) return 'too_few'
  return psi > driftedMin ? 'drifted' : psi > moderateMin ? 'moderate' : 'stable'
}

function categoriesOf({ rows, present, counts }: ValueCounts): readonly number[] {
  return [...counts, rows - present]
}

/** How many are up to each limit. */
function upTo({ counts }: ValueCounts): readonly number[] {
  let sum = 0
  return counts.map((count) => (sum += count))
}

/** How many are between the edges; missing ones come last. */
function binsOf(edges: readonly number[], from: Distribution, tally: ValueCounts): readonly number[] {
  const [limits, below] = [limitsOf(from), upTo(tally)]
  const belowEdges = [...edges.map((edge) => below[limits.indexOf(edge)]!), tally.present]
  const inBins = belowEdges.map((count, index) => count - (belowEdges[index - 1] ?? 0))
  return [...inBins, tally.rows - tally.present]
}

function shared(counts: readonly number[]): number[] {
  const all = counts.reduce((sum, one) => sum + one, 0)
  return counts.map((one) => (all === 0 ? 0 : one / all))
}

/** A value that is not greater than an edge is below it; missing ones come last. */
function numberCounts(values: Float64Array, edges: readonly number[]): number[] {
  const counts = Array.from({ length: edges.length + 2 }, () => 0)
  for (const value of values) {
    let bin = edges.length + 1
    if (!Number.isNaN(value)) {
      bin = edges.findIndex((edge) => value <= edge)
      if (bin < 0) bin = edges.length
    }
    counts[bin]!++
  }
  return counts
}

function categoryCounts(values: Float64Array, texts: number): number[] {
  const counts = Array.from({ length: texts + 1 }, () => 0)
  for (const value of values) counts[value >= 0 && value < texts ? value : texts]!++
  return counts
}

/** Categories have no order: half of what moved is what came. */
function greatestGap(is: readonly number[], was: readonly number[]): number {
  return is.reduce((sum, share, index) => sum + Math.abs(share - was[index]!), 0) / 2
}

/** Against the quantiles. */
function kolmogorov(from: Distribution & { readonly kind: 'number' }, tally: ValueCounts): number {
  const { quantiles, cumulative } = from
  if (tally.present === 0 || quantiles.length === 0)
    return (tally.present === 0) === (quantiles.length === 0) ? 0 : 1
  const [limits, below] = [limitsOf(from), upTo(tally)]
  return quantiles.reduce((most, limit, index) => {
    if (limit === quantiles[index + 1]) return most // The last of equal ones has their share.
    const is = below[limits.indexOf(limit)]! / tally.present
    const was = cumulative === undefined ? (index + 1) / quantiles.length : cumulative[index]!
    return Math.max(most, Math.abs(is - was))
  }, 0)
}
