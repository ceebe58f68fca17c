// What a model learns from: conditions over the columns of a row, each a number or a category.
import { LakehouseError } from '../errors/errors.ts'
import { asDouble, columnNames, type Expr, literal, nullOf, type Schema, when } from '../expr/index.ts'
import { compileValue, modelScoreColumn } from '../rules/index.ts'

export type TrainingFeature = {
  readonly name: string
  /** The condition as it stands in rules.yaml. */
  readonly source: string
  readonly kind: 'number' | 'category'
  /** A double, or a text. */
  readonly value: Expr
  /** It was asked for: it is refused where it cannot be learned from, and not left out. */
  readonly isNamed: boolean
}

/** Of the record itself: a model that knows the answer learns nothing else. */
const labelColumn = 'is_fraud'
/** Columns that say which row it is, and none of them what it is like. */
const ofNoUse: ReadonlySet<string> = new Set([
  ...['transaction_id', 'user_id', 'topic', 'partition', 'offset', labelColumn, modelScoreColumn],
])

/** Names and conditions. Fails with CONFIG_INVALID where one cannot be learned from, or has another's name. */
export function featuresFrom(
  given: readonly (readonly [name: string, source: string])[],
  columns: Schema,
): TrainingFeature[] {
  const names = new Set<string>()
  return given.map(([name, source]) => {
    const refuse = (message: string): never => refuseFeature({ name, source }, message)
    if (names.has(name)) refuse('another feature has this name')
    names.add(name)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) refuse('a feature has a name of letters, digits and _')
    let told = ''
    const scope = { columns, lists: {}, parameters: new Set<string>() }
    const typed = compileValue(source, scope, (_, message) => {
      told ||= message
    })
    if (typed === null) return refuse(told)
    if (columnNames(typed.expr).includes(labelColumn)) refuse('it asks the label itself')
    switch (typed.kind) {
      case 'number':
        return { name, source, kind: 'number', value: doubleOf(typed.expr), isNamed: true }
      case 'truth':
        return { name, source, kind: 'number', value: truthOf(typed.expr as Expr<'boolean'>), isNamed: true }
      case 'text':
        return { name, source, kind: 'category', value: typed.expr, isNamed: true }
      default:
        return refuse('a model learns from numbers, texts, and what is true or false')
    }
  })
}

/** Every column that may say something; texts are taken where they are few. */
export function featuresOfColumns(columns: Schema): TrainingFeature[] {
  const names = Object.entries(columns).flatMap(([name, type]) => {
    const isUsable = /^(?:int|long|double|boolean|string|decimal\((?:18|28),2\)|decimal\(38,6\))$/.test(type)
    return isUsable && !ofNoUse.has(name) ? [[name, name] as const] : []
  })
  return featuresFrom(names, columns).map((feature) => ({ ...feature, isNamed: false }))
}

export function refuseFeature(
  { name, source }: Pick<TrainingFeature, 'name' | 'source'>,
  why: string,
): never {
  throw new LakehouseError('CONFIG_INVALID', `the feature ${name} (${source}): ${why}.`)
}

function doubleOf(expr: Expr): Expr {
  return expr.type === 'double' ? expr : asDouble(expr as Expr<'int'>) // Of any type of numbers.
}

function truthOf(value: Expr<'boolean'>): Expr<'double'> {
  const isKnown = { kind: 'call', function: 'isNull', args: [value], type: 'boolean' } as const
  return when(
    [
      [value, literal('double', 1)],
      [isKnown, nullOf('double')],
    ],
    literal('double', 0),
  )
}
