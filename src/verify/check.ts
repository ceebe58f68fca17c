// What a check of `assay verify` says: proved, or refuted by named rows.
import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteIdentifier } from '../delta/sql.ts'

/** One thing that is wrong: where, and what was found in place of what. */
export type Finding = {
  /** The row, window or file: names and values as text, null for SQL's null. */
  readonly at: Readonly<Record<string, string | null>>
  readonly problem: string
  readonly column: string | null
  readonly found: string | null
  readonly expected: string | null
}

export type Findings = { readonly count: bigint; readonly first: readonly Finding[] }

export const nothingFound: Findings = { count: 0n, first: [] }

/** What a check found. `proved` says what holds where nothing was found. */
export type Verdict = {
  readonly proved: string
  readonly findings: Findings
  /** What an operator should know although it is no failure: a lag, a hole in Kafka's offsets. */
  readonly notes?: readonly string[]
  /** What is likely behind the findings. */
  readonly hint?: string | null
}

export type CheckResult = {
  readonly table: string
  readonly check: string
  readonly ok: boolean
  readonly message: string
  readonly failures: bigint
  readonly findings: readonly Finding[]
  readonly notes: readonly string[]
  readonly hint: string | null
}

/** So many findings of a check are told row by row; all are counted. */
export const findingsToldMax = 5
/** A value in a finding is cut: it may be a whole record. */
const valueLengthMax = 120

/**
 * Runs a SELECT with the columns `at`, and the texts problem, column, found and expected; a row is a finding.
 * Every check finds through here, so that all count, order and cut alike.
 */
export async function findingsOf(
  connection: DuckDBConnection,
  select: string,
  at: readonly string[],
): Promise<Findings> {
  const counted = await connection.runAndReadAll(`CREATE OR REPLACE TEMP TABLE findings AS ${select}`)
  const count = counted.getRows()[0]?.[0]
  if (typeof count !== 'bigint' || count === 0n) return nothingFound
  const names = at.map((name) => `CAST(${quoteIdentifier(name)} AS VARCHAR) AS ${quoteIdentifier(name)}`)
  const cut = ['found', 'expected'].map((name) => {
    const text = `CAST(${name} AS VARCHAR)`
    return `CASE WHEN length(${text}) > ${valueLengthMax} THEN left(${text}, ${valueLengthMax}) || '..' ELSE ${text} END AS ${name}`
  })
  const order = [...at.map(quoteIdentifier), 'problem', '"column"'].join(', ')
  const reader = await connection.runAndReadAll(
    `SELECT ${[...names, 'problem', '"column"', ...cut].join(', ')} ` +
      `FROM (SELECT * FROM findings ORDER BY ${order} LIMIT ${findingsToldMax})`,
  )
  const first = reader.getRowObjectsJS().map((row): Finding => {
    return {
      at: Object.fromEntries(at.map((name) => [name, textOrNull(row[name])])),
      problem: String(row.problem),
      column: textOrNull(row.column),
      found: textOrNull(row.found),
      expected: textOrNull(row.expected),
    }
  })
  await connection.run('DROP TABLE findings')
  return { count, first }
}

export function together(...all: readonly Findings[]): Findings {
  return {
    count: all.reduce((sum, { count }) => sum + count, 0n),
    first: all.flatMap(({ first }) => first).slice(0, findingsToldMax),
  }
}

/** A value as the text of a finding, cut to what a line can show. */
export function valueText(value: unknown): string | null {
  const text = textOrNull(value)
  return text === null || text.length <= valueLengthMax ? text : `${text.slice(0, valueLengthMax)}..`
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value)
}

export function instantSql(micros: bigint | null): string {
  return micros === null ? 'CAST(NULL AS TIMESTAMP)' : `make_timestamp(${micros})`
}
