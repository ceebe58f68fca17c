// What the logs say of the batches: nothing goes back, the tables agree, and the watermarks follow the rows.

import type { Progress } from '../batches/progress.ts'
import { formatDuration } from '../config/duration.ts'
import { quoteIdentifier, quoteText } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { watermarkNames } from '../plan/index.ts'
import {
  type Finding,
  type Findings,
  findingsOf,
  findingsToldMax,
  instantSql,
  together,
  type Verdict,
} from './check.ts'
import type { BatchCommit, Lakehouse, TableState } from './lakehouse.ts'
import { isStreamedLakehouse } from './streamed.ts'

const silver = 'silver/transactions'
const bronze = 'bronze/transactions'
const rowsPerInsert = 1_000

/**
 * The batches, by the log of silver and, for one that silver does not have yet, of bronze: `batches`, one row
 * each, with the watermarks at its end and silver's at its start (`late_before`). Batches that no log has any
 * more are taken from the times of bronze's rows, with the watermarks that the configured delays give.
 */
export function prepareBatches(lakehouse: Lakehouse): Promise<void> {
  return lakehouse.prepare('batches', async () => {
    const { connection } = lakehouse
    const watermarks = watermarkNames.map((name) => `${quoteIdentifier(name)} TIMESTAMP`).join(', ')
    await connection.run(
      `CREATE TEMP TABLE logged_batches (batch BIGINT, time TIMESTAMP, seen TIMESTAMP, finalized TIMESTAMP, ${watermarks})`,
    )
    const tuples = recordedBatches(lakehouse).map(batchTuple)
    for (let from = 0; from < tuples.length; from += rowsPerInsert) {
      await connection.run(
        `INSERT INTO logged_batches VALUES ${tuples.slice(from, from + rowsPerInsert).join(', ')}`,
      )
    }
    await connection.run(`CREATE TEMP TABLE batches AS ${batchesSql(lakehouse)}`)
  })
}

function recordedBatches(lakehouse: Lakehouse): Progress[] {
  const found = new Map<bigint, Progress>()
  for (const path of [bronze, silver]) {
    if (!lakehouse.has(path)) continue
    const { commits, progress } = lakehouse.state(path)
    for (const commit of commits) found.set(commit.progress.batch, commit.progress)
    if (progress !== null && !found.has(progress.batch)) found.set(progress.batch, progress)
  }
  return [...found.values()].sort((a, b) => Number(a.batch - b.batch))
}

function batchTuple(progress: Progress): string {
  const instants = [
    progress.timeMicros,
    progress.eventTimeMaxMicros,
    progress.finalizedToMicros,
    ...watermarkNames.map((name) => progress.watermarks[name]),
  ]
  return `(${[String(progress.batch), ...instants.map(instantSql)].join(', ')})`
}

function batchesSql(lakehouse: Lakehouse): string {
  const names = watermarkNames.map(quoteIdentifier)
  const computed = watermarkNames.map(
    (name) => `seen - to_microseconds(${lakehouse.options.delays[name]}) AS ${quoteIdentifier(name)}`,
  )
  const rows = lakehouse.has(silver)
    ? lakehouse.rows(silver)
    : '(SELECT NULL::TIMESTAMP AS processing_time, NULL::TIMESTAMP AS event_time WHERE false)'
  // The rows of a streaming query have times that are no batch's.
  const arrivals = lakehouse.has(bronze) && !isStreamedLakehouse(lakehouse) ? lakehouse.rows(bronze) : rows
  return `WITH forgotten AS (
  SELECT DISTINCT processing_time AS time FROM ${arrivals}
  WHERE processing_time < coalesce((SELECT min(time) FROM logged_batches), TIMESTAMP 'infinity')
),
silver_max AS (
  SELECT processing_time AS time, max(event_time) AS seen FROM ${rows} GROUP BY processing_time
),
old AS (
  SELECT time, max(seen) OVER (ORDER BY time) AS seen FROM forgotten LEFT JOIN silver_max USING (time)
),
every AS (
  SELECT NULL::BIGINT AS batch, time, seen, NULL::TIMESTAMP AS finalized, ${computed.join(', ')} FROM old
  UNION ALL
  SELECT batch, time, seen, finalized, ${names.join(', ')} FROM logged_batches
)
SELECT *, lag(silver) OVER (ORDER BY time) AS late_before FROM every`
}

