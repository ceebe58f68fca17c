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
    ['a tree that is missing', changed(/Tree=0.*?(?=Tree=1)/s, ''), /Tree=0 is expected/, 12],
    [
      'a last tree that is missing',
      changed(/Tree=1.*?(?=end of trees)/s, ''),
      /tells of 2 trees, and there are 1/,
      10,
    ],
    [
      'two trees that run into one',
      changed(/tree_sizes.*\n/, '').replace('Tree=1\n', ''),
      /num_leaves stands twice/,
      24,
    ],
    ['no trees', changed(/Tree=0.*?(?=end of trees)/s, ''), /it has no tree/, 1],
    ['a slope without a bound', changed('sigmoid:1', 'sigmoid:1e999'), /1e999 is no sigmoid/, 7],
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

/** One tree of XGBoost as its versions write it: the root, two nodes of which one was pruned, and leaves. */
function xgboostModel(
  more: { tree?: object; learner?: object; parameters?: object; model?: object } = {},
): string {
  const tree = {
    left_children: [1, -1, 3, -1, -1, -1],
    right_children: [2, -1, 4, -1, -1, -1],
    split_indices: [0, 0, 1, 0, 0, 0],
    split_conditions: [10, -1, 5, 0.5, 2, 9],
    default_left: [1, 0, 0, 0, 0, 0],
    ...more.tree,
  }
  const model = { trees: [tree], ...more.model }
  return JSON.stringify({
    learner: {
      ...{ feature_names: ['amount', 'hour'], objective: { name: 'binary:logistic' } },
      learner_model_param: { base_score: '5E-1', num_feature: '2', ...more.parameters },
      gradient_booster: { name: 'gbtree', model },
      ...more.learner,
    },
  })
}

test("XGBoost's trees have nodes that were pruned, and need not have kinds of splits", () => {
  const evaluator = evaluatorOf(modelText(read(xgboostModel())))!
  for (const [amount, hour, leaf] of [
    [9, 0, -1],
    [10, 4, 0.5],
    [10, 5, 2],
    [null, 5, -1],
    [11, null, 2],
  ] as const)
    expect(evaluator.scoreOf([amount, hour])).toBeCloseTo(1 / (1 + Math.exp(-leaf)), 9)
})

test("XGBoost's categories are texts or numbers, whether or not the file has types of features", () => {
  const types = { split_type: [0, 0, 1, 0, 0, 0], categories: [1], categories_nodes: [2] }
  const tree = { ...types, categories_segments: [0], categories_sizes: [1] }
  const cats = {
    enc: [
      { offsets: [], values: [] },
      { type: 15, values: [1, 2, 3] },
    ],
  }
  const [untyped, typed] = [{}, { feature_types: ['float', 'c'] }].map((learner) => {
    return read(
      xgboostModel({
        tree,
        model: { trees: [JSON.parse(xgboostModel({ tree })).learner.gradient_booster.model.trees[0]], cats },
        learner,
      }),
    )
  })
  expect(typed!.features[1]).toEqual({ name: 'hour', kind: 'category', values: ['1', '2', '3'] })
  expect(untyped!.features[1]).toMatchObject({ name: 'hour', kind: 'category' })
})

test('two targets are told, and where training stopped early', () => {
  const found = readModel(xgboostModel({ parameters: { num_target: '2' } }))
  expect(found).toMatchObject({ kind: 'mistake', message: expect.stringMatching(/has 2 targets/) })
  const [tree] = JSON.parse(xgboostModel()).learner.gradient_booster.model.trees as unknown[]
  const stopped = { model: { trees: [tree, tree, tree] }, learner: { attributes: { best_iteration: '1' } } }
  expect(readModel(xgboostModel(stopped))).toMatchObject({
    note: expect.stringMatching(/all its 3 trees .*booster\[: 2\]/),
  })
  expect(readModel(xgboostModel())).toMatchObject({ kind: 'model', note: null })
})

test('a file that ends anywhere is a mistake or a model, and nothing else', () => {
  for (let length = 0; length < smallModel.length; length += 7) {
    expect(['model', 'mistake']).toContain(readModel(smallModel.slice(0, length)).kind)
  }
})
