// assay table: what a Delta table is, what happened to it, and its upkeep.

import { DuckDBInstance } from '@duckdb/node-api'
import { Command, Option } from 'commander'
import type { Config } from '../config/config.ts'
import { formatDuration } from '../config/duration.ts'
import type { DeltaTable, HistoryEntry, TableDescription } from '../delta/index.ts'
import { typeText } from '../delta/schema.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError, unreachable, withPlaceNames } from '../errors/errors.ts'
import { readableTables } from '../ops/readable.ts'
import { namedTables } from '../plan/index.ts'
import type { Project } from '../project/project.ts'
import { instanceOptions } from '../query/reader.ts'
import { openNamedTable, sqlName } from '../query/table-name.ts'
import { durationMs, wholeNumberFrom } from './option-values.ts'
import { printable } from './printable.ts'
import { tableText } from './result-output.ts'
import { openSession, type Session } from './session.ts'
import { sinceOption, type VerifyFlags, verify } from './verify.ts'

export function tableCommand(project: Project): Command {
  const command = new Command('table')
  verb(project, command, 'describe', 'its version, size, properties and columns')
    .option('--json', 'as one JSON object')
    .action(
      withTable(project, async (table, { json }: { json?: true }) => {
        const description = await table.describe()
        return json ? jsonLine(description) : describeText(description)
      }),
    )
  verb(project, command, 'history', 'its versions, newest first')
    .addOption(
      new Option('--limit <count>', 'at most so many').argParser(wholeNumberFrom(1, 999_999_999)).default(20),
    )
    .option('--json', 'one JSON object a line')
    .action(
      withTable(project, async (table, { limit, json }: { limit: number; json?: true }) => {
        const entries = await table.history(limit)
        return json ? entries.map(jsonLine).join('') : historyText(entries)
      }),
    )
  verb(project, command, 'optimize', 'merge small files; writers and readers are not disturbed').action(
    withTable(project, (table, _flags, { config }) => optimize(table, config)),
  )
  verb(project, command, 'vacuum', 'delete files that no version within the retention needs')
    .addOption(
      new Option('--retention <duration>', 'keep what was live within')
        .argParser(durationMs('"7 days"'))
        .default(sevenDaysMs, '7 days'),
    )
    .option('--dry-run', 'name the files, delete nothing')
    .option('--force', "allow a retention below the table's; only when nobody reads or writes the table")
    .action(withTable(project, vacuum))
  command
    .command('verify')
    .description('prove what "assay verify" can prove of this table')
    .argument('<table>', namedTables(project.lakehouse).map(sqlName).join(', '))
    .addOption(sinceOption())
    .option('--json', 'as one JSON object')
    .action((table: string, flags: VerifyFlags) => verify(openSession(project).config, table, flags))
  return command
}

const sevenDaysMs = 7 * 86_400_000

function verb(project: Project, parent: Command, name: string, summary: string): Command {
  return parent
    .command(name)
    .description(summary)
    .argument(
      '<table>',
      `${readableTables(project.lakehouse).map(sqlName).join(', ')}, or the path of a Delta table (with / or ./ in front)`,
    )
}

/** The part that all verbs share: open the table that is named, print what the verb has to say. */
function withTable<Options>(
  project: Project,
  act: (table: DeltaTable, options: Options, session: Session) => Promise<string>,
): (name: string, options: Options) => Promise<void> {
  return async (name, options) => {
    const session = openSession(project)
    const table = await openNamedTable(session.config, name)
    process.stdout.write(printable(await act(table, options, session)))
  }
}

async function optimize(table: DeltaTable, config: Config): Promise<string> {
  const instance = await DuckDBInstance.create(':memory:', instanceOptions(config))
  const connection = await instance.connect()
  try {
    const result = await table.optimize(connection)
    switch (result.kind) {
      case 'nothing':
        return `${withPlaceNames(table.directory)}: no small files to merge\n`
      case 'compacted': {
        const before = `${counted(result.filesRemoved, 'file')} (${sizeText(result.bytesRemoved)})`
        const after = `${result.filesAdded} (${sizeText(result.bytesAdded)})`
        return `${withPlaceNames(table.directory)}: ${before} became ${after}, version ${result.version}\n`
      }
      case 'conflict': {
        const advice = 'nothing was changed, try again'
        const message = `${withPlaceNames(table.directory)}: a writer was faster (${result.reason}); ${advice}`
        throw new LakehouseError('DELTA_COMMIT_CONFLICT', message)
      }
      default:
        return unreachable(result)
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

type VacuumFlags = { readonly retention: number; readonly dryRun?: true; readonly force?: true }

async function vacuum(table: DeltaTable, flags: VacuumFlags): Promise<string> {
  const dryRun = flags.dryRun === true
  const deleted = await table.vacuum({ retentionMs: flags.retention, dryRun, force: flags.force === true })
  const names = dryRun ? deleted.map((path) => `${path}\n`).join('') : ''
  const older = `older than ${formatDuration(BigInt(flags.retention) * 1000n)}`
  const were = dryRun ? 'would be' : 'were'
  return `${names}${withPlaceNames(table.directory)}: ${were} deleted: ${counted(deleted.length, 'file')} ${older}\n`
}

function describeText(table: TableDescription): string {
  const facts: readonly (readonly [string, string])[] = [
    ['directory', table.directory],
    ['meaning', table.description ?? ''],
    ['version', String(table.version)],
    ['rows', table.numRecords === null ? 'unknown (a file has no statistics)' : String(table.numRecords)],
    ['files', `${table.fileCount} (${sizeText(table.sizeBytes)})`],
    ['partitioned by', table.partitionColumns.join(', ') || 'nothing'],
    ['created', table.createdTime === null ? 'unknown' : new Date(table.createdTime).toISOString()],
    [
      'protocol',
      `reader ${table.minReaderVersion}, writer ${table.minWriterVersion} ${table.tableFeatures.join(', ')}`,
    ],
    ...Object.entries(table.properties),
  ]
  const width = Math.max(...facts.map(([name]) => name.length))
  const columns = table.fields.map(({ name, type, nullable }) => {
    return [name, `${typeText(type)}${nullable ? '' : ' not null'}`]
  })
  const lines = facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd())
  return `${lines.join('\n')}\n\n${tableText(['column', 'type'], columns, terminal())}`
}

function historyText(entries: readonly HistoryEntry[]): string {
  const rows = entries.map((entry) => [
    String(entry.version),
    new Date(entry.timestamp).toISOString(),
    entry.operation ?? '',
    String(entry.operationMetrics.numOutputRows ?? ''),
    String(entry.filesAdded),
    String(entry.filesRemoved),
    entry.engineInfo ?? '',
  ])
  const names = ['version', 'time', 'operation', 'rows', 'files added', 'files removed', 'engine']
  return tableText(names, rows, { ...terminal(), isRight: [true, false, false, true, true, true] })
}

function terminal(): { widthMax: number } {
  return { widthMax: process.stdout.columns ?? Infinity }
}

function jsonLine(value: unknown): string {
  const exact = (_: string, item: unknown) => (typeof item === 'bigint' ? JSON.rawJSON(String(item)) : item)
  return `${JSON.stringify(value, exact)}\n`
}

const kib = 1024

function sizeText(bytes: bigint): string {
  let size = Number(bytes)
  for (const unit of ['bytes', 'KiB', 'MiB', 'GiB']) {
    if (size < kib) return `${unit === 'bytes' ? size : size.toFixed(1)} ${unit}`
    size /= kib
  }
  return `${size.toFixed(1)} TiB`
}
