// What options may be: each parser gives the value or says what it must be.
import { InvalidArgumentError } from 'commander'
import { parseDuration } from '../config/duration.ts'
import { byteSize } from '../config/values.ts'

export function positiveNumber(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new InvalidArgumentError('It must be a number greater than 0.')
}

export function wholeNumberFrom(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

export function seedNumber(text: string): number {
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value)) return value
  throw new InvalidArgumentError('It must be a whole number of at most 15 digits.')
}

/** In milliseconds. */
export function durationMs(examples: string): (text: string) => number {
  return (text) => {
    const micros = parseDuration(text)
    if (micros !== null) return Number(micros / 1000n)
    throw new InvalidArgumentError(`It must be a duration with its unit, such as ${examples}.`)
  }
}

export function bytes(min: number): (text: string) => number {
  const { schema, allowed } = byteSize(min)
  return (text) => {
    const parsed = schema.safeParse(text)
    if (parsed.success) return parsed.data
    throw new InvalidArgumentError(`It must be ${allowed}.`)
  }
}

export function textUpTo(lengthMax: number): (text: string) => string {
  return (text) => {
    if (text.length <= lengthMax) return text
    throw new InvalidArgumentError(`It has at most ${lengthMax} characters.`)
  }
}
