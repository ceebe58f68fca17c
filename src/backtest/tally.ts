// Counts the transactions of a time by what two sets of rules say of them. DuckDB counts how often each
// combination of fired rules occurs; all figures of the report follow from these.
import { streamOf } from '../engines/database.ts'
import { duckdb } from '../sql/index.ts'
import { firedColumns, firedOf, levelOf, type RuleSide, scoreOf } from './rule-side.ts'
import { labelName, type ScoredHistory } from './scored-history.ts'

export const labelNames = ['fraud', 'good', 'pending'] as const
export type LabelName = (typeof labelNames)[number]

/** Transactions, and their money in hundredths. `squares` is the sum of the squares of their amounts. */
export type Amounts = { readonly count: number; readonly cents: bigint; readonly squares: number }

export const noAmounts: Amounts = { count: 0, cents: 0n, squares: 0 }

export function sumOf(all: readonly Amounts[]): Amounts {
  return all.reduce(
    (sum, one) => ({
      count: sum.count + one.count,
      cents: sum.cents + one.cents,
      squares: sum.squares + one.squares,
    }),
    noAmounts,
  )
}

/** What one set of rules says of a transaction. */
export type Judgement = {
  readonly fired: readonly number[]
  readonly score: number
  readonly level: string
  readonly isReviewed: boolean
}

/** Transactions of which both sets say the same. */
export type Combination = {
  readonly baseline: Judgement
  readonly candidate: Judgement
  readonly byLabel: Readonly<Record<LabelName, Amounts>>
}

export type Day = {
  readonly day: string
  readonly transactions: number
  readonly reviewed: { readonly baseline: number; readonly candidate: number }
}

export type Tally = {
  readonly combinations: readonly Combination[]
  /** In their order; days without a transaction are absent. */
  readonly days: readonly Day[]
  /** By column that the candidate asks: in how many transactions it has no value. */
  readonly unknown: Readonly<Record<string, number>>
}

export async function tallyOf(
  { connection, rows }: Pick<ScoredHistory, 'connection' | 'rows'>,
  baseline: RuleSide,
  candidate: RuleSide,
  asked: readonly string[],
): Promise<Tally> {
  const isOne = baseline === candidate
  const ofBaseline = firedColumns(baseline, 'baseline')
  const ofCandidate = isOne ? [] : firedColumns(candidate, 'candidate')
  const words = [...ofBaseline, ...ofCandidate]
  const unknown = asked.map((name) => `count(*) FILTER (${duckdb.name(name)} IS NULL)`)
  const select = `SELECT CAST(event_time AS DATE)::VARCHAR, ${labelName}, count(*)::BIGINT,
      CAST(sum(amount) * 100 AS HUGEINT), sum(CAST(amount AS DOUBLE) ** 2),
      ${[...words.map(({ name }) => name), ...unknown].join(', ')}
    FROM (SELECT *, ${words.map(({ sql, name }) => `${sql} AS ${name}`).join(', ')} FROM (${rows}))
    GROUP BY CAST(event_time AS DATE), ${labelName}, ${words.map(({ name }) => name).join(', ')}`
  const tally = new TallyBuilder(baseline, candidate, asked)
  const result = await streamOf(connection, select)
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    for (const [day, label, count, cents, squares, ...more] of chunk.getRows()) {
      const bits = more.slice(0, words.length) as bigint[]
      const [of, and] = [bits.slice(0, ofBaseline.length), isOne ? bits : bits.slice(ofBaseline.length)]
      const amounts = { count: Number(count), cents: cents as bigint, squares: squares as number }
      const nulls = more.slice(words.length).map(Number)
      tally.add({ day: String(day), label: label as LabelName, amounts, baseline: of, candidate: and, nulls })
    }
  }
  return tally.finish()
}

type Counted = {
  readonly day: string
  readonly label: LabelName
  readonly amounts: Amounts
  readonly baseline: readonly bigint[]
  readonly candidate: readonly bigint[]
  readonly nulls: readonly number[]
}

/** Memory grows with the combinations of rules that occur, not with the transactions. */
class TallyBuilder {
  readonly #sides: { readonly baseline: RuleSide; readonly candidate: RuleSide }
  readonly #asked: readonly string[]
  readonly #combinations = new Map<string, Combination & { byLabel: Record<LabelName, Amounts> }>()
  readonly #days = new Map<string, { transactions: number; baseline: number; candidate: number }>()
  readonly #unknown: number[]

  constructor(baseline: RuleSide, candidate: RuleSide, asked: readonly string[]) {
    this.#sides = { baseline, candidate }
    this.#asked = asked
    this.#unknown = asked.map(() => 0)
  }

  add({ day, label, amounts, baseline, candidate, nulls }: Counted): void {
    const key = `${baseline.join(',')} ${candidate.join(',')}`
    let found = this.#combinations.get(key)
    if (found === undefined) {
      found = {
        baseline: judgementOf(this.#sides.baseline, baseline),
        candidate: judgementOf(this.#sides.candidate, candidate),
        byLabel: { fraud: noAmounts, good: noAmounts, pending: noAmounts },
      }
      this.#combinations.set(key, found)
    }
    found.byLabel[label] = sumOf([found.byLabel[label], amounts])
    const ofDay = this.#days.get(day) ?? { transactions: 0, baseline: 0, candidate: 0 }
    this.#days.set(day, ofDay)
    ofDay.transactions += amounts.count
    if (found.baseline.isReviewed) ofDay.baseline += amounts.count
    if (found.candidate.isReviewed) ofDay.candidate += amounts.count
    for (const [index, count] of nulls.entries()) this.#unknown[index]! += count
  }

  finish(): Tally {
    const days = [...this.#days].sort(([a], [b]) => (a < b ? -1 : 1))
    return {
      combinations: [...this.#combinations.values()],
      days: days.map(([day, { transactions, ...reviewed }]) => ({ day, transactions, reviewed })),
      unknown: Object.fromEntries(this.#asked.map((name, index) => [name, this.#unknown[index]!])),
    }
  }
}

function judgementOf(side: RuleSide, words: readonly bigint[]): Judgement {
  const fired = firedOf(side, words)
  const score = scoreOf(side, fired)
  return { fired, score, level: levelOf(side, score), isReviewed: score >= side.reviewFrom }
}
