// assay verify: one line for each thing that is proved or refuted.

import { Command } from 'commander'
import type { Config } from '../config/config.ts'
import { counted } from '../errors/counted.ts'
import type { CheckResult, Finding } from '../verify/check.ts'
import { exitCodes } from './failure.ts'
import { printableLine } from './printable.ts'
import { openSession } from './session.ts'
import { sqlName, tableNamed } from './table-name.ts'

type VerifyFlags = { readonly json?: true }

export function verifyCommand(): Command {
  return new Command('verify')
    .argument('[table]', 'only the checks of this table (default: all)')
    .option('--json', 'as one JSON object')
    .action((table: string | undefined, flags: VerifyFlags) => verify(openSession().config, table, flags))
}

/** Sets the exit code to 1 where a check fails. */
export async function verify(config: Config, table: string | undefined, flags: VerifyFlags): Promise<void> {
  const { verifyLakehouse } = await import('../verify/verify.ts')
  const only = table === undefined ? null : tableNamed(table).path
  const { deltaBasePath, watermarkMicros, dedupWindowMicros, highRiskCountries, duckdb } = config
  const options = {
    deltaBasePath,
    highRiskCountries,
    duckdb,
    delays: watermarkMicros,
    dedupMicros: dedupWindowMicros,
  }
  const print = (result: CheckResult): void => void process.stdout.write(resultText(result))
  const { ok, checks } = await verifyLakehouse(options, only, flags.json ? undefined : print)
  if (flags.json) process.stdout.write(`${JSON.stringify({ ok, checks }, exact)}\n`)
  else process.stdout.write(summaryText(config.deltaBasePath, checks))
  process.exitCode = ok ? exitCodes.ok : exitCodes.failed
}

export function resultText({ table, check, ok, message, findings, notes, hint }: CheckResult): string {
  const title = `${ok ? 'ok    ' : 'FAILED'}  ${sqlName({ path: table })}, ${check}: ${message}`
  const lines = [title, ...findings.map((finding) => `          ${findingText(finding)}`)]
  lines.push(...notes.map((note) => `        note: ${note}`))
  if (hint !== null) lines.push(`        likely: ${hint}`)
  return lines.map((line) => `${printableLine(line)}\n`).join('')
}

function findingText({ at, problem, column, found, expected }: Finding): string {
  const where = Object.entries(at).map(([name, value]) => `${name} ${value ?? 'null'}`)
  const what = column === null ? problem : `${problem}: ${column}`
  if (found === null && expected === null && column === null) return `${where.join(', ')}: ${what}`
  return `${where.join(', ')}: ${what}: found ${found ?? 'null'}, expected ${expected ?? 'null'}`
}

function summaryText(deltaBasePath: string, checks: readonly CheckResult[]): string {
  const failed = checks.filter(({ ok }) => !ok).length
  if (failed === 0) return `${deltaBasePath}: ${counted(checks.length, 'check')}, none failed\n`
  return `${deltaBasePath}: ${failed} of ${counted(checks.length, 'check')} FAILED\n`
}

function exact(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? JSON.rawJSON(String(value)) : value
}
