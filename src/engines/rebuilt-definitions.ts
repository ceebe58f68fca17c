// By which definition each row of a rebuilt table is computed: the rebuild goes by it, and so does the proof.
import type { BatchPlan } from '../batches/plan.ts'
import type { Definitions } from '../ops/definitions.ts'
import { type TableDefinition, tableDifference } from '../plan/index.ts'
import type { DefinitionStore } from './definition-store.ts'
import { blockingChanges } from './start-changes.ts'

/** What executing batches needs of definitions. */
export type BatchDefinitions = Pick<DefinitionStore, 'tablesOf' | 'current'>

/** That of the batch; that of the rebuild for a table that came later, or whose rows it could not follow. */
export function rebuiltBy(ofBatch: TableDefinition | null, ofRebuild: TableDefinition): TableDefinition {
  if (ofBatch === null) return ofRebuild
  const difference = tableDifference(ofBatch, ofRebuild)
  if (difference === null) return ofBatch
  const isOther = difference.added.length > 0 || blockingChanges(ofRebuild, difference).length > 0
  return isOther ? ofRebuild : ofBatch
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
    const tables = await this.#store.tablesOf(plan)
    const { path } = this.#rebuilt
    const ofBatch = tables.find((table) => table.path === path) ?? null
    const one = rebuiltBy(ofBatch, this.#rebuilt)
    return [...tables.filter((table) => table.path !== path), one]
  }
}
