// Bronze holds every record once: no offset twice, none skipped, none beyond what the progress says was read.

import { quoteText } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { findingsOf, instantSql, together, type Verdict } from './check.ts'
import { twiceSql } from './compare.ts'
import type { Lakehouse, TableState } from './lakehouse.ts'
import { checkTimes } from './progress.ts'
import { isStreamedLakehouse } from './streamed.ts'

export const position = ['topic', 'partition', 'offset'] as const

const tuplesPerInsert = 1_000

export async function checkOffsets(lakehouse: Lakehouse, state: TableState): Promise<Verdict> {
  const rows = lakehouse.rows(state.definition.path)
  const { connection } = lakehouse
  const isStreamed = isStreamedLakehouse(lakehouse)
  await prepareReadRanges(lakehouse, state)
  await connection.run(`CREATE OR REPLACE TEMP TABLE offset_steps AS ${stepsSql(rows)}`)
  const findings = together(
    await findingsOf(connection, twiceSql(rows, position), position),
    await findingsOf(connection, fileHolesSql, position),
    // A streaming query may be ahead of all progress, and has times of its own.
    ...(isStreamed ? [] : [await findingsOf(connection, endsSql(state), position)]),
    await findingsOf(connection, outsideBatchSql, position),
    ...(isStreamed ? [] : [await checkTimes(lakehouse, state, 'processing_time')]),
  )
  const { isFiles, records, partitions, holes } = await tally(lakehouse)
  await connection.run('DROP TABLE offset_steps')
  await connection.run('DROP TABLE read_ranges')
  const streamed = isStreamed ? 'a streaming query wrote them' : 'none is beyond the progress'
  const proved = isFiles ? 'no line of a file is skipped' : streamed
  return {
    proved: `${counted(records, 'record')} of ${counted(partitions, 'partition')}, each once; ${proved}`,
    findings,
    notes:
      holes === 0n
        ? []
        : [
            `${counted(holes, 'hole')} in the offsets: the log of the topic was compacted, or holds marks of transactions`,
          ],
  }
}

/**
 * Each record with the offset of the next of its partition. A partition is of a file where no record has what
 * only Kafka gives.
 */
function stepsSql(rows: string): string {
  return `WITH kinds AS (
  SELECT topic, partition,
    bool_and(kafka_timestamp IS NULL AND kafka_key IS NULL AND headers IS NULL) AND partition = 0 AS is_file
  FROM ${rows} GROUP BY topic, partition
)
SELECT topic, partition, "offset", octet_length(value) AS bytes, processing_time, is_file,
  lead("offset") OVER one AS next_offset, lead(processing_time) OVER one AS next_time,
  lag("offset") OVER one AS previous_offset
FROM ${rows} JOIN kinds USING (topic, partition)
WINDOW one AS (PARTITION BY topic, partition ORDER BY "offset", processing_time)`
}

/**
 * A line, its LF, the next line. Where the last line of a file was taken before its LF was written, the next
 * batch begins behind that LF, or, where the line itself went on, at its rest.
 */
const fileHolesSql = `SELECT topic, partition, next_offset AS "offset", 'does not follow the line before it' AS problem,
  'offset' AS "column", CAST(next_offset AS VARCHAR) AS found, CAST("offset" + bytes + 1 AS VARCHAR) AS expected
FROM offset_steps
WHERE is_file AND next_offset IS NOT NULL AND next_offset <> "offset" + bytes + 1
  AND NOT (next_offset = "offset" + bytes AND next_time <> processing_time)
UNION ALL
SELECT topic, partition, "offset", 'is not the first line of the file', 'offset', CAST("offset" AS VARCHAR), '0'
FROM offset_steps WHERE is_file AND previous_offset IS NULL AND "offset" <> 0`

/**
 * Where the partition ends, beside the next offset of the progress. A partition without any row may be one of
 * Kafka whose records were all compacted away.
 */
