// Silver and quarantine against bronze: each record is in one of the two, as its own bytes say. The
// definition of the tables is taken, for all of bronze at once; what is late and what repeats is judged here
// by other means.

import { quoteIdentifier } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { assert } from '../errors/errors.ts'
import { silverTransactions } from '../lakehouse/2-silver/transactions.ts'
import { boundDuckdb, compileTable, type Dialect } from '../sql/index.ts'
import { position } from './bronze.ts'
import { findingsOf, together, type Verdict } from './check.ts'
import { differencesSql, twiceSql } from './compare.ts'
import type { Lakehouse, TableState } from './lakehouse.ts'
import { checkTimes, doneTimeSql, prepareBatches } from './progress.ts'
import { withBatchTimes } from './streamed.ts'

export const silverPath = 'silver/transactions'
export const quarantinePath = 'silver/quarantine'
export const bronzePath = 'bronze/transactions'

const keys = position.map(quoteIdentifier).join(', ')
const samePosition = (a: string, b: string): string =>
  position.map((name) => `${a}.${quoteIdentifier(name)} = ${b}.${quoteIdentifier(name)}`).join(' AND ')

/**
 * `parsed`: every record of bronze with its fields and invalid reasons. `expected_silver`: the valid ones as
 * silver's rows.
 */
function prepareParsed(lakehouse: Lakehouse): Promise<void> {
  return lakehouse.prepare('parsed', async () => {
    const { connection } = lakehouse
    const bound = boundDuckdb({ watermark: null, dedup_micros: lakehouse.options.dedupMicros })
    // All batches at once: the time of each comes with its rows.
    const dialect: Dialect = {
      ...bound,
      parameter: (name, type) =>
        name === 'processing_time' ? quoteIdentifier(name) : bound.parameter(name, type),
    }
    const compiled = compileTable(dialect, silverTransactions.rows.node)
    const parsed = compiled.shared.find(({ name }) => name === 'parsed_batch')
    assert(parsed, 'silver parses in a relation of its own')
    await connection.run(`CREATE TEMP VIEW bronze_batch AS SELECT * FROM ${lakehouse.rows(bronzePath)}`)
    // Bytes stay in bronze: they are most of it.
    const rows = `SELECT * EXCLUDE (kafka_key, value, is_late, is_candidate) FROM (${parsed.sql})`
    await connection.run(`CREATE TEMP TABLE parsed AS ${await withBatchTimes(lakehouse, rows)}`)
    // What the definition says of a row that is accepted, without its way to judge late rows and repeats.
    await connection.run(
      `CREATE TEMP VIEW judged_batch AS SELECT *, NULL::BLOB AS kafka_key, NULL::BLOB AS value, false AS is_late,
        false AS is_candidate, false AS is_duplicate, invalid AS reasons, len(invalid) = 0 AS is_accepted FROM parsed`,
    )
    await connection.run(`CREATE TEMP VIEW expected_silver AS ${compiled.sql}`)
  })
}

/** Every cell of silver from the record that the row names. */
export async function checkSilverRows(lakehouse: Lakehouse, state: TableState): Promise<Verdict> {
  await prepareParsed(lakehouse)
  const columns = Object.keys(state.definition.rows.schema).filter((name) => !isKey(name))
  const differences = differencesSql({
    found: lakehouse.rows(silverPath),
    expected: 'expected_silver',
    keys: position,
    columns,
    isComplete: false,
    extra: 'is not in bronze, or not valid there',
  })
  const count = await lakehouse.number(`SELECT count(*) FROM ${lakehouse.rows(silverPath)}`)
  return {
    proved: `${counted(count, 'row')}, every cell as the record in bronze says`,
    findings: together(
      await findingsOf(lakehouse.connection, differences, position),
      await checkTimes(lakehouse, state, 'processing_time'),
    ),
  }
}

