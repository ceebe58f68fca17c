// XGBoost's JSON format. It computes with 32 bits: a feature is rounded to them before it is compared.
import { ModelMistake } from './model-mistake.ts'
import {
  categorical,
  depthOf,
  type ModelFeature,
  missingIs,
  missingLeft,
  modelFeaturesMax,
  nodesMax,
  type Tree,
  type TreeModel,
  treeMistake,
  treesMax,
} from './tree-model.ts'

/**
 * Throws a ModelMistake, which says the path of what is wrong. All trees count, as in Booster.predict; the
 * note says where XGBoost's classifiers would stop earlier.
 */
export function readXgboost(text: string): { readonly model: TreeModel; readonly note: string | null } {
  const file = new Json(parsed(text), '')
  const learner = file.at('learner')
  const objective = learner.at('objective').at('name').text()
  if (objective !== 'binary:logistic') {
    throw new ModelMistake(
      `learner.objective.name is ${objective}: a model of fraud has binary:logistic, which gives a probability`,
    )
  }
  const booster = learner.at('gradient_booster')
  const kind = booster.at('name').text()
  if (kind !== 'gbtree') throw new ModelMistake(`the booster ${kind} is not read: gbtree is`)
  const model = booster.at('model')
  const given = model.at('trees').list()
  if (given.length > treesMax) throw new ModelMistake(`a model has at most ${treesMax} trees`)
  const parameters = learner.at('learner_model_param')
  const targets = parameters.optional('num_target')?.text() ?? '1'
  if (targets !== '1') throw new ModelMistake(`it has ${targets} targets, and a model of fraud has one`)
  const features = featuresOf(learner, model, Number(parameters.at('num_feature').text()))
  const trees: Tree[] = []
  let nodes = 0
  const used = new Set<number>()
  for (const one of given) {
    const tree = treeOf(one, features.length)
    nodes += tree.features.length
    if (nodes > nodesMax) throw new ModelMistake(`a model has at most ${nodesMax} nodes`)
    for (const [at, feature] of tree.features.entries()) {
      if ((tree.decisions[at]! & categorical) !== 0) used.add(feature)
    }
    trees.push(tree)
  }
  // A file need not say which features are categories.
  const known = features.map(
    (one, index): ModelFeature => (used.has(index) ? { ...one, kind: 'category' } : one),
  )
  const single = { features: known, precision: 'single' } as const
  const read = { ...single, base: baseOf(parameters), slope: 1, trees }
  const rounds = Number(model.optional('gbtree_model_param')?.optional('num_parallel_tree')?.text() ?? '1')
  const best = learner.optional('attributes')?.optional('best_iteration')?.text()
  const isCut = best !== undefined && (Number(best) + 1) * rounds < trees.length
  const note = isCut
    ? `Training stopped early, and all its ${trees.length} trees count here, as in Booster.predict; predict_proba of a classifier goes by those up to iteration ${best}: save booster[: ${Number(best) + 1}] for these alone.`
    : null
  return { model: read, note }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ModelMistake(`neither LightGBM's text nor JSON: ${reason}`)
  }
}

/** A probability; the raw score is its log-odds. */
function baseOf(parameters: Json): number {
  const text = parameters.at('base_score').text()
  const base = Math.fround(Number(text.replace(/^\[(.*)\]$/, '$1')))
  if (!(base > 0 && base < 1))
    throw new ModelMistake(`learner.learner_model_param.base_score is ${text}, and no probability`)
  return Math.fround(-Math.log(1 / base - 1))
}

function featuresOf(learner: Json, model: Json, count: number): ModelFeature[] {
  if (!(Number.isInteger(count) && count >= 1 && count <= modelFeaturesMax))
    throw new ModelMistake(`a model has 1 to ${modelFeaturesMax} features`)
  const names =
    learner
      .optional('feature_names')
      ?.list()
      .map((one) => one.text()) ?? []
  const types =
    learner
      .optional('feature_types')
      ?.list()
      .map((one) => one.text()) ?? []
  const texts = model.optional('cats')?.optional('enc')?.list() ?? []
  const all = Array.from({ length: count }, (_, index): ModelFeature => {
    const name = names[index] ?? `f${index}`
    if (types[index] !== 'c') return { name, kind: 'number', values: null }
    return { name, kind: 'category', values: textsOf(texts[index]) }
  })
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new ModelMistake(`learner.feature_names: two are called ${twice}`)
  return all
}

/** Texts are one run of UTF-8, and where each ends; others are numbers. null where the file does not say. */
function textsOf(encoded: Json | undefined): readonly string[] | null {
  if (encoded === undefined) return null
  const offsets = encoded.optional('offsets')?.numbers()
  if (offsets === undefined) return encoded.optional('values')?.numbers().map(String) ?? null
  if (offsets.length === 0) return null
  const bytes = Uint8Array.from(encoded.at('values').numbers(), (byte) => byte & 255)
  // Versions that count characters, and not bytes, lose the end of a text that is not ASCII.
  if (offsets.at(-1) !== bytes.length) return null
  const decoder = new TextDecoder()
  return offsets.slice(1).map((end, index) => decoder.decode(bytes.subarray(offsets[index], end)))
}

