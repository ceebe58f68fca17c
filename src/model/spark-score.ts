// The score of a model as an expression of Spark, in which the model is data: read from its text once for a
// statement, and walked by functions that Spark interprets.
import { halved, halvings, rawMax, seriesTerms } from './sigmoid.ts'
import { categorical, categoryMax, missingIs, missingLeft, missingMask, zeroMax } from './tree-model.ts'

const tree =
  'STRUCT<features: ARRAY<INT>, thresholds: ARRAY<DOUBLE>, left: ARRAY<INT>, right: ARRAY<INT>, ' +
  'decisions: ARRAY<INT>, categories: ARRAY<ARRAY<INT>>, leaves: ARRAY<DOUBLE>, depth: INT>'
const schema = `precision STRING, base DOUBLE, slope DOUBLE, trees ARRAY<${tree}>`

const value = 'get(of.given, get(tree.features, node))'
const threshold = 'get(tree.thresholds, node)'
const decision = 'get(tree.decisions, node)'
const missing = `(${decision} & ${missingMask})`
const isMissingLeft = `(${decision} & ${missingLeft}) <> 0`

const goesLeft = `CASE
  WHEN (${decision} & ${categorical}) <> 0 THEN CASE
    WHEN ${value} IS NULL THEN ${missing} = ${missingIs.unknown} AND ${isMissingLeft}
    WHEN ${value} > -1D AND ${value} <= ${categoryMax}
      THEN array_contains(get(tree.categories, CAST(${threshold} AS INT)), CAST(${value} AS INT))
    ELSE false END
  WHEN ${value} IS NULL THEN CASE
    WHEN ${missing} = ${missingIs.nothing} THEN ${threshold} >= 0D ELSE ${isMissingLeft} END
  WHEN ${missing} = ${missingIs.zero} AND ${value} BETWEEN -${zeroMax}D AND ${zeroMax}D THEN ${isMissingLeft}
  ELSE ${value} <= ${threshold} END`

/** Below 0 it is a leaf, and stays it. */
const leaf = `aggregate(sequence(1, greatest(tree.depth, 1)), IF(tree.depth = 0, -1, 0), (node, step) -> CASE
  WHEN node < 0 THEN node
  WHEN ${goesLeft} THEN get(tree.left, node) ELSE get(tree.right, node) END)`

const raw = `aggregate(of.model.trees, of.model.base, (sum, tree) -> sum + get(tree.leaves, ~${leaf}))`

const series = seriesTerms.reduce((sum, term) => (sum === '' ? `${term}D` : `(${sum} * part + ${term}D)`), '')

export function modelScoreSpark(model: string, ...features: string[]): string {
  const given = `array(${features.map((one) => `nullif(CAST(${one} AS DOUBLE), double('NaN'))`).join(', ')})`
  const of = `named_struct('model', from_json(${model}, '${schema}'), 'given', ${given})`
  const rounded = `IF(of.model.precision = 'single', transform(of.given, one -> CAST(CAST(one AS FLOAT) AS DOUBLE)), of.given)`
  const isModel = 'of.model.trees IS NOT NULL AND of.model.slope IS NOT NULL'
  const parts = `transform(array(${of}), of -> named_struct('model', of.model, 'given', ${rounded}))`
  const sums = `transform(${parts}, of -> IF(${isModel}, ${partOf('of.model.slope', raw)}, NULL))`
  return probabilityOf(sums)
}

/** The probability of a raw score that stands in a column. */
export function modelProbabilitySpark(slope: string, rawScore: string): string {
  return probabilityOf(`array(${partOf(slope, rawScore)})`)
}

function partOf(slope: string, rawScore: string): string {
  return `-greatest(-${rawMax}D, least(${rawMax}D, ${slope} * ${rawScore})) / ${halved}D`
}

function probabilityOf(parts: string): string {
  const squares = `aggregate(sequence(1, ${halvings}), ${series}, (power, step) -> power * power)`
  return `get(transform(transform(${parts}, part -> ${squares}), power -> 1D / (1D + power)), 0)`
}
