// Files of models: what is read of them, and what is told of one that is damaged or of another kind.
import { describe, expect, test } from 'vitest'
import { evaluatorOf, modelText, probability, readModel } from '../../../src/model/index.ts'
import { smallModel, smallModelRaw } from './small-model.ts'

const read = (text: string) => {
  const found = readModel(text)
  if (found.kind === 'mistake') throw new Error(found.message)
  return found.model
}

test('the score is what the leaves add up to, whatever is missing', () => {
  const evaluator = evaluatorOf(modelText(read(smallModel)))!
  const methods = ['card', 'crypto', 'wallet', null]
  for (const amount of [null, 0, 1000, 1000.01, 9_999_999]) {
    for (const hour of [null, 0, 22, 23]) {
      for (const method of methods) {
        const score = evaluator.scoreOf([amount, hour, method === null ? null : methods.indexOf(method)])
        expect(score).toBeCloseTo(1 / (1 + Math.exp(-smallModelRaw(amount, hour, method))), 12)
      }
    }
  }
})

test('categories that nobody knows are in no list', () => {
  const evaluator = evaluatorOf(modelText(read(smallModel)))!
  const card = evaluator.scoreOf([10, 10, 0])
  for (const category of [3, 31, 32, 33, 1e9, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(evaluator.scoreOf([10, 10, category])).toBe(card)
})

test('a probability is that of exp, and never leaves 0 to 1', () => {
  for (let raw = -60; raw <= 60; raw += 0.37) {
    expect(Math.abs(probability(raw) - 1 / (1 + Math.exp(-raw)))).toBeLessThan(1e-12)
  }
  expect([-1e300, 1e300].map(probability)).toEqual([expect.closeTo(0, 12), 1])
})

test('features have the names, kinds and texts of the file', () => {
  expect(read(smallModel).features).toEqual([
    { name: 'amount', kind: 'number', values: null },
    { name: 'hour', kind: 'number', values: null },
    { name: 'payment_method', kind: 'category', values: ['card', 'crypto', 'wallet'] },
  ])
})

describe('what is told of', () => {
  const changed = (what: RegExp | string, by: string) => smallModel.replace(what, by)
  test.each<[string, string, RegExp, number | null]>([
    ['another objective', changed('binary sigmoid:1', 'lambdarank'), /its objective is lambdarank/, 7],
    ['several classes', changed('iteration=1', 'iteration=3'), /more than one class/, 4],
    ['the end that is missing', smallModel.slice(0, 500), /ends before its line "end of trees"/, 34],
    ['a tree without leaves', changed(/leaf_value=-2.*\n/, ''), /leaf_value is missing/, 13],
    [
      'a word for a number',
      changed('threshold=1000', 'threshold=many'),
      /threshold: "many" is no number/,
      16,
    ],
    [
      'a feature that is none',
      changed('split_feature=0 1', 'split_feature=0 7'),
      /asks feature 7, and there are 3/,
      13,
    ],
    [
      'a way to nowhere',
      changed('right_child=-2 -3', 'right_child=-2 9'),
      /leads to 9, which is no node/,
      13,
    ],
    ['a way around', changed('left_child=1 -1', 'left_child=0 -1'), /two nodes lead to node 0/, 13],
    ['lists that differ', changed('decision_type=10 8', 'decision_type=10'), /different lengths/, 13],
    ['categories without end', changed('cat_boundaries=0 1', 'cat_boundaries=0 9'), /do not go together/, 26],
    ['linear trees', changed('is_linear=0', 'is_linear=1'), /linear trees are not read/, 21],
    ['names that stand twice', changed('=amount hour', '=hour hour'), /two features are called hour/, 8],
    ['something else', 'levels: {}', /neither LightGBM's text nor JSON/, null],
    ['other JSON', '{"learner": 1}', /learner.objective is missing/, null],
    ['another task', '{"learner":{"objective":{"name":"reg:squarederror"}}}', /reg:squarederror/, null],
    [
      'another booster',
      '{"learner":{"objective":{"name":"binary:logistic"},"gradient_booster":{"name":"dart"}}}',
      /the booster dart/,
      null,
    ],
  ])('%s', (_, text, message, line) => {
    const found = readModel(text)
    expect(found).toMatchObject({ kind: 'mistake', line })
    expect(found.kind === 'mistake' && found.message).toMatch(message)
  })
})

test('a file that ends anywhere is a mistake or a model, and nothing else', () => {
  for (let length = 0; length < smallModel.length; length += 7) {
    expect(['model', 'mistake']).toContain(readModel(smallModel.slice(0, length)).kind)
  }
})
