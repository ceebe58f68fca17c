// Silver against bronze: each record is in one of silver and quarantine, and a row has what its record says.
// The definition of the table is taken, for many batches at once; what is late and what repeats is judged by
// other means.

import { watermarkVariable } from '../config/variables.ts'
import { quoteText } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { findingsOf, nothingFound, together } from './check.ts'
import { differencesSql } from './compare.ts'
import { erased, ofNoErased } from './erased.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import { expectedEvents, judgedRecords, parsed, prepareJudged, prepareParsed, readRecords } from './parsed.ts'
import { keys, position, samePosition } from './position.ts'
import { countsSql, type RunningCheck, type Slice, sliceOf } from './slice.ts'
import { timesOutsideSql } from './watermarks.ts'

/** Batches that were judged by the settings and definitions of today, because theirs are not recorded. */
export class RuleNotes {
  readonly #variables: readonly string[]
  #unplanned = 0
  #undefined = 0

  constructor({ eventsWatermark, defined: { settings } }: WrittenLakehouse) {
    this.#variables = [watermarkVariable(eventsWatermark), ...settings.map(({ variable }) => variable)]
  }

  take({ rules, batches }: Slice): void {
    if (!rules.isPlanned) this.#unplanned += batches.length
    else if (!rules.isDefined) this.#undefined += batches.length
  }

  get notes(): string[] {
    const [unplanned, lost] = [this.#unplanned, this.#undefined].map((count) =>
      counted(count, 'batch', 'batches'),
    )
    return [
      ...(this.#unplanned === 0
        ? []
        : [`${unplanned} of an older version recorded no settings: judged by those of today`]),
      ...(this.#undefined === 0
        ? []
        : [`the definitions of ${lost} are not in ops/definitions: judged by those of today`]),
    ]
  }

