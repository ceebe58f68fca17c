// What the logs say of the batches: in no table anything goes back, and the tables agree.

import { planToJson } from '../batches/plan.ts'
import type { Progress, RecordedBatch, Watermarks } from '../batches/progress.ts'
import type { ForeignRemoval } from '../delta/index.ts'
import { hasRecords } from '../engines/erased-rows.ts'
import { counted } from '../errors/counted.ts'
import type { Lakehouse } from '../plan/index.ts'
import { type Finding, type Findings, findingsToldMax, type Verdict, valueText } from './check.ts'
import type { NotedBatch } from './journal.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import type { BatchCommit, CommitJudge } from './logged-batches.ts'

/** Judges the commits as they are read; then says what it found of each table. */
export class LogJudge implements CommitJudge {
  readonly #tables = new Map<string, TableLog>()
  readonly #journal = { last: null as bigint | null, batches: 0, compared: 0, disagrees: new FindingList() }

  onCommit(state: TableState, commit: BatchCommit): void {
    const log = this.#logOf(state)
    if (log.last !== null) {
      judgeStep(log.last.recorded, commit, (column, found, expected) => {
        log.goesBack.add(stepFinding(commit, column, found, expected))
      })
    }
    log.first ??= commit
    log.last = commit
    log.commits += 1
  }

  onBatch(state: TableState, { version, recorded: found }: BatchCommit, recorded: RecordedBatch): void {
    const log = this.#logOf(state)
    log.compared += 1
    const at = { version: String(version), batch: String(found.progress.batch) }
    for (const difference of differencesOf(found, recorded)) {
      log.disagrees.add({ at, problem: 'disagrees with silver', ...difference })
    }
  }

  /** Rows that a RESTORE took are brought back by the next run. */
  onRemoval(state: TableState, removal: ForeignRemoval): void {
    if (removal.operation !== 'RESTORE') this.#logOf(state).removals.push(removal)
  }

  /** What the table has from then on follows the batch that it was taken to. */
  onMove(state: TableState, to: BatchCommit): void {
    this.#logOf(state).last = to
  }

  onJournal({ batch, recorded: noted }: NotedBatch, recorded: RecordedBatch | null): void {
    const journal = this.#journal
    const at = { batch: String(batch) }
    const next = journal.last === null ? batch : journal.last + 1n
    if (batch !== next) {
      const problem = batch < next ? 'is there more than once' : 'does not follow the batch before it'
      journal.disagrees.add({ at, problem, column: 'batch', found: String(batch), expected: String(next) })
    }
    journal.last = batch
    journal.batches += 1
    if (noted === null) {
      const problem = 'its plan or its outcome cannot be read'
      journal.disagrees.add({ at, problem, column: null, found: null, expected: null })
    }
    if (recorded === null || noted === null) return
    journal.compared += 1
    for (const difference of differencesOf(noted, recorded)) {
      journal.disagrees.add({ at, problem: 'disagrees with the logs', ...difference })
    }
  }

  onUnnoted(batch: bigint): void {
    const finding = { problem: 'is in the logs, and not noted', column: null, found: null, expected: null }
    this.#journal.disagrees.add({ at: { batch: String(batch) }, ...finding })
  }

  /** Batches, times, offsets and watermarks of a table never go back, and the txn is the last of them. */
  commitsOf({ erased, defined }: WrittenLakehouse, state: TableState): Verdict {
    const log = this.#logOf(state)
    const { path } = state.definition
    for (const { version, operation } of log.removals) {
      if (erased.isAdopted(path, version)) continue
      const problem = `another program removed rows (${operation}), ${adviceOnRemoval(defined, path, version)}`
      log.goesBack.add({
        at: { version: String(version) },
        problem,
        column: null,
        found: null,
        expected: null,
      })
    }
    const { last } = log
    const txn = state.progress
    if (last !== null && txn !== null && last.recorded.progress.batch !== txn.batch) {
      const expected = `batch ${last.recorded.progress.batch}, as in the newest commit`
      log.goesBack.add(stepFinding(last, 'txn', txn.batch, expected))
    }
    const from = state.isLogWhole ? '' : ` (the log begins at version ${log.first?.version ?? '?'})`
    return {
      proved: `batches, times, offsets and watermarks of ${counted(log.commits, 'commit')} never go back${from}`,
      findings: log.goesBack.findings,
    }
  }

  /** The table's commits beside silver's of the same batches: one time, the same offsets. Lags are told. */
  agreementOf(lakehouse: WrittenLakehouse, state: TableState): Verdict {
    const log = this.#logOf(state)
    const { path, stream } = state.definition
    const { records, events } = lakehouse.paths
    const newest = lakehouse.has(records) ? lakehouse.state(records).doneBatch : state.doneBatch
    const behind = newest - state.doneBatch
    // A table without rows in the newest batch has no commit of it; that is only known when the next one is
    // there.
    const isLagging = behind > (path === records || path === events ? 0n : 1n)
    const lag = `it is ${counted(behind, 'batch', 'batches')} behind bronze: run "assay run ${stream}"`
    return {
      proved: `${counted(log.compared, 'commit')} in agreement with the other tables`,
      findings: log.disagrees.findings,
      notes: isLagging ? [lag] : [],
    }
  }

