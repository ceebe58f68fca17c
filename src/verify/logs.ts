// What the logs say of the batches: in no table anything goes back, and the tables agree.

import type { Progress } from '../batches/progress.ts'
import { counted } from '../errors/counted.ts'
import { watermarkNames } from '../plan/index.ts'
import { type Finding, type Findings, findingsToldMax, type Verdict } from './check.ts'
import type { Lakehouse, TableState } from './lakehouse.ts'
import type { BatchCommit, CommitJudge } from './logged-batches.ts'

const silver = 'silver/transactions'
const bronze = 'bronze/transactions'

/** Judges the commits as they are read; then says what it found of each table. */
export class LogJudge implements CommitJudge {
  readonly #tables = new Map<string, TableLog>()

  onCommit(state: TableState, commit: BatchCommit): void {
    const log = this.#logOf(state)
    if (log.last !== null) {
      judgeStep(log.last, commit, (column, found, expected) => {
        log.goesBack.add(stepFinding(commit, column, found, expected))
      })
    }
    log.first ??= commit
    log.last = commit
    log.commits += 1
  }

  onBatch(state: TableState, { version, progress }: BatchCommit, recorded: Progress): void {
    const log = this.#logOf(state)
    log.compared += 1
    const at = { version: String(version), batch: String(progress.batch) }
    const compare = (column: string, found: string, expected: string): void => {
      if (found === expected) return
      log.disagrees.add({ at, problem: 'disagrees with silver', column, found, expected })
    }
    compare('time', String(progress.timeMicros), String(recorded.timeMicros))
    compare('offsets', offsetsText(progress), offsetsText(recorded))
    compare('event_time_max', String(progress.eventTimeMaxMicros), String(recorded.eventTimeMaxMicros))
    compare('finalized_to', String(progress.finalizedToMicros), String(recorded.finalizedToMicros))
  }

  /** Batches, times, offsets and watermarks of a table never go back, and the txn is the last of them. */
  commitsOf(state: TableState): Verdict {
    const log = this.#logOf(state)
    const { last } = log
    const txn = state.progress
    if (last !== null && txn !== null && last.progress.batch !== txn.batch) {
      const expected = `batch ${last.progress.batch}, as in the newest commit`
      log.goesBack.add(stepFinding(last, 'txn', txn.batch, expected))
    }
    const from = state.isLogWhole ? '' : ` (the log begins at version ${log.first?.version ?? '?'})`
    return {
      proved: `batches, times, offsets and watermarks of ${counted(log.commits, 'commit')} never go back${from}`,
      findings: log.goesBack.findings,
    }
  }

  /** The table's commits beside silver's of the same batches: one time, the same offsets. Lags are told. */
  agreementOf(lakehouse: Lakehouse, state: TableState): Verdict {
    const log = this.#logOf(state)
    const { path, stream } = state.definition
    const newest = lakehouse.has(bronze) ? lakehouse.state(bronze).doneBatch : state.doneBatch
    const behind = newest - state.doneBatch
    // A table without rows in the newest batch has no commit of it; that is only known when the next one is
    // there.
    const isLagging = behind > (path === bronze || path === silver ? 0n : 1n)
    const lag = `it is ${counted(behind, 'batch', 'batches')} behind bronze: run "assay run ${stream}"`
    return {
      proved: `${counted(log.compared, 'commit')} in agreement with the other tables`,
      findings: log.disagrees.findings,
      notes: isLagging ? [lag] : [],
    }
  }

  #logOf({ definition: { path } }: TableState): TableLog {
    const log = this.#tables.get(path) ?? new TableLog()
    this.#tables.set(path, log)
    return log
  }
}

class TableLog {
  first: BatchCommit | null = null
  last: BatchCommit | null = null
  commits = 0
  compared = 0
  readonly goesBack = new FindingList()
  readonly disagrees = new FindingList()
}

/** All findings are counted, the first are kept. */
class FindingList {
  #count = 0n
  readonly #first: Finding[] = []

  add(finding: Finding): void {
    this.#count += 1n
    if (this.#first.length < findingsToldMax) this.#first.push(finding)
  }

  get findings(): Findings {
    return { count: this.#count, first: this.#first }
  }
}

function stepFinding(commit: BatchCommit, column: string, found: unknown, expected: string): Finding {
  const at = { version: String(commit.version), batch: String(commit.progress.batch) }
  return { at, problem: 'goes back', column, found: String(found), expected }
}

function judgeStep(
  { plan: planBefore, progress: before }: BatchCommit,
  { plan, progress }: BatchCommit,
  find: (column: string, found: unknown, expected: string) => void,
): void {
  if (progress.batch <= before.batch) find('batch', progress.batch, `more than ${before.batch}`)
  if (progress.timeMicros <= before.timeMicros)
    find('time', progress.timeMicros, `more than ${before.timeMicros}`)
  for (const [key, { topic, partition, offset }] of before.offsets) {
    const now = progress.offsets.get(key)?.offset ?? null
    // A version that recorded no plans had the progress of files in every commit.
    if (now === null && planBefore === null && plan !== null) continue
    if (now === null || now < offset) find(`offset of ${topic}-${partition}`, now, `${offset} or more`)
  }
  const instants: [string, bigint | null, bigint | null][] = [
    ['finalized_to', before.finalizedToMicros, progress.finalizedToMicros],
    ['event_time_max', before.eventTimeMaxMicros, progress.eventTimeMaxMicros],
    ...watermarkNames.map((name): [string, bigint | null, bigint | null] => {
      return [`watermark ${name}`, before.watermarks[name], progress.watermarks[name]]
    }),
  ]
  for (const [name, was, is] of instants) {
    if (was !== null && (is === null || is < was)) find(name, is, `${was} or more`)
  }
}

function offsetsText(progress: Progress): string {
  return [...progress.offsets.values()]
    .map(({ topic, partition, offset }) => `${topic}-${partition}@${offset}`)
    .sort()
    .join(' ')
}