/** Every bronze record is in silver or in quarantine, and in one alone. Nothing else is there. */
export async function checkSplit(lakehouse: Lakehouse): Promise<Verdict> {
  await Promise.all([prepareParsed(lakehouse), prepareBatches(lakehouse)])
  const { connection } = lakehouse
  const [silver, quarantine] = [lakehouse.rows(silverPath), lakehouse.rows(quarantinePath)]
  await connection.run(`CREATE OR REPLACE TEMP TABLE split AS
    SELECT coalesce(b.topic, k.topic) AS topic, coalesce(b.partition, k.partition) AS partition,
      coalesce(b."offset", k."offset") AS "offset", b.processing_time, b.topic IS NOT NULL AS in_bronze,
      coalesce(k.in_silver, 0) AS in_silver, coalesce(k.in_quarantine, 0) AS in_quarantine
    FROM parsed AS b FULL JOIN (
      SELECT ${keys}, sum(s)::INTEGER AS in_silver, sum(q)::INTEGER AS in_quarantine FROM (
        SELECT ${keys}, 1 AS s, 0 AS q FROM ${silver} UNION ALL SELECT ${keys}, 0, 1 FROM ${quarantine}
      ) GROUP BY ${keys}
    ) AS k ON ${samePosition('b', 'k')}
    WHERE b.topic IS NULL OR k.topic IS NULL OR in_silver + in_quarantine <> 1`)
  // A record that is nowhere may be of a batch whose commits are not all there yet: a restart writes them.
  const belongs = `SELECT s.*, CASE WHEN len(p.invalid) > 0 OR ${isLateSql('p')} OR ${repeatsSql(lakehouse, 'p')}
      THEN 'silver/quarantine' ELSE 'silver/transactions' END AS belongs
    FROM split AS s JOIN parsed AS p ON ${samePosition('s', 'p')} LEFT JOIN batches AS b ON b.time = p.processing_time
    WHERE in_silver + in_quarantine = 0`
  await connection.run(`CREATE OR REPLACE TEMP TABLE nowhere AS SELECT *, processing_time >
    CASE belongs WHEN 'silver/quarantine' THEN ${doneTimeSql(lakehouse.state(quarantinePath))}
    ELSE ${doneTimeSql(lakehouse.state(silverPath))} END AS is_pending FROM (${belongs})`)
  const count =
    "CAST(in_silver AS VARCHAR) || ' in silver, ' || CAST(in_quarantine AS VARCHAR) || ' in quarantine'"
  const findings = await findingsOf(
    connection,
    `SELECT ${keys}, 'is in neither; by its bytes it belongs to ' || belongs AS problem, NULL AS "column", ${count} AS found,
      'one row' AS expected FROM nowhere WHERE NOT is_pending
    UNION ALL
    SELECT ${keys}, CASE WHEN in_bronze THEN 'is there more than once' ELSE 'is not in bronze' END, NULL, ${count},
      CASE WHEN in_bronze THEN 'one row' ELSE 'none' END
    FROM split WHERE NOT in_bronze OR in_silver + in_quarantine > 1`,
    position,
  )
  const pending = await lakehouse.number('SELECT count(*) FROM nowhere WHERE is_pending')
  const records = await lakehouse.number('SELECT count(*) FROM parsed')
  await connection.run('DROP TABLE split')
  await connection.run('DROP TABLE nowhere')
  return {
    proved: `${counted(records, 'record')} of bronze, each in one of silver and quarantine`,
    findings,
    notes:
      pending === 0n
        ? []
        : [
            `in bronze alone: ${counted(pending, 'record')} of the newest batch; the next "assay run" finishes it`,
          ],
  }
}

const isKey = (name: string): boolean => position.some((key) => key === name)

/**
 * An engine may refuse a record that nests deeper: Spark's parser does so from 1,000 levels on. The judge here
 * takes it, and believes a table where it was refused.
 */
const levelsAlwaysTaken = 100

/** How deep the arrays and objects of a JSON document are nested. */
function levelsSql(bytes: string): string {
  const outside = `regexp_replace(TRY(decode(${bytes})), '"(?:[^"\\\\]|\\\\.)*"', '', 'gs')`
  const brackets = `string_split(regexp_replace(${outside}, '[^\\[\\]{}]', '', 'g'), '')`
  const steps = `list_transform(${brackets}, lambda c: {'level': if(c IN ('[', '{'), 1, -1), 'deepest': 0})`
  const deeper = `{'level': a.level + b.level, 'deepest': greatest(a.deepest, a.level + b.level)}`
  return `list_reduce(list_prepend({'level': 0, 'deepest': 0}, ${steps}), lambda a, b: ${deeper}).deepest`
}

/** Late by the watermark that the row's batch began with (`b` is the batch). */
const isLateSql = (row: string): string => `coalesce(${row}.event_time < b.late_before, false)`

const arrivalOf = (row: string): string =>
  `(${row}.processing_time, ${row}.topic, ${row}.partition, ${row}."offset")`

/** True where a row of silver with the id, near enough in time, arrived earlier. */
function repeatsSql(lakehouse: Lakehouse, row: string): string {
  return `EXISTS (SELECT 1 FROM ${lakehouse.rows(silverPath)} AS first
    WHERE first.transaction_id = ${row}.transaction_id
      AND abs(epoch_us(first.event_time) - epoch_us(${row}.event_time)) <= ${lakehouse.options.dedupMicros}
      AND ${arrivalOf('first')} < ${arrivalOf(row)})`
}

/**
 * Quarantine has the record as bronze does, and the reasons that its bytes, the watermark and silver give.
 */
