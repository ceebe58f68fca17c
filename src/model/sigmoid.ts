// The probability of a raw score, by additions and multiplications alone: every engine has the same bits for
// it, which no two libraries promise of exp.

/** Beyond it a probability is 0 or 1. */
export const rawMax = 700
/** A division by a power of two is exact, and so many squares take it back. */
export const halvings = 10
export const halved = 2 ** halvings
/** Of the series of exp around 0, from the highest power on: 1/18!, .., 1/2!, 1, 1. */
export const seriesTerms: readonly number[] = terms(18)

function terms(most: number): number[] {
  const found = [1]
  for (let power = 1; power <= most; power++) found.unshift(found[0]! / power)
  return found
}

/** 1 / (1 + exp(-raw)), within 1e-12. */
export function probability(raw: number): number {
  const bounded = raw < -rawMax ? -rawMax : raw > rawMax ? rawMax : raw
  const part = -bounded / halved
  let power = 0
  for (const term of seriesTerms) power = power * part + term
  for (let square = 0; square < halvings; square++) power = power * power
  return 1 / (1 + power)
}