/**
 * The commits of one table: batch, time, offsets and watermarks never go back, and the txn is the last of
 * them.
 */
export async function checkCommits(_: Lakehouse, state: TableState): Promise<Verdict> {
  const findings: Finding[] = []
  const find = (commit: BatchCommit, column: string, found: unknown, expected: string): void => {
    const at = { version: String(commit.version), batch: String(commit.progress.batch) }
    findings.push({ at, problem: 'goes back', column, found: String(found), expected })
  }
  for (const [index, commit] of state.commits.entries()) {
    const before = state.commits[index - 1]?.progress
    if (before !== undefined) judgeStep(before, commit, (...args) => find(commit, ...args))
  }
  const [last, txn] = [state.commits.at(-1), state.progress]
  if (last !== undefined && txn !== null && last.progress.batch !== txn.batch) {
    find(last, 'txn', txn.batch, `batch ${last.progress.batch}, as in the newest commit`)
  }
  const from = state.isLogWhole ? '' : ` (the log begins at version ${state.commits[0]?.version ?? '?'})`
  return {
    proved: `batches, times, offsets and watermarks of ${counted(state.commits.length, 'commit')} never go back${from}`,
    findings: { count: BigInt(findings.length), first: findings.slice(0, findingsToldMax) },
  }
}

function judgeStep(
  before: Progress,
  { progress }: BatchCommit,
  find: (column: string, found: unknown, expected: string) => void,
): void {
  if (progress.batch <= before.batch) find('batch', progress.batch, `more than ${before.batch}`)
  if (progress.timeMicros <= before.timeMicros)
    find('time', progress.timeMicros, `more than ${before.timeMicros}`)
  for (const [key, { topic, partition, offset }] of before.offsets) {
    const now = progress.offsets.get(key)?.offset ?? null
    if (now === null || now < offset) find(`offset of ${topic}-${partition}`, now, `${offset} or more`)
  }
  const instants: [string, bigint | null, bigint | null][] = [
    ['finalized_to', before.finalizedToMicros, progress.finalizedToMicros],
    ['event_time_max', before.eventTimeMaxMicros, progress.eventTimeMaxMicros],
    ...watermarkNames.map((name): [string, bigint | null, bigint | null] => {
      return [`watermark ${name}`, before.watermarks[name], progress.watermarks[name]]
    }),
  ]
  for (const [name, was, is] of instants) {
    if (was !== null && (is === null || is < was)) find(name, is, `${was} or more`)
  }
}

/** The table's commits beside silver's of the same batches: one time, the same offsets. Lags are told. */
export async function checkAgreement(lakehouse: Lakehouse, state: TableState): Promise<Verdict> {
  const recorded = new Map(recordedBatches(lakehouse).map((progress) => [progress.batch, progress]))
  const findings: Finding[] = []
  let compared = 0
  for (const { version, progress } of state.commits) {
    const other = recorded.get(progress.batch)
    if (other === undefined) continue
    compared += 1
    const at = { version: String(version), batch: String(progress.batch) }
    const compare = (column: string, found: string, expected: string): void => {
      if (found !== expected) findings.push({ at, problem: 'disagrees with silver', column, found, expected })
    }
    compare('time', String(progress.timeMicros), String(other.timeMicros))
    compare('offsets', offsetsText(progress), offsetsText(other))
    compare('event_time_max', String(progress.eventTimeMaxMicros), String(other.eventTimeMaxMicros))
    compare('finalized_to', String(progress.finalizedToMicros), String(other.finalizedToMicros))
  }
  const newest = lakehouse.has(bronze) ? lakehouse.state(bronze).doneBatch : state.doneBatch
  const behind = newest - state.doneBatch
  const isUpstream = state.definition.path === bronze || state.definition.path === silver
  // A table without rows in the newest batch has no commit of it; that is only known when the next one is
  // there.
  const isLagging = behind > (isUpstream ? 0n : 1n)
  return {
    proved: `${counted(compared, 'commit')} in agreement with the other tables`,
    findings: { count: BigInt(findings.length), first: findings.slice(0, findingsToldMax) },
    notes: isLagging
      ? [
          `it is ${counted(behind, 'batch', 'batches')} behind bronze: run "assay run ${state.definition.stream}"`,
        ]
      : [],
  }
}

