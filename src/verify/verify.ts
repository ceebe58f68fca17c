// `assay verify`: proves from the tables alone that they are what the input and the definitions say. It reads
// the logs and the rows, nothing else: no checkpoint, no Kafka, and none of the engines' own state.

import { windowOf } from '../batches/planner.ts'
import { counted } from '../errors/counted.ts'
import { AssertionError } from '../errors/errors.ts'
import { tables } from '../lakehouse/pipeline.ts'
import { checkOffsets } from './bronze.ts'
import { type CheckResult, findingsToldMax, nothingFound, type Verdict } from './check.ts'
import { checkFiles, showReadable, withFiles } from './files.ts'
import { checkFraudRows } from './fraud.ts'
import { Lakehouse, type TableState, type UnopenedTable, type VerifyOptions } from './lakehouse.ts'
import { checkAgreement, checkCommits, checkWatermarks } from './progress.ts'
import {
  bronzePath,
  checkNoneLate,
  checkNoRepeats,
  checkQuarantineRows,
  checkSilverRows,
  checkSplit,
  quarantinePath,
  silverPath,
} from './silver.ts'
import { checkWindows } from './windows.ts'

export type Verification = { readonly ok: boolean; readonly checks: readonly CheckResult[] }

type Check = {
  readonly name: string
  readonly tables: (path: string) => boolean
  /** Other tables that it reads. */
  readonly reads: readonly string[]
  readonly run: (lakehouse: Lakehouse, state: TableState) => Promise<Verdict>
}

const always = (): boolean => true
const only =
  (path: string) =>
  (other: string): boolean =>
    other === path
const isWindowed = (path: string): boolean => {
  const definition = tables.find((table) => table.path === path)
  return definition !== undefined && windowOf(definition.rows.node) !== null
}

/** In the order in which they are run for each table. */
const checks: readonly Check[] = [
  { name: 'files', tables: always, reads: [], run: checkFiles },
  { name: 'commits', tables: always, reads: [], run: checkCommits },
  { name: 'agreement', tables: always, reads: [], run: checkAgreement },
  { name: 'offsets', tables: only(bronzePath), reads: [], run: checkOffsets },
  { name: 'split', tables: only(silverPath), reads: [bronzePath, quarantinePath], run: checkSplit },
  { name: 'rows', tables: only(silverPath), reads: [bronzePath], run: checkSilverRows },
  { name: 'watermarks', tables: only(silverPath), reads: [bronzePath], run: checkWatermarks },
  { name: 'none late', tables: only(silverPath), reads: [bronzePath], run: checkNoneLate },
  { name: 'no repeats', tables: only(silverPath), reads: [], run: checkNoRepeats },
  { name: 'rows', tables: only(quarantinePath), reads: [bronzePath, silverPath], run: checkQuarantineRows },
  { name: 'rows', tables: only('fraud_detection'), reads: [silverPath], run: checkFraudRows },
  { name: 'windows', tables: isWindowed, reads: [silverPath], run: checkWindows },
]

/** Verifies all tables, or one of them; `onCheck` is told each result as it is there. */
export async function verifyLakehouse(
  options: VerifyOptions,
  only: string | null,
  onCheck: (result: CheckResult) => void = () => undefined,
): Promise<Verification> {
  const lakehouse = await Lakehouse.open(options)
  const results: CheckResult[] = []
  const tell = (result: CheckResult): void => {
    results.push(result)
    onCheck(result)
  }
  try {
    for (const unopened of lakehouse.unopened) {
      if (only === null || only === unopened.definition.path) tell(unopenedResult(unopened))
    }
    const chosen = tables.filter(({ path }) => lakehouse.has(path) && (only === null || only === path))
    // Files first, of all tables: the other checks then read what can be read, and tell what is missing.
    for (const state of lakehouse.states.values()) {
      if (!chosen.includes(state.definition)) await showReadable(lakehouse, state)
    }
    const [files, ...others] = checks
    for (const { path } of chosen) tell(await runCheck(lakehouse, files!, path))
    for (const { path } of chosen) {
      for (const check of others) if (check.tables(path)) tell(await runCheck(lakehouse, check, path))
    }
  } finally {
    await lakehouse.close()
  }
  return { ok: results.every(({ ok }) => ok), checks: results }
}

function unopenedResult({ definition, failure, isLost }: UnopenedTable): CheckResult {
  const result = { table: definition.path, check: 'log', findings: [], notes: [], hint: null }
  const failed = (message: string): CheckResult => ({ ...result, ok: false, failures: 1n, message })
  if (failure !== null) return failed(failure.message)
  if (isLost) return failed('the table is gone, although silver says that batches were carried to it')
  const message = `not written yet: run "assay run ${definition.stream}"`
  if (definition.stream === 'kafka-to-delta') return failed(message)
  return { ...result, ok: true, failures: 0n, message }
}

async function runCheck(lakehouse: Lakehouse, check: Check, path: string): Promise<CheckResult> {
  const missing = check.reads.filter((name) => !lakehouse.has(name))
  const about = { table: path, check: check.name }
  if (missing.length > 0) {
    const message = `not checked: ${missing.join(', ')} cannot be read`
    return { ...about, ok: false, message, failures: 1n, findings: [], notes: [], hint: null }
  }
  try {
    const state = lakehouse.state(path)
    const compared = check.reads.map((name) => lakehouse.state(name))
    const result = resultOf(about, await check.run(lakehouse, state))
    return { ...result, findings: await withFiles(lakehouse, [state, ...compared], result.findings) }
  } catch (error) {
    if (error instanceof AssertionError || !(error instanceof Error)) throw error
    const message = `not checked: ${error.message.split('\n')[0]}`
    return { ...about, ok: false, message, failures: 1n, findings: [], notes: [], hint: null }
  }
}

function resultOf(about: { table: string; check: string }, verdict: Verdict): CheckResult {
  const { proved, findings = nothingFound, notes = [], hint = null } = verdict
  const ok = findings.count === 0n
  const told = findings.count > BigInt(findingsToldMax) ? `, the first ${findingsToldMax}` : ''
  const message = ok ? proved : `${counted(findings.count, 'finding')}${told}:`
  return { ...about, ok, message, failures: findings.count, findings: findings.first, notes, hint }
}
