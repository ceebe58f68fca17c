// The functions of conditions: what they take and give, and what they are in the expression language. The
// completion data of editors is made of the same records.
import { likelyName } from '../errors/nearest-name.ts'
import {
  codePoints,
  containsText,
  dateOf,
  dayOf,
  dayOfWeek,
  type Expr,
  endsWith,
  hourOfDay,
  instantOf,
  literal,
  long,
  lowerAscii,
  startsWith,
} from '../expr/index.ts'
import type { Kind } from './typed.ts'

export type RuleFunction = {
  readonly name: string
  /** `method`: behind its first argument, as in `merchant.contains("gift")`. */
  readonly form: 'call' | 'method'
  readonly takes: readonly Kind[]
  readonly gives: Kind
  readonly meaning: string
  readonly example: string
  readonly build: (...args: never[]) => Expr
}

export const ruleFunctions: readonly RuleFunction[] = [
  {
    ...{ name: 'startsWith', form: 'method', takes: ['text', 'text'], gives: 'truth', build: startsWith },
    meaning: 'True when the text begins with the other one.',
    example: 'merchant.startsWith("Gift")',
  },
  {
    ...{ name: 'endsWith', form: 'method', takes: ['text', 'text'], gives: 'truth', build: endsWith },
    meaning: 'True when the text ends with the other one.',
    example: 'device_id.endsWith("-emulator")',
  },
  {
    ...{ name: 'contains', form: 'method', takes: ['text', 'text'], gives: 'truth', build: containsText },
    meaning: 'True when the other text is somewhere in it.',
    example: 'merchant.lowerAscii().contains("gift")',
  },
  {
    ...{ name: 'lowerAscii', form: 'method', takes: ['text'], gives: 'text', build: lowerAscii },
    meaning: 'The text with A to Z in lower case, and no other letter changed.',
    example: 'payment_method.lowerAscii() == "crypto"',
  },
  {
    ...{ name: 'size', form: 'call', takes: ['text'], gives: 'number', build: codePoints },
    meaning: 'How many code points the text has.',
    example: 'size(merchant) < 3',
  },
  {
    ...{ name: 'size', form: 'method', takes: ['text'], gives: 'number', build: codePoints },
    meaning: 'How many code points the text has.',
    example: 'merchant.size() < 3',
  },
  {
    ...{ name: 'hour', form: 'call', takes: ['time'], gives: 'number', build: hourOfDay },
    meaning: 'The hour of the day in UTC, 0 to 23.',
    example: 'hour(event_time) >= 23',
  },
  {
    ...{ name: 'dayOfWeek', form: 'call', takes: ['time'], gives: 'number', build: dayOfWeek },
    meaning: '1 = Sunday to 7 = Saturday, in UTC.',
    example: 'dayOfWeek(event_time) in [1, 7]',
  },
  {
    ...{ name: 'date', form: 'call', takes: ['time'], gives: 'date', build: dateOf },
    meaning: 'The day of the time in UTC.',
    example: 'date(event_time) == date("2026-12-24")',
  },
]

/** Functions of a text that is written down: a value, made when the file is read. */
export type Constant = {
  readonly name: string
  readonly gives: Kind
  readonly meaning: string
  readonly example: string
  /** What the text has to look like. */
  readonly expected: string
  readonly read: (text: string) => Expr | null
}

export const constants: readonly Constant[] = [
  {
    name: 'timestamp',
    gives: 'time',
    meaning: 'The instant of a text of RFC 3339.',
    example: 'event_time < timestamp("2026-12-24T18:00:00Z")',
    expected: 'a time like "2026-12-24T18:00:00Z", with Z or an offset',
    read: (text) => {
      const isWhole = /T.*(Z|[+-]\d\d:\d\d)$/.test(text) && instantOf(text) !== null
      return isWhole ? literal('timestamp', instantText(text)) : null
    },
  },
  {
    name: 'date',
    gives: 'date',
    meaning: 'The day that is written down.',
    example: 'transaction_date == date("2026-12-24")',
    expected: 'a day like "2026-12-24"',
    read: (text) => (text.length === 10 && dayOf(text) !== null ? literal('date', text) : null),
  },
  {
    name: 'duration',
    gives: 'duration',
    meaning: 'A length of time: numbers with h, m, s, ms or us, one behind the other.',
    example: 'event_time - processing_time > duration("1h30m")',
    expected: 'a duration like "1h30m", "90s" or "-1.5h"; units are h, m, s, ms and us',
    read: (text) => {
      const micros = durationMicros(text)
      return micros === null ? null : long(micros)
    },
  },
]

