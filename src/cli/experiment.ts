// assay experiment: a version of the rules decides for a share of the customers, and a report says what
// differs.
import { Command, InvalidArgumentError } from 'commander'
import { sectionsText } from '../backtest/report-text.ts'
import type { Config } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type ExperimentReport, reportExperiment } from '../experiments/report.ts'
import { experimentHtml } from '../experiments/report-html.ts'
import { experimentSections, percentText } from '../experiments/report-text.ts'
import type { Project } from '../project/project.ts'
import { instanceOptions } from '../query/reader.ts'
import { promoteExperiment, startExperiment, stopExperiment } from '../versions/change-versions.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import { experimentName, type RuleExperiment } from '../versions/experiment.ts'
import { checkExperiment } from '../versions/experiment-check.ts'
import type { Versions } from '../versions/rule-version.ts'
import { readVersions } from '../versions/rules-in-force.ts'
import { instantFlag } from './instant-flag.ts'
import { instantText } from './instant-text.ts'
import { durationMs, wholeNumberFrom } from './option-values.ts'
import { printable } from './printable.ts'
import { tableText } from './result-output.ts'
import { change, versionOf } from './rule-versions.ts'
import { openSession } from './session.ts'

type StartFlags = { readonly candidate: number; readonly share: number; readonly by: string }
type ReportFlags = {
  readonly asOf?: string
  readonly labelMaturity?: number
  readonly json?: true
  readonly html?: true
}

export function experimentCommand(project: Project): Command {
  const command = new Command('experiment')
  const start = command
    .command('start')
    .description('let a version of the rules decide for a share of the customers from the next batch on')
    .argument('<name>', 'of the experiment; it decides which customers these are', nameOfExperiment)
    .requiredOption('--candidate <version>', 'the version of the rules', wholeNumberFrom(1, 999_999_999))
    .requiredOption('--share <percent>', 'how many of the customers, as in 10%', shareOf)
    .option('--by <column>', 'what names a customer', 'user_id')
  change<string>(
    project,
    start,
    'approver',
    async ({ config, of }, name, reason, by) => {
      const { candidate, ...plan } = start.opts<StartFlags>()
      const named = { name, share: plan.share, by: plan.by }
      return (versions) => {
        const rows = startExperiment(versions, { ...named, candidate }, reason, by, of.policy)
        checkExperiment(of, versions, named, versionOf(versions.all, candidate))
        refuseUnscored(config)
        return rows
      }
    },
    toldOf,
  )
  const stop = command
    .command('stop')
    .description('end it: the active version decides for all customers again')
    .argument('<name>', 'of the experiment that goes on')
  change<string>(
    project,
    stop,
    'approver',
    async (_, name, reason, by) => (versions) => stopExperiment(versions, name, reason, by),
    toldOf,
  )
  const promote = command
    .command('promote')
    .description('end it: its version becomes active, and decides for all customers')
    .argument('<name>', 'of the experiment that goes on')
  change<string>(
    project,
    promote,
    'approver',
    async (_, name, reason, by) => (versions) => promoteExperiment(versions, name, reason, by),
    toldOf,
  )
  command
    .command('list')
    .description('the experiments that there were, the newest last')
    .option('--json', 'as JSON')
    .action(async ({ json }: { readonly json?: true }) => {
      const { experiments } = await readVersions(await versionedRules(openSession(project).config))
      write(json ? `${JSON.stringify(experiments.map(asJson), null, 2)}\n` : listText(experiments))
    })
  command
    .command('report')
    .description('what differs between the arms, as often as one likes')
    .argument('<name>', 'of the experiment')
    .option('--as-of <day|instant>', 'with what was known at that time (default: now)')
    .option(
      '--label-maturity <duration>',
      'how long after a transaction its label is final (default: LABEL_MATURITY)',
      durationMs('"30 days"'),
    )
    .option('--json', 'all figures as JSON')
    .option('--html', 'the report as one HTML file')
    .action(async (name: string, flags: ReportFlags) => {
      const report = await runExperimentReport(openSession(project).config, name, flags)
      process.stdout.write(outputOf(report, flags))
    })
  return command
}

