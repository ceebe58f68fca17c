// `assay explain <table>`: the plan of a table, its DuckDB SQL, its Spark SQL and its JavaScript, and what Spark
// makes of it.
import { randomUUID } from 'node:crypto'
import { Command } from 'commander'
import { compileRowPath } from '../javascript/index.ts'
import {
  eventsWatermark,
  hasClosingRows,
  namedTables,
  type PlanNode,
  type TableDefinition,
} from '../plan/index.ts'
import { planText } from '../plan/text.ts'
import type { Project } from '../project/project.ts'
import { tableNamed } from '../query/table-name.ts'
import { compileTable, type Dialect, duckdb, spark } from '../sql/index.ts'
import { printable } from './printable.ts'
import { openSession } from './session.ts'

export function explainCommand(project: Project): Command {
  return new Command('explain')
    .argument('<table>', 'such as silver.transactions or aggregations/merchant')
    .option('--plan', 'the plan alone')
    .option('--duckdb', 'its DuckDB SQL alone')
    .option('--spark', 'its Spark SQL alone')
    .option('--javascript', 'its JavaScript alone, of a table that is computed row by row')
    .option('--spark-plan', 'the physical plan that Spark makes of it over the tables as they are')
    .action((name: string, only: Only) => explain(project, name, only))
}

type Only = {
  readonly plan?: true
  readonly duckdb?: true
  readonly spark?: true
  readonly javascript?: true
  readonly sparkPlan?: true
}

async function explain(project: Project, name: string, only: Only): Promise<void> {
  const table = tableNamed(name, namedTables(project.lakehouse))
  const all = !only.plan && !only.duckdb && !only.spark && !only.javascript && !only.sparkPlan
  const parts: string[] = []
  if (all || only.plan) parts.push(`-- ${table.path}: ${table.meaning}\n${planText(table)}`)
  if (all || only.duckdb) parts.push(`-- DuckDB\n${statements(duckdb, table)}`)
  if (all || only.spark) parts.push(`-- Spark\n${statements(spark, table)}`)
  if (all || only.javascript) parts.push(`// JavaScript\n${javascript(table)}`)
  if (only.sparkPlan) parts.push(`-- Spark's plan\n${await sparkPlan(project, table)}`)
  process.stdout.write(printable(`${parts.join('\n\n')}\n`))
}

/** What several tables share comes first, as tables of the batch. */
function statements(dialect: Dialect, table: TableDefinition): string {
  const { shared, sql } = compileTable(dialect, table.rows.node)
  const named = shared.map(
    (one) =>
      `CREATE OR REPLACE TEMP ${dialect.engine === 'duckdb' ? 'TABLE' : 'VIEW'} ${one.name} AS\n${one.sql};`,
  )
  return [...named, `${sql};`].join('\n\n')
}

/** From the rows of the input that the table's SQL reads. */
function javascript(table: TableDefinition): string {
  if (hasClosingRows(table.rows.node)) return '// None: its windows are computed by SQL.'
  const source = sourceOf(table.rows.node)
  const outputs = { [table.path.replaceAll('/', '_')]: { relation: table.rows, into: 'columns' } as const }
  return compileRowPath({ source, outputs }).code
}

function sourceOf(node: PlanNode): string {
  return node.kind === 'input' ? node.name : sourceOf(node.input)
}

/** On the server of SPARK_MASTER; one is started where it names a master. */
async function sparkPlan(project: Project, table: TableDefinition): Promise<string> {
  const { config } = openSession(project)
  const { explainOnSpark } = await import('../engines/spark/explain.ts')
  const { openCluster } = await import('../engines/spark/cluster.ts')
  const { sparkOptions } = await import('./spark-options.ts')
  const { signal } = new AbortController()
  const cluster = await openCluster(sparkOptions(config, null).cluster, `explain ${randomUUID()}`, signal)
  try {
    const now = BigInt(Date.now()) * 1000n
    const values = {
      processing_time: now,
      watermark: now - config.watermarkMicros[eventsWatermark(config.lakehouse)]!,
      ...config.parameters,
      closed_after: now - 3_600_000_000n,
      closed_up_to: now,
    }
    const what = `the plan of ${table.path}`
    return await explainOnSpark(cluster.session, table, config.deltaBasePath, values, { signal, what })
  } finally {
    await cluster.close()
  }
}