/** In UTC, as a literal has it. */
function instantText(text: string): string {
  const micros = BigInt(instantOf(text)!)
  const seconds = micros >= 0n ? micros / 1_000_000n : (micros - 999_999n) / 1_000_000n
  const rest = String(micros - seconds * 1_000_000n).padStart(6, '0')
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19).replace('T', ' ')}.${rest}`
}

const unitMicros: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000n,
  m: 60_000_000n,
  s: 1_000_000n,
  ms: 1_000n,
  us: 1n,
}

/** null where the text is none, has parts of a microsecond, or more than 10000 years. */
function durationMicros(text: string): bigint | null {
  const found = /^([+-]?)((?:\d{1,12}(?:\.\d{1,9})?(?:h|ms|us|m|s))+)$/.exec(text)
  if (found === null) return null
  let micros = 0n
  for (const [, whole = '', fraction = '', unit = ''] of found[2]!.matchAll(
    /(\d+)(?:\.(\d+))?(h|ms|us|m|s)/g,
  )) {
    const scale = 10n ** BigInt(fraction.length)
    const scaled = BigInt(whole + fraction) * unitMicros[unit]!
    if (scaled % scale !== 0n) return null
    micros += scaled / scale
  }
  if (micros > 315_537_897_599_999_999n) return null
  return found[1] === '-' ? -micros : micros
}

/** What other dialects of CEL have, and what to write here. */
export const otherNames: Readonly<Record<string, string>> = {
  matches:
    'engines do not read regular expressions alike. Write contains, startsWith, endsWith or several of them with ||',
  getHours: 'write hour(t)',
  getDayOfWeek: 'write dayOfWeek(t): 1 = Sunday to 7 = Saturday',
  getDate: 'write date(t)',
  getFullYear: 'write date(t) >= date("2026-01-01")',
  now: 'a rule knows no clock: the same row has the same score whenever it is computed. Compare with event_time',
  lower: 'write lowerAscii()',
  toLowerCase: 'write lowerAscii()',
  toLower: 'write lowerAscii()',
  upperAscii: 'write lowerAscii() and compare with a text in lower case',
  length: 'write size(text)',
  len: 'write size(text)',
  isNull: 'write !has(x)',
  exists: 'conditions have no loops: write x in [..]',
  all: 'conditions have no loops: write x in [..]',
  exists_one: 'conditions have no loops: write x in [..]',
  filter: 'conditions have no loops: write x in [..]',
  map: 'conditions have no loops: write x in [..]',
  int: 'numbers of all types compare with each other as they are',
  double: 'numbers of all types compare with each other as they are',
  uint: 'numbers of all types compare with each other as they are',
  string: 'a text is made for "says" alone: "{amount} is more than 5000"',
}

export function isFunctionName(name: string): boolean {
  return name === 'has' || [...ruleFunctions, ...constants].some((one) => one.name === name)
}

export function exampleOfFunction(name: string): string {
  const found = [...ruleFunctions, ...constants].find((one) => one.name === name)
  return found?.example ?? 'has(country)'
}

/** What to say of a call of what there is not. */
export function unknownFunction(name: string, isMethod: boolean): string {
  if (isFunctionName(name)) {
    return `${name} is written as in ${exampleOfFunction(name)}`
  }
  const advice = Object.hasOwn(otherNames, name) ? otherNames[name] : undefined
  if (advice !== undefined) return `there is no ${name}: ${advice}`
  const names = [...new Set(['has', ...[...ruleFunctions, ...constants].map((one) => one.name)])]
  const meant = likelyName(name, names)
  const told = `there is no function ${name}${isMethod ? '()' : ''}`
  return meant === null ? `${told}. Functions are ${names.join(', ')}` : `${told}: did you mean ${meant}?`
}
