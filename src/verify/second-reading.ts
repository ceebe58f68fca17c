// A second reading of records: the parser of the engines is no judge of itself. A sample of bronze is read in
// plain TypeScript (judge.ts), and silver and quarantine must say the same.

import type { JS } from '@duckdb/node-api'
import { quoteIdentifier } from '../delta/sql.ts'
import { streamOf } from '../engines/database.ts'
import { counted } from '../errors/counted.ts'
import { tableHash } from '../ops/definitions.ts'
import { decodeOf, type TableDefinition } from '../plan/index.ts'
import type { Mapping } from '../transactions/mapping.ts'
import { type Finding, findingsToldMax, valueText } from './check.ts'
import { prepareDecoded, recordsToJudge } from './decoded.ts'
import { type Judged, judge } from './judge.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import { keys } from './position.ts'
import { type SilverCells, silverCells } from './silver-cells.ts'
import { type RunningCheck, type Slice, sliceOf } from './slice.ts'

/** Of a larger lakehouse about so many records are read a second time, chosen by a hash of their place. */
export const sampleMax = 50_000

/** It goes by the mapping of each batch; what its checks refuse is left to the definition of silver. */
export function checkSecondReading(lakehouse: WrittenLakehouse): RunningCheck {
  const { records: recordsPath, events } = lakehouse.paths
  let [records, unread, read, count] = [0n, 0n, 0n, 0n]
  const first: Finding[] = []
  return {
    async slice(slice) {
      const reading = readingOf(lakehouse, slice)
      const inSlice = await lakehouse.number(`SELECT count(*) FROM ${sliceOf.bronze}`)
      if (reading === null) {
        unread += inSlice
        return
      }
      const { checkReasons } = reading
      // Where a lakehouse has transactions, it says by which mapping they are read.
      const mapping = reading.mapping as Mapping
      const total = lakehouse.state(recordsPath).snapshot.numRecords ?? inSlice
      await prepareDecoded(lakehouse, slice)
      const result = await streamOf(lakehouse.connection, sampleSql(total, slice.definition(events), mapping))
      for await (const rows of result.yieldRowObjectJs()) {
        for (const row of rows) {
          const finding = judgeRow(row, mapping, checkReasons)
          if (finding !== null) count += 1n
          if (finding !== null && first.length < findingsToldMax) first.push(finding)
        }
        read += BigInt(rows.length)
      }
      records += inSlice
    },
    async finish() {
      const which = read === records ? '' : `a sample of ${read} of `
      return {
        proved: `${which}${counted(records, 'record')}, read by a second parser: the same cells and reasons`,
        findings: { count, first },
        notes:
          unread === 0n
            ? []
            : [
                `not read a second time: ${counted(unread, 'record')}, of which nobody recorded how they were read`,
              ],
      }
    },
  }
}

/** That of its batches; of those of a version that did not record it, today's where their silver is today's. */
function readingOf(lakehouse: WrittenLakehouse, slice: Slice): Slice['rules']['definitions']['reading'] {
  const { current } = lakehouse.definitions
  const { events } = lakehouse.paths
  const isAsToday = slice.definitionHash(events) === tableHash(current, events)
  return slice.rules.definitions.reading ?? (isAsToday ? current.reading : null)
}

/** The text of the record, and why it has none. */
function decodedCells({ rows: { node } }: TableDefinition): string {
  const decode = decodeOf(node)
  const [text, failure] =
    decode === null
      ? ['b.value', 'NULL']
      : [decode.as, decode.failure].map((name) => `b.${quoteIdentifier(name)}`)
  return `${text} AS "record value", ${failure} AS "record failure"`
}

