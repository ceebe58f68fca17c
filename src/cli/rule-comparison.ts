// assay rules compare: what versions said that ran as shadows, beside what was decided.
import { Argument, type Command } from 'commander'
import { reportPage } from '../backtest/report-html.ts'
import { sectionsText } from '../backtest/report-text.ts'
import { reportShadows, type ShadowComparison, shadowSections } from '../backtest/shadow-report.ts'
import type { Config } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Project } from '../project/project.ts'
import { instanceOptions } from '../query/reader.ts'
import { periodFlags } from './backtest.ts'
import { instantFlag } from './instant-flag.ts'
import { durationMs, wholeNumberFrom } from './option-values.ts'
import { printable } from './printable.ts'
import { tableText } from './result-output.ts'
import { openSession } from './session.ts'

type Flags = {
  readonly from?: string
  readonly to?: string
  readonly asOf?: string
  readonly labelMaturity?: number
  readonly capacity?: number
  readonly json?: true
  readonly html?: true
}

const versionMax = 999_999_999

export function addComparison(command: Command, project: Project): void {
  const version = new Argument('[version]', 'one of them (default: all that ever were shadows)')
  command
    .command('compare')
    .description('what shadows said beside what was decided, by labels that became known since')
    .addArgument(version.argParser(wholeNumberFrom(1, versionMax)))
    .option('--from <day|instant>', 'transactions from then on (default: the first)')
    .option('--to <day|instant>', 'up to then; a day is in it (default: the last)')
    .option('--as-of <day|instant>', 'with what was known at that time (default: now)')
    .option(
      '--label-maturity <duration>',
      'how long after a transaction its label is final (default: LABEL_MATURITY)',
      durationMs('"30 days"'),
    )
    .option('--capacity <reviews>', 'reviews a day that people can do', wholeNumberFrom(0, 1_000_000_000))
    .option('--json', 'all figures as JSON')
    .option('--html', 'the report as one HTML file')
    .action(async (version: number | undefined, flags: Flags) => {
      const reports = await compareShadows(openSession(project).config, version ?? null, flags)
      process.stdout.write(outputOf(reports, flags))
    })
}

export async function compareShadows(
  config: Config,
  version: number | null,
  { asOf, labelMaturity, capacity, ...period }: Flags = {},
): Promise<readonly ShadowComparison[]> {
  const { lakehouse, deltaBasePath, labelMaturityMicros } = config
  return await reportShadows({
    ...{ lakehouse, deltaBasePath, version, ...periodFlags(period) },
    asOfMicros: instantFlag('--as-of', asOf, 'end') ?? BigInt(Date.now()) * 1000n,
    maturityMicros: labelMaturity === undefined ? labelMaturityMicros : BigInt(labelMaturity) * 1000n,
    capacityPerDay: capacity ?? null,
    duckdb: instanceOptions(config),
  })
}

function outputOf(reports: readonly ShadowComparison[], { json, html }: Flags): string {
  if (json && html) throw new LakehouseError('CONFIG_INVALID', 'give --json or --html, not both.')
  if (json) return `${JSON.stringify(reports, null, 2)}\n`
  const sections = shadowSections(reports)
  const title = 'Shadows beside what was decided'
  if (html) return reportPage(title, title, '', sections)
  const width = process.stdout.columns ?? Infinity
  const table = (
    names: readonly string[],
    rows: readonly (readonly string[])[],
    isRight: readonly boolean[],
  ) => tableText(names, rows, { widthMax: width, isRight })
  return printable(sectionsText(sections, table))
}
