// Transactions of which two sets of rules decide differently, for people to look at: those with the largest
// amounts.
import { column } from '../expr/index.ts'
import { fraudScore, riskLevel } from '../fraud/score.ts'
import { duckdb, expressionSql } from '../sql/index.ts'
import { firedColumns, firedOf, levelOf, type RuleSide, scoreOf } from './rule-side.ts'
import { labelName, type ScoredHistory } from './scored-history.ts'

export type SampleJudgement = {
  readonly score: number
  readonly level: string
  readonly isReviewed: boolean
  readonly rules: readonly string[]
}

export type ChangedSample = {
  /** What names the transaction. */
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly eventTime: string
  /** With two decimals. */
  readonly amount: string
  readonly label: string
  readonly baseline: SampleJudgement
  readonly candidate: SampleJudgement
}

/** `id` is the column that names a transaction. */
export async function changedSamples(
  { connection, rows }: Pick<ScoredHistory, 'connection' | 'rows'>,
  { baseline, candidate }: { readonly baseline: RuleSide; readonly candidate: RuleSide },
  id: string,
  samplesMax: number,
): Promise<readonly ChangedSample[]> {
  const [ofBaseline, ofCandidate] = [firedColumns(baseline, 'baseline'), firedColumns(candidate, 'candidate')]
  const words = [...ofBaseline, ...ofCandidate]
  const sides = { baseline, candidate }
  const scores = Object.entries(sides).map(
    ([name, side]) => `${scoreSql(side)} AS ${duckdb.name(`${name} score`)}`,
  )
  const [levels, reviews] = [
    Object.entries(sides).map(([name, side]) => levelSql(side, `${name} score`)),
    Object.entries(sides).map(([name, side]) => `${duckdb.name(`${name} score`)} >= ${side.reviewFrom}`),
  ]
  const select = `SELECT CAST(${duckdb.name(id)} AS VARCHAR), topic, "partition", CAST("offset" AS VARCHAR),
      strftime(event_time, '%Y-%m-%dT%H:%M:%S.%fZ'), CAST(amount AS VARCHAR), ${labelName},
      ${words.map(({ sql }) => sql).join(', ')}
    FROM (SELECT *, ${scores.join(', ')} FROM (${rows}))
    WHERE (${levels.join(') <> (')}) OR (${reviews.join(') <> (')})
    ORDER BY amount DESC, event_time, topic, "partition", "offset" LIMIT ${samplesMax}`
  const reader = await connection.runAndReadAll(select)
  return reader.getRows().map(([name, topic, partition, offset, eventTime, amount, label, ...more]) => {
    const bits = more as bigint[]
    return {
      ...{ id: String(name), topic: String(topic), partition: Number(partition), offset: String(offset) },
      ...{ eventTime: String(eventTime), amount: String(amount), label: String(label) },
      baseline: sampleJudgement(baseline, bits.slice(0, ofBaseline.length)),
      candidate: sampleJudgement(candidate, bits.slice(ofBaseline.length)),
    }
  })
}

function scoreSql({ rules, dialect }: RuleSide): string {
  return rules.length === 0 ? '0' : expressionSql(dialect, fraudScore(rules))
}

function levelSql({ levels, dialect }: RuleSide, score: string): string {
  return expressionSql(dialect, riskLevel(levels, column(score, 'int')))
}

function sampleJudgement(side: RuleSide, words: readonly bigint[]): SampleJudgement {
  const fired = firedOf(side, words)
  const score = scoreOf(side, fired)
  return {
    score,
    level: levelOf(side, score),
    isReviewed: score >= side.reviewFrom,
    rules: fired.map((index) => side.rules[index]!.name),
  }
}
