// What a batch did on Spark: told from the files of its commits, read here, so that the cluster is not asked.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { OffsetRange } from '../../batches/offsets.ts'
import { fetchedScanSql } from '../../delta/index.ts'
import { openTable } from '../../ops/tables.ts'
import type { Lakehouse } from '../../plan/index.ts'
import type { ParameterValues } from '../../sql/index.ts'
import type { BatchReport, InputPosition } from '../batch-report.ts'
import { rowsInRanges } from '../bronze-rows.ts'
import { setView } from '../database.ts'
import { definitionsOfRun } from '../definition-changes.ts'
import { batchReport } from '../report.ts'
import type { OpenTable } from '../tables.ts'
import type { Written } from './batch.ts'
import type { SparkRun } from './spark-run.ts'

export type SparkBatchFacts = {
  /** What was read of bronze; null for a batch that silver had already. */
  readonly ranges: readonly OffsetRange[] | null
  readonly input: InputPosition | null
  readonly startedMs: number
  readonly finishedMs: number
}

const views = { events: 'events_batch', refused: 'refused_batch', scored: 'scored_batch' } as const

export async function reportOf(
  run: SparkRun,
  written: Written,
  facts: SparkBatchFacts,
): Promise<BatchReport> {
  const { database, options, tables } = run
  const { lakehouse } = options
  const connection = database.load
  for (const [path, commit] of written.commits) {
    const table = tables.find(({ definition }) => definition.path === path)
    const name = table === undefined ? null : viewOf(lakehouse, table)
    if (table === undefined || name === null) continue
    const files = new Map(commit.adds.map((file) => [file.path, file]))
    const snapshot = { ...(await table.delta.snapshot()), files }
    await setView(
      connection,
      name,
      await fetchedScanSql(snapshot, table.delta.directory, { naiveTimestamps: true }),
    )
  }
  const quarantined = written.rowsByTable[lakehouse.refused.path] ?? 0
  const hasRecords = facts.ranges !== null && written.silverRows > 0
  if (hasRecords) await showRecords(run, connection, facts.ranges ?? [])
  const report = await batchReport(connection, lakehouse, written, {
    records: facts.ranges === null ? written.silverRows : written.silverRows + quarantined,
    input: facts.input,
    startedMs: facts.startedMs,
    finishedMs: facts.finishedMs,
    alertsMax: options.alertsMax,
    hasRecords,
    parameters: parametersOf(run, written),
    hasShadows: (written.rowsByTable[lakehouse.shadow?.table.path ?? ''] ?? 0) > 0,
    hasScores: lakehouse.scored !== null && (written.rowsByTable[lakehouse.scored.path] ?? 0) > 0,
  })
  return { ...report, silverRows: written.silverRows }
}

function viewOf({ shadow }: Lakehouse, { role, definition }: OpenTable): string | null {
  if (definition.path === shadow?.table.path) return 'shadow_batch'
  return role === null || role === 'records' ? null : views[role]
}

/** The rules are today's: of a batch of others nothing is told. */
function parametersOf(
  { options, database }: SparkRun,
  { recorded: { plan } }: Written,
): ParameterValues | null {
  const { current } = definitionsOfRun(options, database.load)
  return plan === null || plan.definitions !== current.hash ? null : plan.settings.parameters
}

async function showRecords(
  { options }: SparkRun,
  connection: DuckDBConnection,
  ranges: readonly OffsetRange[],
): Promise<void> {
  const bronze = await openTable(options.deltaBasePath, options.lakehouse.records)
  await setView(
    connection,
    'records_batch',
    await rowsInRanges(await bronze.snapshot(), bronze.directory, ranges),
  )
}
