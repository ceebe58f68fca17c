// LightGBM's text format, version 3 and 4: sections of `name=values`, one for the model and one for each tree.
import { ModelMistake } from './model-mistake.ts'
import {
  categorical,
  categoryMax,
  depthOf,
  type ModelFeature,
  missingLeft,
  modelFeaturesMax,
  nodesMax,
  type Tree,
  type TreeModel,
  treeMistake,
  treesMax,
} from './tree-model.ts'

/** Lines of a section by their names, each with its number. */
type Section = { readonly line: number; readonly values: ReadonlyMap<string, Placed> }
type Placed = { readonly text: string; readonly line: number }

export function isLightgbm(text: string): boolean {
  return /^\s*tree\r?\n/.test(text)
}

/** Throws a ModelMistake. */
export function readLightgbm(text: string): TreeModel {
  const lines = text.split(/\r?\n/)
  const starts = lines.flatMap((line, index) => (/^Tree=\d+$/.test(line) ? [index] : []))
  const end = lines.indexOf('end of trees')
  if (end < 0) throw new ModelMistake('the file ends before its line "end of trees"', lines.length)
  const head = sectionOf(lines, 0, starts[0] ?? end)
  refuseMissingTrees(lines, starts, head)
  if (starts.length > treesMax) throw new ModelMistake(`a model has at most ${treesMax} trees`)
  const { base, slope } = objectiveOf(head)
  const trees: Tree[] = []
  const features = featuresOf(head, lines)
  const used = new Set<number>()
  let nodes = 0
  for (const [index, start] of starts.entries()) {
    const tree = treeOf(sectionOf(lines, start + 1, starts[index + 1] ?? end), features.length)
    nodes += tree.features.length
    if (nodes > nodesMax) throw new ModelMistake(`a model has at most ${nodesMax} nodes`, start + 1)
    for (const [at, feature] of tree.features.entries()) {
      if ((tree.decisions[at]! & categorical) !== 0) used.add(feature)
    }
    trees.push(tree)
  }
  return { features: withKinds(features, used, lines), precision: 'double', base, slope, trees }
}

/** A file from which a part was lost is another model, and the rest of it looks right. */
function refuseMissingTrees(lines: readonly string[], starts: readonly number[], head: Section): void {
  if (starts.length === 0) throw new ModelMistake('it has no tree', head.line)
  const odd = starts.findIndex((line, index) => lines[line] !== `Tree=${index}`)
  if (odd >= 0) throw new ModelMistake(`Tree=${odd} is expected: the file is damaged`, starts[odd]! + 1)
  const sizes = head.values.get('tree_sizes')
  if (sizes === undefined) return
  const count = sizes.text.split(' ').filter((size) => size !== '').length
  if (count !== starts.length)
    throw new ModelMistake(`tree_sizes tells of ${count} trees, and there are ${starts.length}`, sizes.line)
}

function sectionOf(lines: readonly string[], from: number, to: number): Section {
  const values = new Map<string, Placed>()
  for (let index = from; index < to; index++) {
    const equals = lines[index]!.indexOf('=')
    if (equals <= 0) continue
    const name = lines[index]!.slice(0, equals)
    if (values.has(name)) throw new ModelMistake(`${name} stands twice: the file is damaged`, index + 1)
    values.set(name, { text: lines[index]!.slice(equals + 1), line: index + 1 })
  }
  return { line: from + 1, values }
}

function placed(section: Section, name: string): Placed {
  const found = section.values.get(name)
  if (found === undefined) throw new ModelMistake(`${name} is missing`, section.line)
  return found
}

function objectiveOf(head: Section): { readonly base: number; readonly slope: number } {
  const { text, line } = head.values.get('objective') ?? { text: 'none', line: head.line }
  const [name, ...parts] = text.split(' ')
  if (name !== 'binary') {
    throw new ModelMistake(
      `its objective is ${name}: a model of fraud has the objective binary, which gives a probability`,
      line,
    )
  }
  const classes = placed(head, 'num_tree_per_iteration')
  if (classes.text !== '1') throw new ModelMistake('it has more than one class', classes.line)
  const averaged = head.values.get('average_output') ?? head.values.get('boosting')
  if (averaged !== undefined) throw new ModelMistake('random forests are not read', averaged.line)
  const sigmoid = parts.find((part) => part.startsWith('sigmoid:'))?.slice('sigmoid:'.length) ?? '1'
  const slope = Number(sigmoid)
  if (!(slope > 0 && slope < Infinity)) throw new ModelMistake(`${sigmoid} is no sigmoid`, line)
  return { base: 0, slope }
}

