// Where a table begins that has rows of those batches alone whose definitions have it: no batch before needs
// to be gone through for it.
import type { RecordedBatch } from '../batches/progress.ts'
import { expandOf } from '../plan/index.ts'
import type { BatchHistory } from './batch-history.ts'
import type { DefinitionStore } from './definition-store.ts'
import type { PipelineOptions } from './engine.ts'
import { type OpenTable, soleCommitter } from './tables.ts'

/** `last`: the last batch that any table has. */
export async function beginTables(
  options: Pick<PipelineOptions, 'clock' | 'tell'>,
  tables: readonly OpenTable[],
  definitions: DefinitionStore,
  history: BatchHistory,
  last: RecordedBatch,
): Promise<void> {
  if (last.progress.batch === 0n) return
  for (const table of tables) {
    const isNew = table.progress.batch === 0n && !table.isWhole
    if (!isNew || expandOf(table.definition.rows.node) === null) continue
    const before = await lastWithout(table.definition.path, definitions, history, last)
    if (before !== null) await table.commit(null, before, soleCommitter(options))
    if (before === last) await table.markWhole()
  }
}

/** The last batch whose definitions lack the table; once one has it, all behind it have. */
async function lastWithout(
  path: string,
  definitions: DefinitionStore,
  history: BatchHistory,
  last: RecordedBatch,
): Promise<RecordedBatch | null> {
  const lacks = async ({ plan }: RecordedBatch): Promise<boolean> => {
    const defined = plan === null ? null : await definitions.at(plan.definitions)
    return defined === null || !defined.tables.some((table) => table.path === path)
  }
  if (await lacks(last)) return last
  let before: RecordedBatch | null = null
  let [from, to] = [0n, last.progress.batch]
  while (to - from > 1n) {
    const middle = (from + to) / 2n
    const recorded = await history.recorded(middle)
    if (await lacks(recorded)) [before, from] = [recorded, middle]
    else to = middle
  }
  return before
}
