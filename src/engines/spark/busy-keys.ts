// The keys of a batch with so many rows that Spark has to count them in another way: asked for before the
// statement is made that names them.
import { countsAlone, historiesOf, type OverNode, type PlanNode } from '../../plan/index.ts'
import {
  type BusyKeys,
  boundSpark,
  busyKeysSql,
  compileTable,
  keyLiteral,
  overLayer,
} from '../../sql/index.ts'
import type { Inputs } from './connect/relations.ts'
import type { CallOptions, SparkSession } from './connect/session.ts'

/** Of each operator of the plan that counts alone, as literals; all of them are asked for at once. */
export async function busyKeysOf(
  session: SparkSession,
  plan: PlanNode,
  inputs: Inputs,
  options: CallOptions,
): Promise<BusyKeys> {
  const counting = historiesOf(plan).flatMap(({ node }) =>
    node.kind === 'over' && countsAlone(node) && isOfGivenRows(node) ? [node] : [],
  )
  const asked = counting.map((node, index) => {
    const [batch, past] = [overLayer(node).below, node.history].map(
      (one) => compileTable(boundSpark({}), one).sql,
    )
    return `SELECT ${index} AS counting, key_text FROM (${busyKeysSql(node, `(${batch})`, `(${past})`)})`
  })
  const rows =
    asked.length === 0 ? [] : await session.rows(asked.join('\nUNION ALL\n'), { inputs, ...options })
  return new Map(
    counting.map((node, index): [OverNode, readonly string[]] => [
      node,
      rows.flatMap((row) => (row.counting === index ? [keyLiteral(node, String(row.key_text))] : [])),
    ]),
  )
}

/** Rows that have to be computed before, by other operators, are not there to be asked. */
function isOfGivenRows(node: OverNode): boolean {
  return historiesOf(overLayer(node).below).length === 0
}