function sampleSql(total: bigint, events: TableDefinition, { extra }: Mapping): string {
  const { schema } = events.rows
  const isChosen =
    total <= BigInt(sampleMax) ? 'true' : `hash(topic, partition, "offset") % ${total} < ${sampleMax}`
  const own = Object.entries(extra).flatMap(([name, { as }]) => {
    const cell = quoteIdentifier(name)
    if (as === 'cents') return [`CAST(CAST(${cell} AS DECIMAL(28,2)) * 100 AS BIGINT) AS ${cell}`]
    return as.startsWith('epoch') || as === 'iso' ? [`epoch_us(${cell}) AS ${cell}`] : []
  })
  const others = Object.entries(schema).flatMap(([name, type]) => {
    const cell = quoteIdentifier(name)
    if (name in extra) return []
    if (type === 'timestamp') return [`epoch_us(${cell}) AS ${cell}`]
    return type === 'date' || type.startsWith('decimal') ? [`CAST(${cell} AS VARCHAR) AS ${cell}`] : []
  })
  // No column of a project is called as those of the record are here.
  return `SELECT b.topic AS "record topic", b.partition AS "record partition", b."offset" AS "record offset",
    ${decodedCells(events)}, epoch_us(b.kafka_timestamp) AS "kafka micros",
    epoch_us(b.processing_time) AS "bronze micros", q.reasons AS "found reasons", s.* EXCLUDE (${keys})
  FROM (SELECT * FROM ${recordsToJudge(events)} WHERE ${isChosen}) AS b
  LEFT JOIN (
    SELECT * REPLACE (${[...others, ...own].join(', ')}), true AS "is event" FROM ${sliceOf.silver}
  ) AS s USING (${keys})
  LEFT JOIN ${sliceOf.quarantine} AS q USING (${keys})`
}

type SampleRow = Readonly<Record<string, JS>>

/** What is wrong with the record's row; a record that is in neither table is told by another check. */
function judgeRow(row: SampleRow, mapping: Mapping, checkReasons: readonly string[]): Finding | null {
  const given = row['record value']
  const value = given instanceof Uint8Array ? given : null
  const [kafkaMicros, bronzeMicros] = [row['kafka micros'], row['bronze micros']].map(bigintOrNull)
  const failure = row['record failure']
  const judged: Judged =
    typeof failure === 'string'
      ? { kind: 'refused', reasons: [failure], mayBeRefused: false }
      : judge(value, kafkaMicros ?? null, bronzeMicros ?? 0n, mapping)
  // What nests too deep for this reader, or for an engine, is left to the SQL that judges every row.
  if (judged.kind === 'refused' && judged.mayBeRefused) return null
  const reasons = row['found reasons']
  const found = Array.isArray(reasons) ? reasons.map(String) : null
  if (found !== null) return judgeReasons(row, judged, found, checkReasons)
  if (row['is event'] !== true) return null
  if (judged.kind === 'refused') {
    return findingAt(row, 'is in silver', 'reasons', 'none', judged.reasons.join(', '))
  }
  const cells: SilverCells = silverCells(judged.transaction)
  for (const [name, expected] of Object.entries(cells)) {
    const given = row[name]
    const cell = typeof given === 'number' && typeof expected === 'bigint' ? BigInt(given) : given
    if (cell !== expected) return findingAt(row, 'differs', name, valueText(cell), valueText(expected))
  }
  return null
}

function judgeReasons(
  row: SampleRow,
  judged: Judged,
  all: readonly string[],
  checkReasons: readonly string[],
): Finding | null {
  const found = all.filter((reason) => !checkReasons.includes(reason))
  const text = found.join(', ')
  if (judged.mayBeRefused && text === 'malformed') return null
  const isByCheck = found.length < all.length
  const isFounded =
    judged.kind === 'refused'
      ? text === judged.reasons.join(', ')
      : text === 'late' || text === 'duplicate' || (isByCheck && text === '')
  const expected = judged.kind === 'refused' ? judged.reasons.join(', ') : 'late or duplicate'
  return isFounded ? null : findingAt(row, 'differs', 'reasons', text, expected)
}

function findingAt(
  row: SampleRow,
  problem: string,
  column: string,
  found: string | null,
  expected: string | null,
): Finding {
  const at = {
    topic: valueText(row['record topic']),
    partition: valueText(row['record partition']),
    offset: valueText(row['record offset']),
  }
  return { at, problem, column, found, expected }
}

function bigintOrNull(value: JS | undefined): bigint | null {
  return typeof value === 'bigint' ? value : null
}
