// The Delta tables that a run writes, and how far each is.
import type { Progress } from '../../batches/progress.ts'
import { encodeProgress, noProgress, streamTxns } from '../../batches/progress.ts'
import type { CommitOutcome, DeltaTable, StagedAppend } from '../../delta/index.ts'
import { LakehouseError } from '../../errors/errors.ts'
import { openTable, progressOf } from '../../lakehouse/delta.ts'
import type { StreamName, TableDefinition } from '../../plan/index.ts'

export class OpenTable {
  readonly definition: TableDefinition
  readonly delta: DeltaTable
  /** The last batch that the table holds. */
  progress: Progress
  /** Files written since the last compaction looked at the table. */
  filesSinceUpkeep = 0

  private constructor(definition: TableDefinition, delta: DeltaTable, progress: Progress) {
    this.definition = definition
    this.delta = delta
    this.progress = progress
  }

  static async open(
    deltaBasePath: string,
    definition: TableDefinition,
    properties: Readonly<Record<string, string>>,
  ): Promise<OpenTable> {
    const delta = await openTable(deltaBasePath, definition, properties)
    const progress = await progressOf(delta, await delta.snapshot())
    return new OpenTable(definition, delta, progress ?? noProgress)
  }

  /** True where the table has the batch already: a restart replays it. */
  has(batch: bigint): boolean {
    return this.progress.batch >= batch
  }

  /** Commits the rows together with the progress; the batch must not be in the table yet. */
  async commit(
    staged: StagedAppend | null,
    progress: Progress,
    by: { readonly clock: () => bigint; readonly streams: readonly StreamName[] },
  ): Promise<void> {
    const { txns, ...fields } = encodeProgress(progress)
    const outcome = await this.delta.commit(staged, {
      ...fields,
      txns: { ...txns, ...streamTxns(by.streams, progress.batch) },
      engineInfo: 'assay embedded',
      timestampMs: Number(by.clock() / 1000n),
    })
    this.#checkWritten(outcome, progress)
    this.progress = progress
    this.filesSinceUpkeep += staged?.adds.length ?? 0
  }

  #checkWritten(outcome: CommitOutcome, progress: Progress): void {
    if (outcome.kind === 'committed') return
    throw new LakehouseError(
      'WRITER_FENCED',
      `${this.delta.directory} is at batch ${outcome.recorded} already, while this process was about to write batch ` +
        `${progress.batch}: another process writes the same stream. This one stops; nothing was written twice.`,
    )
  }
}
