// Random conditions of rules, as an analyst could write them: text in CEL over the columns of random rows.
import fc from 'fast-check'
import type { Expr } from '../../src/expr/index.ts'
import { parseRules, type Rule } from '../../src/rules/index.ts'
import { givenSchema } from './expressions.ts'

const depthMax = 4
type Kind = 'number' | 'text' | 'truth' | 'time' | 'date' | 'duration'

const numbers = [
  ...['0', '1', '-1', '7', '5000', '0.1', '-0.000001', '2.5', '1e3', '0.005', '12345.678901', '0x1F'],
  ...[
    '2147483647',
    '2147483648',
    '-2147483649',
    '9007199254740993',
    '9223372036854775807',
    '-9223372036854775808',
  ],
  ...[
    '99999999999999.99',
    '1000000000000',
    '999999999999.999999',
    '-1000000000000.5',
    '99999999999999999999999999.0',
  ],
]
const texts = [
  '',
  'a',
  'A, b',
  ' ',
  "it's",
  '"',
  '\\',
  'é😀',
  '\uffff',
  '%_',
  'Oslo',
  '--',
  '\n\t',
  '$&',
  '<b>',
]
const times = [
  '1969-12-31T23:59:59.999999Z',
  '2024-02-29T10:00:00+02:00',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
]
const durations = ['1h30m', '-90s', '1us', '0s', '87600000h', '1.5h', '-2ms']
const columns = (types: RegExp): string[] =>
  Object.entries(givenSchema).flatMap(([name, type]) => (types.test(type) ? [name] : []))
const quoted = (text: string): string => JSON.stringify(text)

const leaves: Readonly<Record<Kind, fc.Arbitrary<string>>> = {
  number: fc.oneof(
    fc.constantFrom(...columns(/^(int|long|double|decimal.*)$/)),
    fc.constantFrom(...numbers),
    fc.integer({ min: -2_000_000, max: 2_000_000 }).map((thousandths) => String(thousandths / 1000)),
  ),
  text: fc.oneof(
    fc.constantFrom(...columns(/^string$/)),
    fc.constantFrom(...texts).map(quoted),
    fc
      .string({ unit: 'grapheme', maxLength: 3 })
      .filter((text) => !text.includes('\0'))
      .map(quoted),
  ),
  truth: fc.oneof(fc.constantFrom(...columns(/^boolean$/)), fc.constantFrom('true', 'false'), asked()),
  time: fc.oneof(
    fc.constantFrom(...columns(/^timestamp$/)),
    fc.constantFrom(...times).map((text) => `timestamp(${quoted(text)})`),
  ),
  date: fc.oneof(
    fc.constantFrom(...columns(/^date$/)),
    fc.constantFrom('1969-12-31', '2024-02-29', '0001-01-01').map((text) => `date("${text}")`),
  ),
  duration: fc.constantFrom(...durations).map((text) => `duration("${text}")`),
}

function asked(): fc.Arbitrary<string> {
  return fc.constantFrom(...Object.keys(givenSchema)).map((name) => `has(${name})`)
}

/** A text in which each `<kind>` becomes a value of that kind. */
const forms: Readonly<Record<Kind, readonly string[]>> = {
  number: [
    ...['(<number> + <number>)', '(<number> - <number>)', '(<number> * <number>)', '(<number> / <number>)'],
    ...['-(<number>)', 'size(<text>)', '<text>.size()', 'hour(<time>)', 'dayOfWeek(<time>)'],
    '(<truth> ? <number> : <number>)',
  ],
  text: ['(<text> + <text>)', '<text>.lowerAscii()', '(<truth> ? <text> : <text>)'],
  truth: [
    ...['==', '!=', '<', '<=', '>', '>='].flatMap((operator) =>
      ['number', 'number', 'number', 'text', 'time', 'date', 'duration'].map(
        (kind) => `(<${kind}> ${operator} <${kind}>)`,
      ),
    ),
    ...[
      '(<truth> == <truth>)',
      '(<truth> && <truth>)',
      '(<truth> || <truth> || <truth>)',
      '!(<truth>)',
      '!<truth>',
    ],
    ...['(<text> in lists.texts)', '!(<text> in lists.texts)', '(<number> in lists.numbers)'],
    ...['(<text> in [<text>, <text>])', '(<number> in [<number>, <number>])', '(<time> in [<time>])'],
    ...['<text>.startsWith(<text>)', '<text>.endsWith(<text>)', '<text>.contains(<text>)'],
    '(<truth> ? <truth> : <truth>)',
  ],
  time: [
    '(<time> + <duration>)',
    '(<time> - <duration>)',
    '(<duration> + <time>)',
    '(<truth> ? <time> : <time>)',
  ],
  date: ['date(<time>)', '(<truth> ? <date> : <date>)'],
  duration: ['(<time> - <time>)', '(<duration> + <duration>)', '(<duration> - <duration>)', '-(<duration>)'],
}

function ofKind(kind: Kind, depth: number): fc.Arbitrary<string> {
  if (depth === 0) return leaves[kind]
  const filled = fc.constantFrom(...forms[kind]).chain((form) => {
    const kinds = [...form.matchAll(/<([a-z]+)>/g)].map(([, name]) => name as Kind)
    return fc.tuple(...kinds.map((one) => ofKind(one, depth - 1))).map((values) => {
      let at = 0
      return form.replace(/<[a-z]+>/g, () => values[at++]!)
    })
  })
  return fc.oneof({ weight: 1, arbitrary: leaves[kind] }, { weight: 4, arbitrary: filled })
}

const anySource = fc.integer({ min: 1, max: depthMax }).chain((depth) => ofKind('truth', depth))

/** The condition as a rule of a file; null where it calculates more than a rule may. */
export function ruleOf(source: string): Rule | null {
  const text = [
    'levels: { HIGH: 50 }',
    'review_from: 50',
    'lists: { texts: [a, "", Oslo, "é😀"], numbers: [1, 0.1, 5000, 9007199254740993] }',
    'rules:',
    `  - { name: r, points: 1, says: x, when: ${JSON.stringify(source)} }`,
  ].join('\n')
  const parsed = parseRules(text, { columns: givenSchema })
  if (parsed.kind === 'rules') return parsed.rules.rules[0]!
  const [mistake] = parsed.mistakes
  if (/calculates too much|too long or too deep|has 64 bits/.test(mistake!.message)) return null
  throw new Error(`${source}\n${mistake!.column}: ${mistake!.message}`)
}

export const anyRule: fc.Arbitrary<Rule> = anySource.map(ruleOf).filter((rule) => rule !== null)

/** What engines compute of a random condition: its value, whether it fires, and where it overflowed. */
export const anyCondition: fc.Arbitrary<Expr> = anyRule.chain(({ fires, value, overflows }) =>
  fc.constantFrom(value, value, fires, ...(overflows === null ? [] : [overflows])),
)
