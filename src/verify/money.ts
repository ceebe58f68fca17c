// Exact money: amounts and sums are cents in bigint, and text with two decimals in the tables.

/** The shortest decimal text of a finite double, rounded half up to cents. */
export function centsOfDouble(value: number): bigint {
  const found = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value))
  if (found === null) throw new Error(`not a finite number: ${value}`)
  const [, sign, whole, fraction = '', exponent = '0'] = found
  const digits = BigInt(whole! + fraction)
  // In cents, the value is digits * 10^scale.
  const scale = Number(exponent) - fraction.length + 2
  const cents = scale >= 0 ? digits * 10n ** BigInt(scale) : halfUp(digits, 10n ** BigInt(-scale))
  return sign === '-' ? -cents : cents
}

/** The decimal text `-?digits[.digits]` rounded half up to cents; null for any other text. */
export function centsOfDecimal(text: string): bigint | null {
  const found = /^(-?)([0-9]+)(?:\.([0-9]+))?$/.exec(text)
  if (found === null) return null
  const [, sign, whole, fraction = ''] = found
  const cents = halfUp(BigInt(whole! + fraction) * 100n, 10n ** BigInt(fraction.length))
  return sign === '-' ? -cents : cents
}

function halfUp(dividend: bigint, divisor: bigint): bigint {
  return (2n * dividend + divisor) / (2n * divisor)
}

/** The text of a decimal with two places, as the tables hold it. */
export function decimalText(cents: bigint): string {
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, '0')
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** cast(decimal as double): the double nearest to the exact value. */
export function doubleOf(cents: bigint): number {
  return Number(decimalText(cents))
}
