// Expressions on Spark, as test/compare/evaluators.ts has them of DuckDB.
import type { SparkSession } from '../../../src/engines/spark/connect/session.ts'
import type { Expr } from '../../../src/expr/index.ts'
import { spark } from '../../../src/sql/index.ts'
import { type GivenRow, givenSql, selectSql, shown, type Table } from '../../compare/evaluators.ts'
import { call } from './harness.ts'

export async function onSpark(
  session: SparkSession,
  expressions: readonly Expr[],
  rows: readonly GivenRow[],
): Promise<{ readonly table: Table; readonly types: readonly string[] }> {
  await session.setConfig({ 'spark.sql.optimizer.excludedRules': foldingRules }, call)
  await session.run(`CREATE OR REPLACE TEMP VIEW given AS ${givenSql(spark, rows)}`, call)
  const found = await session.rows(selectSql(spark, expressions), call)
  return {
    table: found.map((row) => expressions.map((_, index) => shown(row[`v${index}`] ?? null))),
    types: expressions.map((_, index) => String(found[0]?.[`t${index}`]).toUpperCase()),
  }
}

/** With them the optimizer itself would compute the rows, and not the code that runs over a table. */
const foldingRules = 'org.apache.spark.sql.catalyst.optimizer.ConvertToLocalRelation'
