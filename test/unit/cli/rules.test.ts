// assay rules: what a person sees of a file of rules, its mistakes and its examples.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runProgram } from '../../../src/cli/program.ts'
import { checkRules, openRules, testRules } from '../../../src/cli/rules.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { standardProject } from '../../../src/project/project.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'assay-rules-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function rulesIn(name: string, rules: string): string {
  const file = join(directory, name)
  writeFileSync(file, `levels: { HIGH: 50 }\nreview_from: 50\nrules:\n${rules}`)
  return file
}

async function failing(...args: string[]): Promise<{ readonly code: number; readonly told: string }> {
  let told = ''
  const take = (text: string): void => {
    told += text
  }
  return { code: await runProgram(args, { writeOut: take, writeErr: take }), told }
}

function printed(write: (out: { write(text: string): void }) => void): string {
  let text = ''
  write({ write: (part) => (text += part) })
  return text
}

test('the rules that ship have no mistakes, each has examples, and all are right', () => {
  const opened = openRules(standardProject)
  expect(printed((out) => checkRules(opened, out))).toContain('7 rules in ')
  let isRight = false
  const told = printed((out) => {
    isRight = testRules(opened, null, out)
  })
  expect(isRight).toBe(true)
  expect(told).not.toContain('no examples')
})

test('the names of the rules that ship are columns of the scored rows, of their types', () => {
  const { schema } = standardLakehouse.scored!.rows
  const { columns } = standardLakehouse.rulesFrom!
  const common = Object.keys(schema).filter((name) => name in columns)
  expect(common.length).toBeGreaterThan(15)
  expect(common.map((name) => [name, columns[name]])).toEqual(common.map((name) => [name, schema[name]]))
})

test('mistakes are told with file, line and column, and the exit code is that of wrong usage', async () => {
  const file = rulesIn('wrong.yaml', '  - { name: a, when: amuont > 5, points: 1, says: "{x}" }\n')
  const { code, told } = await failing('rules', 'check', file)
  expect(code).toBe(2)
  expect(told).toContain(`${file}:4:22: there is no amuont: did you mean amount?`)
  expect(told).toContain(`${file}:4:52: there is no x; names are `)
  expect((await failing('rules', 'test', join(directory, 'nowhere.yaml'))).told).toContain('there is no file')
})

test('an example that is wrong is told with its line and what was given, also one of another file', () => {
  const example = '{ given: { amount: 5000.00, country: Norway }, fires: true }'
  const file = rulesIn(
    'a.yaml',
    `  - name: big\n    when: amount > 5000\n    points: 5\n    says: big\n    examples:\n      - ${example}\n`,
  )
  const more = '\n{"rule":"big","given":{"amount":5000.01},"fires":false}\n'
  const told = printed((out) => expect(testRules(openRules(standardProject, file), more, out)).toBe(false))
  expect(told).toBe(
    'big  wrong, 2 examples\n' +
      `  ${file}:9: given { amount: 5000, country: "Norway" }, big does not fire, and should\n` +
      '  line 2 of the examples: given { amount: 5000.01 }, big fires, and should not\n',
  )
})

test.each([
  ['{"rule":"big"', /line 1: one JSON object/],
  ['{"rule":"bog","given":{},"fires":true}', /no rule bog: did you mean big\?/],
  ['{"rule":"big","given":{},"fires":1}', /"fires" is true or false/],
  ['{"rule":"big","given":5,"fires":true}', /"given" is an object/],
  ['{"rule":"big","given":{"amuont":5},"fires":true}', /no amuont: did you mean amount\?/],
  ['{"rule":"big","given":{"amount":"5"},"fires":true}', /amount: a number with two places/],
  ['null', /"rule" is one of big/],
])('a line that is no example is told: %s', (line, said) => {
  const file = rulesIn('b.yaml', '  - { name: big, when: amount > 5, points: 5, says: big }\n')
  expect(() => testRules(openRules(standardProject, file), line, { write: () => {} })).toThrow(said)
})

test('what an editor completes has names, lists and functions, also where the file has mistakes', async () => {
  const file = rulesIn('c.yaml', '  - { name: big, when: amuont > 5, points: 5, says: big }\n')
  const written: string[] = []
  const write = process.stdout.write
  process.stdout.write = ((text: string) => written.push(text) > 0) as typeof write
  try {
    await runProgram(['rules', 'complete', file])
    await runProgram(['rules', 'complete'])
  } finally {
    process.stdout.write = write
  }
  const [broken, shipped] = written.map((text) => JSON.parse(text))
  expect(broken).toMatchObject({
    lists: [],
    names: expect.arrayContaining([{ name: 'amount', type: 'decimal' }]),
  })
  expect(shipped.lists).toEqual([{ name: 'lists.high_risk_countries', type: 'list of texts', elements: 3 }])
  for (const { example } of shipped.functions) expect(example).toBeTypeOf('string')
})

test('text that tries to steer the terminal is printed as text', () => {
  const file = rulesIn('d.yaml', `  - { name: a, when: "merchant == '\\e[2J\\u202e'", points: 5, says: x }\n`)
  const told = printed((out) => checkRules(openRules(standardProject, file), out))
  expect(told).toContain("merchant == '�[2J�'")
  expect(told).not.toContain('\x1b')
})
