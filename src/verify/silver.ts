// Silver against bronze: each record is in one of silver and quarantine, and a row has what its record says.
// The definition of the table is taken, for many batches at once; what is late and what repeats is judged by
// other means.

import { counted } from '../errors/counted.ts'
import { findingsOf, nothingFound, together } from './check.ts'
import { differencesSql } from './compare.ts'
import { erased, ofNoErased } from './erased.ts'
import { eventSlices } from './event-slices.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import { prepareParsed, prepareRefused } from './parsed.ts'
import { keys, position, samePosition } from './position.ts'
import { countsSql, type RunningCheck, type Slice, sliceOf } from './slice.ts'
import { timesOutsideSql } from './watermarks.ts'

export const silverPath = 'silver/transactions'
export const quarantinePath = 'silver/quarantine'
export const bronzePath = 'bronze/transactions'

/** Batches that were judged by the settings and definitions of today, because theirs are not recorded. */
export class RuleNotes {
  #unplanned = 0
  #undefined = 0

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
    return 'if WATERMARK_SILVER, DEDUP_WINDOW or HIGH_RISK_COUNTRIES was another when the rows were written, verify with that value'
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
        expected: 'expected_silver',
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
  let [records, pending, left] = [0n, 0n, 0n]
  return {
    async slice(slice) {
      await prepareRefused(lakehouse, slice)
      await connection.run(`CREATE OR REPLACE TEMP TABLE split AS ${ofNoErased(splitSql)}`)
      await connection.run(`CREATE OR REPLACE TEMP TABLE nowhere AS ${nowhereSql(lakehouse)}`)
      const counts = [
        countsSql(
          lakehouse,
          sliceOf.silver,
          'processing_time',
          'silver_rows',
          lakehouse.state(silverPath).doneBatch,
        ),
        countsSql(
          lakehouse,
          sliceOf.quarantine,
          'processing_time',
          'quarantined_rows',
          lakehouse.state(quarantinePath).doneBatch,
        ),
      ]
      findings = together(
        findings,
        await findingsOf(connection, splitFindingsSql, position),
        await findingsOf(connection, [...counts, ...ofBoth(lakehouse)].join(' UNION ALL '), ['batch']),
      )
      pending += await lakehouse.number('SELECT count(*) FROM nowhere WHERE is_pending')
      left += await lakehouse.number(leftSql)
      records += await lakehouse.number('SELECT count(*) FROM parsed')
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
  const [silver, quarantine] = [silverPath, quarantinePath].map((path) => lakehouse.state(path).doneBatch)
  const done = silver! < quarantine! ? silver! : quarantine!
  return [countsSql(lakehouse, both, 'processing_time', 'records', done)]
}

/** The erased records that still have a row. */
const leftSql = `SELECT count(*) FROM ${erased} SEMI JOIN (
  SELECT ${keys} FROM parsed UNION ALL SELECT ${keys} FROM ${sliceOf.silver}
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
FROM parsed AS b FULL JOIN (
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
  const done = (path: string): bigint => lakehouse.state(path).doneBatch
  return `SELECT *, processing_time = TIMESTAMP 'infinity' OR coalesce(batch, 0) >
    CASE belongs WHEN '${quarantinePath}' THEN ${done(quarantinePath)} ELSE ${done(silverPath)} END AS is_pending
  FROM (
    SELECT s.*, p.processing_time, b.batch,
      CASE WHEN len(p.invalid) > 0 OR r.is_late OR r.repeats THEN '${quarantinePath}' ELSE '${silverPath}' END AS belongs
    FROM split AS s JOIN parsed AS p ON ${samePosition('s', 'p')}
    LEFT JOIN refused AS r ON ${samePosition('r', 'p')}
    LEFT JOIN ${sliceOf.batches} AS b ON b.time = p.processing_time
    WHERE in_silver + in_quarantine = 0
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

/** No two rows of silver are the same transaction. */
export function checkNoRepeats(lakehouse: WrittenLakehouse): RunningCheck {
  const { connection, periods } = lakehouse
  const rules = new RuleNotes()
  return {
    async slice(slice) {
      rules.take(slice)
    },
    async finish() {
      let findings = nothingFound
      for await (const slice of eventSlices(lakehouse, periods.dedupMicrosMax)) {
        await connection.run(`CREATE OR REPLACE TEMP TABLE with_id AS
          SELECT ${keys}, transaction_id, epoch_us(event_time) AS micros, processing_time
          FROM (${slice.rows}) WHERE hash(transaction_id) % ${slice.parts} = ${slice.part}`)
        const repeats = repeatsSql(lakehouse, slice.fromMicros)
        findings = together(findings, await findingsOf(connection, repeats, position))
        await connection.run('DROP TABLE with_id')
      }
      return {
        proved: 'no two rows have one transaction_id within DEDUP_WINDOW',
        findings,
        hint: findings.count > 0n ? rules.hint : null,
      }
    },
  }
}

/**
 * Pairs of rows with one id, near enough for the batch of the one that arrived later; the row of the later
 * event is of the slice, the other may lie before it.
 */
function repeatsSql({ periods }: WrittenLakehouse, fromMicros: bigint | null): string {
  const isOwn = fromMicros === null ? 'true' : `greatest(one.micros, other.micros) >= ${fromMicros}`
  return `WITH repeated AS (
    SELECT * FROM with_id SEMI JOIN (
      SELECT transaction_id FROM with_id GROUP BY transaction_id HAVING count(*) > 1
    ) USING (transaction_id)
    ASOF JOIN (${periods.sql()}) AS p ON processing_time >= p.from_time
  )
  SELECT DISTINCT one.topic, one.partition, one."offset", 'repeats another row of silver' AS problem,
    'transaction_id' AS "column", one.transaction_id AS found,
    'another event ' || CAST(one.dedup_micros AS VARCHAR) || ' us away or more' AS expected
  FROM repeated AS one JOIN repeated AS other ON other.transaction_id = one.transaction_id
  WHERE ${isOwn} AND abs(one.micros - other.micros) <= one.dedup_micros
    AND (${arrival('one')}) > (${arrival('other')})`
}

const arrival = (row: string): string =>
  `${row}.processing_time, ${row}.topic, ${row}.partition, ${row}."offset"`