  /** What `ops/batches` notes is what the logs say, batch after batch without a gap. */
  journalVerdict(): Verdict {
    const { batches, compared, disagrees } = this.#journal
    return {
      proved: `${counted(batches, 'batch', 'batches')} without a gap, ${compared} of them in the logs, which say the same`,
      findings: disagrees.findings,
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
  readonly removals: ForeignRemoval[] = []
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

function adviceOnRemoval(defined: Lakehouse, path: string, version: bigint): string {
  if (hasRecords(defined, path))
    return `if it was meant: assay erase --adopt ${path.replaceAll('/', '.')} ${version}`
  return 'if it was meant, remove the directory of the table: the next run makes it anew from silver'
}

function stepFinding(commit: BatchCommit, column: string, found: unknown, expected: string): Finding {
  const at = { version: String(commit.version), batch: String(commit.recorded.progress.batch) }
  return { at, problem: 'goes back', column, found: String(found), expected }
}

function judgeStep(
  { progress: before }: RecordedBatch,
  { recorded: { progress } }: BatchCommit,
  find: (column: string, found: unknown, expected: string) => void,
): void {
  if (progress.batch <= before.batch) find('batch', progress.batch, `more than ${before.batch}`)
  if (progress.timeMicros <= before.timeMicros)
    find('time', progress.timeMicros, `more than ${before.timeMicros}`)
  for (const [key, { topic, topicId, partition, offset }] of before.offsets) {
    const now = progress.offsets.get(key)?.offset ?? null
    // A version that recorded no plans had the progress of files, which have no id, in every commit; batches
    // of a topic keep it there until files are read again.
    if (now === null && topicId === undefined && partition === 0) continue
    if (now === null || now < offset) find(`offset of ${topic}-${partition}`, now, `${offset} or more`)
  }
  const instants: [string, bigint | null, bigint | null][] = [
    ['finalized_to', before.finalizedToMicros, progress.finalizedToMicros],
    ['event_time_max', before.eventTimeMaxMicros, progress.eventTimeMaxMicros],
    ...Object.entries(before.watermarks).map(([name, was]): [string, bigint | null, bigint | null] => {
      return [`watermark ${name}`, was, progress.watermarks[name] ?? null]
    }),
  ]
  for (const [name, was, is] of instants) {
    if (was !== null && (is === null || is < was)) find(name, is, `${was} or more`)
  }
}

type Difference = Pick<Finding, 'column' | 'found' | 'expected'>

/** In what two records of one batch are not the same. What a version did not record is not compared. */
function differencesOf(found: RecordedBatch, expected: RecordedBatch): Difference[] {
  const compared: [string, string | null, string | null][] = [
    ['plan', planText(found), planText(expected)],
    ['counts', countsText(found), countsText(expected)],
    ...outcomeTexts(found.progress).map(([name, text], index): [string, string, string] => {
      return [name, text, outcomeTexts(expected.progress)[index]![1]]
    }),
  ]
  return compared.flatMap(([column, one, other]) => {
    if (one === null || other === null || one === other) return []
    return [{ column, found: valueText(one), expected: valueText(other) }]
  })
}

function planText({ plan }: RecordedBatch): string | null {
  return plan === null ? null : JSON.stringify(planToJson(plan))
}

function countsText({ counts }: RecordedBatch): string | null {
  return counts === null
    ? null
    : `${counts.records} read, ${counts.silver} in silver, ${counts.quarantined} refused`
}

function watermarksText(watermarks: Watermarks): string {
  const names = Object.keys(watermarks).sort()
  return names.map((name) => `${name} ${watermarks[name]}`).join(', ')
}

function outcomeTexts(progress: Progress): [name: string, text: string][] {
  const { partitions, watermarks } = progress
  return [
    ['time', String(progress.timeMicros)],
    ['offsets', offsetsText(progress)],
    ['event_time_max', String(progress.eventTimeMaxMicros)],
    ['finalized_to', String(progress.finalizedToMicros)],
    ['watermarks', watermarksText(watermarks)],
    [
      'partitions',
      [...partitions.values()]
        .map((one) => `${one.topic}-${one.partition} ${one.eventTimeMaxMicros} ${one.recordsSinceValid}`)
        .sort()
        .join(', '),
    ],
  ]
}

/** Commits tell of files only what they read, and that stands in the plan. */
function offsetsText(progress: Progress): string {
  return [...progress.offsets.values()]
    .filter(({ isFile }) => isFile !== true)
    .map(({ topic, partition, offset }) => `${topic}-${partition}@${offset}`)
    .sort()
    .join(' ')
}