export async function checkQuarantineRows(lakehouse: Lakehouse, state: TableState): Promise<Verdict> {
  await Promise.all([prepareParsed(lakehouse), prepareBatches(lakehouse)])
  const { connection } = lakehouse
  const found = lakehouse.rows(quarantinePath)
  const bytes = differencesSql({
    found,
    expected: lakehouse.rows(bronzePath),
    keys: position,
    columns: ['kafka_key', 'value'],
    isComplete: false,
    extra: 'is not in bronze',
  })
  const batchTimes = differencesSql({
    found,
    expected: 'parsed',
    keys: position,
    columns: ['processing_time', 'processing_date'],
    isComplete: false,
    extra: 'is not in bronze',
  })
  await connection.run(`CREATE OR REPLACE TEMP VIEW expected_reasons AS
    SELECT p.topic, p.partition, p."offset",
      CASE WHEN q.reasons = ['malformed'] AND p.invalid <> q.reasons AND ${levelsSql('q.value')} > ${levelsAlwaysTaken}
        THEN q.reasons WHEN len(p.invalid) > 0 THEN p.invalid
        WHEN ${isLateSql('p')} THEN ['late'] ELSE ['duplicate'] END AS reasons
    FROM parsed AS p JOIN ${found} AS q ON ${samePosition('p', 'q')}
    LEFT JOIN batches AS b ON b.time = p.processing_time`)
  const reasons = differencesSql({
    found,
    expected: 'expected_reasons',
    keys: position,
    columns: ['reasons'],
    isComplete: false,
    extra: 'is not in bronze',
  })
  const unfounded = `SELECT q.topic, q.partition, q."offset", 'repeats no row of silver' AS problem, 'reasons' AS "column",
    CAST(q.reasons AS VARCHAR) AS found, 'an earlier row with id ' || coalesce(p.transaction_id, 'null') AS expected
  FROM ${found} AS q JOIN parsed AS p ON ${samePosition('p', 'q')}
  WHERE q.reasons = ['duplicate'] AND len(p.invalid) = 0 AND NOT ${repeatsSql(lakehouse, 'p')}`
  const findings = together(
    await findingsOf(
      connection,
      `SELECT * FROM (${bytes}) WHERE problem <> 'is there more than once'`,
      position,
    ),
    await findingsOf(connection, `SELECT * FROM (${batchTimes}) WHERE problem = 'differs'`, position),
    await findingsOf(connection, reasons, position),
    await findingsOf(connection, unfounded, position),
    await checkTimes(lakehouse, state, 'processing_time'),
  )
  const count = await lakehouse.number(`SELECT count(*) FROM ${found}`)
  return {
    proved: `${counted(count, 'row')} with the record's own bytes, each with the reasons that hold for it`,
    findings,
    hint: findings.first.some(({ column }) => column === 'reasons') ? settingsHint : null,
  }
}

export const settingsHint =
  'if WATERMARK_SILVER, DEDUP_WINDOW or HIGH_RISK_COUNTRIES was another when the rows were written, verify with that value'

/** No row of silver came after its watermark had passed. */
export async function checkNoneLate(lakehouse: Lakehouse): Promise<Verdict> {
  await prepareBatches(lakehouse)
  const findings = await findingsOf(
    lakehouse.connection,
    `SELECT s.topic, s.partition, s."offset", 'is late, but not in quarantine' AS problem, 'event_time' AS "column",
      CAST(s.event_time AS VARCHAR) AS found, CAST(b.late_before AS VARCHAR) || ' or later' AS expected
    FROM ${lakehouse.rows(silverPath)} AS s JOIN batches AS b ON b.time = s.processing_time
    WHERE s.event_time < b.late_before`,
    position,
  )
  const unlogged = await lakehouse.number('SELECT count(*) FROM batches WHERE batch IS NULL')
  const notes =
    unlogged === 0n
      ? []
      : [
          `the logs have forgotten ${counted(unlogged, 'batch', 'batches')}: their watermarks are computed from the rows and the configured ` +
            'delays, as if no --finalize had been among them',
        ]
  return { proved: 'no row is behind the watermark of its batch', findings, notes }
}

/** No two rows of silver are the same transaction. */
export async function checkNoRepeats(lakehouse: Lakehouse): Promise<Verdict> {
  const rows = lakehouse.rows(silverPath)
  const { dedupMicros } = lakehouse.options
  const findings = await findingsOf(
    lakehouse.connection,
    `WITH repeated AS (
      SELECT transaction_id FROM ${rows} GROUP BY transaction_id HAVING count(*) > 1
    ),
    sorted AS (
      SELECT ${keys}, transaction_id, event_time,
        lag(event_time) OVER (PARTITION BY transaction_id ORDER BY event_time, ${keys}) AS other_time
      FROM ${rows} SEMI JOIN repeated USING (transaction_id)
    )
    SELECT ${keys}, 'repeats another row of silver' AS problem, 'transaction_id' AS "column",
      transaction_id AS found, 'another event ' || CAST(${dedupMicros} AS VARCHAR) || ' us away or more' AS expected
    FROM sorted WHERE epoch_us(event_time) - epoch_us(other_time) <= ${dedupMicros}`,
    position,
  )
  return {
    proved: 'no two rows have one transaction_id within DEDUP_WINDOW',
    findings: together(findings, await findingsOf(lakehouse.connection, twiceSql(rows, position), position)),
    hint: findings.count > 0n ? settingsHint : null,
  }
}
