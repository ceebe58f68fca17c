// The model of rules.yaml: what its features are of a row, and what is told where that cannot be.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importedText, importModel } from '../../../src/cli/model.ts'
import { compileRowPath } from '../../../src/javascript/index.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { input, project } from '../../../src/plan/index.ts'
import { parseRules } from '../../../src/rules/index.ts'
import { modelFileName } from '../../../src/rules/model.ts'
import { ruleColumns } from '../rules/rule-columns.ts'
import { smallModel } from './small-model.ts'

const columns = { ...ruleColumns, hour: 'int', payment_method: 'string' } as const

/** FILE in the model is the name that says what is in the text. */
function parsed(given: string, text = smallModel, when = 'model_score > 0.9') {
  const model = given.replace('FILE', modelFileName(text, 'txt'))
  const rules = `levels: { HIGH: 50 }
review_from: 50
${model}
rules:
  - { name: one, when: ${when}, points: 50, says: 'the model gives {model_score}' }
`
  return parseRules(rules, {
    columns,
    beside: (file) => {
      return file === 'gone.txt'
        ? { kind: 'absent', path: null, reason: 'gone.txt cannot be read' }
        : { kind: 'text', text }
    },
  })
}
const mistakesOf = (...given: Parameters<typeof parsed>) => {
  const found = parsed(...given)
  return found.kind === 'mistakes' ? found.mistakes.map((one) => `${one.line}: ${one.message}`) : []
}

test('a feature of which nothing is said is the column of its name', () => {
  expect(mistakesOf('model: { file: ./FILE }')).toEqual([])
  expect(mistakesOf('model: { file: FILE, features: { hour: hour(event_time) * 1 } }')).toEqual([])
})

test.each<[string, string, RegExp]>([
  ['a file that is not there', 'model: { file: gone.txt }', /3: gone.txt cannot be read/],
  ['a file elsewhere', 'model: { file: ../model.txt }', /a model lies beside the rules/],
  ['no file', 'model: { features: {} }', /file is missing/],
  [
    'a feature of no model',
    'model: { file: FILE, features: { amuont: amount } }',
    /no feature amuont: did you mean amount/,
  ],
  [
    'a text for a number',
    'model: { file: FILE, features: { amount: merchant } }',
    /amount is a number.*this is a text/,
  ],
  ['a time', 'model: { file: FILE, features: { amount: event_time } }', /this is a time/],
  [
    'a truth for a category',
    'model: { file: FILE, features: { payment_method: is_fraud } }',
    /a text, or the number of a category/,
  ],
  ['the score itself', 'model: { file: FILE, features: { amount: model_score } }', /there is no model_score/],
  ['a mistake in a condition', 'model: { file: FILE, features: { amount: "amount >" } }', /3: /],
])('%s is told', (_, model, message) => {
  expect(mistakesOf(model).join('\n')).toMatch(message)
})

test('a mistake in the file of the model is told with its line there', () => {
  const text = smallModel.replace('threshold=1000', 'threshold=x')
  expect(mistakesOf('model: { file: FILE }', text)).toEqual([
    expect.stringMatching(/^3: model-[0-9a-f]{24}.txt:16: threshold: "x" is no number$/),
  ])
})

test('categories of numbers need their texts', () => {
  const text = smallModel.replace(/pandas_categorical.*/, 'pandas_categorical:null')
  expect(mistakesOf('model: { file: FILE }', text).join()).toMatch(/does not say which texts/)
  const given = 'payment_method: { value: payment_method, categories: [card, crypto, wallet] }'
  expect(mistakesOf(`model: { file: FILE, features: { ${given} } }`, text)).toEqual([])
})

test('a number, and a truth, are the place of their category and not its number', () => {
  const numbers = smallModel.replace(/pandas_categorical.*/, 'pandas_categorical:[[7, 3.5, -1]]')
  const truths = smallModel.replace(/pandas_categorical.*/, 'pandas_categorical:[[false, true]]')
  const scoresOf = (text: string, value: string, hours: readonly number[]) => {
    const found = parsed(`model: { file: FILE, features: { payment_method: "${value}" } }`, text)
    if (found.kind === 'mistakes') throw new Error(found.mistakes[0]!.message)
    const rows = project(input('given', columns), () => ({ score: found.rules.model!.score }))
    const path = compileRowPath({ source: 'given', outputs: { scores: { relation: rows, into: 'columns' } } })
    const batch = path.start({ parameters: {} })
    for (const hour of hours) batch.add({ amount: null, hour, payment_method: null, event_time: null })
    return hours.map((_, index) => Number(batch.rows('scores').columns.score!.get(index)))
  }
  // The second category is worth 2, all else -1; no hour is beyond 22.
  const [crypto, other] = [2, -1].map((leaf) => 1 / (1 + Math.exp(2 - leaf)))
  expect(scoresOf(numbers, 'hour / 2.0', [7, 14, 1])).toEqual(
    [crypto, other, other].map((one) => expect.closeTo(one!, 9)),
  )
  expect(scoresOf(truths, 'hour > 7', [7, 14])).toEqual([other, crypto].map((one) => expect.closeTo(one!, 9)))
})

test('without a model no rule asks for its score', () => {
  const mistakes = mistakesOf('')
  expect(mistakes).toHaveLength(2)
  for (const one of mistakes) expect(one).toMatch(/there is no model_score/)
})

test('a name that says another content, or none, is told', () => {
  const name = modelFileName(smallModel, 'txt')
  expect(mistakesOf(`model: { file: ${name} }`)).toEqual([])
  expect(mistakesOf(`model: { file: ${name} }`, `${smallModel}\n`)).toEqual([
    expect.stringMatching(/does not say what is in it: "assay model import/),
  ])
})

test('an import writes the file beside the rules, and says what the rules need', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'assay-import-'))
  try {
    const rules = { file: join(directory, 'rules.yaml'), columns, by: () => standardLakehouse }
    writeFileSync(join(directory, 'mine.txt'), smallModel)
    const { path, model } = importModel(rules, join(directory, 'mine.txt'))
    expect(path).toBe(join(directory, modelFileName(smallModel, 'txt')))
    expect(readFileSync(path, 'utf8')).toBe(smallModel)
    const said = importedText(model, path, rules)
    expect(said).toContain('2 trees, 3 nodes, 3 features')
    const snippet = said.slice(said.indexOf('model:'), said.indexOf('\n\nRules can'))
    expect(mistakesOf(snippet)).toEqual([])
    writeFileSync(join(directory, 'bad.txt'), smallModel.replace('binary', 'regression'))
    expect(() => importModel(rules, join(directory, 'bad.txt'))).toThrow(
      /bad.txt:7: its objective is regression/,
    )
    expect(() => importModel(rules, join(directory, 'none.txt'))).toThrow(/none.txt cannot be read: ENOENT/)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