  /** What is likely behind rows that differ; null where all rules are recorded. */
  get hint(): string | null {
    if (this.#unplanned + this.#undefined === 0) return null
    const names = new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(this.#variables)
    return `if ${names} was another when the rows were written, verify with that value`
  }
}

/** Every cell of silver from the record that the row names. */
export function checkSilverRows(
  lakehouse: WrittenLakehouse,
  { definition: { path } }: TableState,
): RunningCheck {
  const { connection } = lakehouse
  let findings = nothingFound
  let rows = 0n
  return {
    async slice(slice) {
      await prepareParsed(lakehouse, slice)
      const { schema } = slice.definition(path).rows
      const columns = Object.keys(schema).filter((name) => !position.some((key) => key === name))
      const differences = differencesSql({
        found: sliceOf.silver,
        expected: expectedEvents,
        keys: position,
        columns,
        isComplete: false,
        extra: 'is not in bronze, or not valid there',
      })
      const times = timesOutsideSql(sliceOf.silver, 'processing_time')
      findings = together(
        findings,
        await findingsOf(connection, ofNoErased(differences), position),
        await findingsOf(connection, times, ['processing_time']),
      )
      rows += await lakehouse.number(`SELECT count(*) FROM ${sliceOf.silver}`)
    },
    async finish() {
      return { proved: `${counted(rows, 'row')}, every cell as the record in bronze says`, findings }
    },
  }
}

/** Every bronze record is in silver or in quarantine, and in one alone. Nothing else is there. */
export function checkSplit(lakehouse: WrittenLakehouse): RunningCheck {
  const { connection } = lakehouse
  let findings = nothingFound
  const { events, refused } = lakehouse.paths
  let [records, pending, left] = [0n, 0n, 0n]
  return {
    async slice(slice) {
      await prepareJudged(lakehouse, slice)
      await connection.run(`CREATE OR REPLACE TEMP TABLE split AS ${ofNoErased(splitSql)}`)
      await connection.run(`CREATE OR REPLACE TEMP TABLE nowhere AS ${nowhereSql(lakehouse)}`)
      const counts = [
        countsSql(
          lakehouse,
          sliceOf.silver,
          'processing_time',
          'silver_rows',
          lakehouse.state(events).doneBatch,
        ),
        countsSql(
          lakehouse,
          sliceOf.quarantine,
          'processing_time',
          'quarantined_rows',
          lakehouse.state(refused).doneBatch,
        ),
      ]
      findings = together(
        findings,
        await findingsOf(connection, splitFindingsSql, position),
        await findingsOf(connection, [...counts, ...ofBoth(lakehouse)].join(' UNION ALL '), ['batch']),
      )
      pending += await lakehouse.number('SELECT count(*) FROM nowhere WHERE is_pending')
      left += await lakehouse.number(leftSql)
      records += await lakehouse.number(`SELECT count(*) FROM ${parsed}`)
      await connection.run('DROP TABLE split')
      await connection.run('DROP TABLE nowhere')
    },
    async finish() {
      const waiting = `in bronze alone: ${counted(pending, 'record')} of the newest batch; the next "assay run" finishes it`
      return {
        proved: `${counted(records, 'record')} of bronze, each in one of silver and quarantine`,
        findings,
        notes: [...(pending === 0n ? [] : [waiting]), ...leftNote(left)],
      }
    },
  }
}

/** Where records were erased, one count alone may be too small; together they are known. */
function ofBoth(lakehouse: WrittenLakehouse): string[] {
  if (lakehouse.erased.isNone) return []
  const both = `(SELECT ${keys}, processing_time FROM ${sliceOf.silver}
    UNION ALL SELECT ${keys}, processing_time FROM ${sliceOf.quarantine})`
  const [silver, quarantine] = [lakehouse.paths.events, lakehouse.paths.refused].map(
    (path) => lakehouse.state(path).doneBatch,
  )
  const done = silver! < quarantine! ? silver! : quarantine!
  return [countsSql(lakehouse, both, 'processing_time', 'records', done)]
}

/** The erased records that still have a row. */
const leftSql = `SELECT count(*) FROM ${erased} SEMI JOIN (
  SELECT ${keys} FROM ${readRecords} UNION ALL SELECT ${keys} FROM ${sliceOf.silver}
  UNION ALL SELECT ${keys} FROM ${sliceOf.quarantine}
) USING (${keys})`

function leftNote(left: bigint): string[] {
  if (left === 0n) return []
  return [
    `${counted(left, 'record')} in ops/erased still have rows: "assay erase" carries an erasure to its end that was ` +
      'begun, "assay erase --adopt .. --everywhere" erases what another program deleted from one table',
  ]
}

/** The records that are not in exactly one of the two, and rows of the two that are of no record. */
const splitSql = `SELECT coalesce(b.topic, k.topic) AS topic, coalesce(b.partition, k.partition) AS partition,
  coalesce(b."offset", k."offset") AS "offset", b.topic IS NOT NULL AS in_bronze,
  coalesce(k.in_silver, 0) AS in_silver, coalesce(k.in_quarantine, 0) AS in_quarantine
FROM (SELECT ${keys} FROM ${readRecords}) AS b FULL JOIN (
  SELECT ${keys}, sum(s)::INTEGER AS in_silver, sum(q)::INTEGER AS in_quarantine FROM (
    SELECT ${keys}, 1 AS s, 0 AS q FROM ${sliceOf.silver}
    UNION ALL SELECT ${keys}, 0, 1 FROM ${sliceOf.quarantine}
  ) GROUP BY ${keys}
) AS k ON ${samePosition('b', 'k')}
WHERE b.topic IS NULL OR k.topic IS NULL OR in_silver + in_quarantine <> 1`

/**
 * Records that are in neither of the two, each with the table that it belongs to. It may be of a batch whose
 * commits are not all there yet: a restart writes them.
 */
function nowhereSql(lakehouse: WrittenLakehouse): string {
  const { events, refused } = lakehouse.paths
  const done = (path: string): bigint => lakehouse.state(path).doneBatch
  return `SELECT *, batch_time = TIMESTAMP 'infinity' OR coalesce(batch, 0) >
    CASE WHEN is_accepted THEN ${done(events)} ELSE ${done(refused)} END AS is_pending,
    CASE WHEN is_accepted THEN ${quoteText(events)} ELSE ${quoteText(refused)} END AS belongs
  FROM (
    SELECT s.*, p.batch_time, b.batch, j.is_accepted
    FROM (FROM split WHERE in_silver + in_quarantine = 0) AS s
    JOIN ${readRecords} AS p ON ${samePosition('s', 'p')}
    JOIN ${judgedRecords} AS j ON ${samePosition('s', 'j')}
    LEFT JOIN ${sliceOf.batches} AS b ON b.time = p.batch_time
  )`
}

const countsText =
  "CAST(in_silver AS VARCHAR) || ' in silver, ' || CAST(in_quarantine AS VARCHAR) || ' in quarantine'"

const splitFindingsSql = `SELECT ${keys}, 'is in neither; by its bytes it belongs to ' || belongs AS problem,
  NULL AS "column", ${countsText} AS found, 'one row' AS expected FROM nowhere WHERE NOT is_pending
UNION ALL
SELECT ${keys}, CASE WHEN in_bronze THEN 'is there more than once' ELSE 'is not in bronze' END, NULL, ${countsText},
  CASE WHEN in_bronze THEN 'one row' ELSE 'none' END
FROM split WHERE NOT in_bronze OR in_silver + in_quarantine > 1`
