// Carrying on what the process before left undone, on DuckDB.
import type { BatchPlan } from '../../batches/plan.ts'
import { rowsAtTime, rowsOfBatch } from '../bronze-rows.ts'
import type { Database } from '../database.ts'
import type { DefinitionStore } from '../definition-store.ts'
import type { PipelineOptions } from '../engine.ts'
import type { BegunBatch, Carrier } from '../resume.ts'
import { type OpenTable, tableOfRole } from '../tables.ts'
import { executeBatch } from './execute.ts'
import { BatchContexts, followSilver } from './follow-silver.ts'
import type { BatchInput } from './row-batch.ts'

export function carrierOf(
  options: PipelineOptions,
  database: Database,
  tables: readonly OpenTable[],
  definitions: DefinitionStore,
): Carrier {
  const silver = tableOfRole(tables, 'events')
  const paths = tables.map(({ definition }) => definition.path)
  const facts = { definitions, paths, source: 'input' } as const
  const contexts = new BatchContexts(options, database, silver.delta, facts)
  return {
    async replay({ plan, before, recorded }, lacking) {
      const input = await replayInput(tables, plan, recorded)
      await executeBatch(await contexts.of(before, plan), plan, before, input, lacking)
    },
    follow: (later, upTo) => followSilver(options, database, later, { upTo, definitions }),
  }
}

/** What bronze and silver have of the batch is taken from there. */
async function replayInput(
  tables: readonly OpenTable[],
  plan: BatchPlan,
  recorded: BegunBatch['recorded'],
): Promise<BatchInput> {
  const silver = tableOfRole(tables, 'events')
  const bronze = tableOfRole(tables, 'records').delta
  const select = await rowsOfBatch(await bronze.snapshot(), bronze.directory, plan)
  const rows = silver.has(plan.batch) ? await silverRows(silver, plan) : null
  return { kind: 'replay', select, silver: rows, recorded }
}

async function silverRows({ delta }: OpenTable, { timeMicros }: BatchPlan): Promise<string> {
  return rowsAtTime(await delta.snapshot(), delta.directory, timeMicros)
}
