// A model from what became known of transactions: the older ones teach it, the newest ones judge it.
import { LakehouseError } from '../errors/errors.ts'
import { ModelEvaluator, readModel, type TreeModel } from '../model/index.ts'
import { modelFileName } from '../rules/index.ts'
import { type ModelCard, modelCard } from './card.ts'
import { trainLightgbm } from './lightgbm-trainer.ts'
import { type TrainingOptions, type TrainingRows, trainingRows } from './training-rows.ts'

export type TrainOptions = TrainingOptions & {
  /** From this event time on transactions judge the model; null: the last quarter. */
  readonly testFromMs: number | null
  readonly capacityPerDay: number | null
  readonly reviewFrom: number
  readonly roundsMax: number
  readonly seed: number
  readonly made: string
  readonly packagesDirectory: string
  readonly signal: AbortSignal
}

export type TrainedModel = {
  readonly text: string
  readonly model: TreeModel
  readonly card: ModelCard
}

const testShare = 0.25
/** Of what is before the test: what says when to stop. */
const validShare = 0.2
/** In each part; with less nothing can be learned or said. */
const fraudMin = 10

/** Fails with CONFIG_INVALID where there is too little to learn from. */
export async function trainModel(options: TrainOptions): Promise<TrainedModel> {
  const rows = await trainingRows(options)
  const count = rows.labels.length
  const testFrom = startOf(rows, options.testFromMs, Math.round(count * (1 - testShare)))
  const validFrom = startOf(rows, null, Math.round(testFrom * (1 - validShare)))
  const parts = {
    learned: [0, validFrom],
    stopped: [validFrom, testFrom],
    tested: [testFrom, count],
  } as const
  for (const [name, [from, to]] of Object.entries(parts)) {
    const fraud = rows.labels.subarray(from, to).reduce((sum, one) => sum + one, 0)
    if (fraud >= fraudMin && fraud < to - from) continue
    const message =
      `of ${count} matured transactions the part that is ${name} has ${to - from}, ${fraud} of them fraud; at ` +
      `least ${fraudMin} are needed, and as many good ones. ${rows.pending} have not matured (LABEL_MATURITY); import ` +
      'labels, or take another --test-from.'
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  const trees = await trainLightgbm(rows, {
    ...{ validFrom, end: testFrom, roundsMax: options.roundsMax, seed: options.seed },
    ...{ directory: options.packagesDirectory, signal: options.signal },
  })
  const read = readModel(trees.text)
  if (read.kind === 'mistake')
    throw new LakehouseError('TRAINING_FAILED', `LightGBM's model cannot be read: ${read.message}`)
  const card = modelCard({
    ...{ rows, trees, validFrom, testFrom, made: options.made, reviewFrom: options.reviewFrom },
    ...{ scores: scoresOf(read.model, rows), capacityPerDay: options.capacityPerDay },
    model: modelFileName(trees.text, 'txt'),
    labelMaturityDays: Number(options.maturityMicros) / 86_400_000_000,
  })
  return { text: trees.text, model: read.model, card }
}

/** The first row of the time, or of the share; rows of one instant stay together. */
function startOf({ timesMs }: TrainingRows, fromMs: number | null, row: number): number {
  const at = fromMs ?? timesMs[Math.min(row, timesMs.length - 1)] ?? 0
  const found = timesMs.findIndex((time) => time >= at)
  return found < 0 ? timesMs.length : found
}

/** By the code that scores batches. */
export function scoresOf(
  model: TreeModel,
  { columns, labels }: Pick<TrainingRows, 'columns' | 'labels'>,
): Float64Array {
  const evaluator = new ModelEvaluator(model)
  return Float64Array.from(labels, (_, row) => {
    for (const [index, column] of columns.entries()) evaluator.inputs[index] = column[row]!
    return evaluator.score()
  })
}
