// assay verify: one line for each thing that is proved or refuted.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Config } from '../config/config.ts'
import { inHome, parseInstantMs } from '../config/values.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { refuseNoTables } from '../ops/readable.ts'
import type { Project } from '../project/project.ts'
import { sqlName, tableNamed } from '../query/table-name.ts'
import type { CheckResult, Finding } from '../verify/check.ts'
import { withDecidingRules } from '../versions/configured-rules.ts'
import { exitCodes } from './failure.ts'
import { mountLakehouse } from './lakehouse-store.ts'
import { isInteractive } from './live-painter.ts'
import { printableLine } from './printable.ts'
import { createProgressBar, type ProgressBar } from './progress-bar.ts'
import { openSession } from './session.ts'

export type VerifyFlags = {
  readonly json?: true
  readonly since?: bigint
  readonly decisions?: true
  readonly metrics?: string
}

export function verifyCommand(project: Project): Command {
  return new Command('verify')
    .argument('[table]', 'only the checks of this table (default: all)')
    .addOption(sinceOption())
    .option(
      '--decisions',
      'only what was decided of records as they came, on DECISIONS_TOPIC, against their rows',
    )
    .option('--metrics <file>', 'with --decisions: the counts as metrics of Prometheus, too', inHome)
    .option('--json', 'as one JSON object')
    .action((table: string | undefined, flags: VerifyFlags) =>
      verify(openSession(project).config, table, flags),
    )
}

export function sinceOption(): Option {
  const meaning = 'only batches from this time on; without a zone it is UTC'
  return new Option('--since <time>', meaning).argParser(since)
}

/** Microseconds since the epoch. */
function since(text: string): bigint {
  const ms = parseInstantMs(text)
  if (ms === null)
    throw new InvalidArgumentError('A time such as 2026-10-01 or 2026-10-01T12:00:00Z is needed.')
  return BigInt(ms) * 1000n
}

/** Sets the exit code to 1 where a check fails. */
export async function verify(config: Config, table: string | undefined, flags: VerifyFlags): Promise<void> {
  if (config.store === null) return judge(config, table, flags)
  // What is judged is what the store has, not copies that were made before.
  const copies = await mkdtemp(join(tmpdir(), 'assay-verify-copies-'))
  try {
    mountLakehouse(config, copies)
    await judge(config, table, flags)
  } finally {
    await rm(copies, { recursive: true, force: true })
  }
}

async function judge(config: Config, table: string | undefined, flags: VerifyFlags): Promise<void> {
  await refuseNoTables(config.lakehouse, config.deltaBasePath)
  if (flags.decisions) return judgeDecisions(config, table, flags)
  if (flags.metrics !== undefined)
    throw new LakehouseError('CONFIG_INVALID', '--metrics is of --decisions: give both.')
  const { verifyLakehouse } = await import('../verify/verify.ts')
  const { lakehouse, parameters } = await withDecidingRules(config)
  const only = table === undefined ? null : tableNamed(table, config.lakehouse.tables).path
  const { deltaBasePath, watermarkMicros, duckdb } = config
  const bar = isInteractive(process.stderr, process.env)
    ? createProgressBar('rows', process.stderr, process.env)
    : null
  const options = {
    lakehouse,
    deltaBasePath,
    parameters,
    duckdb,
    delays: watermarkMicros,
    sinceMicros: flags.since ?? null,
    onProgress: (done: number, total: number) => bar?.update(done, total),
  }
  const print = flags.json ? undefined : (result: CheckResult): void => printResult(result, bar)
  const { ok, checks } = await verifyLakehouse(options, only, print)
  bar?.close()
  if (flags.json) process.stdout.write(`${JSON.stringify({ ok, checks }, exact)}\n`)
  else process.stdout.write(summaryText(config.deltaBasePath, checks))
  process.exitCode = ok ? exitCodes.ok : exitCodes.failed
}

async function judgeDecisions(config: Config, table: string | undefined, flags: VerifyFlags): Promise<void> {
  if (table !== undefined) throw new LakehouseError('CONFIG_INVALID', '--decisions is about no single table.')
  const { verifyDecisions, writeDecisionMetrics } = await import('./verify-decisions.ts')
  const { check, ...decisions } = await verifyDecisions(config, flags.since ?? null)
  const { ok } = check
  if (flags.metrics !== undefined) await writeDecisionMetrics(flags.metrics, decisions, Date.now())
  if (flags.json) process.stdout.write(`${JSON.stringify({ ok, checks: [check], decisions }, exact)}\n`)
  else process.stdout.write(resultText(check))
  process.exitCode = ok ? exitCodes.ok : exitCodes.failed
}

/** The line of the progress makes way. */
function printResult(result: CheckResult, bar: ProgressBar | null): void {
  if (bar !== null) process.stderr.write('\r\u001b[K')
  process.stdout.write(resultText(result))
}

function resultText({ table, check, ok, message, findings, notes, hint }: CheckResult): string {
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
