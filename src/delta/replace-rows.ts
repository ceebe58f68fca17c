// Replacing all rows of a table, and its columns with them: files are staged for the columns to come, and one
// commit takes the old ones out. Older versions still have theirs.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { Rows } from '../columns/column.ts'
import type { AddFile, Metadata } from './actions.ts'
import { type CommitDraft, type CommitOptions, draftOf } from './commit.ts'
import { clock } from './disk.ts'
import { storageOf } from './mounts.ts'
import { removeOf } from './optimize.ts'
import { filePath } from './paths.ts'
import { fetchedScanSql } from './scan.ts'
import { type DeltaTableDefinition, typeText } from './schema.ts'
import { type StagedAppend, stageQuery } from './stage.ts'
import { stageRows } from './stage-rows.ts'
import type { DeltaSnapshot } from './state.ts'

/** So many files are put together at once. */
const filesAtOnce = 128

/** Rows to come, as files that no commit names yet. */
export class Replacement {
  readonly #directory: string
  readonly #snapshot: DeltaSnapshot
  readonly #metadata: Metadata
  #files: AddFile[] = []
  /** How many files of each row of this list were put together already. */
  #merged: AddFile[] = []

  constructor(directory: string, snapshot: DeltaSnapshot, definition: DeltaTableDefinition) {
    const { fields, partitionColumns } = definition
    this.#directory = directory
    this.#snapshot = snapshot
    this.#metadata = { ...snapshot.metadata, fields, partitionColumns }
  }

  /** As those of the table; the rows belong to the replacement once `add` has them. */
  stage(connection: DuckDBConnection, query: string): Promise<StagedAppend> {
    return stageQuery(this.#directory, this.#metadata, connection, query)
  }

  stageRows(rows: Rows | readonly Rows[]): Promise<StagedAppend> {
    return stageRows(this.#directory, this.#metadata, rows)
  }

  /** Takes staged rows over. Small files are put together as they become many. */
  async add(connection: DuckDBConnection, { adds }: StagedAppend): Promise<void> {
    this.#files.push(...adds)
    if (this.#files.length < filesAtOnce) return
    this.#merged.push(...(await this.#together(connection, this.#files)))
    this.#files = []
    if (this.#merged.length < filesAtOnce) return
    this.#merged = await this.#together(connection, this.#merged)
  }

  async #together(connection: DuckDBConnection, files: readonly AddFile[]): Promise<AddFile[]> {
    const named = new Map(files.map((file) => [file.path, file]))
    const of = { ...this.#snapshot, metadata: this.#metadata, files: named }
    const { adds } = await this.stage(connection, await fetchedScanSql(of, this.#directory))
    for (const { path } of files) await storageOf(this.#directory).remove(filePath(this.#directory, path))
    return [...adds]
  }

  /** The commit that puts these rows in place of all that the table had. */
  draft(options: CommitOptions): CommitDraft {
    const { metadata, files } = this.#snapshot
    const adds = [...this.#merged, ...this.#files]
    const deletionTimestamp = options.timestampMs ?? clock()
    const removes = [...files.values()].map((file) => removeOf(file, deletionTimestamp, true))
    const isSame = columnsText(metadata) === columnsText(this.#metadata)
    const operationMetrics = { numRemovedFiles: String(removes.length), numAddedFiles: String(adds.length) }
    return draftOf(options, {
      ...{ operation: 'REPLACE', adds, removes, writtenFor: metadata },
      ...(isSame ? {} : { metadata: this.#metadata }),
      info: { isBlindAppend: false, operationMetrics },
    })
  }
}

function columnsText({ fields, partitionColumns }: Metadata): string {
  return JSON.stringify([fields.map(({ name, type }) => [name, typeText(type)]), partitionColumns])
}
