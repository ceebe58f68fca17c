// A model of fraud as data: trees whose leaves are added, and what becomes of the sum. It is part of a
// definition, so its text is stored with the rules that ask it.

export type TreeModel = {
  readonly features: readonly ModelFeature[]
  /** `single`: a feature is rounded to 32 bits before it is compared. */
  readonly precision: 'double' | 'single'
  /** The raw score that the leaves are added to. */
  readonly base: number
  /** The probability is 1 / (1 + exp(-slope * raw score)). */
  readonly slope: number
  readonly trees: readonly Tree[]
}

export type ModelFeature = {
  readonly name: string
  /** A category is the number of a text, from 0 on. */
  readonly kind: 'number' | 'category'
  /** The categories by their numbers, as texts; null where the file does not say. */
  readonly values: readonly string[] | null
}

/**
 * Node by node; the root is node 0. A child below 0 is a leaf, ~child its number; a tree without a node is
 * its only leaf.
 */
export type Tree = {
  /** Which feature a node asks. */
  readonly features: readonly number[]
  /** A number that is not greater goes left. Of a category: which list of `categories` goes left. */
  readonly thresholds: readonly number[]
  readonly left: readonly number[]
  readonly right: readonly number[]
  /** What kind of decision it is: the sum of `categorical`, `missingLeft` and one of `missingIs`. */
  readonly decisions: readonly number[]
  readonly categories: readonly (readonly number[])[]
  readonly leaves: readonly number[]
  /** How many nodes the longest way has. */
  readonly depth: number
}

/** The feature is a category. */
export const categorical = 1
/** A missing value goes left, else right. */
export const missingLeft = 2
/** Which values are missing: none (it counts as 0), 0 as well, or what is not known. */
export const missingIs = { nothing: 0, zero: 4, unknown: 8 } as const
export const missingMask = 12

/** Smaller values are 0, as LightGBM has it: 1e-35 of 32 bits. */
export const zeroMax = 1.0000000180025095e-35

export const nodesMax = 500_000
export const treesMax = 20_000
export const modelFeaturesMax = 1_000
/** Categories are small numbers: a list of them is kept as bits. */
export const categoryMax = 100_000

/** One text for one model. */
export function modelText({ features, precision, base, slope, trees }: TreeModel): string {
  return JSON.stringify({
    features: features.map(({ name, kind, values }) => ({ name, kind, values })),
    precision,
    base,
    slope,
    trees: trees.map((tree) => ({
      features: tree.features,
      thresholds: tree.thresholds,
      left: tree.left,
      right: tree.right,
      decisions: tree.decisions,
      categories: tree.categories,
      leaves: tree.leaves,
      depth: tree.depth,
    })),
  })
}

/** What `modelText` wrote; null for any other text. */
export function modelOfText(text: string): TreeModel | null {
  try {
    const model: unknown = JSON.parse(text)
    const isModel = typeof model === 'object' && model !== null && 'trees' in model && 'slope' in model
    return isModel ? (model as TreeModel) : null // As modelText wrote it.
  } catch {
    return null
  }
}

/** How many nodes a model has. */
export function nodeCount({ trees }: Pick<TreeModel, 'trees'>): number {
  return trees.reduce((sum, { features }) => sum + features.length, 0)
}

/** How many nodes the longest way from the root has. */
export function depthOf({ features, left, right }: Pick<Tree, 'features' | 'left' | 'right'>): number {
  let level = features.length === 0 ? [] : [0]
  let depth = 0
  for (; level.length > 0 && depth <= features.length; depth++) {
    level = level.flatMap((node) => [left[node]!, right[node]!]).filter((child) => child >= 0)
  }
  return depth
}

/** What is wrong with the shape of a tree, which its file can get wrong in any way; null where nothing is. */
export function treeMistake(tree: Omit<Tree, 'depth'>, featureCount: number): string | null {
  const nodes = tree.features.length
  const others = [tree.thresholds, tree.left, tree.right, tree.decisions]
  if (others.some(({ length }) => length !== nodes)) return 'its lists are of different lengths'
  if (tree.leaves.length !== nodes + 1) return `it has ${nodes} nodes and ${tree.leaves.length} leaves`
  if ([...tree.thresholds, ...tree.leaves].some((value) => !Number.isFinite(value)))
    return 'a threshold or a leaf is no finite number'
  const seen = new Set<number>([0])
  for (let node = 0; node < nodes; node++) {
    const feature = tree.features[node]!
    if (!Number.isInteger(feature) || feature < 0 || feature >= featureCount)
      return `node ${node} asks feature ${feature}, and there are ${featureCount}`
    if ((tree.decisions[node]! & categorical) !== 0 && tree.categories[tree.thresholds[node]!] === undefined)
      return `node ${node} asks for list ${tree.thresholds[node]} of categories, and there are ${tree.categories.length}`
    for (const child of [tree.left[node]!, tree.right[node]!]) {
      const isThere = Number.isInteger(child) && (child < 0 ? ~child < tree.leaves.length : child < nodes)
      if (!isThere) return `node ${node} leads to ${child}, which is no node and no leaf`
      // With a path to each and none to two it is a tree.
      if (seen.has(child)) return `two nodes lead to ${child < 0 ? `leaf ${~child}` : `node ${child}`}`
      seen.add(child)
    }
  }
  const wrong = tree.categories.flat().find((one) => !Number.isInteger(one) || one < 0 || one > categoryMax)
  return wrong === undefined ? null : `${wrong} is no category from 0 to ${categoryMax}`
}
