// What rules.yaml means: three values, sentences, and text that stays text on every engine.
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import type { LiteralValue } from '../../../src/expr/index.ts'
import { firedRules, fraudScore } from '../../../src/fraud/score.ts'
import { compileRowPath, literalOf } from '../../../src/javascript/index.ts'
import { input, project } from '../../../src/plan/index.ts'
import {
  completionData,
  filledSentence,
  parseRules,
  type RuleSet,
  runExamples,
  textOfValue,
} from '../../../src/rules/index.ts'
import { duckdb, expressionSql, spark } from '../../../src/sql/index.ts'
import { ruleColumns } from './rule-columns.ts'

type LiteralRow = Readonly<Record<string, LiteralValue>>

function rulesOf(rules: string, lists = 'home: [Norway]', parameters: readonly string[] = []): RuleSet {
  const text = `levels: { HIGH: 50 }\nreview_from: 50\nlists: { ${lists} }\nrules:\n${rules}`
  const parsed = parseRules(text, { columns: ruleColumns, parameters })
  if (parsed.kind === 'mistakes') throw new Error(JSON.stringify(parsed.mistakes))
  return parsed.rules
}

const one = (when: string, says = '"{amount}"') =>
  rulesOf(`  - { name: r, when: ${JSON.stringify(when)}, points: 5, says: ${says} }\n`)

/** The value of the condition, and whether the rule fires, for one row. */
function judged(when: string, given: LiteralRow): readonly [value: unknown, fires: unknown] {
  const [rule] = one(when).rules
  const relation = project(input('given', ruleColumns), () => ({ value: rule!.value, fires: rule!.fires }))
  const path = compileRowPath({ source: 'given', outputs: { found: { relation, into: 'columns' } } })
  const batch = path.start({ parameters: {} })
  const cells = Object.entries(ruleColumns).map(([name, type]) => [
    name,
    literalOf(type, given[name] ?? null),
  ])
  batch.add(Object.fromEntries(cells))
  const { value, fires } = batch.rows('found').columns
  return [value!.get(0), fires!.get(0)]
}

test.each<readonly [when: string, given: LiteralRow, value: boolean | null]>([
  ['country == "Norway"', {}, null],
  ['!(country == "Norway")', {}, null],
  ['country in lists.home', {}, null],
  ['!(country in lists.home)', {}, null],
  ['!(country in lists.home)', { country: 'Chad' }, true],
  ['country in ["Norway"] || true', {}, true],
  ['country in ["Norway"] && false', {}, false],
  ['has(country)', {}, false],
  ['!has(country)', {}, true],
  ['is_fraud ? true : true', {}, null],
  ['has(country) ? false : true', {}, true],
  ['user_id in [1, 2]', {}, null],
  ['user_id in [1, 2]', { user_id: 2 }, true],
  ['amount > 0.1', { amount: '0.10' }, false],
  ['amount == 0.1', { amount: '0.10' }, true],
  ['amount * 0.1 == 0.01', { amount: '0.10' }, true],
  ['amount / 3 == 0.033333', { amount: '0.10' }, true],
  ['1 / 3 == 0.333333', {}, true],
  ['amount / 0 > 1', { amount: '1' }, null],
  ['user_id * 9223372036854775807 > 0', { user_id: 2 }, null],
  ['user_id + 1 > 2147483647', { user_id: 2147483647 }, true],
  ['-user_id == 5', { user_id: -5 }, true],
  ['-9223372036854775808 < user_id', { user_id: 0 }, true],
  ['size(merchant) == 3', { merchant: 'a😀é' }, true],
  ['merchant.lowerAscii() == "À-z"', { merchant: 'À-Z' }, true],
  ['hour(event_time) == 23', { event_time: '2024-03-10 23:59:59' }, true],
  ['dayOfWeek(event_time) == 1', { event_time: '2024-03-10 23:59:59' }, true],
  ['date(event_time) == date("2024-03-10")', { event_time: '2024-03-10 23:59:59' }, true],
  [
    'event_time - timestamp("2024-03-10T00:00:00Z") == duration("1h30m")',
    { event_time: '2024-03-10 01:30:00' },
    true,
  ],
  [
    'event_time + duration("-1h") < timestamp("2024-03-10T00:00:00+01:00")',
    { event_time: '2024-03-09 23:59:59' },
    true,
  ],
])('%s, given %j, is %j', (when, given, value) => {
  const [found, fires] = judged(when, given)
  expect([found, fires === true]).toEqual([value, value === true])
})

test('where a calculation overflows or divides by zero, the condition says so; where it is decided, not', () => {
  const lost = (when: string, given: LiteralRow) => {
    const [rule] = one(when).rules
    const counting = { ...one(when), rules: [{ ...rule!, fires: rule!.overflows! }] }
    return runExamples(counting, ruleColumns, () => [{ given, fires: true, line: 1, isOfFile: true }])[0]!
      .fired
  }
  expect(lost('amount / user_id > 1', { amount: '1', user_id: 0 })).toBe(true)
  expect(lost('amount / user_id > 1', { amount: '1' })).toBe(false)
  expect(lost('amount / user_id > 1', { amount: '1', user_id: 1 })).toBe(false)
  expect(lost('user_id != 0 && amount / user_id > 1', { amount: '1', user_id: 0 })).toBe(false)
  expect(lost('user_id * 9223372036854775807 > 0', { user_id: 2 })).toBe(true)
  expect(one('amount > 5').rules[0]!.overflows).toBeNull()
})

