// assay erase: takes a person's rows out of the tables, or adopts a deletion that another program did.

import { Command, InvalidArgumentError, Option } from 'commander'
import type { Config } from '../config/config.ts'
import type { Adoption } from '../engines/adopt.ts'
import type { ErasureReport } from '../engines/erase.ts'
import type { PersonId } from '../engines/erased-rows.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { ruleListsPath } from '../ops/rule-lists.ts'
import type { Lakehouse } from '../plan/index.ts'
import type { Project } from '../project/project.ts'
import { sqlName, tableNamed } from '../query/table-name.ts'
import { withDecidingRules } from '../versions/configured-rules.ts'
import { pipelineOptions } from './pipeline-options.ts'
import { printable } from './printable.ts'
import { openSession } from './session.ts'

type EraseFlags = {
  readonly userId: readonly PersonId[]
  readonly dryRun?: true
  readonly adopt?: string
  readonly everywhere?: true
  readonly wait: number
}

/** Most batches take less than a second; one that closes many windows may take a minute. */
export const waitDefaultSeconds = 120

export function eraseCommand(project: Project): Command {
  return new Command('erase')
    .addOption(
      new Option('--user-id <id>', 'a person by the user_id of the records; may be given several times')
        .argParser(personIds(project.lakehouse))
        .default([], 'none'),
    )
    .option('--dry-run', 'count the rows, change nothing; "assay run" may go on meanwhile')
    .option(
      '--adopt <table>',
      'take a deletion by another program for meant: name its table, then its version',
    )
    .option('--everywhere', 'with --adopt: erase these rows from the other tables too')
    .addOption(
      new Option('--wait <seconds>', 'how long running processes may take to finish their batches and pause')
        .argParser(waitSeconds)
        .default(waitDefaultSeconds),
    )
    .argument('[version]', 'with --adopt: the version of the table that the deletion made')
    .action(async (version: string | undefined, flags: EraseFlags) => {
      const config = await withDecidingRules(openSession(project).config)
      const text = await erase(config, version, flags)
      process.stdout.write(printable(text))
    })
}

/** As the column that names a person has it: a whole number in its range, or a text. */
function personIds({ events, names: { person } }: Lakehouse) {
  const type = events.rows.schema[person.column]
  const bits = type === 'int' ? 32 : type === 'long' ? 64 : null
  return (text: string, before: readonly PersonId[]): readonly PersonId[] => {
    if (bits === null) return [...new Set([...before, text])]
    const id = /^-?\d{1,19}$/.test(text) ? BigInt(text) : null
    if (id !== null && id === BigInt.asIntN(bits, id)) return [...new Set([...before, id])]
    throw new InvalidArgumentError(`It must be a whole number, as ${person.column} is.`)
  }
}

export function waitSeconds(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number of seconds, up to 99999.')
}

async function erase(config: Config, version: string | undefined, flags: EraseFlags): Promise<string> {
  checkFlags(version, flags)
  const options = { ...pipelineOptions(config), pauseMaxMs: flags.wait * 1000 }
  if (flags.adopt !== undefined) {
    const { adoptDeletion } = await import('../engines/adopt.ts')
    const { path } = tableNamed(flags.adopt, config.lakehouse.tables)
    return adoptionText(await adoptDeletion(options, path, BigInt(version ?? ''), flags.everywhere === true))
  }
  const { erasePersons, findErasable } = await import('../engines/erase.ts')
  const users = flags.userId
  const { unplacedTables } = await import('../engines/erased-rows.ts')
  const left = unplacedText(unplacedTables(config.lakehouse).map(sqlName))
  if (flags.dryRun === true) return `${dryRunText(await findErasable(options, users), users)}${left}`
  return `${erasureText(await erasePersons(options, users), users)}${left}`
}

function checkFlags(version: string | undefined, { adopt, userId, dryRun, everywhere }: EraseFlags): void {
  const wrong = (message: string): never => {
    throw new LakehouseError('CONFIG_INVALID', `${message}. "assay help erase" says how to use it.`)
  }
  if (adopt !== undefined) {
    if (userId.length > 0 || dryRun === true) wrong('--adopt goes without --user-id and --dry-run')
    if (version === undefined || !/^\d{1,18}$/.test(version)) {
      wrong(
        '--adopt needs the table and the version of the deletion, such as "--adopt silver.transactions 7"',
      )
    }
    return
  }
  if (version !== undefined) wrong(`${JSON.stringify(version)} goes with --adopt only`)
  if (everywhere === true) wrong('--everywhere goes with --adopt only')
  if (dryRun === true && userId.length === 0) wrong('--dry-run needs --user-id')
}

