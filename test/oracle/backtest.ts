// A back-test computed naively from rows: every figure by its definition, one transaction after another.

export type OracleTransaction = {
  readonly id: string
  readonly day: string
  readonly cents: number
  readonly label: 'fraud' | 'good' | 'pending'
  /** The names of the rules that fire. */
  readonly fired: readonly string[]
  readonly score: number
}

export type OracleRule = { readonly name: string; readonly points: number }

export type OracleFigures = {
  readonly reviewed: number
  readonly caught: number
  readonly caughtCents: number
  readonly goodReviewed: number
  readonly precision: number | null
  readonly recall: number | null
  readonly averagePrecision: number | null
  readonly rankArea: number | null
  readonly mostReviewsOfDay: number
  readonly rules: Readonly<Record<string, OracleRuleFigures>>
}

export type OracleRuleFigures = {
  readonly fired: number
  readonly fraud: number
  readonly good: number
  readonly addsReviews: number
  readonly addsFraud: number
  readonly together: Readonly<Record<string, number>>
}

export function oracleFigures(
  all: readonly OracleTransaction[],
  rules: readonly OracleRule[],
  reviewFrom: number,
): OracleFigures {
  const reviewed = all.filter(({ score }) => score >= reviewFrom)
  const fraud = all.filter(({ label }) => label === 'fraud')
  const good = all.filter(({ label }) => label === 'good')
  const caught = reviewed.filter(({ label }) => label === 'fraud')
  const goodReviewed = reviewed.filter(({ label }) => label === 'good')
  const days = [...new Set(all.map(({ day }) => day))]
  return {
    reviewed: reviewed.length,
    caught: caught.length,
    caughtCents: caught.reduce((sum, { cents }) => sum + cents, 0),
    goodReviewed: goodReviewed.length,
    precision: ratio(caught.length, caught.length + goodReviewed.length),
    recall: ratio(caught.length, fraud.length),
    averagePrecision: averagePrecision([...fraud, ...good]),
    rankArea: ratio(
      fraud.reduce((sum, one) => {
        return sum + good.reduce((wins, other) => wins + winOf(one.score, other.score), 0)
      }, 0),
      fraud.length * good.length,
    ),
    mostReviewsOfDay: Math.max(...days.map((day) => reviewed.filter((one) => one.day === day).length)),
    rules: Object.fromEntries(rules.map((rule) => [rule.name, ruleFigures(all, rule, rules, reviewFrom)])),
  }
}

function ruleFigures(
  all: readonly OracleTransaction[],
  { name, points }: OracleRule,
  rules: readonly OracleRule[],
  reviewFrom: number,
): OracleRuleFigures {
  const its = all.filter(({ fired }) => fired.includes(name))
  const change = (of: readonly OracleTransaction[]): number => {
    const withRule = of.filter(({ score }) => score >= reviewFrom).length
    return withRule - of.filter(({ score }) => score - points >= reviewFrom).length
  }
  return {
    fired: its.length,
    fraud: its.filter(({ label }) => label === 'fraud').length,
    good: its.filter(({ label }) => label === 'good').length,
    addsReviews: change(its),
    addsFraud: change(its.filter(({ label }) => label === 'fraud')),
    together: Object.fromEntries(
      rules.map((other) => [other.name, its.filter(({ fired }) => fired.includes(other.name)).length]),
    ),
  }
}

/** The mean over all fraud of the precision among the transactions of at least its score. */
function averagePrecision(matured: readonly OracleTransaction[]): number | null {
  const fraud = matured.filter(({ label }) => label === 'fraud')
  const precisions = fraud.map(({ score }) => {
    const above = matured.filter((other) => other.score >= score)
    return above.filter(({ label }) => label === 'fraud').length / above.length
  })
  return ratio(
    precisions.reduce((sum, one) => sum + one, 0),
    fraud.length,
  )
}

const winOf = (a: number, b: number): number => (a > b ? 1 : a === b ? 0.5 : 0)
const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)
