// The file of a model, whoever wrote it.
import { isLightgbm, readLightgbm } from './lightgbm.ts'
import { ModelMistake } from './model-mistake.ts'
import type { TreeModel } from './tree-model.ts'
import { readXgboost } from './xgboost.ts'

export type ReadModel =
  /** The note is for who brings it; null where there is nothing to know. */
  | { readonly kind: 'model'; readonly model: TreeModel; readonly note: string | null }
  /** `line` counts from 1; null where the file has no lines to speak of. */
  | { readonly kind: 'mistake'; readonly message: string; readonly line: number | null }

/** Of a file. */
export const modelCharactersMax = 64_000_000

/** LightGBM's text, or XGBoost's JSON. */
export function readModel(text: string): ReadModel {
  if (text.length > modelCharactersMax)
    return { kind: 'mistake', message: `it has more than ${modelCharactersMax} characters`, line: null }
  try {
    if (isLightgbm(text)) return { kind: 'model', model: readLightgbm(text), note: null }
    return { kind: 'model', ...readXgboost(text) }
  } catch (error) {
    if (!(error instanceof ModelMistake)) throw error
    return { kind: 'mistake', message: error.message, line: error.line }
  }
}
