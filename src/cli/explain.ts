// `assay explain <table>`: the plan of a table, its DuckDB SQL and its Spark SQL.
import { Command } from 'commander'
import { LakehouseError } from '../errors/errors.ts'
import { tables } from '../lakehouse/pipeline.ts'
import { planText } from '../plan/text.ts'
import { compileTable, type Dialect, duckdb, spark } from '../sql/index.ts'

export function explainCommand(): Command {
  return new Command('explain')
    .argument('<table>', 'such as silver.transactions or aggregations/merchant')
    .option('--plan', 'the plan alone')
    .option('--duckdb', 'its DuckDB SQL alone')
    .option('--spark', 'its Spark SQL alone')
    .action(explain)
}

function explain(
  name: string,
  only: { readonly plan?: true; readonly duckdb?: true; readonly spark?: true },
): void {
  const path = name.replaceAll('.', '/')
  const table = tables.find((one) => one.path === path)
  if (table === undefined) {
    const known = tables.map((one) => one.path.replaceAll('/', '.')).join(', ')
    throw new LakehouseError('TABLE_UNKNOWN', `there is no table ${name}. The tables are: ${known}.`)
  }
  const all = !only.plan && !only.duckdb && !only.spark
  const parts: string[] = []
  if (all || only.plan) parts.push(`-- ${table.path}: ${table.meaning}\n${planText(table)}`)
  if (all || only.duckdb) parts.push(`-- DuckDB\n${statements(duckdb, path)}`)
  if (all || only.spark) parts.push(`-- Spark\n${statements(spark, path)}`)
  process.stdout.write(`${parts.join('\n\n')}\n`)
}

/** What several tables share comes first, as tables of the batch. */
function statements(dialect: Dialect, path: string): string {
  const { shared, sql } = compileTable(dialect, tables.find((one) => one.path === path)!.rows.node)
  const named = shared.map(
    (one) =>
      `CREATE OR REPLACE TEMP ${dialect.engine === 'duckdb' ? 'TABLE' : 'VIEW'} ${one.name} AS\n${one.sql};`,
  )
  return [...named, `${sql};`].join('\n\n')
}
