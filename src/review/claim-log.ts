// review/claims read and written: who looks at which case. The last row of a reviewer says what is held: one
// case at most, until its time is over. Times are by the clocks of who wrote them.
import type { DuckDBConnection } from '@duckdb/node-api'
import { SequencedTable } from '../engines/sequenced-table.ts'
import { type ClaimKind, claimsAppId, claimsDefinition, claimsPath } from '../ops/claims.ts'

export type Claim = {
  readonly kind: ClaimKind
  readonly reviewer: string
  readonly atMs: number
  readonly untilMs: number
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

const news = 'new_claims'
/** How long a claim that is over says when its case was taken. */
const keptMs = 24 * 3_600_000

export class ClaimLog {
  readonly #connection: DuckDBConnection
  readonly #nowMs: () => number
  readonly table: SequencedTable

  constructor(deltaBasePath: string, connection: DuckDBConnection, nowMs: () => number) {
    this.#connection = connection
    this.#nowMs = nowMs
    const of = { path: claimsPath, definition: claimsDefinition, appId: claimsAppId }
    const wanted = () => `NOT ${this.isOver}`
    this.table = new SequencedTable({ deltaBasePath, ...of, connection, news, wanted })
  }

  /** A condition on rows that say nothing any more. */
  get isOver(): string {
    return `(epoch_ms(until) < ${this.#nowMs() - keptMs})`
  }

  async refresh(): Promise<void> {
    const kind = await this.table.refresh()
    if (kind === 'same') return
    if (kind === 'anew') {
      await this.#connection.run(`CREATE OR REPLACE TEMP TABLE claims AS SELECT * FROM ${news}`)
    } else {
      await this.#connection.run(`INSERT INTO claims BY NAME SELECT * FROM ${news}`)
      await this.#connection.run(`DELETE FROM claims WHERE ${this.isOver}`)
    }
  }

  /** In this order; false where another process was faster. */
  async append(claims: readonly Claim[]): Promise<boolean> {
    const first = this.table.sequence + 1n
    const parameters: Record<string, string | number | bigint> = {}
    const selects = claims.map((claim, index) => {
      const { kind, reviewer, atMs, untilMs, topic, partition, offset } = claim
      parameters[`reviewer_${index}`] = reviewer
      parameters[`topic_${index}`] = topic
      return `SELECT ${first + BigInt(index)}::BIGINT AS sequence, '${kind}' AS kind, $reviewer_${index}::VARCHAR AS reviewer,
        ${momentSql(atMs)} AS "at", ${momentSql(untilMs)} AS until, $topic_${index}::VARCHAR AS topic,
        ${partition}::INTEGER AS "partition", ${offset}::BIGINT AS "offset"`
    })
    return await this.table.append(selects.join('\nUNION ALL\n'), parameters, BigInt(claims.length))
  }
}

export function momentSql(ms: number): string {
  return `make_timestamptz(${Math.round(ms) * 1000}::BIGINT)`
}

/** What each reviewer holds now. */
export function holdsSql(nowMs: number): string {
  return `SELECT reviewer, last.topic, last."partition", last."offset", last."at", last.until FROM
      (SELECT reviewer, arg_max(claims, sequence) AS last FROM claims GROUP BY reviewer)
    WHERE last.kind = 'taken' AND epoch_ms(last.until) > ${nowMs}`
}
