// How the values of a feature, or scores, are spread, and how far other ones are from it: PSI and KS.

export type Distribution =
  /** `edges` divide the values into `shares`, the last one of what is missing; `quantiles` are for KS. */
  | {
      readonly kind: 'number'
      readonly edges: readonly number[]
      readonly shares: readonly number[]
      readonly quantiles: readonly number[]
    }
  /** The shares of the texts, of what is none of them or missing the last one. */
  | { readonly kind: 'category'; readonly texts: readonly string[]; readonly shares: readonly number[] }

export type Distance = {
  readonly rows: number
  /** The population stability index. */
  readonly psi: number
  /** The greatest distance of the cumulative shares, of values that are there. */
  readonly ks: number
  /** Far beyond what chance makes of so many rows. */
  readonly drifted: boolean
}

const bins = 10
const quantileCount = 100
/** A share of nothing would make any distance infinite. */
const shareMin = 1e-4
/** From here on a population counts as another one. */
const psiLimit = 0.25
/** Of fewer rows chance makes anything. */
const rowsMin = 100

export function distributionOf(values: Float64Array, categories: readonly string[] | null): Distribution {
  if (categories !== null) {
    return { kind: 'category', texts: categories, shares: shared(categoryCounts(values, categories.length)) }
  }
  const sorted = values.filter((value) => !Number.isNaN(value)).sort()
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
  const inner =
    sorted.length === 0 ? [] : Array.from({ length: bins - 1 }, (_, index) => at((index + 1) / bins))
  const edges = [...new Set(inner)].filter((edge) => edge !== sorted.at(-1))
  const quantiles =
    sorted.length === 0
      ? []
      : Array.from({ length: quantileCount }, (_, index) => at((index + 1) / quantileCount))
  return { kind: 'number', edges, shares: shared(numberCounts(values, edges)), quantiles }
}

export function scoreDistribution(scores: Float64Array): Distribution {
  return distributionOf(scores, null)
}

export function distanceOf(from: Distribution, values: Float64Array): Distance {
  const rows = values.length
  const counts =
    from.kind === 'category' ? categoryCounts(values, from.texts.length) : numberCounts(values, from.edges)
  const shares = shared(counts)
  const psi = shares.reduce((sum, share, index) => {
    const [is, was] = [Math.max(share, shareMin), Math.max(from.shares[index]!, shareMin)]
    return sum + (is - was) * Math.log(is / was)
  }, 0)
  const ks = from.kind === 'category' ? greatestGap(shares, from.shares) : kolmogorov(from.quantiles, values)
  // Where nothing changed, PSI is a sum of so many squares of chance.
  const byChance = rows === 0 ? 0 : (3 * shares.length) / rows
  return { rows, psi, ks, drifted: rows >= rowsMin && psi > psiLimit + byChance }
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

/** Against the quantiles, each of which stands for as many values. */
function kolmogorov(quantiles: readonly number[], values: Float64Array): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort()
  if (sorted.length === 0 || quantiles.length === 0) return sorted.length === quantiles.length ? 0 : 1
  let [most, below] = [0, 0]
  for (const [index, edge] of quantiles.entries()) {
    if (edge === quantiles[index + 1]) continue // The last of equal ones has their share.
    while (below < sorted.length && sorted[below]! <= edge) below++
    most = Math.max(most, Math.abs(below / sorted.length - (index + 1) / quantiles.length))
  }
  return most
}
