// What two arms differ by, with intervals that hold at every look: whoever looks each day is misled no more
// often than who looks once. Why they hold: docs/decisions/experiments.md.

/** Of customers of one arm: the sum over them of what each brought so far, and of its square. */
export type ArmSums = { readonly sum: number; readonly squares: number }
export type BothArms<T> = { readonly control: T; readonly candidate: T }

/** What is there when one looks: everything from the begin of the experiment to then. */
export type Look = BothArms<ArmSums>

/**
 * `control` and `candidate` say what there would be if all customers went by the one or the other, `difference`
 * how much more by the candidate. The interval is null while too few customers carry the figure.
 */
export type LookFigures = {
  readonly control: number
  readonly candidate: number
  readonly difference: number
  readonly interval: { readonly low: number; readonly high: number } | null
  /** So many customers with equal parts would weigh as much as those that have one. */
  readonly carriers: number
}

/** So many of those who carry a figure are wanted in the smaller arm, lest few decide by chance. */
const carriersOfArmMin = 10

/** Below it a sum is not near its normal distribution, and what an arm shows of its variance says little. */
export function carriersMin(share: number): number {
  return Math.ceil(carriersOfArmMin / Math.min(share, 1 - share))
}

/**
 * The figures of each look, in the order of time. With the probability 1 - `alpha` the intervals of all looks
 * together hold what is true. What a customer brings must not fall from look to look, nor be below 0.
 */
export function sequentialFigures(
  looks: readonly Look[],
  { share, alpha }: { readonly share: number; readonly alpha: number },
): LookFigures[] {
  let start: number | null = null
  return looks.map(({ control, candidate }) => {
    const [ofControl, ofCandidate] = [control.sum / (1 - share), candidate.sum / share]
    const squares = control.squares + candidate.squares
    const carriers = squares === 0 ? 0 : (control.sum + candidate.sum) ** 2 / squares
    const difference = ofCandidate - ofControl
    const isCarried = carriers >= carriersMin(share)
    if (isCarried) start ??= squares / (share * (1 - share))
    const variance = control.squares / (1 - share) ** 2 + candidate.squares / share ** 2
    const half = isCarried && start !== null ? mixtureBound(variance, start, alpha) : null
    const interval = half === null ? null : { low: difference - half, high: difference + half }
    return { control: ofControl, candidate: ofCandidate, difference, interval, carriers }
  })
}

/**
 * What a Brownian motion of this variance stays below, and above the negative of, at all times with the
 * probability 1 - `alpha`: the one-sided normal mixture of Howard, Ramdas, McAuliffe and Sekhon (2021), with
 * half of alpha for either side.
 */
export function mixtureBound(variance: number, start: number, alpha: number): number {
  const grown = (variance + start) / start
  return Math.sqrt(2 * (variance + start) * Math.log(1 + Math.sqrt(grown) / alpha))
}

/** Customers that have come so far. */
export type ArmCounts = BothArms<number>

/** The alternatives lie around the planned share, as close as if so many customers had said so. */
const priorCustomers = 1_000

/**
 * How much more likely the counts are under shares near the planned one than under the planned one itself:
 * a betting score, which exceeds 1 / alpha at any time with the probability alpha at most, when each customer
 * comes into the candidate's arm with the planned share (Lindon and Malek, 2022).
 */
export function shareEvidence({ control, candidate }: ArmCounts, share: number): number {
  const [ofCandidate, ofControl] = [priorCustomers * share, priorCustomers * (1 - share)]
  const logRatio =
    logBeta(ofCandidate + candidate, ofControl + control) -
    logBeta(ofCandidate, ofControl) -
    candidate * Math.log(share) -
    control * Math.log1p(-share)
  return Math.exp(logRatio)
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b)
}

/** Stirling's series, of numbers that are moved to where it is exact to a double. */
export function logGamma(x: number): number {
  let [at, below] = [x, 0]
  for (; at < 12; at++) below += Math.log(at)
  const square = 1 / (at * at)
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / at
  return (at - 0.5) * Math.log(at) - at + Math.log(2 * Math.PI) / 2 + series - below
}
