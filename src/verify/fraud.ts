// fraud_detection against silver: one row each, as the rules say that were in force; the velocity is counted
// by a plain join.

import { quoteIdentifier } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { assert } from '../errors/errors.ts'
import type { PlanNode } from '../plan/index.ts'
import { boundDuckdb, compileTable } from '../sql/index.ts'
import { findingsOf, nothingFound, together } from './check.ts'
import { differencesSql } from './compare.ts'
import { ofNoErased, unprovedNote } from './erased.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import { position, samePosition } from './position.ts'
import { velocityOf } from './rule-periods.ts'
import { RuleNotes } from './silver.ts'
import { type RunningCheck, type Slice, sliceOf } from './slice.ts'
import { checkVelocity } from './velocity.ts'

export function checkFraudRows(lakehouse: WrittenLakehouse, state: TableState): RunningCheck {
  const { connection } = lakehouse
  const { path } = state.definition
  const rules = new RuleNotes()
  let findings = nothingFound
  let [rows, lagging] = [0n, 0n]
  return {
    async slice(slice) {
      rules.take(slice)
      await connection.run(`CREATE OR REPLACE TEMP VIEW counted_batch AS ${countedSql(slice, state)}`)
      await connection.run(`CREATE OR REPLACE TEMP VIEW expected_fraud AS ${expectedSql(slice, path)}`)
      const { schema } = slice.definition(path).rows
      const differences = differencesSql({
        found: sliceOf.fraud,
        expected: 'expected_fraud',
        keys: position,
        columns: Object.keys(schema).filter((name) => !position.some((key) => key === name)),
        isComplete: true,
        extra: 'is not in silver',
      })
      findings = together(findings, await findingsOf(connection, ofNoErased(differences), position))
      const silverRows = await lakehouse.number(`SELECT count(*) FROM ${sliceOf.silver}`)
      const waiting = await lakehouse.number(`SELECT count(*) FROM ${sliceOf.silver} AS s
        JOIN ${sliceOf.batches} AS b ON b.time = s.processing_time WHERE b.batch > ${state.doneBatch}`)
      rows += silverRows - waiting
      lagging += waiting
    },
    async finish() {
      const isOfRules = findings.first.some(({ problem }) => problem === 'differs')
      const velocity = await checkVelocity(lakehouse, state)
      const lag = `it lags behind silver by ${counted(lagging, 'row')}: run "assay run ${state.definition.stream}"`
      const busy = `not judged: ${counted(velocity.skipped, 'row')} of users too busy for a plain count`
      return {
        proved: `${counted(rows, 'row')} of silver, each scored, with every cell as the rules say`,
        findings: together(findings, velocity.findings),
        notes: [
          ...(lagging === 0n ? [] : [lag]),
          ...(velocity.skipped === 0n ? [] : [busy]),
          ...unprovedNote(velocity.unproved, 'velocity', 'velocities'),
          ...rules.notes,
        ],
        hint: isOfRules ? rules.hint : null,
      }
    },
  }
}

/** Silver's rows with the velocity that was found of each, which is judged by itself. */
function countedSql(slice: Slice, { definition: { path }, doneBatch }: TableState): string {
  const velocity = velocityOf(slice.definition(path).rows.node)
  assert(velocity !== null, `${path} counts a velocity`)
  const [as] = Object.keys(velocity.aggregates)
  assert(as !== undefined, 'the velocity is a column')
  const name = quoteIdentifier(as)
  return `SELECT s.*, f.${name} FROM ${sliceOf.silver} AS s
  LEFT JOIN ${sliceOf.batches} AS b ON b.time = s.processing_time
  LEFT JOIN (
    SELECT topic, partition, "offset", any_value(${name}) AS ${name} FROM ${sliceOf.fraud} GROUP BY ALL
  ) AS f ON ${samePosition('f', 's')}
  WHERE coalesce(b.batch, 0) <= ${doneBatch}`
}

function expectedSql(slice: Slice, path: string): string {
  const dialect = boundDuckdb(slice.rules.settings.parameters)
  return compileTable(dialect, withVelocityCounted(slice.definition(path).rows.node)).sql
}

/** The plan with the count in place of the operator that counts. */
function withVelocityCounted(node: PlanNode): PlanNode {
  if (node.kind === 'over')
    return { kind: 'input', name: 'counted_batch', schema: {}, reads: { of: 'records' } }
  return 'input' in node ? { ...node, input: withVelocityCounted(node.input) } : node
}
