// Bronze holds every record once: no offset twice, none skipped, none beyond what the progress says was read.

import { partitionKey, type TopicPartition } from '../batches/offsets.ts'
import { quoteText } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import {
  type Finding,
  type Findings,
  findingsOf,
  findingsToldMax,
  instantSql,
  nothingFound,
  together,
} from './check.ts'
import { twiceSql } from './compare.ts'
import { erased } from './erased.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import type { LoggedBatch } from './logged-batches.ts'
import { position } from './position.ts'
import { countsSql, type RunningCheck, type Slice, sliceOf } from './slice.ts'
import { isStreamedLakehouse } from './streamed.ts'
import { timesOutsideSql } from './watermarks.ts'

const tuplesPerInsert = 1_000

/** The last record of each partition so far, with what is known of the partition. */
const ends = 'partition_ends'

export function checkOffsets(lakehouse: WrittenLakehouse, state: TableState): RunningCheck {
  const { connection } = lakehouse
  const isStreamed = isStreamedLakehouse(lakehouse)
  let findings = nothingFound
  let [records, holes] = [0n, 0n]
  const chain = new RangeChain()
  const topics = new KafkaTopics()
  let isStarted = false
  const start = async (): Promise<void> => {
    if (isStarted) return
    isStarted = true
    await connection.run(`CREATE OR REPLACE TEMP TABLE ${ends} (topic VARCHAR, partition INTEGER, "offset" BIGINT,
      bytes BIGINT, processing_time TIMESTAMP, is_file BOOLEAN)`)
    await topics.start(connection, state)
  }
  return {
    async slice(slice) {
      await start()
      await topics.take(connection, slice.batches)
      const { found, tally } = await judgeSlice(lakehouse, slice, isStreamed)
      findings = together(findings, found, chain.judge(slice.batches))
      records += tally.records
      holes += tally.holes
    },
    async finish() {
      await start()
      // A streaming query may be ahead of all progress.
      if (!isStreamed) {
        const select = await endsSql(lakehouse, state)
        findings = together(await findingsOf(connection, select, position), findings)
      }
      const partitions = await lakehouse.number(`SELECT count(*) FROM ${ends}`)
      const others = await lakehouse.number(`SELECT count(*) FROM ${ends} WHERE NOT is_file`)
      const streamed = isStreamed ? 'a streaming query wrote them' : 'none is beyond the progress'
      const proved = partitions > 0n && others === 0n ? 'no line of a file is skipped' : streamed
      return {
        proved: `${counted(records, 'record')} of ${counted(partitions, 'partition')}, each once; ${proved}`,
        findings,
        notes: [...holesNote(holes), ...erasedNote(lakehouse)],
      }
    },
  }
}

/** What a batch reads of a partition lies behind what the batches before it read. */
class RangeChain {
  readonly #ends = new Map<string, bigint>()

  judge(batches: readonly LoggedBatch[]): Findings {
    const findings: Finding[] = []
    for (const { batch, ranges } of batches) {
      for (const { topic, partition, start, end } of ranges ?? []) {
        const key = partitionKey({ topic, partition })
        const before = this.#ends.get(key)
        this.#ends.set(key, end)
        if (start === null || before === undefined || start >= before) continue
        const at = { topic, partition: String(partition), batch: String(batch) }
        const expected = `${before} or more`
        findings.push({ at, problem: 'was read again', column: 'offset', found: String(start), expected })
      }
    }
    return { count: BigInt(findings.length), first: findings.slice(0, findingsToldMax) }
  }
}

function erasedNote({ erased: { count } }: WrittenLakehouse): string[] {
  return count === 0n ? [] : [`not looked for: ${counted(count, 'erased record')} in ops/erased`]
}

function holesNote(holes: bigint): string[] {
  if (holes === 0n) return []
  const told = counted(holes, 'hole')
  return [`${told} in the offsets: the log of the topic was compacted, or holds marks of transactions`]
}

/** Topics that are no files, whatever their records hold: those with an id of Kafka, and those of plans. */
class KafkaTopics {
  readonly #known = new Set<string>()

  async start(connection: WrittenLakehouse['connection'], { progress }: TableState): Promise<void> {
    await connection.run('CREATE OR REPLACE TEMP TABLE kafka_topics (topic VARCHAR)')
    const offsets = [...(progress?.offsets.values() ?? [])]
    await this.#add(
      connection,
      offsets.filter(({ topicId }) => topicId !== undefined),
    )
  }

  async take(connection: WrittenLakehouse['connection'], batches: readonly LoggedBatch[]): Promise<void> {
    const ranges = batches.flatMap(({ plan }) => plan?.ranges ?? [])
    await this.#add(
      connection,
      ranges.filter(({ isFile }) => isFile !== true),
    )
  }

  async #add(
    connection: WrittenLakehouse['connection'],
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const topics = new Set(partitions.map(({ topic }) => topic)).difference(this.#known)
    for (const topic of topics) this.#known.add(topic)
    await insert(
      connection,
      'kafka_topics',
      [...topics].map((topic) => `(${quoteText(topic)})`),
    )
  }
}

