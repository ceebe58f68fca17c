// Quarantine against bronze and silver: it has the record as bronze does, and the reasons that its bytes, the
// watermark and silver give.

import { counted } from '../errors/counted.ts'
import type { TableDefinition } from '../plan/index.ts'
import { findingsOf, nothingFound, together } from './check.ts'
import { differencesSql } from './compare.ts'
import { erasedInBatches, mayLieWithin, ofNoErased, unprovedNote, wasThereAt } from './erased.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import { assumedRecords, candidatesLeft, expectedBytes, expectedRefused, prepareRefused } from './parsed.ts'
import { position, samePosition } from './position.ts'
import { RuleNotes } from './silver.ts'
import { type RunningCheck, type Slice, sliceOf } from './slice.ts'
import { timesOutsideSql } from './watermarks.ts'

export function checkQuarantineRows(
  lakehouse: WrittenLakehouse,
  { definition: { path } }: TableState,
): RunningCheck {
  const { connection } = lakehouse
  let findings = nothingFound
  let [rows, unproved] = [0n, 0n]
  let isOfRules = false
  const rules = new RuleNotes(lakehouse)
  return {
    async slice(slice) {
      rules.take(slice)
      await prepareRefused(lakehouse, slice)
      let found = nothingFound
      for (const differences of comparisonsOf(slice.definition(path))) {
        found = together(found, await findingsOf(connection, ofNoErased(differences), position))
      }
      found = together(
        found,
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

/** The record's bytes, the time of its batch and all that follows from these, and the reasons. */
function comparisonsOf({ rows: { schema } }: TableDefinition): string[] {
  const names = Object.keys(schema).filter((name) => !position.some((key) => key === name))
  const bytes = names.filter((name) => schema[name] === 'binary')
  const others = names.filter((name) => name !== 'reasons' && !bytes.includes(name))
  const compared = { found: sliceOf.quarantine, keys: position, isComplete: false, extra: 'is not in bronze' }
  const [ofBytes, ofOthers] = [
    differencesSql({ ...compared, expected: expectedBytes, columns: bytes }),
    differencesSql({ ...compared, expected: expectedRefused, columns: others }),
  ]
  return [
    `SELECT * FROM (${ofBytes}) WHERE problem <> 'is there more than once'`,
    `SELECT * FROM (${ofOthers}) WHERE problem = 'differs'`,
    differencesSql({ ...compared, expected: expectedRefused, columns: ['reasons'] }),
  ]
}

/** Repeats that repeat no event; those that may repeat an erased record, or those that do not. */
function unfoundedSql(slice: Slice, ofErased: boolean): string {
  const reach = `to_microseconds(${slice.dedupMicros})`
  const mayRepeat = `EXISTS (FROM ${erasedInBatches} AS e WHERE ${wasThereAt('q.processing_time')}
    AND ${mayLieWithin(`r.event_time - ${reach}`, `r.event_time + ${reach}`)})`
  return `SELECT q.topic, q.partition, q."offset", 'repeats no row of silver' AS problem,
  'reasons' AS "column", CAST(q.reasons AS VARCHAR) AS found,
  'an earlier row with id ' || coalesce(r.key, 'null') AS expected
FROM ${sliceOf.quarantine} AS q JOIN ${candidatesLeft} AS r ON ${samePosition('r', 'q')}
JOIN ${assumedRecords} AS e ON ${samePosition('e', 'q')}
WHERE q.reasons = e.reasons AND NOT r.repeats AND ${ofErased ? mayRepeat : `NOT ${mayRepeat}`}`
}
