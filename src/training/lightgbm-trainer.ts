// LightGBM in a virtual environment of its own: it is given files with numbers, and gives back its model.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LakehouseError } from '../errors/errors.ts'
import { pythonEnvironment } from '../packages/packages.ts'
import type { TrainingRows } from './training-rows.ts'

/** With what they need, each at a version: what is learned does not depend on the day. */
const packages = ['lightgbm==4.7.0', 'numpy==2.4.6', 'scipy==1.17.1', 'narwhals==2.29.0']

export type TrainerOptions = {
  /** Of rows: those before it are learned from, those from there to `end` say when to stop. */
  readonly validFrom: number
  readonly end: number
  readonly roundsMax: number
  readonly seed: number
  readonly directory: string
  readonly signal: AbortSignal
}

export type TrainedTrees = {
  /** The text of the model's file. */
  readonly text: string
  /** Of each feature, what its splits gained. */
  readonly gains: readonly number[]
  readonly rounds: number
}

const script = `
import json, os, sys
import numpy as np, lightgbm as lgb
folder = sys.argv[1]
with open(os.path.join(folder, "task.json")) as f:
    task = json.load(f)
names, count, valid_from = task["names"], task["count"], task["valid_from"]
x = np.fromfile(os.path.join(folder, "features.f64"), dtype="<f8").reshape(len(names), count).T
y = np.fromfile(os.path.join(folder, "labels.u8"), dtype="u1")
settings = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 100, "lambda_l2": 10,
    "feature_fraction": 0.9, "bagging_fraction": 0.9, "bagging_freq": 1, "metric": "binary_logloss",
    "seed": task["seed"], "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
}
given = {"feature_name": names, "categorical_feature": task["categorical"], "free_raw_data": False}
learned = lgb.Dataset(x[:valid_from], y[:valid_from], **given)
judged = lgb.Dataset(x[valid_from:], y[valid_from:], reference=learned, **given)
stop = lgb.early_stopping(50, verbose=False)
booster = lgb.train(settings, learned, task["rounds"], valid_sets=[judged], callbacks=[stop])
booster.save_model(os.path.join(folder, "model.txt"), num_iteration=booster.best_iteration)
gains = booster.feature_importance("gain", iteration=booster.best_iteration)
with open(os.path.join(folder, "done.json"), "w") as f:
    json.dump({"gains": [float(one) for one in gains], "rounds": booster.best_iteration}, f)
`

/** Fails with TRAINING_FAILED, with what LightGBM says. */
export async function trainLightgbm(rows: TrainingRows, options: TrainerOptions): Promise<TrainedTrees> {
  const { end, validFrom, roundsMax, seed, directory, signal } = options
  const python = await pythonEnvironment(directory, 'lightgbm', packages, signal)
  const folder = await mkdtemp(join(tmpdir(), 'assay-train-'))
  try {
    const features = new Float64Array(rows.columns.length * end)
    for (const [index, column] of rows.columns.entries()) features.set(column.subarray(0, end), index * end)
    await writeFile(join(folder, 'features.f64'), new Uint8Array(features.buffer))
    await writeFile(join(folder, 'labels.u8'), rows.labels.subarray(0, end))
    const task = {
      ...{
        names: rows.features.map(({ name }) => name),
        count: end,
        valid_from: validFrom,
        rounds: roundsMax,
        seed,
      },
      categorical: rows.features.flatMap(({ kind }, index) => (kind === 'category' ? [index] : [])),
    }
    await writeFile(join(folder, 'task.json'), JSON.stringify(task))
    await runPython(python, folder, signal)
    const done = JSON.parse(await readFile(join(folder, 'done.json'), 'utf8')) as Omit<TrainedTrees, 'text'>
    const text = await readFile(join(folder, 'model.txt'), 'utf8')
    return { ...done, text: withTexts(text, rows) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** LightGBM saw the numbers of categories alone: their texts are added where pandas would have put them. */
function withTexts(text: string, { features }: TrainingRows): string {
  const lists = features.flatMap(({ categories }) => (categories === null ? [] : [categories]))
  return `${text.replace(/^pandas_categorical:.*\n?/m, '').trimEnd()}\n\npandas_categorical:${JSON.stringify(lists)}\n`
}

async function runPython(python: string, folder: string, signal: AbortSignal): Promise<void> {
  const child = spawn(python, ['-c', script, folder], { stdio: ['ignore', 'ignore', 'pipe'], signal })
  let said = ''
  child.stderr.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(-2_000)
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0)
    throw new LakehouseError('TRAINING_FAILED', `LightGBM ended with ${code}; it said:\n${said.trim()}`)
}
