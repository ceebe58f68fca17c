// JSON without losing digits: a version is 64 bits and a decimal has up to 38 digits.

declare global {
  interface JSON {
    /** TypeScript's library does not have it yet. */
    rawJSON(text: string): unknown
  }
}

/**
 * Numbers that a double cannot hold exactly come as bigint (whole ones) or as their own text (the others).
 */
export type ExactNumber = number | bigint | string

/** JSON.parse, but no number loses a digit. Short numbers, which are nearly all, cost nothing more. */
export function parseExact(text: string): unknown {
  return /\d{16}/.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)
}

function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  return exactNumber(context.source, value)
}

/** The number as `number` when its shortest text has the same digits, else without loss. */
export function exactNumber(source: string, value = Number(source)): ExactNumber {
  if (/^-?\d+$/.test(source))
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : BigInt(source)
  if (String(value) === source || /[eE]/.test(source) || source.replace('-', '').length <= 16) return value
  return source
}
