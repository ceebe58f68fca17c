// Models that LightGBM and XGBoost trained, rows, and what they predict themselves for these.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PythonProcess } from '../python.ts'
import { pythonEnvironment } from '../tools.ts'

export const lightgbmPackages = ['lightgbm==4.7.0', 'pandas==3.0.1', 'scikit-learn==1.9.1', 'scipy==1.17.1']
const packages = [...lightgbmPackages, 'xgboost-cpu==3.2.0']

export const rowCount = 100_000

export type TrainedModel = {
  readonly name: string
  /** The text of the model's file. */
  readonly text: string
  /** By row. */
  readonly predicted: Float64Array
}

export type TrainedModels = {
  /** A CSV file of the rows with a row of names, `row` before those of the columns. */
  readonly rows: string
  readonly models: readonly TrainedModel[]
  close(): Promise<void>
}

/** The columns of the rows; what is missing is empty. */
export const trainedColumns = {
  amount: 'double',
  ratio: 'double',
  gap: 'double',
  zeros: 'double',
  hour: 'double',
  tiny: 'double',
  is_new: 'boolean',
  payment_method: 'string',
  country: 'string',
} as const

const code = `
import os
import numpy as np, pandas as pd, lightgbm as lgb
folder, count, seed, boosters = inputs["folder"], inputs["count"], inputs["seed"], inputs["boosters"]
methods = ["card", "crypto", "it's quoted", "Überweisung"]
countries = [f"country {i}" for i in range(70)]
def rows(n, r):
    d = pd.DataFrame({
        "amount": np.round(r.lognormal(4, 1.5, n), 2),
        "ratio": r.normal(size=n),
        "gap": r.exponential(1000, n),
        "zeros": np.where(r.random(n) < .6, 0, r.normal(size=n)),
        "hour": r.integers(0, 24, n).astype(float),
        "tiny": r.choice([0.0, -0.0, 1e-36, -1e-36, 1e-34, 1.0], n),
        "is_new": r.random(n) < .3,
        "payment_method": pd.Categorical(r.choice(methods, n), categories=methods),
        "country": pd.Categorical(r.choice(countries, n), categories=countries),
    })
    for name, share in (("ratio", .2), ("gap", .05), ("zeros", .1), ("payment_method", .1), ("country", .1)):
        d.loc[r.random(n) < share, name] = None if name in ("payment_method", "country") else np.nan
    return d
def label(d, r):
    z = np.log(d.amount) - 5 + (d.payment_method == "crypto") * 2 + d.country.cat.codes.to_numpy() % 7 / 3 - 1
    z = z + np.nan_to_num(d.ratio, nan=1) * (d.hour > 20) + (d.zeros == 0) * .7
    z = z + d.is_new * 1.5 - (d.tiny == 0)
    return (z + r.normal(size=len(d)) > 2).astype(int)
r = np.random.default_rng(seed)
train = rows(20000, r)
y = label(train, r)
given = rows(count, r)
# What training has not seen: everything is missing somewhere.
for name in ["amount", "hour", "tiny"]:
    given.loc[r.random(count) < .05, name] = np.nan
shown = given.copy()
shown["payment_method"] = shown.payment_method.astype(object)
shown["country"] = shown.country.astype(object)
shown["is_new"] = shown.is_new.map({True: "true", False: "false"})
shown.insert(0, "row", np.arange(count))
shown.to_csv(os.path.join(folder, "rows.csv"), index=False, na_rep="")
result = []
def done(name, suffix, booster, predicted):
    booster.save_model(os.path.join(folder, name + suffix))
    np.asarray(predicted, dtype="<f8").tofile(os.path.join(folder, name + ".f64"))
    result.append({"name": name, "file": name + suffix})
kinds = {
    "plain": {},
    "few": {"rounds": 12},
    "zero": {"zero_as_missing": True},
    "unused": {"use_missing": False, "sigmoid": 2.5},
    "large": {"num_leaves": 127, "min_data_in_leaf": 5, "rounds": 200, "max_cat_threshold": 64},
}
for name, more in kinds.items():
    if name not in boosters: continue
    rounds = more.pop("rounds", 60)
    settings = {"objective": "binary", "verbosity": -1, "seed": seed, "num_threads": 1, "min_data_per_group": 10, **more}
    b = lgb.train(settings, lgb.Dataset(train, y), rounds)
    done(name, ".txt", b, b.predict(given))
if "xgboost" in boosters:
    import xgboost as xgb
    b = xgb.train({"objective": "binary:logistic", "max_depth": 6, "nthread": 1, "seed": seed}, xgb.DMatrix(train, y, enable_categorical=True), 60)
    done("xgboost", ".json", b, b.predict(xgb.DMatrix(given, enable_categorical=True)))
`

export async function trainedModels(seed: number, boosters: readonly string[]): Promise<TrainedModels> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-models-'))
  const python = new PythonProcess(await pythonEnvironment('models', packages))
  const made = (await python.run(code, { folder, count: rowCount, seed, boosters })) as {
    readonly name: string
    readonly file: string
  }[]
  await python.close()
  const models = await Promise.all(
    made.map(async ({ name, file }) => {
      const text = await readFile(join(folder, file), 'utf8')
      const bytes = await readFile(join(folder, `${name}.f64`))
      return { name, text, predicted: new Float64Array(Uint8Array.from(bytes).buffer) }
    }),
  )
  return { rows: join(folder, 'rows.csv'), models, close: () => rm(folder, { recursive: true }) }
}
