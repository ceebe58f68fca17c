// Every table that a query can name: those of the lakehouse, and what Assay keeps of its own work.
import { DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type Lakehouse, namedTables, type TableDefinition } from '../plan/index.ts'
import { alertLogDefinition, alertLogPath } from './alerts.ts'
import { auditDefinition, auditPath } from './audit.ts'
import { batchesDefinition, batchesPath } from './batches.ts'
import { claimsDefinition, claimsPath } from './claims.ts'
import { definitionsDefinition, definitionsPath } from './definitions.ts'
import { driftDefinition, driftPath } from './drift.ts'
import { erasedDefinition, erasedPath } from './erased.ts'
import { filesDefinition, filesPath } from './files.ts'
import { labelsDefinition, labelsPath } from './labels.ts'
import { ruleListsDefinition, ruleListsPath } from './rule-lists.ts'
import { ruleModelsDefinition, ruleModelsPath } from './rule-models.ts'
import { ruleVersionsDefinition, ruleVersionsPath } from './rule-versions.ts'
import { schemasDefinition, schemasPath } from './schemas.ts'
import { tableDirectory } from './tables.ts'
import { verdictsDefinition, verdictsPath } from './verdicts.ts'

/** A table as those know it who only read it. */
export type NamedTable = Pick<TableDefinition, 'path' | 'meaning'>

export const opsTables: readonly NamedTable[] = [
  { path: batchesPath, meaning: batchesDefinition.description },
  { path: definitionsPath, meaning: definitionsDefinition.description },
  { path: schemasPath, meaning: schemasDefinition.description },
  { path: filesPath, meaning: filesDefinition.description },
  { path: erasedPath, meaning: erasedDefinition.description },
  { path: driftPath, meaning: driftDefinition.description },
  { path: alertLogPath, meaning: alertLogDefinition.description },
  { path: ruleListsPath, meaning: ruleListsDefinition.description },
  { path: ruleModelsPath, meaning: ruleModelsDefinition.description },
  { path: ruleVersionsPath, meaning: ruleVersionsDefinition.description },
  { path: verdictsPath, meaning: verdictsDefinition.description },
  { path: claimsPath, meaning: claimsDefinition.description },
  { path: labelsPath, meaning: labelsDefinition.description },
  { path: auditPath, meaning: auditDefinition.description },
]

export function readableTables(lakehouse: Pick<Lakehouse, 'tables' | 'shadow'>): readonly NamedTable[] {
  return [...namedTables(lakehouse), ...opsTables]
}

/** What to look at where a table is not there. */
export const notWrittenAdvice = 'is DELTA_BASE_PATH right, and did "assay run" run?'

export function noLakehouse(deltaBasePath: string): LakehouseError {
  return new LakehouseError('DELTA_TABLE_NOT_FOUND', `${deltaBasePath} has no table yet: ${notWrittenAdvice}`)
}

export async function hasTables(
  lakehouse: Pick<Lakehouse, 'tables' | 'shadow'>,
  deltaBasePath: string,
): Promise<boolean> {
  for (const table of readableTables(lakehouse))
    if (await DeltaTable.exists(tableDirectory(deltaBasePath, table))) return true
  return false
}

/** Fails with DELTA_TABLE_NOT_FOUND where no table is written: what only reads would find nothing wrong. */
export async function refuseNoTables(
  lakehouse: Pick<Lakehouse, 'tables' | 'shadow'>,
  deltaBasePath: string,
): Promise<void> {
  if (!(await hasTables(lakehouse, deltaBasePath))) throw noLakehouse(deltaBasePath)
}
