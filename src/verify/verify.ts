// `assay verify`: proves from the tables alone that they are what the input and the definitions say. It reads
// the logs and the rows, nothing else: no checkpoint, no Kafka, and none of the engines' own state.

import { counted } from '../errors/counted.ts'
import { AssertionError } from '../errors/errors.ts'
import { batchesPath } from '../ops/batches.ts'
import {
  hasClosingRows,
  inputStream,
  isOfInput,
  type Lakehouse,
  sessionsIn,
  type TableDefinition,
  windowOf,
} from '../plan/index.ts'
import { checkOffsets } from './bronze.ts'
import { type CheckResult, findingsToldMax, nothingFound, type Verdict } from './check.ts'
import { checkDerivedRows, sourcesOf } from './derived-rows.ts'
import { checkFiles, showReadable, withFiles } from './files.ts'
import {
  rowsOfFiles,
  type TableState,
  type UnopenedTable,
  type VerifyOptions,
  WrittenLakehouse,
} from './lakehouse.ts'
import { batchesOf, type CommitJudge } from './logged-batches.ts'
import { LogJudge } from './logs.ts'
import { asksForWatermark } from './plans.ts'
import { checkQuarantineRows } from './quarantine.ts'
import { checkNoRepeats } from './repeats.ts'
import { checkRetained, isRetained, ProvableTimes, provableNote } from './retained.ts'
import { checkSecondReading } from './second-reading.ts'
import { checkSessions } from './sessions.ts'
import { checkSilverRows, checkSplit } from './silver.ts'
import { type RunningCheck, type Slice, sliceOf, slicesOf } from './slice.ts'
import { checkNoneLate, checkWatermarks } from './watermarks.ts'
import { checkWindows } from './windows.ts'

export type Verification = { readonly ok: boolean; readonly checks: readonly CheckResult[] }

type Check = {
  readonly name: string
  readonly tables: (table: TableDefinition) => boolean
  /** Other tables that it reads. */
  readonly reads: (table: TableDefinition) => readonly string[]
  /** True where a row is judged by rows of earlier batches, or a window of several. */
  readonly looksBack?: true
  readonly start: (lakehouse: WrittenLakehouse, state: TableState, logs: LogJudge) => RunningCheck
}

const looksBack = true
const always = (): boolean => true
const only =
  (path: string, isAsked = true) =>
  (table: TableDefinition): boolean =>
    isAsked && table.path === path
const reading =
  (...paths: readonly string[]) =>
  (): readonly string[] =>
    paths
const isWindowed = ({ rows }: TableDefinition): boolean => windowOf(rows.node) !== null
const isOfSessions = ({ rows }: TableDefinition): boolean => sessionsIn(rows.node) !== null
const closes = ({ rows }: TableDefinition): boolean => hasClosingRows(rows.node)

/** For logs that were judged before. */
const noJudge: CommitJudge = {
  onCommit: () => undefined,
  onBatch: () => undefined,
  onRemoval: () => undefined,
  onMove: () => undefined,
  onJournal: () => undefined,
  onUnnoted: () => undefined,
}

const ofLogs = (
  verdict: (logs: LogJudge, lakehouse: WrittenLakehouse, state: TableState) => Verdict,
): Check['start'] => {
  return (lakehouse, state, logs) => ({ finish: async () => verdict(logs, lakehouse, state) })
}

/** In the order in which they are told for each table. */
function checksOf(lakehouse: Lakehouse): readonly Check[] {
  const [records, events, refused] = [lakehouse.records, lakehouse.events, lakehouse.refused].map(
    ({ path }) => path,
  ) as [string, string, string]
  const isReadAgain = lakehouse.reading !== undefined
  const refusesLate = asksForWatermark(lakehouse.events.rows.node)
  return [
    {
      name: 'commits',
      tables: always,
      reads: reading(),
      start: ofLogs((logs, written, state) => logs.commitsOf(written, state)),
    },
    {
      name: 'agreement',
      tables: always,
      reads: reading(),
      start: ofLogs((logs, written, state) => logs.agreementOf(written, state)),
    },
    { name: 'offsets', tables: only(records), reads: reading(), start: checkOffsets },
    { name: 'split', tables: only(events), reads: reading(records, refused), looksBack, start: checkSplit },
    { name: 'rows', tables: only(events), reads: reading(records), start: checkSilverRows },
    {
      name: 'second reading',
      tables: only(events, isReadAgain),
      reads: reading(records, refused),
      looksBack,
      start: checkSecondReading,
    },
    { name: 'watermarks', tables: only(events), reads: reading(records), start: checkWatermarks },
    { name: 'none late', tables: only(events, refusesLate), reads: reading(records), start: checkNoneLate },
    { name: 'no repeats', tables: only(events), reads: reading(), start: checkNoRepeats },
    {
      name: 'rows',
      tables: only(refused),
      reads: reading(records, events),
      looksBack,
      start: checkQuarantineRows,
    },
    {
      name: 'rows',
      tables: (table) => !closes(table) && !isOfInput(lakehouse, table.path),
      reads: (table) => sourcesOf(lakehouse, table),
      looksBack,
      start: checkDerivedRows,
    },
    { name: 'windows', tables: isWindowed, reads: reading(events), looksBack, start: checkWindows },
    { name: 'sessions', tables: isOfSessions, reads: reading(events), looksBack, start: checkSessions },
  ]
}

