// Models: their files read, their text, their scores.
export { evaluatorOf, ModelEvaluator } from './evaluate.ts'
export * from './function-names.ts'
export { type ReadModel, readModel } from './read-model.ts'
export * from './sigmoid.ts'
export * from './spark-score.ts'
export * from './tree-model.ts'
