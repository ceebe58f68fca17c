// What a table is: its columns, its size, what happened to it.
import { DeltaTable } from '../delta/index.ts'
import { typeText } from '../delta/schema.ts'
import type { NamedTable } from '../ops/readable.ts'
import { tableDirectory } from '../ops/tables.ts'
import type { TableDetailAnswer } from './api.ts'

const versionsShown = 50

export async function tableDetail(deltaBasePath: string, { path }: NamedTable): Promise<TableDetailAnswer> {
  const directory = tableDirectory(deltaBasePath, { path })
  const asOfMs = Date.now()
  if (!(await DeltaTable.exists(directory))) {
    const nothing = { version: null, rows: null, files: 0, bytes: '0', createdMs: null }
    const empty = { columns: [], partitionedBy: [], properties: {}, history: [] }
    return { path, exists: false, ...nothing, ...empty, asOfMs }
  }
  const table = await DeltaTable.open(directory)
  const about = await table.describe()
  const history = await table.history(versionsShown)
  return {
    path,
    exists: true,
    version: String(about.version),
    rows: about.numRecords === null ? null : String(about.numRecords),
    files: about.fileCount,
    bytes: String(about.sizeBytes),
    createdMs: about.createdTime,
    columns: about.fields.map(({ name, type }) => ({ name, type: typeText(type) })),
    partitionedBy: about.partitionColumns,
    properties: about.properties,
    history: history.map((entry) => ({
      version: String(entry.version),
      atMs: Number(entry.timestamp),
      operation: entry.operation ?? '',
      rows: String(entry.operationMetrics.numOutputRows ?? ''),
      filesAdded: entry.filesAdded,
      filesRemoved: entry.filesRemoved,
    })),
    asOfMs,
  }
}