function endsSql(state: TableState): string {
  const offsets = [...(state.progress?.offsets.values() ?? [])].map(
    ({ topic, partition, offset }) => `(${quoteText(topic)}, ${partition}, ${offset})`,
  )
  const next =
    offsets.length === 0
      ? 'SELECT NULL::VARCHAR AS topic, NULL::INTEGER AS partition, NULL::BIGINT AS next WHERE false'
      : `SELECT * FROM (VALUES ${offsets.join(', ')}) AS p(topic, partition, next)`
  return `SELECT coalesce(s.topic, p.topic) AS topic, coalesce(s.partition, p.partition) AS partition, s."offset",
  CASE WHEN p.next IS NULL THEN 'no progress names the partition'
    WHEN s."offset" IS NULL THEN 'the progress has read records that are not there'
    WHEN p.next <= s."offset" THEN 'is beyond the progress'
    ELSE 'the progress has read more than is there' END AS problem,
  'next offset' AS "column", CAST(p.next AS VARCHAR) AS found,
  CASE WHEN s.is_file THEN CAST(s."offset" + s.bytes + 1 AS VARCHAR) ELSE CAST(s."offset" + 1 AS VARCHAR) || ' or more' END AS expected
FROM (SELECT * FROM offset_steps WHERE next_offset IS NULL) AS s
FULL JOIN (${next}) AS p ON p.topic = s.topic AND p.partition = s.partition
WHERE p.next IS NULL OR (s."offset" IS NULL AND p.next > 0 AND NOT EXISTS (FROM offset_steps WHERE NOT is_file)) OR p.next <= s."offset"
  OR (s.is_file AND p.next NOT IN (s."offset" + s.bytes, s."offset" + s.bytes + 1))`
}

/** What each batch read of each partition, by the commits of bronze. */
async function prepareReadRanges(lakehouse: Lakehouse, state: TableState): Promise<void> {
  const { connection } = lakehouse
  await connection.run(
    'CREATE OR REPLACE TEMP TABLE read_ranges (topic VARCHAR, partition INTEGER, time TIMESTAMP, first BIGINT, next BIGINT)',
  )
  const tuples: string[] = []
  const flush = async (): Promise<void> => {
    if (tuples.length > 0) await connection.run(`INSERT INTO read_ranges VALUES ${tuples.join(', ')}`)
    tuples.length = 0
  }
  for (const [index, { progress }] of state.commits.entries()) {
    const before = state.commits[index - 1]?.progress ?? null
    if (progress.readFrom === 'bronze') continue // It read nothing of the input.
    if (before === null && !state.isLogWhole) continue // What the batch before it had read is not known.
    for (const [key, { topic, partition, offset }] of progress.offsets) {
      const first = before?.offsets.get(key)?.offset ?? null
      if (first === offset) continue
      tuples.push(
        `(${quoteText(topic)}, ${partition}, ${instantSql(progress.timeMicros)}, ${first ?? 'NULL'}, ${offset})`,
      )
    }
    if (tuples.length >= tuplesPerInsert) await flush()
  }
  await flush()
}

const outsideBatchSql = `SELECT s.topic, s.partition, s."offset", 'lies outside of what its batch read' AS problem,
  'offset' AS "column", CAST(s."offset" AS VARCHAR) AS found,
  coalesce(CAST(r.first AS VARCHAR), 'start') || ' to before ' || CAST(r.next AS VARCHAR) AS expected
FROM offset_steps AS s JOIN read_ranges AS r
  ON r.topic = s.topic AND r.partition = s.partition AND r.time = s.processing_time
WHERE s."offset" >= r.next OR s."offset" < r.first`

type Tally = {
  readonly isFiles: boolean
  readonly records: bigint
  readonly partitions: bigint
  readonly holes: bigint
}

async function tally({ connection }: Lakehouse): Promise<Tally> {
  const reader = await connection.runAndReadAll(`SELECT count(*), count(DISTINCT (topic, partition)),
    count(*) FILTER (WHERE NOT is_file AND next_offset <> "offset" + 1 AND next_offset <> "offset"), coalesce(bool_and(is_file), false)
    FROM offset_steps`)
  // As selected.
  const [records, partitions, holes, isFiles] = reader.getRows()[0] as [bigint, bigint, bigint, boolean]
  return { records, partitions, holes, isFiles }
}