export async function runExperimentReport(
  config: Config,
  name: string,
  { asOf, labelMaturity }: Pick<ReportFlags, 'asOf' | 'labelMaturity'> = {},
): Promise<ExperimentReport> {
  const { lakehouse, deltaBasePath, labelMaturityMicros } = config
  const { experiments } = await readVersions(await versionedRules(config))
  const index = experiments.findIndex((one) => one.name === name)
  const found = experiments[index]
  if (found === undefined) {
    const message = `there is no experiment ${name}: "assay experiment list" shows those that there are.`
    throw new LakehouseError('RULES_VERSION_REFUSED', message)
  }
  return await reportExperiment({
    ...{ lakehouse, deltaBasePath },
    experiment: {
      ...found,
      // A batch that was begun before the end has arms too.
      scoredBeforeMicros: experiments[index + 1]?.startedAtMicros ?? null,
    },
    asOfMicros: instantFlag('--as-of', asOf, 'end') ?? BigInt(Date.now()) * 1000n,
    maturityMicros: labelMaturity === undefined ? labelMaturityMicros : BigInt(labelMaturity) * 1000n,
    duckdb: instanceOptions(config),
  })
}

function outputOf(report: ExperimentReport, { json, html }: ReportFlags): string {
  if (json && html) throw new LakehouseError('CONFIG_INVALID', 'give --json or --html, not both.')
  if (json) return `${JSON.stringify(report, null, 2)}\n`
  if (html) return experimentHtml(report)
  const width = process.stdout.columns ?? Infinity
  return printable(
    sectionsText(experimentSections(report), (names, rows, isRight) =>
      tableText(names, rows, { widthMax: width, isRight }),
    ),
  )
}

function nameOfExperiment(text: string): string {
  if (experimentName.test(text)) return text
  throw new InvalidArgumentError('It has letters, digits, - and _, at most 64.')
}

/** A percentage as a share, without what a division would round. */
function shareOf(text: string): number {
  const share = /^\d{1,2}(?:\.\d{1,6})? ?%$/.test(text) ? Number(`${text.replace(/ ?%$/, '')}e-2`) : 0
  if (share > 0 && share < 1) return share
  throw new InvalidArgumentError('It must be a percentage between 0 and 100, as in 10%.')
}

function refuseUnscored({ lakehouse: { scored } }: Config): void {
  if (scored?.rows.schema.variant === 'string') return
  throw new LakehouseError('CONFIG_INVALID', 'an experiment needs a table of scores with a column variant.')
}

function toldOf(before: Versions, { experiments, active }: Versions): string {
  const last = experiments.at(-1)
  if (last === undefined) return 'nothing to do\n'
  if (last.status === 'running') {
    return `experiment ${last.name}: version ${last.candidateVersion} decides for ${percentText(last.share)} of the customers from the next batch on\n`
  }
  const of = before.active?.version === active?.version ? 'as before' : 'now'
  return `experiment ${last.name} is ${last.status}: version ${active?.version} decides for all customers, ${of}\n`
}

function listText(experiments: readonly RuleExperiment[]): string {
  if (experiments.length === 0) return 'there was no experiment yet\n'
  const names = [
    'name',
    'status',
    'candidate',
    'control',
    'share',
    'by',
    'started',
    'ended',
    'started by',
    'reason',
  ]
  const rows = experiments.map((one) => [
    ...[one.name, one.status, String(one.candidateVersion), String(one.controlVersion)],
    ...[percentText(one.share), one.by, instantText(one.startedAtMicros), instantText(one.endedAtMicros)],
    ...[one.startedBy, one.reason ?? ''],
  ])
  return tableText(names, rows)
}

function asJson({ startedAtMicros, endedAtMicros, ...one }: RuleExperiment): object {
  return {
    ...one,
    startedAt: instantText(startedAtMicros),
    endedAt: endedAtMicros === null ? null : instantText(endedAtMicros),
  }
}

function write(text: string): void {
  process.stdout.write(printable(text))
}
