// What a run tells while it works: one stream of events. Log, terminal and metrics are its listeners. A batch
// waits for none of them, and what goes wrong in one harms neither the batch nor the other listeners.
import type { SourceNotice } from '../batches/notice.ts'
import type { Progress, RecordedBatch } from '../batches/progress.ts'
import type { TableFigures } from '../delta/index.ts'
import type { ErrorCode } from '../errors/errors.ts'
import type { BatchReport } from './batch-report.ts'

export type EngineEvent =
  /** The tables are open and batches can come; told again after each fault. */
  | ({ readonly kind: 'opened' } & OpenedRun)
  | BatchEvent
  | CommitEvent
  /** Nothing is there to be carried; told each time before more is waited for. */
  | { readonly kind: 'waiting' }
  /** Something to know of while the run goes on, an input that is away and back included. */
  | ({ readonly kind: 'notice' } & SourceNotice)
  | FaultEvent
  | UpkeepEvent
  | AlertEvent
  | ReviewedEvent
  | DriftEvent

/** What a run has in memory: to be asked at any time, at little cost. */
export type OpenedRun = {
  readonly streams: readonly string[]
  readonly tables: readonly FiguredTable[]
  /** How far they are. */
  readonly progress: Progress
  readonly state: () => StateSize
  /** The newest batch of silver that is known; null in the process that writes silver. */
  readonly silverBatch: (() => bigint) | null
}

export type FiguredTable = {
  readonly definition: { readonly path: string }
  readonly delta: { readonly figures: () => TableFigures }
}

/** What operators remember of earlier rows, in the memory of this process. */
export type StateSize = { readonly rows: number; readonly bytes: number }

export type BatchEvent =
  /** How long a part of a batch took; windows are told by the path of their table. */
  | { readonly kind: 'phase'; readonly batch: bigint; readonly phase: string; readonly ms: number }
  /** A batch is in all tables of the process. */
  | { readonly kind: 'batch'; readonly report: BatchReport; readonly recorded: RecordedBatch }

/** A table has got a batch. */
export type CommitEvent = {
  readonly kind: 'committed'
  readonly table: string
  readonly batch: bigint
  readonly version: bigint
  readonly rows: number
  readonly atMs: number
}

/** A failure that was met, and after which the run goes on from the tables. */
export type FaultEvent = SourceNotice & {
  readonly kind: 'fault'
  readonly code: ErrorCode
  /** It is waited for as long as it lasts; else so many of them in a row end the run. */
  readonly isOutage: boolean
  readonly failures: number
  /** The wait before the next attempt. */
  readonly waitMs: number
}

/** Work in the background that keeps a table small. */
export type UpkeepEvent =
  | { readonly kind: 'compacted'; readonly table: string; readonly ms: number }
  | { readonly kind: 'vacuumed'; readonly table: string; readonly ms: number }
  | { readonly kind: 'checkpointed'; readonly table: string; readonly version: bigint }

/** A sink has taken a notification, or will not. */
export type AlertEvent = {
  readonly kind: 'alert'
  readonly sink: string
  readonly outcome: 'sent' | 'failed'
}

/** How many cases await a verdict, and what the verdicts that stand say. */
export type ReviewedEvent = {
  readonly kind: 'reviewed'
  readonly open: number
  /** Of those that are open: somebody was unsure. */
  readonly unsure: number
  readonly verdicts: Readonly<Record<string, number>>
}

/** How far the transactions of the last complete day are from those that the model learned from. */
export type DriftEvent = {
  readonly kind: 'drift'
  /** As YYYY-MM-DD, in UTC. */
  readonly day: string
  /** None where no model scored transactions of the day. */
  readonly figures: readonly DriftedFigure[]
}

export type DriftedFigure = {
  /** A feature of the model, or its score. */
  readonly feature: string
  readonly psi: number
  readonly ks: number
  readonly level: string
}

export type OnEvent = (event: EngineEvent) => void

const noState: StateSize = { rows: 0, bytes: 0 }

/** A run without a state keeps none in this process; one without a batch of silver writes silver. */
export function tellOpened(
  { streams, tell }: { readonly streams: readonly string[]; readonly tell: OnEvent },
  tables: readonly FiguredTable[],
  progress: Progress,
  more: Partial<Pick<OpenedRun, 'state' | 'silverBatch'>> = {},
): void {
  tell({ kind: 'opened', streams, tables, progress, state: () => noState, silverBatch: null, ...more })
}

/** For who has no listener. */
export const tellNobody: OnEvent = () => undefined

/** For who tells notices alone. */
export function noticesTo(tell: OnEvent): (notice: SourceNotice) => void {
  return (notice) => tell({ kind: 'notice', ...notice })
}

/** Tells each listener. One that fails is told of to the others, once, and goes on to be told. */
export function tellAll(listeners: readonly OnEvent[]): OnEvent {
  const failed = new Set<OnEvent>()
  const fail = (listener: OnEvent, error: unknown): void => {
    if (failed.has(listener)) return
    failed.add(listener)
    const reason = error instanceof Error ? error.message : String(error)
    const message = `a listener of the run failed, the run goes on without what it shows: ${reason}`
    tell({ kind: 'notice', code: 'LISTENER_FAILED', message, details: {} })
  }
  const tell: OnEvent = (event) => {
    for (const listener of listeners) {
      try {
        const told: unknown = listener(event)
        // One that works on by itself fails by itself.
        if (told instanceof Promise) told.catch((error: unknown) => fail(listener, error))
      } catch (error) {
        fail(listener, error)
      }
    }
  }
  return tell
}

/** A listener of some kinds alone. */
export function listener(
  of: {
    readonly [Kind in EngineEvent['kind']]?: (event: Extract<EngineEvent, { readonly kind: Kind }>) => void
  },
): OnEvent {
  return (event) => (of[event.kind] as OnEvent | undefined)?.(event)
}
