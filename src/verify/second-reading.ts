// A second reading of records: the parser of the engines is no judge of itself. A sample of bronze is read in
// plain TypeScript (judge.ts), and silver and quarantine must say the same.

import type { JS } from '@duckdb/node-api'
import { streamOf } from '../engines/database.ts'
import { counted } from '../errors/counted.ts'
import { tableHash } from '../ops/definitions.ts'
import { type Finding, findingsToldMax, valueText } from './check.ts'
import { type Judged, judge } from './judge.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import { keys } from './position.ts'
import { type SilverCells, silverCells } from './silver-cells.ts'
import { type RunningCheck, sliceOf } from './slice.ts'

const bronze = 'bronze/transactions'
const silver = 'silver/transactions'
/** Of a larger lakehouse about so many records are read a second time, chosen by a hash of their place. */
export const sampleMax = 50_000

export function checkSecondReading(lakehouse: WrittenLakehouse): RunningCheck {
  let [records, read, count] = [0n, 0n, 0n]
  const first: Finding[] = []
  return {
    async slice(slice) {
      // The reader knows silver as it is defined today.
      if (slice.definitionHash(silver) !== tableHash(lakehouse.definitions.current, silver)) return
      const inSlice = await lakehouse.number(`SELECT count(*) FROM ${sliceOf.bronze}`)
      const total = lakehouse.state(bronze).snapshot.numRecords ?? inSlice
      const result = await streamOf(lakehouse.connection, sampleSql(total))
      for await (const rows of result.yieldRowObjectJs()) {
        for (const row of rows) {
          const finding = judgeRow(row)
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
      }
    },
  }
}

function sampleSql(total: bigint): string {
  const isChosen =
    total <= BigInt(sampleMax) ? 'true' : `hash(topic, partition, "offset") % ${total} < ${sampleMax}`
  return `SELECT b.topic, b.partition, b."offset", b.value, epoch_us(b.kafka_timestamp) AS kafka_micros,
    epoch_us(b.processing_time) AS bronze_micros, q.reasons AS found_reasons, s.* EXCLUDE (${keys})
  FROM (SELECT * FROM ${sliceOf.bronze} WHERE ${isChosen}) AS b
  LEFT JOIN (
    SELECT * REPLACE (CAST(amount AS VARCHAR) AS amount, epoch_us(event_time) AS event_time,
      CAST(transaction_date AS VARCHAR) AS transaction_date) FROM ${sliceOf.silver}
  ) AS s USING (${keys})
  LEFT JOIN ${sliceOf.quarantine} AS q USING (${keys})`
}

type SampleRow = Readonly<Record<string, JS>>

/** What is wrong with the record's row; a record that is in neither table is told by another check. */
function judgeRow(row: SampleRow): Finding | null {
  const value = row.value instanceof Uint8Array ? row.value : null
  const judged = judge(value, bigintOrNull(row.kafka_micros), bigintOrNull(row.bronze_micros) ?? 0n)
  // What nests too deep for this reader, or for an engine, is left to the SQL that judges every row.
  if (judged.kind === 'refused' && judged.mayBeRefused) return null
  const found = Array.isArray(row.found_reasons) ? row.found_reasons.map(String) : null
  if (found !== null) return judgeReasons(row, judged, found)
  if (row.transaction_id === null) return null
  if (judged.kind === 'refused') {
    return findingAt(row, 'is in silver', 'reasons', 'none', judged.reasons.join(', '))
  }
  const cells: SilverCells = silverCells(judged.transaction)
  for (const [name, expected] of Object.entries(cells)) {
    const cell = typeof row[name] === 'number' ? BigInt(row[name]) : row[name]
    if (cell !== expected) return findingAt(row, 'differs', name, valueText(cell), valueText(expected))
  }
  return null
}

function judgeReasons(row: SampleRow, judged: Judged, found: readonly string[]): Finding | null {
  const text = found.join(', ')
  if (judged.mayBeRefused && text === 'malformed') return null
  const isFounded =
    judged.kind === 'refused' ? text === judged.reasons.join(', ') : text === 'late' || text === 'duplicate'
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
    topic: valueText(row.topic),
    partition: valueText(row.partition),
    offset: valueText(row.offset),
  }
  return { at, problem, column, found, expected }
}

function bigintOrNull(value: JS | undefined): bigint | null {
  return typeof value === 'bigint' ? value : null
}
