// The Delta tables that a run writes, and how far each is.
import type { Progress } from '../batches/progress.ts'
import { encodeProgress, noProgress, streamTxns, writerAppId } from '../batches/progress.ts'
import type { CommitOutcome, DeltaTable, StagedAppend } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { openTable, progressOf } from '../lakehouse/delta.ts'
import type { StreamName, TableDefinition } from '../plan/index.ts'
import { step } from '../steps/step.ts'

export class OpenTable {
  readonly definition: TableDefinition
  readonly delta: DeltaTable
  /** The last batch that the table holds. */
  progress: Progress
  /** Files written since the last compaction looked at the table. */
  filesSinceUpkeep = 0
  /** The number of this process among those that ever wrote the table. */
  readonly claim: bigint

  private constructor(definition: TableDefinition, delta: DeltaTable, progress: Progress, claimed: bigint) {
    this.definition = definition
    this.delta = delta
    this.progress = progress
    this.claim = claimed
  }

  static async open(
    deltaBasePath: string,
    definition: TableDefinition,
    properties: Readonly<Record<string, string>>,
  ): Promise<OpenTable> {
    const delta = await openTable(deltaBasePath, definition, properties)
    const claimed = await claim(delta)
    await step('table claimed')
    await delta.deleteLeftovers(leftoverAgeMs)
    // Read after the claim: nobody who had the table before can move it on from here.
    const progress = await progressOf(delta, await delta.snapshot())
    return new OpenTable(definition, delta, progress ?? noProgress, claimed)
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
      fence: { appId: writerAppId, version: this.claim },
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
    const what =
      outcome.kind === 'fenced'
        ? `has been taken over by another process (writer ${outcome.recorded}, this one is ${this.claim})`
        : `is at batch ${outcome.recorded} already`
    throw new LakehouseError(
      'WRITER_FENCED',
      `${this.delta.directory} ${what}, while this process was about to write batch ${progress.batch}. ` +
        'This one stops; nothing was written twice. One process at a time can write a stream.',
    )
  }
}

const claimAttemptsMax = 20

/** A commit is written within seconds: an older unfinished one has no writer any more. */
const leftoverAgeMs = 3_600_000

/**
 * Makes this process the only one that can commit batches to the table: every commit of a batch carries the
 * claim it was made under, and the log refuses one that is not the newest. A lock cannot give that: its
 * holder may be paused between looking at it and writing.
 */
async function claim(delta: DeltaTable): Promise<bigint> {
  for (let attempt = 0; attempt < claimAttemptsMax; attempt++) {
    const { txns } = await delta.snapshot()
    const next = (txns.get(writerAppId)?.version ?? 0n) + 1n
    const fields = { appId: writerAppId, version: next, operation: 'CLAIM', operationParameters: {} }
    const outcome = await delta.commit(null, { ...fields, engineInfo: 'assay embedded' })
    if (outcome.kind === 'committed') return next
  }
  throw new LakehouseError(
    'STREAM_LOCKED',
    `${delta.directory}: other processes kept taking the table over. Start one process for each stream.`,
  )
}
