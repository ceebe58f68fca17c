// The physical plan that Spark makes of a table's rows, over the tables as they are now.
import { LakehouseError } from '../../errors/errors.ts'
import { tableDirectory } from '../../lakehouse/delta.ts'
import { tables } from '../../lakehouse/pipeline.ts'
import type { TableDefinition } from '../../plan/index.ts'
import { boundSpark, compileTable, type ParameterValues } from '../../sql/index.ts'
import { type Relation, read, sqlRelation } from './connect/relations.ts'
import type { CallOptions, SparkSession } from './connect/session.ts'
import { fileUri } from './rows.ts'

/** Where the rows of an input come from. A batch takes few of them; the plan is the same. */
const tableOfInput: Readonly<Record<string, string>> = {
  bronze_batch: 'bronze/transactions',
  silver_batch: 'silver/transactions',
  silver_ids: 'silver/transactions',
  silver_users: 'silver/transactions',
  silver_recent: 'silver/transactions',
}

export async function explainOnSpark(
  session: SparkSession,
  table: TableDefinition,
  deltaBasePath: string,
  values: ParameterValues,
  options: CallOptions,
): Promise<string> {
  const { shared, sql, inputs } = compileTable(boundSpark(values), table.rows.node)
  const relations: Record<string, Relation> = {}
  for (const name of inputs.filter((input) => !shared.some((one) => one.name === input))) {
    relations[name] = inputRelation(name, table, deltaBasePath)
  }
  for (const one of shared) relations[one.name] = sqlRelation(one.sql, relations)
  return await session.explain(sqlRelation(sql, relations), options)
}

function inputRelation(name: string, table: TableDefinition, deltaBasePath: string): Relation {
  const source = tables.find(({ path }) => path === tableOfInput[name])
  if (source !== undefined)
    return read({ format: 'delta', path: fileUri(tableDirectory(deltaBasePath, source)) })
  throw new LakehouseError(
    'TABLE_UNKNOWN',
    `the rows of ${table.path} come from Kafka by a streaming query, which has no plan of its own to show.`,
  )
}
