// Random conditions: a rule fires where its condition is true and nowhere else; and where CEL and this
// dialect have one meaning, a condition is what another implementation of CEL says, whose errors are null
// here.
import { Environment } from '@marcbachmann/cel-js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileRowPath, literalOf } from '../../../src/javascript/index.ts'
import { input, project } from '../../../src/plan/index.ts'
import { parseRules } from '../../../src/rules/index.ts'
import { onJavascript } from '../../compare/evaluators.ts'
import { anyRule } from '../../generate/conditions.ts'
import { anyRow } from '../../generate/expressions.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

test(`a rule fires where its condition is true, and nowhere else (SEED=${seed})`, () => {
  const rules = fc.sample(anyRule, { seed, numRuns: 1_000 })
  const rows = fc.sample(anyRow, { seed, numRuns: 20 })
  const expressions = rules.flatMap(({ fires, value, overflows }) => [fires, value, overflows ?? value])
  let fired = 0
  for (const cells of onJavascript(expressions, rows)) {
    for (const [index, { overflows }] of rules.entries()) {
      const [fires, value, lost] = cells.slice(index * 3, index * 3 + 3)
      expect(fires === true, JSON.stringify(rules[index]!.when)).toBe(value === true)
      // What overflowed is not known.
      if (overflows !== null && lost === true) expect(value).toBe(null)
      if (fires === true) fired++
    }
  }
  expect(fired).toBeGreaterThan(100)
})

type Kind = 'number' | 'text' | 'truth'
const leaves: Readonly<Record<Kind, readonly string[]>> = {
  number: ['n', 'm', '0', '1', '-7', '9223372036854775807', '-9223372036854775808', '4294967296'],
  text: ['s', 't', '""', '"a"', '"é😀"', '"it\'s"', '"\uffff"'],
  truth: ['p', 'q', 'true', 'false'],
}
/**
 * Without the opposite of a number, which cel-js lets overflow, and without lists of what can fail: in CEL
 * one element that fails is an error of the list, here it is unknown whether the value is equal to it.
 */
const forms: Readonly<Record<Kind, readonly string[]>> = {
  number: ['(<number> + <number>)', '(<number> - <number>)', '(<number> * <number>)', 'size(<text>)'],
  text: ['(<text> + <text>)', '(<truth> ? <text> : <text>)'],
  truth: [
    ...['==', '!=', '<', '<=', '>', '>='].map((operator) => `(<number> ${operator} <number>)`),
    ...['==', '!='].map((operator) => `(<text> ${operator} <text>)`),
    ...['(<truth> && <truth>)', '(<truth> || <truth>)', '!(<truth>)', '(<truth> == <truth>)'],
    ...['(<text> in [s, "a", t])', '(<number> in [n, 1, -7, m])', '(<truth> ? <truth> : <truth>)'],
    ...['<text>.startsWith(<text>)', '<text>.endsWith(<text>)', '<text>.contains(<text>)'],
  ],
}

function ofKind(kind: Kind, depth: number): fc.Arbitrary<string> {
  const leaf = fc.constantFrom(...leaves[kind])
  if (depth === 0) return leaf
  const form = fc.constantFrom(...forms[kind]).chain((text) => {
    const parts = text.split(/<([a-z]+)>/)
    const values = parts.map((part, index) =>
      index % 2 === 1 ? ofKind(part as Kind, depth - 1) : fc.constant(part),
    )
    return fc.tuple(...values).map((filled) => filled.join(''))
  })
  return fc.oneof({ weight: 1, arbitrary: leaf }, { weight: 5, arbitrary: form })
}

const columns = { n: 'long', m: 'long', s: 'string', t: 'string', p: 'boolean', q: 'boolean' } as const
const long = fc.oneof(fc.bigInt({ min: -5n, max: 5n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
const word = fc.oneof(fc.constantFrom('', 'a', 'it', "it's", 'é', '\uffff'), fc.string({ maxLength: 4 }))
const row = fc.record({ n: long, m: long, s: word, t: word, p: fc.boolean(), q: fc.boolean() })

const cel = new Environment()
  .registerVariable('n', 'int')
  .registerVariable('m', 'int')
  .registerVariable('s', 'string')
  .registerVariable('t', 'string')
  .registerVariable('p', 'bool')
  .registerVariable('q', 'bool')

/** null for an error. */
function byCel(source: string, given: object): unknown {
  try {
    return cel.evaluate(source, { ...given })
  } catch {
    return null
  }
}

test(`a condition is what another implementation of CEL says (SEED=${seed})`, () => {
  const sources = fc.sample(ofKind('truth', 4), { seed, numRuns: 1_500 })
  const rows = fc.sample(row, { seed, numRuns: 10 })
  const seen = new Map<unknown, number>()
  for (const source of sources) {
    const text = `levels: { A: 1 }\nreview_from: 1\nrules: [{ name: r, points: 1, says: x, when: ${JSON.stringify(source)} }]`
    const parsed = parseRules(text, { columns })
    if (parsed.kind === 'mistakes') {
      expect(parsed.mistakes[0]!.message, source).toMatch(/64 bits/)
      continue
    }
    const { value } = parsed.rules.rules[0]!
    const relation = project(input('given', columns), () => ({ value }))
    const path = compileRowPath({ source: 'given', outputs: { found: { relation, into: 'columns' } } })
    const batch = path.start({ parameters: {} })
    for (const given of rows) {
      batch.add(
        Object.fromEntries(
          Object.entries(given).map(([name, cell]) => [name, literalOf(columns[name as 'n'], cell)]),
        ),
      )
    }
    const found = batch.rows('found').columns.value!
    for (const [place, given] of rows.entries()) {
      const expected = byCel(source, given)
      seen.set(expected, (seen.get(expected) ?? 0) + 1)
      expect(found.get(place), `${source} for ${Object.values(given).join(' | ')}`).toBe(expected)
    }
  }
  for (const outcome of [true, false, null]) expect(seen.get(outcome)).toBeGreaterThan(50)
})
