// Every kind of mistake in rules.yaml is told where it stands, with what was expected.
import { expect, test } from 'vitest'
import { parseRules } from '../../../src/rules/index.ts'
import { ruleColumns } from './rule-columns.ts'

/** `▲` stands before the place that the mistake names. */
type Case = readonly [what: string, text: string, says: RegExp]

const head =
  'levels: { HIGH: 50, LOW: 10 }\nreview_from: 50\nlists: { home: [Norway, Sweden], hours: [1, 2] }\n'
const file = (rules: string): string => `${head}rules:\n${rules}`
const rest = '    points: 5\n    says: "{amount}"\n'
const when = (condition: string): string => file(`  - name: a\n    when: ${condition}\n${rest}`)
const says = (template: string): string =>
  file(`  - name: a\n    when: is_fraud\n    points: 5\n    says: ${template}\n`)
const rule = (keys: string): string => file(`  - ${keys}\n`)
const example = (keys: string): string =>
  file(`  - name: a\n    when: is_fraud\n${rest}    examples:\n      - ${keys}\n`)

const ofYaml: readonly Case[] = [
  ['no YAML', `${head}rules:\n  - name: a\n▲  when: is_fraud\n`, /^this is no YAML/],
  ['an empty file', '▲', /file is empty/],
  ['a text in place of a map', '▲hello', /a map with levels, review_from and rules is expected/],
  ['a tab', `${head}rules:\n▲\t- name: a\n`, /no YAML: a tab begins this line; YAML takes spaces/],
  [
    'a tab before a condition',
    `${head}rules:\n  - name: a\n▲\twhen: is_fraud\n`,
    /no YAML: a tab begins this line/,
  ],
  ['a key that stands twice', `${head}▲review_from: 10\nrules: []\n`, /stands twice/],
  [
    'an unknown key',
    when('is_fraud').replace('review_from', '▲review_form'),
    /no key review_form here: did you mean review_from\?/,
  ],
  ['keys that are missing', '▲levels: { HIGH: 50 }\n', /review_from, rules are missing/],
  ['an alias', `levels: &l { HIGH: 50 }\nreview_from: ▲*l\nrules: []\n`, /signs of its own/],
  ['a key without a value', 'levels: { HIGH: 50 }\nreview_from: 50\nrules: ▲', /a list of rules is expected/],
  ['a condition that YAML reads as a tag', when('▲!has(country)'), /put the whole text in quotes/],
  [
    'a sentence that YAML reads as a map',
    says('▲{amount} is much').replace(' is much', ''),
    /YAML reads \{ as a map/,
  ],
  ['a sentence that begins with a brace', says('{amount} ▲is much'), /no YAML.*put the whole text in quotes/],
  ['a condition that begins with a quote', when('"a" ▲== country'), /no YAML.*put the whole text in quotes/],
]

const ofFile: readonly Case[] = [
  [
    'levels that are a list',
    when('is_fraud').replace('{ HIGH: 50, LOW: 10 }', '▲[50, 10]'),
    /levels with their lowest scores/,
  ],
  [
    'a level without a number',
    when('is_fraud').replace('HIGH: 50', 'HIGH: ▲high'),
    /lowest score.*whole number/,
  ],
  ['two levels of one score', when('is_fraud').replace('LOW: 10', 'LOW: ▲50'), /HIGH begins with 50 too/],
  [
    'a level with a name of signs',
    when('is_fraud').replace('LOW', '▲"L O W"'),
    /level has a name of letters/,
  ],
  ['the level below all', when('is_fraud').replace('LOW', '▲MINIMAL'), /every score below/],
  ['a score with a fraction', when('is_fraud').replace('from: 50', 'from: ▲50.5'), /whole number/],
  ['a list that is a text', when('is_fraud').replace('[1, 2]', '▲one'), /a list of texts or of numbers/],
  ['a list of two kinds', when('is_fraud').replace('[1, 2]', '[1, ▲two]'), /of one kind/],
  [
    'a list with a truth value',
    when('is_fraud').replace('[1, 2]', '[▲true]'),
    /put a text like null, true or no in quotes/,
  ],
  ['a list with a bad name', when('is_fraud').replace('hours:', '▲Hours:'), /small letters/],
  ['no rules', `${head}rules: ▲[]\n`, /at least one rule/],
  ['rules that are a map', `${head}rules:\n  ▲a: 1\n`, /a list of rules is expected/],
  ['a rule that is a text', rule('▲high_amount'), /a rule with name, when, points and says/],
  ['a rule that lacks something', rule('▲name: a\n    when: is_fraud'), /points, says are missing/],
  [
    'an unknown key of a rule',
    rule(`name: a\n    ▲whem: is_fraud\n    when: is_fraud\n${rest}`),
    /did you mean when\?/,
  ],
  [
    'a rule with a bad name',
    rule(`name: ▲High-Amount\n    when: is_fraud\n${rest}`),
    /small letters, digits and _/,
  ],
  [
    'two rules of one name',
    rule(`{ name: a, when: is_fraud, points: 1, says: x }\n  - name: ▲a\n    when: is_fraud\n${rest}`),
    /two rules a/,
  ],
  [
    'points that are a text',
    rule('name: a\n    when: is_fraud\n    points: ▲many\n    says: x'),
    /points of the rule.*whole number/,
  ],
  [
    'points beyond all',
    rule('name: a\n    when: is_fraud\n    points: ▲1000000\n    says: x'),
    /from -10000 to 10000/,
  ],
  ['a condition that is a list', when('▲[is_fraud]'), /a condition is expected/],
  ['a condition that is empty', when("'▲'"), /a condition is expected/],
  ['an example that lacks something', example('▲given: { amount: 1 }'), /fires is missing/],
  [
    'an example of an unknown name',
    example('{ given: { ▲amout: 1 }, fires: true }'),
    /no amout: did you mean amount\?/,
  ],
  ['an example of another kind', example('{ given: { amount: ▲"1" }, fires: true }'), /amount is a number/],
  [
    'an example with a fraction of an int',
    example('{ given: { user_id: ▲1.5 }, fires: true }'),
    /a whole number is expected/,
  ],
  ['an example with no time', example('{ given: { event_time: ▲yesterday }, fires: true }'), /a time like/],
  [
    'an example that fires perhaps',
    example('{ given: { amount: 1 }, fires: ▲maybe }'),
    /true or false is expected/,
  ],
]

const ofConditions: readonly Case[] = [
  ['an unknown name', when('▲amuont > 5'), /no amuont: did you mean amount\?/],
  [
    'a name that is like no other',
    when('▲zebra > 5'),
    /no zebra; a text stands in quotes\. Names are amount, /,
  ],
  ['a list without lists.', when('country in ▲home'), /did you mean lists\.home\?/],
  ['an unknown list', when('country in lists.▲hom'), /no list hom: did you mean home\?/],
  ['a list as a value', when('▲lists.home'), /behind "in" only/],
  ['lists without a name', when('country in ▲lists'), /a list has a name/],
  ['a function as a value', when('▲size > 5'), /size is a function: write size\(merchant\)/],
  ['an unknown function', when('▲sizes(merchant) > 5'), /no function sizes: did you mean size\?/],
  ['an unknown method', when('merchant.▲startWith("a")'), /did you mean startsWith\?/],
  ['a regular expression', when("merchant.▲matches('a.*')"), /regular expressions alike/],
  ['a clock', when('event_time > ▲now()'), /no clock/],
  ['a function of Java', when('event_time.▲getHours() > 5'), /write hour\(t\)/],
  ['a loop', when("'[1].▲exists(x, x > 1)'"), /no loops/],
  ['a call in the wrong form', when("▲startsWith(merchant, 'a')"), /is written as in merchant\.startsWith/],
  ['too few values', when('▲merchant.startsWith()'), /another number of values/],
  ['a value of the wrong kind', when('size(▲amount) > 3'), /size takes a text, and this is a number/],
  ['an equals sign', when('amount ▲= 5'), /write == to compare/],
  ['the word and', when('is_fraud ▲and is_weekend'), /write && for "and"/],
  ['the word or', when('is_fraud ▲OR is_weekend'), /write \|\| for "or"/],
  ['the word not', when('not ▲is_fraud'), /write ! for "not"/],
  ['one ampersand', when('is_fraud ▲& is_weekend'), /write && for "and"/],
  ['not equal as in SQL', when('amount <▲> 5'), /write != for "not equal"/],
  ['between', when('amount ▲between 1 and 5'), /x >= a && x <= b/],
  ['like', when("merchant ▲like 'a%'"), /contains, startsWith or endsWith/],
  ['is null', when('merchant ▲is null'), /has\(x\)/],
  ['an operator without a value', when("'amount >▲'"), /a value is missing/],
  ['an open parenthesis', when('(is_fraud▲'), /a \) is missing/],
  ['a choice without its other side', when('is_fraud ? is_weekend▲'), /a : is missing/],
  ['an open text', when('country == ▲"Norway'), /no closing quote/],
  ['typographic quotes', when('country == ▲“Norway”'), /straight quotes/],
  ['a reserved word', when('▲import > 5'), /a word of CEL and no name/],
  ['a number too great', when('amount > ▲1e999'), /no number/],
  ['half of a surrogate pair', when(`country == "▲\\ud800"`), /cannot be read/],
  ['a condition that is a number', when('▲amount'), /this is a number: compare it/],
  ['a condition that is a text', when('▲merchant'), /this is a text: compare it/],
  ['a number in quotes', when("▲amount > '5000'"), /a number stands without quotes/],
  ['a time and a text', when("▲event_time > '2026-10-01'"), /write timestamp\("/],
  ['a date and a text', when("▲transaction_date == '2026-10-01'"), /write date\("/],
  ['a date and a time', when('▲transaction_date == event_time'), /date\(\.\.\) of the time/],
  ['a chain of comparisons', when('▲1 < amount < 3'), /two comparisons: a > 1 && a < 3/],
  ['an order of truth values', when('▲is_fraud < is_weekend'), /does not compare true with false/],
  ['and of a number', when('is_fraud && ▲amount'), /&& takes conditions, and this is a number/],
  ['the opposite of a text', when('▲-merchant == merchant'), /- does not take a text/],
  ['null compared', when('▲country == null'), /use !has\(country\)/],
  ['null compared otherwise', when('▲null != country'), /use has\(country\)/],
  ['null in a list', when("country in ['a', ▲null]"), /null is not compared/],
  ['has of a calculation', when('▲has(amount + 1)'), /has asks for one name/],
  ['a list of two kinds', when("country in ['a', ▲5]"), /a text is looked for, and this is a number/],
  ['an empty list', when('country in ▲[]'), /holds nothing/],
  ['in of a name that is no list', when('country in ▲merchant'), /merchant is text and no list/],
  ['in of a list of numbers', when('▲country in lists.hours'), /lists\.hours holds numbers/],
  ['an element of a list', when('▲lists.home[0] == country'), /no elements to pick/],
  ['a remainder', when('▲user_id % 2 == 0'), /% is not offered/],
  ['a part of a value', when('▲country.code == 5'), /names have no parts/],
  ['a text and a number added', when('▲merchant + 5 == merchant'), /\+ does not take a text and a number/],
  ['a time and a number added', when('▲event_time + 5 > event_time'), /a duration as duration\("30m"\)/],
  [
    'results of two kinds',
    when("'(is_fraud ? amount : ▲merchant) > 5'"),
    /both results of \? : have to be of one kind/,
  ],
  ['more places than a decimal has', when('▲amount > 0.1234567'), /at most 6 digits behind the point/],
  ['a whole number of more than 64 bits', when('user_id < ▲99999999999999999999'), /64 bits/],
  ['an unsigned number', when('user_id > ▲5u'), /without a letter behind it/],
  ['bytes', when("merchant == ▲b'a'"), /write a text as/],
  ['a map', when("'▲{1: 2} == 1'"), /no maps/],
  [
    'a duration that is none',
    when("event_time - event_time > duration(▲'5 minutes')"),
    /a duration like "1h30m"/,
  ],
  ['a time that is none', when("event_time > timestamp(▲'2026-10-01')"), /a time like/],
  ['a day that is none', when("transaction_date == date(▲'2026-02-30')"), /a day like/],
  ['a duration that is not written down', when('event_time - event_time > duration(▲merchant)'), /in quotes/],
  ['a column that no condition asks', when('▲headers == headers'), /no condition asks/],
  ['too deep', when(`${'('.repeat(60)}▲${'('.repeat(20)}is_fraud${')'.repeat(80)}`), /too long or too deep/],
  ['a calculation of exponential size', when(`▲${'amount / '.repeat(12)}amount > 1`), /calculates too much/],
]

const ofTemplates: readonly Case[] = [
  ['an unknown name', says('"more than ▲{amuont}"'), /no amuont: did you mean amount\?/],
  ['a brace that is never closed', says('"▲{amount is much"'), /never closed/],
  ['a brace that closes nothing', says('"amount▲} is much"'), /closes nothing/],
  ['a calculation', says('"▲{amount + 1}"'), /nothing is calculated/],
  ['nothing', says('"▲"'), /a sentence is expected/],
  ['a column without a text', says('"▲{headers}"'), /has no text/],
]

const ofLines: readonly Case[] = [
  ['a block', when('>-\n      is_fraud &&\n      ▲amuont > 5'), /did you mean amount/],
  ['a literal block', when('|\n      is_fraud\n        && ▲amuont > 5'), /did you mean amount/],
  ['a plain text of two lines', when('is_fraud &&\n      ▲amuont > 5'), /did you mean amount/],
  [
    'single quotes',
    when("'country == ''it''''s'' && ▲amuont > 5'".replace("''''s", 's')),
    /did you mean amount/,
  ],
  [
    'double quotes with escapes',
    when('"country == \\"\\u00e9\\x41\\" && ▲amuont > 5"'),
    /did you mean amount/,
  ],
  ['characters beyond U+FFFF', when(`country == '😀' && ▲amuont > 5`), /did you mean amount/],
  [
    'a file of another system',
    when('is_fraud && ▲amuont > 5').replaceAll('\n', '\r\n'),
    /did you mean amount/,
  ],
]

const cases = { ofYaml, ofFile, ofConditions, ofTemplates, ofLines }
const all = Object.entries(cases).flatMap(([group, list]) =>
  list.map((one) => [`${group}: ${one[0]}`, one[1], one[2]] as const),
)

test.each(all)('%s', (_, marked, said) => {
  const at = marked.indexOf('▲')
  expect(at).toBe(marked.lastIndexOf('▲'))
  const before = marked.slice(0, at).split('\n')
  const place = { line: before.length, column: before.at(-1)!.length + 1 }
  const parsed = parseRules(marked.replace('▲', ''), { columns: ruleColumns })
  if (parsed.kind === 'rules') throw new Error('no mistake was found')
  const [first] = parsed.mistakes
  expect({ line: first!.line, column: first!.column, message: first!.message }).toEqual({
    ...place,
    message: expect.stringMatching(said),
  })
})

test('there are 40 kinds and more, and all mistakes of a file are told at once, in its order', () => {
  expect(all.length).toBeGreaterThan(40)
  const text = `${head}rules:\n  - { name: a, when: amuont > 5, points: 1, says: x }\n  - { name: b, when: is_frod, points: x, says: "{z}" }\n`
  const parsed = parseRules(text, { columns: ruleColumns })
  expect(parsed).toMatchObject({
    kind: 'mistakes',
    mistakes: [
      { line: 5, column: 22 },
      { line: 6, column: 22 },
      { line: 6, column: 39 },
      { line: 6, column: 49 },
    ],
  })
})
