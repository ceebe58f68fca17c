// The score of a model of trees. Its text stands in the expression, so whoever stores the expression has the
// model as well.
import { evaluatorOf, modelHandleName, modelScoreName, modelScoreSpark } from '../../model/index.ts'
import type { Expr } from '../expression.ts'
import { defineGeneric } from '../function.ts'

const stump =
  '{"features":[{"name":"amount","kind":"number","values":null}],"precision":"double","base":0,"slope":1,' +
  '"trees":[{"features":[0],"thresholds":[100],"left":[-1],"right":[-2],"decisions":[10],"categories":[],"leaves":[0,800],"depth":1}]}'

type ModelScore = (model: Expr<'string'>, ...features: readonly Expr<'double'>[]) => Expr<'double'>

export const modelScore = defineGeneric<ModelScore>({
  name: 'modelScore',
  args: ['string', 'double*'],
  returns: 'double',
  nulls: 'a feature that is null is missing; null where the text is no model, or null',
  meaning:
    'The probability that the model of the text, as Assay stores it, gives for the values of its features in their order; those that are not given are missing.',
  duckdb: (model, ...features) =>
    `${modelScoreName}(${[`${modelHandleName}(${model})`, ...features].join(', ')})`,
  spark: modelScoreSpark,
  javascript: (model: string | null, ...features: readonly (number | null)[]) => {
    const evaluator = model === null ? null : evaluatorOf(model)
    return evaluator === null ? null : evaluator.scoreOf(features)
  },
  examples: [
    { in: [stump, 100], out: 0.5 },
    { in: [stump, 100.01], out: 1 },
    { in: [stump, null], out: 0.5 },
    { in: ['{}', 100], out: null },
    { in: [null, 100], out: null },
  ],
})
