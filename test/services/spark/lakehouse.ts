// A lakehouse that Spark carries from a broker, judged by the oracle: all nine tables, or the few that are
// enough where the question is what happens to a batch.
import { join } from 'node:path'
import { expect } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { batchesOfLog } from '../../compare/batches-of-log.ts'
import { judgeStreamedLakehouse } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { type RawRecord, type Tables, tableNames } from '../../oracle/rows.ts'
import { type Assay, type Ended, runAssay, type Settings, startAssay } from '../pipeline/assay.ts'
import { fewTables } from './few-tables/assay.config.ts'

export function tablesOf({ DELTA_BASE_PATH: base }: Settings): Promise<Tables> {
  return readTables(base!)
}

/** All tables against what the oracle computes from the records and the batches of silver's log. */
export async function expectRight(of: Settings, raw: readonly RawRecord[], found?: Tables): Promise<Tables> {
  const tables = found ?? (await tablesOf(of))
  const batches = await batchesOfLog(of.DELTA_BASE_PATH!)
  expect(judgeStreamedLakehouse(raw, tables, batches)).toEqual([])
  return tables
}

const fewTablesDirectory = join(import.meta.dirname, 'few-tables')
const fewPaths = fewTables.tables.map(({ path }) => path)
const otherTables = tableNames.filter((name) => !fewPaths.includes(name))

/** Starts `assay` for the lakehouse of few tables. */
export function startFew(args: readonly string[], settings: Settings): Assay {
  return startAssay([...args, '--project', fewTablesDirectory], settings)
}

/** Runs it to its end, which must be a good one. */
export function runFew(args: readonly string[], settings: Settings): Promise<Ended> {
  return runAssay([...args, '--project', fewTablesDirectory], settings)
}

/** As `expectRight`, of the lakehouse of few tables. */
export async function expectFewRight(
  of: Settings,
  raw: readonly RawRecord[],
  found?: Tables,
): Promise<Tables> {
  const tables = found ?? (await tablesOf(of))
  const batches = await batchesOfLog(of.DELTA_BASE_PATH!)
  // The oracle knows nine tables: of those that are not there it misses every row.
  const told = judgeStreamedLakehouse(raw, tables, batches).filter(
    (difference) => !otherTables.some((name) => difference.startsWith(name)),
  )
  expect(told).toEqual([])
  expect(otherTables.filter((name) => tables[name].length > 0)).toEqual([])
  return tables
}

/**
 * Waits until silver's log has taken over so many offsets, or until the run that should bring them has ended;
 * the test's time-out ends the wait.
 */
export async function silverHas(
  { DELTA_BASE_PATH: base }: Settings,
  count: number,
  by?: Assay,
): Promise<void> {
  const directory = join(base!, 'silver/transactions')
  const { signal } = new AbortController()
  for (;;) {
    const taken = (await batchesOfLog(base!).catch(() => [])).flatMap(({ ranges }) => ranges)
    if (taken.reduce((sum, { start, end }) => sum + Number(end - start), 0) >= count) return
    if (by?.hasEnded()) throw new Error(`the run has ended:\n${by.log()}`)
    if (await DeltaTable.exists(directory)) {
      const table = await DeltaTable.open(directory)
      await table.waitForVersion((await table.snapshot()).version, 1_000, signal)
    } else await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** The ids of the streaming queries that have written bronze. */
export async function queriesOf({ DELTA_BASE_PATH: base }: Settings): Promise<string[]> {
  const { txns } = await (await DeltaTable.open(join(base!, 'bronze/transactions'))).snapshot()
  return [...txns.keys()].filter((id) => /^[0-9a-f-]{36}$/.test(id))
}
