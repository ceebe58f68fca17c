// How often a rule was right, and how sure that is by the number of decided cases.

export type Share = { readonly share: number; readonly low: number; readonly high: number }

const z = 1.96

/** The share with its interval of 95 % by Wilson. */
export function shareOf(hits: number, count: number): Share {
  if (count === 0) return { share: 0, low: 0, high: 1 }
  const share = hits / count
  const spread = z * Math.sqrt((share * (1 - share)) / count + (z * z) / (4 * count * count))
  const scale = 1 + (z * z) / count
  const middle = share + (z * z) / (2 * count)
  return { share, low: Math.max(0, (middle - spread) / scale), high: Math.min(1, (middle + spread) / scale) }
}

export function percent(share: number): string {
  return `${Math.round(100 * share)}\u00a0%`
}
