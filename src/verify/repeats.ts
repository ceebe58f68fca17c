// No two events are one and the same: by the key and the range of the deduplication that their batch had.

import { formatDuration } from '../config/duration.ts'
import { quoteIdentifier, quoteText } from '../delta/sql.ts'
import type { PlanNode } from '../plan/index.ts'
import { type Findings, findingsOf, nothingFound, together } from './check.ts'
import { eventSlices } from './event-slices.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import { judgedPlanOf } from './plans.ts'
import { keys, position } from './position.ts'
import { RuleNotes } from './silver.ts'
import type { RunningCheck } from './slice.ts'

type Deduplicate = Extract<PlanNode, { kind: 'deduplicate' }>

export function checkNoRepeats(lakehouse: WrittenLakehouse, { definition }: TableState): RunningCheck {
  const rules = new RuleNotes(lakehouse)
  return {
    async slice(slice) {
      rules.take(slice)
    },
    async finish() {
      let findings = nothingFound
      for (const key of lakehouse.periods.dedupKeys)
        findings = together(findings, await judgeKey(lakehouse, key))
      const { deduplicate } = judgedPlanOf(definition)
      return {
        proved:
          deduplicate === null
            ? 'nothing is a repeat'
            : `no two rows have one ${deduplicate.key} within ${rangeText(lakehouse, deduplicate)}`,
        findings,
        hint: findings.count > 0n ? rules.hint : null,
      }
    },
  }
}

/** The variable that says the range, or how long it is. */
function rangeText({ defined: { settings } }: WrittenLakehouse, { rangeMicros }: Deduplicate): string {
  if (rangeMicros.kind === 'literal' && typeof rangeMicros.value === 'bigint') {
    return formatDuration(rangeMicros.value)
  }
  const name = rangeMicros.kind === 'parameter' ? rangeMicros.name : ''
  return settings.find(({ parameter }) => parameter === name)?.variable ?? 'its range'
}

async function judgeKey(lakehouse: WrittenLakehouse, key: string): Promise<Findings> {
  const { connection, periods } = lakehouse
  let findings = nothingFound
  for await (const slice of eventSlices(lakehouse, periods.dedupMicrosMax)) {
    await connection.run(`CREATE OR REPLACE TEMP TABLE with_key AS
      SELECT ${keys}, ${quoteIdentifier(key)} AS key, epoch_us(event_time) AS micros, processing_time
      FROM (${slice.rows}) WHERE hash(${quoteIdentifier(key)}) % ${slice.parts} = ${slice.part}`)
    const repeats = repeatsSql(lakehouse, key, slice.fromMicros)
    findings = together(findings, await findingsOf(connection, repeats, position))
    await connection.run('DROP TABLE with_key')
  }
  return findings
}

/**
 * Pairs of rows with one key, near enough for the batch of the one that arrived later; the row of the later
 * event is of the slice, the other may lie before it.
 */
function repeatsSql({ periods }: WrittenLakehouse, key: string, fromMicros: bigint | null): string {
  const isOwn = fromMicros === null ? 'true' : `greatest(one.micros, other.micros) >= ${fromMicros}`
  return `WITH repeated AS (
    SELECT * FROM with_key SEMI JOIN (
      SELECT key FROM with_key GROUP BY key HAVING count(*) > 1
    ) USING (key)
    ASOF JOIN (${periods.sql()}) AS p ON processing_time >= p.from_time
  )
  SELECT DISTINCT one.topic, one.partition, one."offset", 'repeats another row of silver' AS problem,
    ${quoteText(key)} AS "column", one.key AS found,
    'another event ' || CAST(one.dedup_micros AS VARCHAR) || ' us away or more' AS expected
  FROM repeated AS one JOIN repeated AS other ON other.key = one.key
  WHERE ${isOwn} AND one.dedup_key = ${quoteText(key)} AND abs(one.micros - other.micros) <= one.dedup_micros
    AND (${arrival('one')}) > (${arrival('other')})`
}

const arrival = (row: string): string =>
  `${row}.processing_time, ${row}.topic, ${row}.partition, ${row}."offset"`