function treeOf(given: Json, featureCount: number): Tree {
  const [left, right] = [given.at('left_children').numbers(), given.at('right_children').numbers()]
  const [conditions, indices] = [given.at('split_conditions').numbers(), given.at('split_indices').numbers()]
  const defaults = given.at('default_left').numbers()
  // Versions without categories have no types.
  const types = given.optional('split_type')?.numbers() ?? []
  const lists = listsOf(given)
  // Leaves and nodes have one row of numbers there, and two here.
  const number: number[] = []
  const leaves: number[] = []
  let nodes = 0
  const isThere = reachable(left, right)
  for (const [at, child] of left.entries()) {
    if (!isThere[at]) continue
    if (child === -1) number[at] = ~(leaves.push(Math.fround(conditions[at] ?? Number.NaN)) - 1)
    else number[at] = nodes++
  }
  const childOf = (child: number | undefined): number => number[child ?? -1] ?? Number.NaN
  const categories: number[][] = []
  const inner = left.flatMap((child, at) => (child === -1 || !isThere[at] ? [] : [at]))
  const tree = {
    features: inner.map((at) => indices[at] ?? -1),
    thresholds: inner.map((at) => {
      if (types[at] !== 1) return below(Math.fround(conditions[at] ?? Number.NaN))
      return categories.push([...(lists.get(at) ?? [])]) - 1
    }),
    // Categories of the list go right there.
    left: inner.map((at) => childOf(types[at] === 1 ? right[at] : left[at])),
    right: inner.map((at) => childOf(types[at] === 1 ? left[at] : right[at])),
    decisions: inner.map((at) => {
      const isLeft = types[at] === 1 ? defaults[at] !== 1 : defaults[at] === 1
      return missingIs.unknown + (isLeft ? missingLeft : 0) + (types[at] === 1 ? categorical : 0)
    }),
    categories,
    leaves,
  }
  const mistake = treeMistake(tree, featureCount)
  if (mistake !== null) throw new ModelMistake(`${given.path}: ${mistake}`)
  return { ...tree, depth: depthOf(tree) }
}

/** Nodes that were pruned stay in the lists, and nothing leads to them. */
function reachable(left: readonly number[], right: readonly number[]): readonly boolean[] {
  const found = left.map(() => false)
  let level = found.length === 0 ? [] : [0]
  while (level.length > 0) {
    for (const at of level) found[at] = true
    level = level
      .flatMap((at) => (left[at] === -1 ? [] : [left[at]!, right[at] ?? -1]))
      .filter((child) => found[child] === false)
  }
  return found
}

function listsOf(given: Json): ReadonlyMap<number, readonly number[]> {
  const all = given.optional('categories')?.numbers() ?? []
  const nodes = given.optional('categories_nodes')?.numbers() ?? []
  const starts = given.optional('categories_segments')?.numbers() ?? []
  const sizes = given.optional('categories_sizes')?.numbers() ?? []
  return new Map(
    nodes.map((node, index) => [node, all.slice(starts[index], (starts[index] ?? 0) + (sizes[index] ?? 0))]),
  )
}

/** The greatest number of 32 bits below it: less than it is not greater than this. */
function below(value: number): number {
  if (!Number.isFinite(value)) return value
  const bits = new DataView(new ArrayBuffer(4))
  bits.setFloat32(0, value)
  const raw = bits.getInt32(0)
  if (value === 0) bits.setInt32(0, -0x7fffffff)
  else bits.setInt32(0, value > 0 ? raw - 1 : raw + 1)
  return bits.getFloat32(0)
}

/** A part of the file that knows its path. */
class Json {
  readonly path: string
  readonly #value: unknown

  constructor(value: unknown, path: string) {
    this.#value = value
    this.path = path
  }

  at(name: string): Json {
    const found = this.optional(name)
    if (found === null) throw new ModelMistake(`${this.#inner(name)} is missing`)
    return found
  }

  optional(name: string): Json | null {
    const value = this.#value
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return null
    return new Json((value as Readonly<Record<string, unknown>>)[name], this.#inner(name))
  }

  text(): string {
    if (typeof this.#value !== 'string') throw new ModelMistake(`${this.path} is no text`)
    return this.#value
  }

  list(): Json[] {
    if (!Array.isArray(this.#value)) throw new ModelMistake(`${this.path} is no list`)
    return this.#value.map((one, index) => new Json(one, `${this.path}[${index}]`))
  }

  numbers(): number[] {
    const given = this.#value
    if (!Array.isArray(given)) throw new ModelMistake(`${this.path} is no list`)
    return given.map((one: unknown, index) => {
      const value = typeof one === 'boolean' ? Number(one) : one
      if (typeof value !== 'number') throw new ModelMistake(`${this.path}[${index}] is no number`)
      return value
    })
  }

  #inner(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`
  }
}