function offsetsText(progress: Progress): string {
  return [...progress.offsets.values()]
    .map(({ topic, partition, offset }) => `${topic}-${partition}@${offset}`)
    .sort()
    .join(' ')
}

/** The recorded greatest event time is that of the rows, and the watermarks follow it, each by one delay. */
export async function checkWatermarks(lakehouse: Lakehouse): Promise<Verdict> {
  await prepareBatches(lakehouse)
  const { connection } = lakehouse
  const seen = `WITH per_batch AS (
    SELECT processing_time AS time, max(event_time) AS event_time FROM ${lakehouse.rows(silver)} GROUP BY ALL
  ),
  so_far AS (
    SELECT batch, time, seen, max(event_time) OVER (ORDER BY time) AS computed
    FROM batches LEFT JOIN per_batch USING (time)
  )
  SELECT batch, 'differs from the rows' AS problem, 'event_time_max' AS "column",
    CAST(seen AS VARCHAR) AS found, CAST(computed AS VARCHAR) AS expected
  FROM so_far WHERE seen IS DISTINCT FROM computed AND time <= ${doneTimeSql(lakehouse.state(silver))}`
  // A delay may have been changed between two batches, and a watermark never goes back; but none outruns the
  // rows.
  const ahead = watermarkNames.map((name) => {
    const column = quoteIdentifier(name)
    return `SELECT batch, 'is ahead of the rows' AS problem, ${quoteText(`watermark ${name}`)} AS "column",
      CAST(${column} AS VARCHAR) AS found, 'at most ' || coalesce(CAST(greatest(seen, finalized) AS VARCHAR), 'none') AS expected
    FROM batches WHERE ${column} > coalesce(greatest(seen, finalized), TIMESTAMP '-infinity')
      OR (finalized IS NOT NULL AND ${column} IS DISTINCT FROM greatest(${column}, finalized))`
  })
  const findings = await findingsOf(connection, [seen, ...ahead].join('\nUNION ALL\n'), ['batch'])
  const { notes, hint } = await delayNotes(lakehouse)
  const count = await lakehouse.number('SELECT count(*) FROM batches')
  return {
    proved: `the watermarks of ${counted(count, 'batch', 'batches')} follow the greatest event time of the rows`,
    findings,
    notes,
    hint,
  }
}

/** The delays that the newest batches were written with, where they are not those that are configured. */
async function delayNotes(lakehouse: Lakehouse): Promise<{ notes: string[]; hint: string | null }> {
  const notes: string[] = []
  for (const name of watermarkNames) {
    const column = quoteIdentifier(name)
    const micros = await lakehouse.connection.runAndReadAll(
      `SELECT epoch_us(seen) - epoch_us(${column}) FROM batches
      WHERE seen IS NOT NULL AND ${column} IS DISTINCT FROM finalized AND batch IS NOT NULL ORDER BY time DESC LIMIT 1`,
    )
    const delay = micros.getRows()[0]?.[0]
    const configured = lakehouse.options.delays[name]
    if (typeof delay !== 'bigint' || delay === configured) continue
    notes.push(
      `watermark ${name} was written ${formatDuration(delay)} behind the rows; WATERMARK_${name.toUpperCase()} is ` +
        `${formatDuration(configured)}`,
    )
  }
  const hint =
    notes.length === 0 ? null : 'the configuration is not the one that the tables were written with'
  return { notes, hint }
}

/**
 * The time of the last batch that the table is complete with, as SQL; before everything where there is none.
 */
export function doneTimeSql(state: TableState): string {
  return `coalesce((SELECT max(time) FROM batches WHERE coalesce(batch, 0) <= ${state.doneBatch}), TIMESTAMP '-infinity')`
}

export async function checkTimes(lakehouse: Lakehouse, state: TableState, column: string): Promise<Findings> {
  await prepareBatches(lakehouse)
  const name = quoteIdentifier(column)
  const select = `SELECT ${name}, 'is no time of a batch' AS problem, ${quoteText(column)} AS "column",
    CAST(count(*) AS VARCHAR) || if(count(*) = 1, ' row', ' rows') AS found, NULL AS expected
  FROM ${lakehouse.rows(state.definition.path)}
  WHERE ${name} IS NULL OR ${name} NOT IN (SELECT time FROM batches) GROUP BY ${name}`
  return together(await findingsOf(lakehouse.connection, select, [column]))
}
