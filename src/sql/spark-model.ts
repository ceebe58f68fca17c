// The score of a model on Spark: a column for each tree, which Spark compiles one by one, and their sum above
// them. As one expression it would be too large to be compiled, and what is interpreted is slow for many
// rows. Of few the plan would take longer than the rows, and the model is data there.
import type { Expr } from '../expr/index.ts'
import {
  categorical,
  categoryMax,
  missingIs,
  missingLeft,
  missingMask,
  modelOfText,
  modelProbabilitySpark,
  nodeCount,
  type Tree,
  type TreeModel,
  zeroMax,
} from '../model/index.ts'
import type { PlanNode } from '../plan/index.ts'
import { type Dialect, spark } from './dialect.ts'
import { expressionSql } from './expression.ts'

type Project = Extract<PlanNode, { kind: 'project' }>
type Scored = { readonly name: string; readonly model: TreeModel; readonly features: readonly Expr[] }

/** Larger ones are left to the function: Spark takes long to plan them, and has a stack to plan them on. */
const nodesMaxPlanned = 20_000
/** Of fewer rows a tree takes longer to be planned than to be walked by the function. */
const rowsMinPlanned = 10_000
const depthMaxPlanned = 60

/** null where the columns have no model that is planned so. */
export function sparkModelSql(dialect: Dialect, node: Project, input: () => string): string | null {
  if (dialect.rowsAbout !== undefined && dialect.rowsAbout < rowsMinPlanned) return null
  const scored = Object.entries(node.columns).flatMap(([name, expr]) => scoredColumn(name, expr) ?? [])
  if (scored.length === 0) return null
  const below = scored.reduce((from, one) => rawSql(dialect, one, from), input())
  const columns = Object.entries(node.columns).map(([name, expr]) => {
    const model = scored.find((one) => one.name === name)?.model
    const sql =
      model === undefined
        ? expressionSql(dialect, expr)
        : modelProbabilitySpark(`${model.slope}D`, rawName(name))
    return sql === spark.name(name) ? sql : `${sql} AS ${spark.name(name)}`
  })
  return `SELECT ${columns.join(',\n  ')}\nFROM ${below}`
}

function scoredColumn(name: string, expr: Expr): Scored | null {
  if (expr.kind !== 'call' || expr.function !== 'modelScore') return null
  const [text, ...features] = expr.args
  if (text?.kind !== 'literal' || typeof text.value !== 'string') return null
  const model = modelOfText(text.value)
  if (model === null || model.features.length !== features.length) return null
  const isLarge =
    nodeCount(model) > nodesMaxPlanned || model.trees.some(({ depth }) => depth > depthMaxPlanned)
  return isLarge ? null : { name, model, features }
}

// No column of anybody's has such names.
const rawName = (name: string): string => spark.name(`raw score of ${name}`)
const treeName = (name: string, index: number): string => spark.name(`tree ${index} of ${name}`)
const featureName = (name: string, index: number): string => spark.name(`feature ${index} of ${name}`)
const categoryName = (name: string, index: number): string => spark.name(`category ${index} of ${name}`)
const apartName = (name: string): string => spark.name(`apart of ${name}`)

function rawSql(dialect: Dialect, { name, model, features }: Scored, input: string): string {
  const values = features.map((feature, index) => {
    const value = `nullif(CAST(${expressionSql(dialect, feature)} AS DOUBLE), double('NaN'))`
    const rounded = model.precision === 'single' ? `CAST(CAST(${value} AS FLOAT) AS DOUBLE)` : value
    return `${rounded} AS ${featureName(name, index)}`
  })
  const categories = model.features.flatMap(({ kind }, index) => {
    if (kind !== 'category') return []
    const value = featureName(name, index)
    return [
      `CASE WHEN ${value} > -1D AND ${value} <= ${categoryMax} THEN CAST(${value} AS INT) END AS ${categoryName(name, index)}`,
    ]
  })
  const trees = model.trees.map((tree, index) => `${treeSql(tree, name)} AS ${treeName(name, index)}`)
  // A function that Spark has no code for keeps the trees out of the one method of a whole stage.
  const apart = `exists(array(${featureName(name, 0)}), one -> one IS NULL AND one > 0D) AS ${apartName(name)}`
  // A column that is asked twice is computed below, and not put in here.
  const sums = model.trees.map((_, index) => {
    const tree = treeName(name, index)
    return ` + greatest(${tree}, ${tree})`
  })
  const base = `IF(${apartName(name)}, double('NaN'), ${model.base}D)`
  const layer = (columns: readonly string[], from: string): string =>
    columns.length === 0 ? from : `(\n  SELECT *,\n  ${columns.join(',\n  ')}\n  FROM ${from}\n)`
  const given = layer(categories, layer(values, input))
  return layer([`${base}${sums.join('')} AS ${rawName(name)}`], layer([...trees, apart], given))
}

function treeSql(tree: Tree, name: string): string {
  const child = (at: number): string => (at < 0 ? `${tree.leaves[~at]!}D` : nodeSql(at))
  const nodeSql = (at: number): string => {
    const [left, right] = [child(tree.left[at]!), child(tree.right[at]!)]
    const isRight = goesRightSql(tree, at, name)
    if (isRight !== null) return `CASE WHEN ${isRight} THEN ${right} ELSE ${left} END`
    return `CASE WHEN ${goesLeftSql(tree, at, name)} THEN ${left} ELSE ${right} END`
  }
  return tree.features.length === 0 ? `${tree.leaves[0]!}D` : nodeSql(0)
}

/** Of a number that goes left where it is missing: null is not true. Most are such, and this is shortest. */
function goesRightSql(tree: Tree, at: number, name: string): string | null {
  const [threshold, decision] = [tree.thresholds[at]!, tree.decisions[at]!]
  const missing = decision & missingMask
  const isNumber = (decision & categorical) === 0
  const isLeft = missing === missingIs.nothing ? threshold >= 0 : (decision & missingLeft) !== 0
  if (!isNumber || !isLeft || missing === missingIs.zero) return null
  return `${featureName(name, tree.features[at]!)} > ${threshold}D`
}

/** Null is not true, and goes right. */
function goesLeftSql(tree: Tree, at: number, name: string): string {
  const [feature, threshold, decision] = [tree.features[at]!, tree.thresholds[at]!, tree.decisions[at]!]
  const value = featureName(name, feature)
  const missing = decision & missingMask
  const isLeft = (decision & missingLeft) !== 0
  if ((decision & categorical) !== 0) {
    const codes = tree.categories[threshold]!
    const isIn = codes.length === 0 ? 'false' : `${categoryName(name, feature)} IN (${codes.join(', ')})`
    return missing === missingIs.unknown && isLeft ? `(${value} IS NULL OR ${isIn})` : isIn
  }
  const isBelow = `${value} <= ${threshold}D`
  if (missing !== missingIs.zero) return isBelow
  const isZero = `${value} BETWEEN -${zeroMax}D AND ${zeroMax}D`
  return isLeft ? `(${value} IS NULL OR ${isZero} OR ${isBelow})` : `(${isBelow} AND NOT (${isZero}))`
}