test('a list that each batch brings is a parameter, any other stands in the condition', () => {
  const rules = '  - { name: r, when: country in lists.home, points: 5, says: x }\n'
  expect(rulesOf(rules, 'home: [Norway]', ['home']).rules[0]!.fires).toEqual({
    ...{ kind: 'call', function: 'isOneOf', type: 'boolean' },
    args: [
      { kind: 'column', name: 'country', type: 'string' },
      { kind: 'parameter', name: 'home', type: 'array<string>' },
    ],
  })
  expect(JSON.stringify(rulesOf(rules).rules[0]!.fires)).toContain('"value":["Norway"]')
})

test('a sentence is filled with the values of a row, and says where there is none', () => {
  const [rule] = one(
    'is_fraud',
    '"{{{amount}}} of {merchant} on {transaction_date} at {event_time}, {country}: {is_fraud}"',
  ).rules
  const row: Record<string, unknown> = {
    amount: 500_001,
    merchant: '<b>{amount}',
    transaction_date: 19_792,
    event_time: -1,
    is_fraud: true,
  }
  const said = filledSentence(rule!.says, (name, type) => textOfValue(type, (row[name] ?? null) as never))
  expect(said).toBe('{5000.01} of <b>{amount} on 2024-03-10 at 1969-12-31T23:59:59.999999Z, unknown: true')
  expect(textOfValue('decimal(28,2)', -5)).toBe('-0.05')
  expect(textOfValue('decimal(38,6)', 1_500_000)).toBe('1.500000')
})

test('text that tries to be SQL, HTML or a terminal sequence stays text on DuckDB, Spark and in JavaScript', async () => {
  const texts = [
    `'; DROP TABLE given; --`,
    `\\' OR 1=1 --`,
    '<script>alert(1)</script>',
    '\u001b[2J',
    '$&',
    '"',
    '``',
  ]
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  for (const text of texts) {
    const quoted = JSON.stringify(text)
    const ruleSet = rulesOf(
      `  - { name: a, when: ${JSON.stringify(`merchant == ${quoted}`)}, points: 5, says: ${JSON.stringify(text)} }\n` +
        `  - { name: b, when: merchant in lists.odd, points: 7, says: x }\n`,
      `odd: [${quoted}]`,
    )
    const { rules } = ruleSet
    expect(
      runExamples(ruleSet, ruleColumns, () => [
        { given: { merchant: text }, fires: true, line: 1, isOfFile: true },
      ]).map(({ fired }) => fired),
    ).toEqual([true, true])
    await connection.run('CREATE OR REPLACE TABLE given (merchant VARCHAR)')
    await connection.run('INSERT INTO given VALUES ($1), ($2)', [text, 'other'])
    const score = `${expressionSql(duckdb, fraudScore(rules))} AS score, ${expressionSql(duckdb, firedRules(rules))} AS fired`
    const found = await connection.runAndReadAll(`SELECT ${score} FROM given`)
    expect(found.getRowsJson()).toEqual([
      [12, ['a', 'b']],
      [0, []],
    ])
    // Whatever quotes it holds, for Spark it is one literal: escaped, and closed by the last quote alone.
    const literal = expressionSql(spark, rules[0]!.fires).slice("(`merchant` = '".length, -"')".length)
    expect(literal).not.toMatch(/(^|[^\\])(\\\\)*'/)
    expect(filledSentence(rules[0]!.says, () => null)).toBe(text)
  }
  connection.closeSync()
  instance.closeSync()
})

test('completion data is JSON with every name, list, function and operator', () => {
  const data = completionData(
    ruleColumns,
    rulesOf('  - { name: r, when: is_fraud, points: 1, says: x }\n').lists,
  )
  expect(JSON.parse(JSON.stringify(data))).toEqual(data)
  expect(data.names).toContainEqual({ name: 'event_time', type: 'time' })
  expect(data.names.map(({ name }) => name)).not.toContain('headers')
  expect(data.lists).toEqual([{ name: 'lists.home', type: 'list of texts', elements: 1 }])
  // Every example is a condition, or a value of one.
  const columns = {
    ...ruleColumns,
    payment_method: 'string',
    device_id: 'string',
    processing_time: 'timestamp',
  } as const
  for (const { example } of data.functions) {
    const text = `levels: { A: 1 }\nreview_from: 1\nrules: [{ name: r, when: ${JSON.stringify(example)}, points: 1, says: x }]`
    expect(parseRules(text, { columns }).kind, example).toBe('rules')
  }
})

test('levels are in the order of their scores, whatever the order of the file', () => {
  const text =
    'levels: { LOW: 10, HIGH: 50, MEDIUM: 25 }\nreview_from: 25\nrules: [{ name: r, when: is_fraud, points: -5, says: x }]'
  const parsed = parseRules(text, { columns: ruleColumns })
  expect(parsed).toMatchObject({
    rules: {
      reviewFrom: 25,
      levels: [{ name: 'HIGH' }, { name: 'MEDIUM' }, { name: 'LOW' }],
      rules: [{ points: -5 }],
    },
  })
})
