// A set of rules as a back-test asks it: which of its rules fire, as bits of whole numbers.
import { columnNames, type Expr, withInPlaceOf } from '../expr/index.ts'
import { levelLowest } from '../fraud/score.ts'
import { modelScoreColumn, type Rule, type RuleSet } from '../rules/index.ts'
import { type Dialect, duckdb, expressionSql } from '../sql/index.ts'
import { recordLabel } from './scored-history.ts'

export type RuleSide = {
  /** How people call it: `active`, or the name of its file. */
  readonly name: string
  readonly rules: readonly Rule[]
  /** Rules that ask the record's own label, which are not counted. */
  readonly leftOut: readonly string[]
  readonly levels: RuleSet['levels']
  readonly reviewFrom: number
  /** With the values of its lists. */
  readonly dialect: Dialect
}

/** A BIGINT holds so many bits without its sign. */
const bitsOfWord = 60

/** A rule that knows the answer says nothing about the others: it is left out unless it is asked for. */
export function ruleSide(
  name: string,
  ruleSet: RuleSet,
  { dialect, countsRecordLabel }: { readonly dialect: Dialect; readonly countsRecordLabel: boolean },
): RuleSide {
  const { levels, reviewFrom } = ruleSet
  const rules = rulesWithModel(ruleSet)
  const asksLabel = ({ value }: Rule): boolean => columnNames(value).includes(recordLabel)
  const counted = countsRecordLabel ? rules : rules.filter((rule) => !asksLabel(rule))
  const leftOut = rules.filter((rule) => !counted.includes(rule)).map((rule) => rule.name)
  return { name, rules: counted, leftOut, levels, reviewFrom, dialect }
}

/** The rules with the model itself where they ask for its score: it is tried as they are. */
export function rulesWithModel({ rules, model }: Pick<RuleSet, 'rules' | 'model'>): readonly Rule[] {
  if (model === null) return rules
  const scored = (expr: Expr<'boolean'>) => withInPlaceOf(expr, modelScoreColumn, model.score)
  return rules.map((rule) => ({ ...rule, fires: scored(rule.fires), value: scored(rule.value) }))
}

export function columnsAsked({ rules }: Pick<RuleSide, 'rules'>): string[] {
  return [...new Set(rules.flatMap(({ fires }) => columnNames(fires)))]
}

/** The fired rules of a row, as expressions of BIGINT under names of their own; at least one. */
export function firedColumns({ rules, dialect }: RuleSide, prefix: string): { sql: string; name: string }[] {
  const words: { sql: string; name: string }[] = []
  for (let first = 0; first < Math.max(rules.length, 1); first += bitsOfWord) {
    const bits = rules.slice(first, first + bitsOfWord).map(({ fires }, bit) => {
      return `CASE WHEN ${expressionSql(dialect, fires)} THEN ${2n ** BigInt(bit)} ELSE 0 END`
    })
    const sql = `CAST(${bits.join(' + ') || '0'} AS BIGINT)`
    words.push({ sql, name: duckdb.name(`${prefix} ${first / bitsOfWord}`) })
  }
  return words
}

/** The rules whose bits are set. */
export function firedOf({ rules }: RuleSide, words: readonly bigint[]): readonly number[] {
  return rules.flatMap((_, index) => {
    const word = words[Math.floor(index / bitsOfWord)]!
    return ((word >> BigInt(index % bitsOfWord)) & 1n) === 1n ? [index] : []
  })
}

export function scoreOf({ rules }: RuleSide, fired: readonly number[]): number {
  return fired.reduce((sum, index) => sum + rules[index]!.points, 0)
}

export function levelOf({ levels }: RuleSide, score: number): string {
  return levels.find(({ scoreMin }) => score >= scoreMin)?.name ?? levelLowest
}
