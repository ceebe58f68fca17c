// Checkpoints and the cleaning of the log, beside the commits: no commit waits for them, and they fail none.
import { type CheckpointContent, checkpointContent, writeCheckpoint } from './checkpoint-write.ts'
import { clock } from './disk.ts'
import { cleanLog } from './log-cleanup.ts'
import { checkpointInterval, logRetentionMs } from './properties.ts'
import type { LogState } from './state.ts'

/** A log that was cleaned is looked at again when it has grown by this part of its length. */
const growthBeforeCleaning = 8

type Queue = { end: Promise<unknown> }

const newQueue = (): Queue => ({ end: Promise.resolve() })

/** Of the whole process: checkpoints of several tables at once would only need more memory. */
const processQueue = newQueue()
let queueFor: () => Queue = () => processQueue

/** For simulations of several processes in one: no table waits for another's checkpoint. */
export function setCheckpointQueue(of: 'process' | 'table'): void {
  queueFor = of === 'process' ? () => processQueue : newQueue
}

export class LogUpkeep {
  readonly #directory: string
  readonly #queue = queueFor()
  #running: Promise<void> | null = null
  #failure: unknown = null
  #checkpointed: bigint
  /** When the log was last looked at for cleaning; null: not yet, or more has to be deleted. */
  #cleaned: { readonly version: bigint; readonly commitsLeft: number } | null = null

  constructor(directory: string, checkpointed: bigint | null) {
    this.#directory = directory
    this.#checkpointed = checkpointed ?? 0n
  }

  /** The version of the newest checkpoint that is known; 0 without one. */
  get checkpointed(): bigint {
    return this.#checkpointed
  }

  /** Why the last automatic checkpoint failed; null when it did not. */
  get failure(): unknown {
    return this.#failure
  }

  /** Begins a checkpoint where one is due and none is being written. */
  afterCommit(state: LogState): void {
    const interval = checkpointInterval(state.essentials().metadata)
    if (this.#running !== null || state.version - this.#checkpointed < interval) return
    this.#running = this.write(checkpointContent(state, clock()), clock())
      .then(
        () => {
          this.#failure = null
        },
        (error: unknown) => {
          // The commits are durable, and readers do without the checkpoint. The next commit tries again.
          this.#failure = error
        },
      )
      .finally(() => {
        this.#running = null
      })
  }

  /** Writes the checkpoint when those before it are written, and cleans up what it stands in for. */
  async write(content: CheckpointContent, nowMs: number): Promise<void> {
    const written = this.#queue.end.then(() => writeCheckpoint(this.#directory, content))
    this.#queue.end = written.catch(() => undefined) // Who asked for it has the failure.
    await written
    if (content.version > this.#checkpointed) this.#checkpointed = content.version
    await this.#clean(content, nowMs)
  }

  async #clean({ version, metadata }: CheckpointContent, nowMs: number): Promise<void> {
    const retentionMs = logRetentionMs(metadata)
    if (retentionMs === null) return
    if (this.#cleaned !== null) {
      const grown = Number(version - this.#cleaned.version)
      if (grown < this.#cleaned.commitsLeft / growthBeforeCleaning) return
    }
    const commitsLeft = await cleanLog(this.#directory, retentionMs, nowMs)
    this.#cleaned = commitsLeft === null ? null : { version, commitsLeft }
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.#running
  }
}
