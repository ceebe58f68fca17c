// Quarantine against bronze and silver: it has the record as bronze does, and the reasons that its bytes, the
// watermark and silver give.

import { counted } from '../errors/counted.ts'
import { findingsOf, nothingFound, together } from './check.ts'
import { differencesSql } from './compare.ts'
import { erasedInBatches, mayLieWithin, ofNoErased, unprovedNote, wasThereAt } from './erased.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import { prepareRefused } from './parsed.ts'
import { keys, position, samePosition } from './position.ts'
import { RuleNotes } from './silver.ts'
import { type RunningCheck, type Slice, sliceOf } from './slice.ts'
import { timesOutsideSql } from './watermarks.ts'

export function checkQuarantineRows(lakehouse: WrittenLakehouse): RunningCheck {
  const { connection } = lakehouse
  let findings = nothingFound
  let [rows, unproved] = [0n, 0n]
  let isOfRules = false
  const rules = new RuleNotes()
  return {
    async slice(slice) {
      rules.take(slice)
      await prepareRefused(lakehouse, slice)
      await connection.run(`CREATE OR REPLACE TEMP VIEW expected_reasons AS ${expectedSql}`)
      const found = together(
        await findingsOf(connection, ofNoErased(bytesSql), position),
        await findingsOf(connection, ofNoErased(timesSql), position),
        await findingsOf(connection, ofNoErased(reasonsSql), position),
        await findingsOf(connection, unfoundedSql(slice, false), position),
        await findingsOf(connection, timesOutsideSql(sliceOf.quarantine, 'processing_time'), [
          'processing_time',
        ]),
      )
      isOfRules ||= found.first.some(({ column }) => column === 'reasons')
      findings = together(findings, found)
      rows += await lakehouse.number(`SELECT count(*) FROM ${sliceOf.quarantine}`)
      if (lakehouse.erased.isNone) return
      unproved += await lakehouse.number(`SELECT count(*) FROM (${unfoundedSql(slice, true)})`)
    },
    async finish() {
      return {
        proved: `${counted(rows, 'row')} with the record's own bytes, each with the reasons that hold for it`,
        findings,
        notes: [...rules.notes, ...unprovedNote(unproved, 'duplicate')],
        hint: isOfRules ? rules.hint : null,
      }
    },
  }
}

const compared = { found: sliceOf.quarantine, keys: position, isComplete: false, extra: 'is not in bronze' }

/** Few rows of bronze are meant: the others are left aside before their bytes are looked at. */
const refusedBronze = `(SELECT * FROM ${sliceOf.bronze} SEMI JOIN ${sliceOf.quarantine} USING (${keys}))`
const bytesSql = withoutTwice(
  differencesSql({ ...compared, expected: refusedBronze, columns: ['kafka_key', 'value'] }),
)
const timesSql = `SELECT * FROM (${differencesSql({
  ...compared,
  expected: 'parsed',
  columns: ['processing_time', 'processing_date'],
})}) WHERE problem = 'differs'`
const reasonsSql = differencesSql({ ...compared, expected: 'expected_reasons', columns: ['reasons'] })

function withoutTwice(differences: string): string {
  return `SELECT * FROM (${differences}) WHERE problem <> 'is there more than once'`
}

/**
 * An engine may refuse a record that nests deeper: Spark's parser does so from 1,000 levels on. The judge here
 * takes it, and believes a table where it was refused.
 */
const levelsAlwaysTaken = 100

const expectedSql = `SELECT p.topic, p.partition, p."offset",
  CASE WHEN q.reasons = ['malformed'] AND p.invalid <> q.reasons AND ${levelsSql('q.value')} > ${levelsAlwaysTaken}
    THEN q.reasons WHEN len(p.invalid) > 0 THEN p.invalid
    WHEN r.is_late THEN ['late'] ELSE ['duplicate'] END AS reasons
FROM parsed AS p JOIN ${sliceOf.quarantine} AS q ON ${samePosition('p', 'q')}
LEFT JOIN refused AS r ON ${samePosition('r', 'p')}`

/** Duplicates that repeat no row of silver; those that may repeat an erased record, or those that do not. */
function unfoundedSql(slice: Slice, ofErased: boolean): string {
  const reach = `to_microseconds(${slice.dedupMicros})`
  const mayRepeat = `EXISTS (FROM ${erasedInBatches} AS e WHERE ${wasThereAt('q.processing_time')}
    AND ${mayLieWithin(`r.event_time - ${reach}`, `r.event_time + ${reach}`)})`
  return `SELECT q.topic, q.partition, q."offset", 'repeats no row of silver' AS problem,
  'reasons' AS "column", CAST(q.reasons AS VARCHAR) AS found,
  'an earlier row with id ' || coalesce(r.transaction_id, 'null') AS expected
FROM ${sliceOf.quarantine} AS q JOIN refused AS r ON ${samePosition('r', 'q')}
WHERE q.reasons = ['duplicate'] AND NOT r.repeats AND ${ofErased ? mayRepeat : `NOT ${mayRepeat}`}`
}

/** How deep the arrays and objects of a JSON document are nested. */
function levelsSql(bytes: string): string {
  const outside = `regexp_replace(TRY(decode(${bytes})), '"(?:[^"\\\\]|\\\\.)*"', '', 'gs')`
  const brackets = `string_split(regexp_replace(${outside}, '[^\\[\\]{}]', '', 'g'), '')`
  const steps = `list_transform(${brackets}, lambda c: {'level': if(c IN ('[', '{'), 1, -1), 'deepest': 0})`
  const deeper = `{'level': a.level + b.level, 'deepest': greatest(a.deepest, a.level + b.level)}`
  return `list_reduce(list_prepend({'level': 0, 'deepest': 0}, ${steps}), lambda a, b: ${deeper}).deepest`
}
