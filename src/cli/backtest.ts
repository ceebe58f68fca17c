// assay backtest: tries rules on the transactions that are there.
import { writeFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { Command } from 'commander'
import { type BacktestReport, backTest, type NamedRules } from '../backtest/backtest.ts'
import { reportHtml } from '../backtest/report-html.ts'
import { reportText } from '../backtest/report-text.ts'
import type { Config } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { AddedToRules } from '../plan/index.ts'
import type { Project } from '../project/project.ts'
import { withLists } from '../project/rule-lists.ts'
import { instanceOptions } from '../query/reader.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import {
  addedInThePast,
  type RulesOfLakehouse,
  readVersions,
  rulesOfVersion,
} from '../versions/rules-in-force.ts'
import { instantFlag } from './instant-flag.ts'
import { durationMs, wholeNumberFrom } from './option-values.ts'
import { printable } from './printable.ts'
import { tableText } from './result-output.ts'
import { isVersionName, namedRules } from './rule-versions.ts'
import { openSession } from './session.ts'

const samplesMax = 1_000

type BacktestFlags = {
  readonly from?: string
  readonly to?: string
  readonly against: string
  readonly asOf?: string
  readonly labelMaturity?: number
  readonly capacity?: number
  readonly samples: number
  readonly withRecordLabel?: true
  readonly json?: true
  readonly html?: string
}

export function backtestCommand(project: Project): Command {
  return new Command('backtest')
    .argument('[rules]', 'a file of rules to try, or the number of a version (default: the active one)')
    .option('--from <day|instant>', 'transactions from then on (default: the first)')
    .option('--to <day|instant>', 'up to then; a day is in it (default: the last)')
    .option('--against <rules>', 'active, the number of a version, or a file of rules', 'active')
    .option('--as-of <day|instant>', 'with what was known at that time (default: now)')
    .option(
      '--label-maturity <duration>',
      'how long after a transaction its label is final (default: LABEL_MATURITY)',
      durationMs('"30 days"'),
    )
    .option('--capacity <reviews>', 'reviews a day that people can do', wholeNumberFrom(0, 1_000_000_000))
    .option('--samples <count>', 'of changed decisions that are shown', wholeNumberFrom(0, samplesMax), 10)
    .option(
      '--with-record-label',
      'count rules too that ask the record itself whether it is fraud, such as known_fraud',
    )
    .option('--json', 'all figures as JSON')
    .option('--html <file>', 'the report as one HTML file for people')
    .action(async (file: string | undefined, flags: BacktestFlags) => {
      if (flags.json && flags.html !== undefined)
        throw new LakehouseError('CONFIG_INVALID', 'give --json or --html, not both.')
      const { config } = openSession(project)
      const report = await runBacktest(config, file, flags)
      if (flags.html === undefined) process.stdout.write(outputOf(report, flags))
      else
        process.stdout.write(printable(`the report is in ${writtenHtml(flags.html, reportHtml(report))}\n`))
    })
}

/** The path of the file. */
function writtenHtml(file: string, html: string): string {
  const path = resolve(file)
  try {
    writeFileSync(path, html)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new LakehouseError('CONFIG_INVALID', `--html: ${path} cannot be written: ${why}`, { cause })
  }
  return path
}

function outputOf(report: BacktestReport, { json }: BacktestFlags): string {
  if (json) return `${JSON.stringify(report, null, 2)}\n`
  const width = process.stdout.columns ?? Infinity
  return printable(
    reportText(report, (names, rows, isRight) => tableText(names, rows, { widthMax: width, isRight })),
  )
}

export async function runBacktest(
  config: Config,
  file: string | undefined,
  flags: BacktestFlags,
): Promise<BacktestReport> {
  const { lakehouse, deltaBasePath } = config
  const isBaselineActive = flags.against === 'active'
  const of = await versionedRules(config)
  const added = await addedInThePast(of)
  const active = await sideOf(config, 'active', { name: 'active', added })
  const named = (rules: string, other: string): Promise<NamedRules> => {
    const shown = basename(rules) === basename(other) ? rules : basename(rules)
    return sideOf(config, rules, { name: isVersionName(rules) ? `version ${rules}` : shown, added })
  }
  const baseline = isBaselineActive ? active : await named(flags.against, file ?? '')
  const maturityMicros =
    flags.labelMaturity === undefined ? config.labelMaturityMicros : BigInt(flags.labelMaturity) * 1000n
  const nowMicros = BigInt(Date.now()) * 1000n
  const { fromMicros, toMicros } = periodFlags(flags)
  return await backTest({
    ...{ lakehouse, deltaBasePath, baseline, isBaselineActive, fromMicros, toMicros, maturityMicros },
    versions: isBaselineActive ? await versionsOf(of, added) : new Map(),
    candidate: file === undefined ? active : await named(file, flags.against),
    asOfMicros: instantFlag('--as-of', flags.asOf, 'end') ?? nowMicros,
    capacityPerDay: flags.capacity ?? null,
    countsRecordLabel: flags.withRecordLabel ?? false,
    samplesMax: flags.samples,
    duckdb: instanceOptions(config),
  })
}

/** The lists of the rules are what they are where the environment does not say otherwise, as in a run. */
async function sideOf(
  config: Config,
  rules: string,
  { name, added }: { readonly name: string; readonly added: AddedToRules },
): Promise<NamedRules> {
  const found = await namedRules(config, rules, added)
  return { name, rules: found, parameters: withLists(config.lakehouse, config.parameters, found.lists) }
}

/** Of all that were ever active. */
async function versionsOf(
  of: RulesOfLakehouse,
  added: AddedToRules,
): Promise<ReadonlyMap<number, NamedRules>> {
  const { all } = await readVersions(of)
  const found = new Map<number, NamedRules>()
  for (const one of all) {
    if (one.activatedAtMicros === null) continue
    const rules = rulesOfVersion(of.lakehouse, one, added)
    const parameters = withLists(of.lakehouse, of.parameters, rules.lists)
    found.set(one.version, { name: `version ${one.version}`, rules, parameters })
  }
  return found
}

export function periodFlags({ from, to }: Pick<BacktestFlags, 'from' | 'to'>) {
  const [fromMicros, toMicros] = [instantFlag('--from', from), instantFlag('--to', to, 'end')]
  if (fromMicros !== null && toMicros !== null && fromMicros >= toMicros)
    throw new LakehouseError('CONFIG_INVALID', '--from has to be before --to.')
  return { fromMicros, toMicros }
}