async function insert(
  connection: WrittenLakehouse['connection'],
  table: string,
  tuples: readonly string[],
): Promise<void> {
  for (let from = 0; from < tuples.length; from += tuplesPerInsert) {
    await connection.run(
      `INSERT INTO ${table} VALUES ${tuples.slice(from, from + tuplesPerInsert).join(', ')}`,
    )
  }
}

async function judgeSlice(
  lakehouse: WrittenLakehouse,
  slice: Slice,
  isStreamed: boolean,
): Promise<{ readonly found: Findings; readonly tally: Tally }> {
  const { connection } = lakehouse
  await insertReadRanges(connection, slice.batches)
  const erasedSql = lakehouse.erased.isNone ? '' : erasedStepsSql(lakehouse.sinceMicros === null)
  await connection.run(`CREATE OR REPLACE TEMP TABLE offset_steps AS ${stepsSql(erasedSql)}`)
  const selects = [
    twiceSql(sliceOf.bronze, position),
    againSql,
    fileHolesSql,
    ...(lakehouse.sinceMicros === null ? [firstLineSql] : []),
    outsideBatchSql,
  ]
  let found = nothingFound
  for (const select of selects) found = together(found, await findingsOf(connection, select, position))
  if (!isStreamed) {
    const times = timesOutsideSql(sliceOf.bronze, 'processing_time')
    found = together(found, await findingsOf(connection, times, ['processing_time']))
  }
  const counts = countsSql(
    lakehouse,
    sliceOf.bronze,
    'batch_time',
    'records',
    lakehouse.state(lakehouse.paths.records).doneBatch,
  )
  found = together(found, await findingsOf(connection, counts, ['batch']))
  const tally = await tallyOf(lakehouse)
  await connection.run(`DELETE FROM ${ends} USING offset_steps AS s
    WHERE ${ends}.topic = s.topic AND ${ends}.partition = s.partition`)
  await connection.run(`INSERT INTO ${ends} SELECT topic, partition, "offset", bytes, processing_time, is_file
    FROM offset_steps WHERE next_offset IS NULL`)
  await connection.run('DROP TABLE offset_steps')
  return { found, tally }
}

/**
 * Each record with the offset of the next of its partition, behind the last record of the slices before. A
 * partition is of a file where no record has what only Kafka gives. Erased records stand at their offsets.
 */
const stepsSql = (erasedSql: string): string => `WITH records AS (
  SELECT topic, partition, "offset", octet_length(value) AS bytes, processing_time, true AS is_new,
    kafka_timestamp IS NULL AND kafka_key IS NULL AND headers IS NULL AND partition = 0
      AND topic NOT IN (SELECT topic FROM kafka_topics) AS is_file
  FROM ${sliceOf.bronze}
),
records_and_ends AS (
  FROM records
  UNION ALL
  SELECT topic, partition, "offset", bytes, processing_time, false, is_file
  FROM ${ends} SEMI JOIN records USING (topic, partition)
  ${erasedSql}
)
SELECT topic, partition, "offset", bytes, processing_time, is_new,
  bool_and(is_file) OVER (PARTITION BY topic, partition) AS is_file,
  lead("offset") OVER one AS next_offset, lead(processing_time) OVER one AS next_time,
  lag("offset") OVER one AS previous_offset
FROM records_and_ends
WINDOW one AS (PARTITION BY topic, partition ORDER BY "offset", processing_time)`

/** The erased records in front of the last one of the slice; how long they were, nobody knows. */
function erasedStepsSql(isFromStart: boolean): string {
  const behind = isFromStart ? `coalesce(l."offset", -1)` : `coalesce(l."offset", r.first - 1)`
  return `UNION ALL
  SELECT e.topic, e.partition, e."offset", NULL, NULL, false, NULL
  FROM (FROM ${erased} ANTI JOIN records USING (topic, partition, "offset")) AS e
  JOIN (
    SELECT topic, partition, min("offset") AS first, max("offset") AS last FROM records GROUP BY topic, partition
  ) AS r ON r.topic = e.topic AND r.partition = e.partition
  LEFT JOIN ${ends} AS l ON l.topic = e.topic AND l.partition = e.partition
  WHERE e."offset" > ${behind} AND e."offset" < r.last`
}

/** Batches read on: what comes later lies behind what came before. */
const againSql = `SELECT s.topic, s.partition, s."offset", 'does not lie behind what earlier batches read' AS problem,
  'offset' AS "column", CAST(s."offset" AS VARCHAR) AS found, 'more than ' || CAST(e."offset" AS VARCHAR) AS expected
FROM offset_steps AS s JOIN ${ends} AS e ON e.topic = s.topic AND e.partition = s.partition
WHERE s.is_new AND s."offset" <= e."offset"`

/**
 * A line, its LF, the next line. Where the last line of a file was taken before its LF was written, the next
 * batch begins behind that LF, or, where the line itself went on, at its rest.
 */