/** Of these nobody can tell whose rows they have. */
function unplacedText(tables: readonly string[]): string {
  if (tables.length === 0) return ''
  const commands = tables.map((name) => `  assay rebuild ${name}\n`).join('')
  const say = tables.length === 1 ? 'its rows do not say' : 'their rows do not say'
  return (
    `Not searched: ${tables.join(', ')}; ${say} of which record they are (topic, partition, offset).\n` +
    `A rebuild makes them of the records that are left; its older files go when they are no more read:\n${commands}`
  )
}

function dryRunText(report: ErasureReport, users: readonly PersonId[]): string {
  if (report.records === 0n)
    return `${nothingText(users)}${entriesText(report, 'would go')}${aggregatesText(report)}`
  const heading = `would be erased of ${usersText(users)}: ${counted(report.records, 'record')}`
  return `${heading}\n${rowsText(report.rows)}${aggregatesText(report)}`
}

function erasureText(report: ErasureReport, users: readonly PersonId[]): string {
  const earlier =
    report.carriedOn === null
      ? ''
      : `erasure ${report.carriedOn}, which had ended half-way, is carried to its end\n`
  if (users.length === 0)
    return earlier || 'no erasure is left half-way; --user-id names a person to be erased\n'
  if (report.erase === null)
    return `${earlier}${nothingText(users)}${entriesText(report, 'went')}${aggregatesText(report)}`
  const heading = `erasure ${report.erase}, of ${usersText(users)}: ${counted(report.records, 'record')}`
  const gone =
    'Files and log entries with their values are gone: the logs of these tables begin anew, so older versions of them\n' +
    'can no longer be read. "assay verify" counts what depends on the records as not provable.\n'
  return `${earlier}${heading}\n${rowsText(report.rows)}${gone}${notReachedText(report)}`
}

function notReachedText(report: ErasureReport): string {
  const lines = [
    `  the input: ${report.topics.join(', ')}. A topic of Kafka keeps its records until their retention is over, or until they are`,
    '    compacted away; a file keeps them until it is written anew. Records that come again are rows again.',
    '  copies and backups of the tables, and what other programs read from them',
    '  alerts and log lines that runs have sent or printed: they name transactions with user and amount',
  ]
  return `Not reached, for you to see to:\n${lines.join('\n')}\n${aggregatesText(report)}`
}

function aggregatesText({ aggregateRows }: ErasureReport): string {
  const own = counted(aggregateRows, 'row')
  return (
    'Aggregates stay as they are: gold and aggregations hold sums and counts of windows, these users among them.\n' +
    `aggregations.user has ${own} with their user_id, sums and counts.\n`
  )
}

function adoptionText({ path, version, isKnown, records, stillIn, erased }: Adoption): string {
  const what = `${sqlName({ path })}, version ${version}`
  const lines = [
    isKnown
      ? `${what} was adopted before: ${counted(records, 'record')}`
      : `${what} is adopted: ${counted(records, 'record')} in ops/erased, which "assay verify" no longer looks for`,
    ...(erased === null ? [] : [`erased from the other tables:\n${rowsText(erased).trimEnd()}`]),
  ]
  const left = Object.entries(stillIn).filter(([, rows]) => rows > 0n)
  if (left.length > 0) {
    const names = left.map(([name, rows]) => `${sqlName({ path: name })} (${counted(rows, 'row')})`)
    lines.push(
      `these tables still have rows of the records: ${names.join(', ')}`,
      `To erase them there too: assay erase --adopt ${sqlName({ path })} ${version} --everywhere`,
    )
  }
  return `${lines.join('\n')}\n`
}

function rowsText(rows: ErasureReport['rows']): string {
  const entries = Object.entries(rows).map(
    ([path, count]) => [sqlName({ path }), counted(count, 'row')] as const,
  )
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, count]) => `  ${name.padEnd(width)}  ${count}\n`).join('')
}

function nothingText(users: readonly PersonId[]): string {
  return `the tables have no rows of ${usersText(users)}\n`
}

/** Snoozes and elements of lists may name somebody who has no rows. */
function entriesText({ rows }: ErasureReport, verb: string): string {
  const entries = rows[ruleListsPath] ?? 0n
  return entries === 0n ? '' : `${counted(Number(entries), 'row')} of rules.lists ${verb}\n`
}

function usersText(users: readonly PersonId[]): string {
  return `${users.length === 1 ? 'user' : 'users'} ${users.join(', ')}`
}
