// The physical plan that Spark makes of a table's rows, over the tables as they are now.
import { LakehouseError } from '../../errors/errors.ts'
import { tableDirectory } from '../../ops/tables.ts'
import type { InputNode, TableDefinition } from '../../plan/index.ts'
import { inputsOf } from '../../plan/index.ts'
import { boundSpark, compileTable, type ParameterValues } from '../../sql/index.ts'
import { inputsNamed, type Relation, read, sqlRelation } from './connect/relations.ts'
import type { CallOptions, SparkSession } from './connect/session.ts'
import { fileUri, ownRows } from './rows.ts'

export async function explainOnSpark(
  session: SparkSession,
  table: TableDefinition,
  deltaBasePath: string,
  values: ParameterValues,
  options: CallOptions,
): Promise<string> {
  const { shared, sql, reads } = compileTable(boundSpark(values), table.rows.node)
  const relations: Record<string, Relation> = { ...ownRows(deltaBasePath, table) }
  for (const node of inputsOf(table.rows.node)) {
    relations[node.name] = inputRelation(node, table, deltaBasePath)
  }
  for (const one of shared) relations[one.name] = sqlRelation(one.sql, inputsNamed(one.reads, relations))
  return await session.explain(sqlRelation(sql, inputsNamed(reads, relations)), options)
}

/** A batch takes few of the rows of its table; the plan is the same. */
function inputRelation({ reads }: InputNode, table: TableDefinition, deltaBasePath: string): Relation {
  if (reads.of !== 'records') {
    return read({ format: 'delta', path: fileUri(tableDirectory(deltaBasePath, { path: reads.table })) })
  }
  throw new LakehouseError(
    'TABLE_UNKNOWN',
    `the rows of ${table.path} come from Kafka by a streaming query, which has no plan of its own to show.`,
  )
}
