// Tables whose old days were dropped: they lack what their logs say, and nothing is asked of the others that
// would need it. A check begins with the first batch of which all is there that it reads.

import type { RecordedBatch } from '../batches/progress.ts'
import { quoteIdentifier, quoteText } from '../delta/sql.ts'
import { isComputableAfter, reachOf, reachOfBatch } from '../engines/dropped-history.ts'
import { dayText, type Retained, retainedOf } from '../ops/retained.ts'
import { batchTimeColumn } from '../plan/batch-time.ts'
import { findingsOf, nothingFound } from './check.ts'
import { journalBatches } from './journal.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import type { RunningCheck } from './slice.ts'
import { isStreamedLakehouse } from './streamed.ts'

/** Later than all batches: what a check would need is not there for any of them yet. */
const notYetMicros = 253_402_300_800_000_000n

/** From when on checks can be made. */
export class ProvableTimes {
  readonly #lakehouse: WrittenLakehouse
  /** For what looks back at silver's rows; null where silver has them all. */
  readonly #lookingBack: bigint | null

  private constructor(lakehouse: WrittenLakehouse, lookingBack: bigint | null) {
    this.#lakehouse = lakehouse
    this.#lookingBack = lookingBack
  }

  static async of(lakehouse: WrittenLakehouse): Promise<ProvableTimes> {
    const { events } = lakehouse.paths
    const retained = lakehouse.has(events) ? retainedBy(lakehouse.state(events)) : null
    return new ProvableTimes(lakehouse, retained === null ? null : await computableTime(lakehouse, retained))
  }

  /** For a check that reads these tables; null where it is not bounded by what was dropped. */
  from(paths: readonly string[], looksBack: boolean): bigint | null {
    const known = paths.filter((path) => this.#lakehouse.has(path))
    const times = known.map((path) => retainedBy(this.#lakehouse.state(path))?.keptFromMicros ?? null)
    const isOfEvents = looksBack && paths.includes(this.#lakehouse.paths.events)
    const all = [...times, isOfEvents ? this.#lookingBack : null].filter((time) => time !== null)
    return all.reduce<bigint | null>((most, time) => (most === null || time > most ? time : most), null)
  }
}

function retainedBy({ snapshot: { txns } }: TableState): Retained | null {
  return retainedOf(txns)
}

/** The time of the first batch that can be computed again from what silver has. */
async function computableTime(lakehouse: WrittenLakehouse, retained: Retained): Promise<bigint> {
  const { keptFromMicros } = retained
  const { defined, options, definitions } = lakehouse
  const today = reachOf(defined.tables, options.parameters)
  let last: RecordedBatch | null = null
  for await (const { recorded } of journalBatches(lakehouse, keptFromMicros)) {
    const time = recorded?.progress.timeMicros ?? 0n
    if (last !== null && time >= keptFromMicros) {
      const reach = await reachOfBatch(definitions, last, today)
      if (isComputableAfter(last.progress, lakehouse.watermarkNames, reach, retained)) return time
    }
    last = recorded
  }
  return notYetMicros
}

/** What is told of a check that begins later than asked for. */
export function provableNote(fromMicros: bigint): string {
  if (fromMicros === notYetMicros)
    return 'not judged yet: no batch since then has all that it needs of the rows that retention has left'
  const from = new Date(Number(fromMicros / 1000n)).toISOString()
  return `judged from ${from} on: of what is before, retention has dropped rows that the proof needs`
}

/** True for a table some of whose days were dropped. */
export function isRetained(state: TableState): boolean {
  return retainedBy(state) !== null
}

/** What was to be dropped is gone. */
export function checkRetained(lakehouse: WrittenLakehouse, state: TableState): RunningCheck {
  const { definition } = state
  const retained = retainedBy(state)!
  const column = batchTimeColumn(lakehouse.defined, definition)
  // Rows of a streaming query have other times than their batches.
  const isOfQueries = definition.path === lakehouse.paths.records && isStreamedLakehouse(lakehouse)
  return {
    async finish() {
      const before = dayText(retained.keptFromMicros)
      const proved = `rows of batches before ${before} were dropped; all that is proved is of later ones`
      if (column === null || isOfQueries) return { proved, findings: nothingFound }
      const name = quoteIdentifier(column)
      const range = { fromMicros: null, toMicros: retained.keptFromMicros - 1n }
      const left = `SELECT ${name}, 'is of a day that was dropped' AS problem, ${quoteText(column)} AS "column",
        CAST(${name} AS VARCHAR) AS found, '${before} or later' AS expected
      FROM (${lakehouse.rowsWithin(definition.path, column, range)})`
      return { proved, findings: await findingsOf(lakehouse.connection, left, [column]) }
    },
  }
}