const fileHolesSql = `SELECT topic, partition, next_offset AS "offset", 'does not follow the line before it' AS problem,
  'offset' AS "column", CAST(next_offset AS VARCHAR) AS found, CAST("offset" + bytes + 1 AS VARCHAR) AS expected
FROM offset_steps
WHERE is_file AND next_offset IS NOT NULL AND next_offset <> "offset" + bytes + 1
  AND NOT (next_offset = "offset" + bytes AND next_time <> processing_time)`

const firstLineSql = `SELECT topic, partition, "offset", 'is not the first line of the file' AS problem,
  'offset' AS "column", CAST("offset" AS VARCHAR) AS found, '0' AS expected
FROM offset_steps WHERE is_new AND is_file AND previous_offset IS NULL AND "offset" <> 0`

/**
 * Where the partition ends, beside the next offset of the progress. A partition without any row may be one of
 * Kafka whose records were all compacted away.
 */
async function endsSql(lakehouse: WrittenLakehouse, { progress }: TableState): Promise<string> {
  const { connection } = lakehouse
  await connection.run(
    'CREATE OR REPLACE TEMP TABLE read_up_to (topic VARCHAR, partition INTEGER, next BIGINT)',
  )
  const offsets = [...(progress?.offsets.values() ?? [])]
  await insert(
    connection,
    'read_up_to',
    offsets.map(({ topic, partition, offset }) => `(${quoteText(topic)}, ${partition}, ${offset})`),
  )
  const isAbsent =
    lakehouse.sinceMicros === null
      ? `s."offset" IS NULL AND p.next > 0 AND NOT EXISTS (FROM ${ends} WHERE NOT is_file)`
      : 'false'
  // How far an erased record at the end of the partition went, nobody knows.
  const hasErased = `EXISTS (FROM ${erased} AS e WHERE e.topic = p.topic AND e.partition = p.partition
    AND e."offset" > coalesce(s."offset", -1) AND e."offset" < p.next)`
  return `SELECT coalesce(s.topic, p.topic) AS topic, coalesce(s.partition, p.partition) AS partition, s."offset",
  CASE WHEN p.next IS NULL THEN 'no progress names the partition'
    WHEN s."offset" IS NULL THEN 'the progress has read records that are not there'
    WHEN p.next <= s."offset" THEN 'is beyond the progress'
    ELSE 'the progress has read more than is there' END AS problem,
  'next offset' AS "column", CAST(p.next AS VARCHAR) AS found,
  CASE WHEN s.is_file THEN CAST(s."offset" + s.bytes + 1 AS VARCHAR) ELSE CAST(s."offset" + 1 AS VARCHAR) || ' or more' END AS expected
FROM ${ends} AS s FULL JOIN read_up_to AS p ON p.topic = s.topic AND p.partition = s.partition
WHERE p.next IS NULL OR (${isAbsent} AND NOT ${hasErased}) OR p.next <= s."offset"
  OR (s.is_file AND p.next NOT IN (s."offset" + s.bytes, s."offset" + s.bytes + 1) AND NOT ${hasErased})`
}

/** What each batch read of each partition, by the logs. */
async function insertReadRanges(
  connection: WrittenLakehouse['connection'],
  batches: readonly LoggedBatch[],
): Promise<void> {
  await connection.run(
    'CREATE OR REPLACE TEMP TABLE read_ranges (topic VARCHAR, partition INTEGER, time TIMESTAMP, first BIGINT, next BIGINT)',
  )
  const tuples = batches
    .filter(({ readFrom }) => readFrom === 'input') // Others read nothing of it.
    .flatMap(({ ranges, timeMicros }) =>
      (ranges ?? []).map(
        ({ topic, partition, start, end }) =>
          `(${quoteText(topic)}, ${partition}, ${instantSql(timeMicros)}, ${start ?? 'NULL'}, ${end})`,
      ),
    )
  await insert(connection, 'read_ranges', tuples)
}

const outsideBatchSql = `SELECT s.topic, s.partition, s."offset", 'lies outside of what its batch read' AS problem,
  'offset' AS "column", CAST(s."offset" AS VARCHAR) AS found,
  coalesce(CAST(r.first AS VARCHAR), 'start') || ' to before ' || CAST(r.next AS VARCHAR) AS expected
FROM offset_steps AS s JOIN read_ranges AS r
  ON r.topic = s.topic AND r.partition = s.partition AND r.time = s.processing_time
WHERE s.is_new AND (s."offset" >= r.next OR s."offset" < r.first)`

type Tally = { readonly records: bigint; readonly holes: bigint }

async function tallyOf({ connection }: WrittenLakehouse): Promise<Tally> {
  const reader = await connection.runAndReadAll(`SELECT count(*) FILTER (WHERE is_new),
    count(*) FILTER (WHERE NOT is_file AND next_offset <> "offset" + 1 AND next_offset <> "offset") FROM offset_steps`)
  const [records, holes] = reader.getRows()[0] as [bigint, bigint] // As selected.
  return { records, holes }
}
