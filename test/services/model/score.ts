// A model as the rules of a project have it.
import type { Expr } from '../../../src/expr/index.ts'
import { modelFileName, validRules } from '../../../src/rules/index.ts'
import { trainedColumns } from './trained.ts'

/** XGBoost's file cuts texts that are not ASCII, so they have to be given. */
const methods = `payment_method: { value: payment_method, categories: [card, crypto, "it's quoted", Überweisung] }`

/** The score of a model whose features are the columns of their names. */
export function scoreOfModel(text: string): Expr<'double'> {
  const features = text.startsWith('{') ? `, features: { ${methods} }` : ''
  const rules = validRules(
    `levels: { HIGH: 50 }
review_from: 50
model: { file: ${modelFileName(text, 'txt')}${features} }
rules:
  - { name: model, when: model_score > 0.9, points: 50, says: the model }
`,
    { file: 'rules.yaml', columns: trainedColumns, beside: () => ({ kind: 'text', text }) },
  )
  return rules.model!.score
}

/** How far the scores are from the predictions, at most. */
export function farthest(scores: Float64Array, predicted: Float64Array): number {
  if (scores.length !== predicted.length) throw new Error(`${scores.length} of ${predicted.length} rows`)
  return scores.reduce((most, score, row) => {
    const distance = Math.abs(score - predicted[row]!)
    return Number.isNaN(distance) ? Number.POSITIVE_INFINITY : Math.max(most, distance)
  }, 0)
}
