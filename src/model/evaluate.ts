// A model over the features of a row: the trees in flat arrays, walked one after another.
import { probability } from './sigmoid.ts'
import {
  categorical,
  missingIs,
  missingLeft,
  missingMask,
  modelOfText,
  nodeCount,
  type TreeModel,
  zeroMax,
} from './tree-model.ts'

export class ModelEvaluator {
  /** The features of the row that is asked for; what is missing is NaN. */
  readonly inputs: Float64Array
  readonly #isSingle: boolean
  readonly #base: number
  readonly #slope: number
  readonly #roots: Int32Array
  readonly #features: Int32Array
  readonly #thresholds: Float64Array
  readonly #left: Int32Array
  readonly #right: Int32Array
  readonly #decisions: Uint8Array
  readonly #leaves: Float64Array
  /** The bits of all lists of categories, and of each where it begins and ends. */
  readonly #bits: Uint32Array
  readonly #bitsFrom: Int32Array

  constructor(model: TreeModel) {
    const nodes = nodeCount(model)
    this.inputs = new Float64Array(model.features.length)
    this.#isSingle = model.precision === 'single'
    this.#base = model.base
    this.#slope = model.slope
    this.#roots = new Int32Array(model.trees.length)
    this.#features = new Int32Array(nodes)
    this.#thresholds = new Float64Array(nodes)
    this.#left = new Int32Array(nodes)
    this.#right = new Int32Array(nodes)
    this.#decisions = new Uint8Array(nodes)
    this.#leaves = new Float64Array(nodes + model.trees.length)
    const bits: number[] = []
    const bitsFrom = [0]
    let [node, leaf, list] = [0, 0, 0]
    for (const [index, tree] of model.trees.entries()) {
      this.#roots[index] = tree.features.length === 0 ? ~leaf : node
      const childAt = (child: number): number => (child < 0 ? ~(~child + leaf) : child + node)
      for (const [at, feature] of tree.features.entries()) {
        const isCategory = (tree.decisions[at]! & categorical) !== 0
        this.#features[node + at] = feature
        this.#thresholds[node + at] = tree.thresholds[at]! + (isCategory ? list : 0)
        this.#left[node + at] = childAt(tree.left[at]!)
        this.#right[node + at] = childAt(tree.right[at]!)
        this.#decisions[node + at] = tree.decisions[at]!
      }
      this.#leaves.set(tree.leaves, leaf)
      for (const categories of tree.categories) {
        bits.push(...bitsOf(categories))
        bitsFrom.push(bits.length)
      }
      node += tree.features.length
      leaf += tree.leaves.length
      list += tree.categories.length
    }
    this.#bits = Uint32Array.from(bits)
    this.#bitsFrom = Int32Array.from(bitsFrom)
  }

  /** The probability for these features; null, and what is not given, is missing. */
  scoreOf(features: readonly (number | null)[]): number {
    for (let at = 0; at < this.inputs.length; at++) this.inputs[at] = features[at] ?? Number.NaN
    return this.score()
  }

  /** The probability for `inputs`. */
  score(): number {
    const { inputs } = this
    if (this.#isSingle) for (let at = 0; at < inputs.length; at++) inputs[at] = Math.fround(inputs[at]!)
    let raw = this.#base
    for (let tree = 0; tree < this.#roots.length; tree++) {
      let node = this.#roots[tree]!
      while (node >= 0) node = this.#goesLeft(node) ? this.#left[node]! : this.#right[node]!
      raw += this.#leaves[~node]!
    }
    return probability(this.#slope * raw)
  }

  #goesLeft(node: number): boolean {
    const value = this.inputs[this.#features[node]!]!
    const decision = this.#decisions[node]!
    const missing = decision & missingMask
    if ((decision & categorical) !== 0) {
      if (Number.isNaN(value)) return missing === missingIs.unknown && (decision & missingLeft) !== 0
      return this.#holds(this.#thresholds[node]!, value)
    }
    const isUnknown = Number.isNaN(value)
    if (isUnknown && missing !== missingIs.unknown) {
      return missing === missingIs.zero ? (decision & missingLeft) !== 0 : 0 <= this.#thresholds[node]!
    }
    if (isUnknown || (missing === missingIs.zero && value >= -zeroMax && value <= zeroMax))
      return (decision & missingLeft) !== 0
    return value <= this.#thresholds[node]!
  }

  /** A fraction of a category counts as the category. */
  #holds(list: number, value: number): boolean {
    const from = this.#bitsFrom[list]!
    const category = Math.trunc(value)
    if (!(category >= 0) || category >= (this.#bitsFrom[list + 1]! - from) * 32) return false
    return ((this.#bits[from + (category >>> 5)]! >>> (category & 31)) & 1) !== 0
  }
}

function bitsOf(categories: readonly number[]): number[] {
  const greatest = categories.reduce((most, one) => Math.max(most, one), -1)
  const words: number[] = Array.from({ length: (greatest >> 5) + 1 }, () => 0)
  for (const one of categories) words[one >> 5] = (words[one >> 5]! | (1 << (one & 31))) >>> 0
  return words
}

/** Each takes some megabytes, and a run has one or two. */
const evaluatorsMax = 16
const known = new Map<string, ModelEvaluator | null>()

/** What computes the model of such a text; null where the text is none. */
export function evaluatorOf(text: string): ModelEvaluator | null {
  const found = known.get(text)
  if (found !== undefined) return found
  const model = modelOfText(text)
  const made = model === null ? null : new ModelEvaluator(model)
  if (known.size >= evaluatorsMax) known.delete(known.keys().next().value!)
  known.set(text, made)
  return made
}
