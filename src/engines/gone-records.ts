// Which records a commit of another program took out of a table, as long as the files of before are there.
import { addFile } from '../delta/actions.ts'
import { type AddFile, type DeltaCommit, type DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { identityOf } from '../delta/log-files.ts'
import { filePath } from '../delta/paths.ts'

/** The path of a file that tells of the rows and is there no more; null where all are. */
export async function missingFile(table: DeltaTable, commit: DeltaCommit): Promise<string | null> {
  for (const { path } of [...removedFiles(commit), ...addedFiles(commit)]) {
    if ((await identityOf(filePath(table.directory, path))) === null) return path
  }
  return null
}

/** A SELECT of the records that the files which the commit removed have, and those that it added have not. */
export async function goneRecordsSql(table: DeltaTable, commit: DeltaCommit): Promise<string> {
  const [before, after] = [
    await recordsOf(table, removedFiles(commit)),
    await recordsOf(table, addedFiles(commit)),
  ]
  return `(${before}) EXCEPT (${after})`
}

function removedFiles({ removes }: DeltaCommit): AddFile[] {
  return removes
    .filter(({ dataChange }) => dataChange)
    .map(({ path, size, partitionValues }) =>
      addFile({
        ...{ path, size: size ?? 0n, partitionValues: partitionValues ?? {} },
        ...{ modificationTime: 0, dataChange: true, statsJson: null, tags: null },
      }),
    )
}

function addedFiles({ adds }: DeltaCommit): AddFile[] {
  return adds.filter(({ dataChange }) => dataChange)
}

async function recordsOf(table: DeltaTable, files: readonly AddFile[]): Promise<string> {
  const snapshot = { ...(await table.snapshot()), files: new Map(files.map((file) => [file.path, file])) }
  return fetchedScanSql(snapshot, table.directory, { columns: ['topic', 'partition', 'offset'] })
}