/** Verifies all tables, or one of them; `onCheck` is told each result as it is there. */
export async function verifyLakehouse(
  options: VerifyOptions,
  only: string | null,
  onCheck: (result: CheckResult) => void = () => undefined,
): Promise<Verification> {
  const { tables } = options.lakehouse
  const lakehouse = await WrittenLakehouse.open(options)
  const results: CheckResult[] = []
  const tell = (result: CheckResult): void => {
    results.push(result)
    onCheck(result)
  }
  try {
    for (const unopened of lakehouse.unopened) {
      if (only === null || only === unopened.definition.path) tell(unopenedResult(unopened, lakehouse))
    }
    const chosen = tables.filter(({ path }) => lakehouse.has(path) && (only === null || only === path))
    // Files first, of all tables: the other checks then read what can be read, and tell what is missing.
    for (const state of lakehouse.states.values()) {
      if (!chosen.includes(state.definition)) await showReadable(lakehouse, state)
    }
    const logs = new LogJudge()
    const provable = await ProvableTimes.of(lakehouse)
    const atWork = chosen.flatMap((table) => checksAtWork(lakehouse, table, logs, provable))
    lakehouse.work.total = workOf(lakehouse, chosen, atWork)
    for (const { path } of chosen) {
      const about = { name: 'files', path, reads: [], fromMicros: null }
      const judged = new CheckAtWork(lakehouse, about, (state) => ({
        finish: () => checkFiles(lakehouse, state),
      }))
      tell(await judged.finish())
    }
    const isChosen = (path: string): boolean => chosen.some((table) => table.path === path)
    for await (const result of resultsOf(lakehouse, atWork, isChosen, logs)) tell(result)
    lakehouse.work.add(lakehouse.work.total)
    if (only === null && lakehouse.journal !== null) {
      tell(resultOf({ table: batchesPath, check: 'agreement' }, logs.journalVerdict()))
    }
  } finally {
    await lakehouse.close()
  }
  return { ok: results.every(({ ok }) => ok), checks: results }
}

function checksAtWork(
  lakehouse: WrittenLakehouse,
  table: TableDefinition,
  logs: LogJudge,
  provable: ProvableTimes,
): CheckAtWork[] {
  const { path } = table
  const since = lakehouse.sinceMicros
  const checks = checksOf(lakehouse.defined)
    .filter((check) => check.tables(table))
    .map(({ name, reads: readsOf, looksBack = false, start }) => {
      const reads = readsOf(table)
      const isOfLog = name === 'commits' || name === 'agreement'
      const from = isOfLog ? null : provable.from([path, ...reads], looksBack)
      const fromMicros = from === null || (since !== null && since >= from) ? null : from
      const begin = (state: TableState): RunningCheck => start(lakehouse, state, logs)
      return new CheckAtWork(lakehouse, { name, path, reads, fromMicros }, begin)
    })
  if (!isRetained(lakehouse.state(path))) return checks
  const about = { name: 'retention', path, reads: [], fromMicros: null }
  return [...checks, new CheckAtWork(lakehouse, about, (state) => checkRetained(lakehouse, state))]
}

/**
 * The results in the order of the checks. Those that begin with one batch are made side by side; where old
 * days were dropped, those that begin later come after them.
 */
async function* resultsOf(
  lakehouse: WrittenLakehouse,
  atWork: readonly CheckAtWork[],
  isChosen: (path: string) => boolean,
  logs: LogJudge,
): AsyncGenerator<CheckResult> {
  const since = lakehouse.sinceMicros
  const results = new Map<CheckAtWork, CheckResult>()
  let told = 0
  // The logs are read from where they were asked for, also where no check begins there.
  const beginnings = new Set([null, ...atWork.map(({ fromMicros }) => fromMicros)])
  for (const fromMicros of beginnings) {
    lakehouse.judgeFrom(fromMicros ?? since)
    const those = atWork.filter((check) => check.fromMicros === fromMicros)
    const batches = batchesOf(lakehouse, isChosen, fromMicros === null ? logs : noJudge)
    for await (const slice of slicesOf(lakehouse, batches)) {
      lakehouse.periods.take({
        fromMicros: slice.range.fromMicros,
        deduplication: slice.deduplication,
      })
      await slice.show()
      await lakehouse.erased.place(slice.batches, sliceOf.batches)
      for (const check of those) await check.slice(slice)
    }
    for (const check of those) {
      results.set(check, await check.finish())
      for (let next = results.get(atWork[told]!); next !== undefined; next = results.get(atWork[told]!)) {
        told += 1
        yield next
      }
    }
  }
  lakehouse.judgeFrom(since)
}

