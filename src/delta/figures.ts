// How large a table is, by the last version of its log that was read: nothing is read for it.
import { sumRecords } from './actions.ts'
import { countSmallFiles } from './optimize.ts'
import type { LogState } from './state.ts'

export type TableFigures = {
  readonly version: bigint
  readonly files: number
  readonly bytes: number
  /** null where a file has no statistics. */
  readonly rows: number | null
  /** When it got its newest version, in milliseconds since the epoch; null where that does not tell. */
  readonly committedMs: number | null
  /** The version of the newest checkpoint, 0 without one: who opens the table reads the commits after it. */
  readonly checkpointed: bigint
  /** How many files a compaction could save. */
  smallFiles(smallFileBytes: number): number
}

export function figuresOf(state: LogState, checkpointed: bigint): TableFigures {
  let bytes = 0n
  for (const { size } of state.files.values()) bytes += size
  const rows = sumRecords(state.files.values())
  const timestamp = Number(state.lastCommitInfo?.timestamp ?? Number.NaN)
  return {
    version: state.version,
    files: state.files.size,
    bytes: Number(bytes),
    rows: rows === null ? null : Number(rows),
    committedMs: Number.isFinite(timestamp) ? timestamp : null,
    checkpointed,
    smallFiles: (smallFileBytes) =>
      countSmallFiles(state.files.values(), state.essentials().metadata, smallFileBytes),
  }
}
