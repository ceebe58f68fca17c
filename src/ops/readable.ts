// Every table that a query can name: those of the lakehouse, and what Assay keeps of its own work.
import type { Lakehouse, TableDefinition } from '../plan/index.ts'
import { alertLogDefinition, alertLogPath } from './alerts.ts'
import { auditDefinition, auditPath } from './audit.ts'
import { batchesDefinition, batchesPath } from './batches.ts'
import { claimsDefinition, claimsPath } from './claims.ts'
import { definitionsDefinition, definitionsPath } from './definitions.ts'
import { erasedDefinition, erasedPath } from './erased.ts'
import { filesDefinition, filesPath } from './files.ts'
import { labelsDefinition, labelsPath } from './labels.ts'
import { schemasDefinition, schemasPath } from './schemas.ts'
import { verdictsDefinition, verdictsPath } from './verdicts.ts'

/** A table as those know it who only read it. */
export type NamedTable = Pick<TableDefinition, 'path' | 'meaning'>

export const opsTables: readonly NamedTable[] = [
  { path: batchesPath, meaning: batchesDefinition.description },
  { path: definitionsPath, meaning: definitionsDefinition.description },
  { path: schemasPath, meaning: schemasDefinition.description },
  { path: filesPath, meaning: filesDefinition.description },
  { path: erasedPath, meaning: erasedDefinition.description },
  { path: alertLogPath, meaning: alertLogDefinition.description },
  { path: verdictsPath, meaning: verdictsDefinition.description },
  { path: claimsPath, meaning: claimsDefinition.description },
  { path: labelsPath, meaning: labelsDefinition.description },
  { path: auditPath, meaning: auditDefinition.description },
]

export function readableTables({ tables }: Pick<Lakehouse, 'tables'>): readonly NamedTable[] {
  return [...tables, ...opsTables]
}
