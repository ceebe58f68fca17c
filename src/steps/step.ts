// Named steps: the moments between which the outside world changes. A process may die, pause or meet a broken
// disk at each of them, and the tables must not care. Tests set a hook; without one a step costs nothing.

/** In the order in which a run comes to them first. A test kills a process at every one of them. */
export const stepNames = [
  'table created',
  'lock taken',
  'commit prepared', // The text of a commit is on the disk, under a temporary name.
  'commit decided', // The version to write is chosen, and nobody else has it yet.
  'commit linked', // The commit has its name, which is not durable yet.
  'commit durable',
  'table claimed',
  'recent silver loaded',
  'batch cut',
  'records loaded',
  'batch begun',
  'rows written', // As Parquet files, not durable yet.
  'rows staged',
  'all tables staged',
  'table committed',
  'all tables committed',
  'batch ended',
  'files noted',
  'batches noted',
  'progress reported',
  'checkpoint written', // Under a temporary name.
  'checkpoint named',
  'checkpoint complete',
  'compaction planned',
  'compaction written',
  'compaction ended',
  'finalize begun',
  'lock released',
] as const

/** In the order in which `assay erase` comes to them first. */
export const erasureStepNames = [
  'pause asked for', // Runs see it, and have not paused yet.
  'all runs paused',
  'erasure noted', // In ops/erased; the rows are still there.
  'rows erased', // Of one table.
  'log purged', // Of one table.
  'erasure carried',
] as const

/** While a run drops days; the steps of its commits come in between. */
export const retentionStepNames = [
  'days chosen', // Of one table.
  'days dropped',
] as const

/** In the order in which `assay backup` and `assay restore` come to them. */
export const copyStepNames = [
  'copy begun', // Its place says so.
  'tables copied', // All files are there, and the place does not say so yet.
  'copy named',
] as const

/** In the order in which a run beside an erasure comes to them. */
export const pauseStepNames = [
  'run paused', // It has given up its locks.
  'run taken up', // The erasure has ended; the locks are still to be taken.
] as const

/** In the order in which the telling of alerts comes to them first. */
export const alertStepNames = [
  'transactions judged', // By the routes; nothing of it is noted.
  'alerts noted', // With the notifications that tell of them, and how far transactions were judged.
  'notification taken', // By a sink; it is not noted yet.
  'notification noted', // As sent.
] as const

export type StepName =
  | (typeof stepNames)[number]
  | (typeof erasureStepNames)[number]
  | (typeof pauseStepNames)[number]
  | (typeof alertStepNames)[number]
  | (typeof retentionStepNames)[number]
  | (typeof copyStepNames)[number]
export type StepHook = (name: StepName) => Promise<void> | void

let hook: StepHook | null = null

/** For tests: what happens at every step of this process; null for nothing. */
export function setStepHook(next: StepHook | null): void {
  hook = next
}

export function step(name: StepName): Promise<void> | void {
  return hook?.(name)
}