/** In rows: those of the files, those judged slice by slice, and those judged by the rows around them. */
function workOf(
  lakehouse: WrittenLakehouse,
  chosen: readonly TableDefinition[],
  atWork: readonly CheckAtWork[],
): number {
  const rowsOf = (path: string): number => {
    return lakehouse.has(path) ? Number(rowsOfFiles(lakehouse.filesToJudge(lakehouse.state(path))) ?? 0n) : 0
  }
  const inFiles = chosen.reduce((sum, { path }) => sum + rowsOf(path), 0)
  const { records, events } = lakehouse.paths
  const inSlices = rowsOf(records) * atWork.filter(({ isOfSlices }) => isOfSlices).length
  const ofEvents = chosen.filter((table) => table.path === events || closes(table))
  return inFiles + inSlices + rowsOf(events) * ofEvents.length
}

type CheckFacts = {
  readonly name: string
  readonly path: string
  readonly reads: readonly string[]
  /** The first batch is not before this instant; null where it begins as was asked for. */
  readonly fromMicros: bigint | null
}

/** A check of one table: what stops it is told as its result, and does not stop the others. */
class CheckAtWork {
  readonly #lakehouse: WrittenLakehouse
  readonly #about: CheckFacts
  #running: RunningCheck | null = null
  #obstacle: string | null = null

  constructor(lakehouse: WrittenLakehouse, about: CheckFacts, start: (state: TableState) => RunningCheck) {
    this.#lakehouse = lakehouse
    this.#about = about
    const missing = about.reads.filter((name) => !lakehouse.has(name))
    if (missing.length > 0) this.#obstacle = `${missing.join(', ')} cannot be read`
    else this.#running = start(lakehouse.state(about.path))
  }

  get fromMicros(): bigint | null {
    return this.#about.fromMicros
  }

  get isOfSlices(): boolean {
    return this.#running?.slice !== undefined
  }

  async slice(slice: Slice): Promise<void> {
    if (this.#obstacle === null) await this.#attempt(async () => this.#running?.slice?.(slice))
    if (this.isOfSlices) this.#lakehouse.work.add(slice.rowCount)
  }

  async finish(): Promise<CheckResult> {
    const { path, name, reads, fromMicros } = this.#about
    const about = { table: path, check: name }
    const lakehouse = this.#lakehouse
    let result: CheckResult | null = null
    if (this.#obstacle === null) {
      await this.#attempt(async () => {
        const judged = resultOf(about, await this.#running!.finish())
        const compared = [path, ...reads].map((one) => lakehouse.state(one))
        const notes = fromMicros === null ? judged.notes : [...judged.notes, provableNote(fromMicros)]
        result = { ...judged, notes, findings: await withFiles(lakehouse, compared, judged.findings) }
      })
    }
    if (result !== null) return result
    const message = `not checked: ${this.#obstacle}`
    return { ...about, ok: false, message, failures: 1n, findings: [], notes: [], hint: null }
  }

  async #attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      if (error instanceof AssertionError || !(error instanceof Error)) throw error
      this.#obstacle = error.message.split('\n')[0]!
    }
  }
}

function unopenedResult(
  { definition, failure, isLost }: UnopenedTable,
  lakehouse: WrittenLakehouse,
): CheckResult {
  const result = { table: definition.path, check: 'log', findings: [], notes: [], hint: null }
  const failed = (message: string): CheckResult => ({ ...result, ok: false, failures: 1n, message })
  if (failure !== null) return failed(failure.message)
  if (isLost) return failed('the table is gone, although silver says that batches were carried to it')
  const message = `not written yet: run "assay run ${definition.stream}"`
  if (definition.stream === inputStream(lakehouse.defined)) return failed(message)
  return { ...result, ok: true, failures: 0n, message }
}

function resultOf(about: { table: string; check: string }, verdict: Verdict): CheckResult {
  const { proved, findings = nothingFound, notes = [], hint = null } = verdict
  const ok = findings.count === 0n
  const told = findings.count > BigInt(findingsToldMax) ? `, the first ${findingsToldMax}` : ''
  const message = ok ? proved : `${counted(findings.count, 'finding')}${told}:`
  return { ...about, ok, message, failures: findings.count, findings: findings.first, notes, hint }
}