/** As the header names them; whether one is a category is known with the trees. */
function featuresOf(head: Section, lines: readonly string[]): (ModelFeature & { readonly info: string })[] {
  if (lines.indexOf('average_output') >= 0 && lines.indexOf('average_output') < 30)
    throw new ModelMistake('random forests are not read', lines.indexOf('average_output') + 1)
  const given = placed(head, 'feature_names')
  const names = given.text.split(' ').filter((name) => name !== '')
  const infos = head.values.get('feature_infos')?.text.split(' ') ?? []
  if (names.length === 0 || names.length > modelFeaturesMax)
    throw new ModelMistake(`a model has 1 to ${modelFeaturesMax} features`, given.line)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new ModelMistake(`two features are called ${twice}`, given.line)
  return names.map((name, index) => ({ name, kind: 'number', values: null, info: infos[index] ?? 'none' }))
}

/** The texts of categories stand behind the trees, where pandas had them, in the order of the features. */
function withKinds(
  features: readonly (ModelFeature & { readonly info: string })[],
  used: ReadonlySet<number>,
  lines: readonly string[],
): ModelFeature[] {
  const setting = lines.map((line) => /^\[categorical_feature: ([\d,]+)\]$/.exec(line)?.[1])
  const told = new Set(
    setting
      .findLast((one) => one !== undefined)
      ?.split(',')
      .map(Number),
  )
  const isCategory = features.map(({ info }, index) => {
    return used.has(index) || told.has(index) || (!info.startsWith('[') && info !== 'none')
  })
  const at = lines.findLastIndex((line) => line.startsWith('pandas_categorical:'))
  const lists = at < 0 ? null : textLists(lines[at]!.slice('pandas_categorical:'.length), at + 1)
  // Where the file does not say which they all are, nobody can tell whose a list is.
  const isListed = lists !== null && lists.length === isCategory.filter(Boolean).length
  let listed = 0
  return features.map(({ name }, index) => {
    if (!isCategory[index]) return { name, kind: 'number', values: null }
    return { name, kind: 'category', values: isListed ? lists[listed++]! : null }
  })
}

/** null where categories are of several kinds: their numbers are all that is known of them. */
function textLists(text: string, line: number): (readonly string[] | null)[] | null {
  let lists: unknown
  try {
    lists = JSON.parse(text)
  } catch {
    throw new ModelMistake('pandas_categorical is no JSON', line)
  }
  if (lists === null) return null
  if (!Array.isArray(lists) || !lists.every(Array.isArray))
    throw new ModelMistake('pandas_categorical is no list of lists', line)
  return lists.map((list: readonly unknown[]) => {
    const isPlain = ['string', 'number', 'boolean'].some((kind) => list.every((one) => typeof one === kind))
    return isPlain ? list.map(String) : null
  })
}

function treeOf(section: Section, featureCount: number): Tree {
  const linear = section.values.get('is_linear')
  if (linear !== undefined && linear.text !== '0')
    throw new ModelMistake('linear trees are not read', linear.line)
  const numbers = (name: string): number[] => {
    const given = section.values.get(name)
    if (given === undefined || given.text === '') return []
    return given.text.split(' ').map((one) => {
      const value = one === '' ? Number.NaN : numberOf(one)
      if (Number.isNaN(value))
        throw new ModelMistake(`${name}: ${JSON.stringify(one)} is no number`, given.line)
      return value
    })
  }
  const leaves = numbers('leaf_value')
  if (leaves.length === 0) throw new ModelMistake('leaf_value is missing', section.line)
  const tree = {
    features: numbers('split_feature'),
    thresholds: numbers('threshold'),
    left: numbers('left_child'),
    right: numbers('right_child'),
    // A category that is missing goes right, whatever the file says.
    decisions: numbers('decision_type').map((one) => ((one & categorical) === 0 ? one : one & ~missingLeft)),
    categories: categoriesOf(numbers('cat_boundaries'), numbers('cat_threshold'), section),
    leaves,
  }
  const mistake = treeMistake(tree, featureCount)
  if (mistake !== null) throw new ModelMistake(mistake, section.line)
  return { ...tree, depth: depthOf(tree) }
}

/** A threshold without a bound tells what is missing from all else: no number is greater than it. */
function numberOf(text: string): number {
  if (text === 'inf') return Number.MAX_VALUE
  return text === '-inf' ? -Number.MAX_VALUE : Number(text)
}

/** Lists of categories are words of 32 bits, one behind the other. */
function categoriesOf(
  boundaries: readonly number[],
  words: readonly number[],
  { line }: Section,
): number[][] {
  return boundaries.slice(1).map((end, index) => {
    const start = boundaries[index]!
    if (!(start <= end) || end > words.length || (end - start) * 32 > categoryMax)
      throw new ModelMistake('cat_boundaries and cat_threshold do not go together', line)
    const categories: number[] = []
    for (let bit = 0; bit < (end - start) * 32; bit++) {
      if (((words[start + (bit >> 5)]! >>> (bit & 31)) & 1) === 1) categories.push(bit)
    }
    return categories
  })
}
