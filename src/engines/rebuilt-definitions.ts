// By which definition each row of a rebuilt table is computed: the rebuild goes by it, and so does the proof.
import type { BatchPlan } from '../batches/plan.ts'
import type { Definitions } from '../ops/definitions.ts'
import { expandOf, type TableDefinition, tableDifference } from '../plan/index.ts'
import type { DefinitionStore } from './definition-store.ts'
import { blockingChanges } from './start-changes.ts'

/** What executing batches needs of definitions. */
export type BatchDefinitions = Pick<DefinitionStore, 'tablesOf' | 'current'>

/**
 * True for a table that came later than the batch, or that could not follow what it is since; one that is
 * expanded goes by the batch.
 */
export function isByRebuild(ofBatch: TableDefinition | null, ofRebuild: TableDefinition): boolean {
  if (expandOf(ofRebuild.rows.node) !== null) return false
  if (ofBatch === null) return true
  const difference = tableDifference(ofBatch, ofRebuild)
  if (difference === null) return false
  const { added, addedFigures } = difference
  return added.length + addedFigures.length > 0 || blockingChanges(ofRebuild, difference).length > 0
}

export class RebuiltDefinitions implements BatchDefinitions {
  readonly current: Definitions
  readonly #store: DefinitionStore
  readonly #rebuilt: TableDefinition

  constructor(store: DefinitionStore, rebuilt: TableDefinition) {
    this.current = store.current
    this.#store = store
    this.#rebuilt = rebuilt
  }

  async tablesOf(plan: Pick<BatchPlan, 'definitions'>): Promise<readonly TableDefinition[]> {
    const { path } = this.#rebuilt
    const isIt = (table: TableDefinition): boolean => table.path === path
    const ofBatch = (await this.#store.ofBatch(plan)).find(isIt) ?? null
    const tables = await this.#store.tablesOf(plan)
    if (!isByRebuild(ofBatch, this.#rebuilt)) return tables
    const alone = await this.#store.alone(this.current.hash, this.#rebuilt)
    return tables.map((table) => (isIt(table) ? alone : table))
  }
}
