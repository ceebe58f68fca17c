// assay query: SQL over the tables, for reading only.
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, lstat, mkdtemp, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { finished, pipeline } from 'node:stream/promises'
import type { DuckDBResult } from '@duckdb/node-api'
import { Command, Option } from 'commander'
import type { Config } from '../config/config.ts'
import { helpLines } from '../config/reference.ts'
import { LakehouseError } from '../errors/errors.ts'
import { readableTables } from '../ops/readable.ts'
import type { Lakehouse } from '../plan/index.ts'
import type { Project } from '../project/project.ts'
import { liveName, liveTables } from '../query/open-windows.ts'
import { type LakehouseReader, openReader, queryFailure } from '../query/reader.ts'
import { isShowTables } from '../query/select-statement.ts'
import { sqlName } from '../query/table-name.ts'
import { sayWhereNoTables } from './no-tables.ts'
import { bytes, durationMs } from './option-values.ts'
import { type Output, writeArrow, writeCsv, writeNdjson, writeTable } from './result-output.ts'
import { openSession } from './session.ts'
import { formatElapsed } from './terminal-text.ts'

const queryFormats = ['table', 'vertical', 'json', 'csv', 'parquet', 'arrow'] as const
export type QueryFormat = (typeof queryFormats)[number]

/** DuckDB needs some to do anything at all. */
const memoryMin = 16 * 2 ** 20

type QueryFlags = {
  readonly format?: QueryFormat
  readonly output?: string
  readonly json?: true
  readonly csv?: true
  readonly expanded?: true
  readonly timeout?: number
  readonly memory?: number
}

export function queryCommand(project: Project): Command {
  return new Command('query')
    .argument('[sql]', 'the query; read from standard input where it is absent or -')
    .addOption(
      new Option(
        '--format <format>',
        'table; vertical: a line for each column of each row, whole, as are rows too wide for the terminal; ' +
          'json: an object a line; csv: with a header, quoted as in RFC 4180; parquet; arrow: an IPC stream ' +
          '(default: table)',
      ).choices(queryFormats),
    )
    .option(
      '--output <file>',
      'write there in place of standard output: a file has all of it or stays what it was',
    )
    .addOption(new Option('--json', 'short for --format json').conflicts(['format', 'csv', 'expanded']))
    .addOption(new Option('--csv', 'short for --format csv').conflicts(['format', 'expanded']))
    .addOption(new Option('--expanded', 'short for --format vertical').conflicts('format'))
    .addOption(
      new Option('--timeout <duration>', 'end the query after so long (default: never)').argParser(
        durationMs('30s or "5 minutes"'),
      ),
    )
    .addOption(
      new Option(
        '--memory <size>',
        'most memory, beyond it work spills to disk (default: DUCKDB_MEMORY_LIMIT)',
      ).argParser(bytes(memoryMin)),
    )
    .addHelpText('after', helpFooter(project.lakehouse))
    .action((sql: string | undefined, flags: QueryFlags) => runQuery(project, sql, flags))
}

async function runQuery(project: Project, sql: string | undefined, flags: QueryFlags): Promise<void> {
  const { config } = openSession(project)
  const format = formatOf(flags)
  const isBinary = format === 'parquet' || format === 'arrow'
  if (isBinary && flags.output === undefined && process.stdout.isTTY) throw notForTerminal(format)
  if (sql === undefined && process.stdin.isTTY) throw noSql()
  const text = sql === undefined || sql === '-' ? await textOf(process.stdin) : sql
  const { memory, timeout } = flags
  const limits = memory === undefined ? config.duckdb : { ...config.duckdb, memoryLimitBytes: memory }
  const run = (output: Output) => query({ ...config, duckdb: limits }, text, format, output, timeout ?? null)
  await (flags.output === undefined ? run(process.stdout) : intoFile(flags.output, run))
  if (isShowTables(text)) await sayWhereNoTables(config)
}

function formatOf({ format, json, csv, expanded }: QueryFlags): QueryFormat {
  return format ?? (json ? 'json' : csv ? 'csv' : expanded ? 'vertical' : 'table')
}

function notForTerminal(format: QueryFormat): LakehouseError {
  const message = `${format} is nothing for a terminal: give --output <file>, or pipe it into a program`
  return new LakehouseError('CONFIG_INVALID', message)
}

/**
 * The file has all that was written, or is what it was before; a link stays, and what it points at is the
 * file. A pipe or a device takes what comes.
 */
async function intoFile(path: string, run: (output: Output) => Promise<void>): Promise<void> {
  const found = await stat(path).catch(() => null)
  const isStream = found !== null && (!found.isFile() || openedFile.test(resolve(path)))
  if (isStream) return await written(await openOutput(path, 'a'), run)
  if (found === null && (await lstat(path).catch(() => null)) !== null)
    throw outputFailure(new Error(`${path} is a link to a file that is not there`))
  const target = await realpath(path).catch(() => path)
  const draft = `${target}.${randomUUID()}.part`
  const file = await openOutput(draft, 'wx')
  try {
    if (found !== null) await file.chmod(found.mode & 0o777).catch(() => undefined)
    await written(file, run)
    await rename(draft, target).catch((cause) => {
      throw outputFailure(cause)
    })
  } finally {
    await rm(draft, { force: true })
  }
}

/** What a process has open has no other name that is its own. */
const openedFile = /^\/(?:dev\/(?:fd\/|std)|proc\/)/

async function openOutput(path: string, flags: 'a' | 'wx'): Promise<FileHandle> {
  return await open(path, flags).catch((cause) => {
    throw outputFailure(cause)
  })
}

async function written(file: FileHandle, run: (output: Output) => Promise<void>): Promise<void> {
  const output = file.createWriteStream()
  const ended = finished(output)
  await Promise.all([
    run(output).finally(() => output.end()),
    ended.catch((cause) => Promise.reject(outputFailure(cause))),
  ])
}

function outputFailure(cause: Error): LakehouseError {
  return new LakehouseError('CONFIG_INVALID', `--output cannot be written: ${cause.message}`, { cause })
}

function noSql(): LakehouseError {
  const message =
    'there is no SQL: give it as the argument, or pipe it in. For example:\n' +
    '  assay query "show tables"\n  assay query "from fraud_detection limit 5"\n  assay query < report.sql'
  return new LakehouseError('CONFIG_INVALID', message)
}

const helpFooter = (lakehouse: Lakehouse): string =>
  [
    '',
    ...helpLines(`Tables: ${readableTables(lakehouse).map(sqlName).join(', ')}`, '', '  '),
    ...helpLines(`Windows that are still open: ${liveTables(lakehouse).map(liveName).join(', ')}`, '', '  '),
    '',
    'Those that are written: assay query "show tables"; the columns of one:',
    '"describe silver.transactions".',
    '',
    ...helpLines(
      'In JSON, integers are numbers with all their digits; decimals, dates and instants are strings; bytes are base64. ' +
        'Of two columns with one name the second is called name_2: give it a name with AS. Instants are UTC with ' +
        'microseconds. In CSV, null is an empty field, the empty text is "", and lines end with LF; values stand as ' +
        'they are: a spreadsheet takes one that begins with = for a formula.',
      '',
    ),
  ].join('\n')

const interruptEveryMs = 50

/** Runs the query and writes its rows. Fails with QUERY_FAILED after `timeoutMs`, where that is given. */
export async function query(
  config: Config,
  sql: string,
  format: QueryFormat,
  output: Output,
  timeoutMs: number | null = null,
): Promise<void> {
  const scratch = format === 'parquet' ? await mkdtemp(join(tmpdir(), 'assay-result-')) : null
  const reader = await openReader(config, scratch === null ? {} : { writesTo: scratch })
  let ended: string | null = null
  let interrupts: NodeJS.Timeout | null = null
  const end = (why: string): void => {
    ended = why
    reader.interrupt()
    // One that comes before the statement has begun is forgotten by DuckDB.
    interrupts ??= setInterval(() => reader.interrupt(), interruptEveryMs)
  }
  const interrupt = (): void => end('it was interrupted')
  const late = (): void => end(`it took longer than ${formatElapsed(timeoutMs ?? 0)}: give more by --timeout`)
  process.once('SIGINT', interrupt)
  const timer = timeoutMs === null ? null : setTimeout(late, timeoutMs)
  try {
    if (format === 'parquet') await writeParquet(reader, sql, scratch!, output)
    else await write(format, await reader.select(sql), output)
  } catch (error) {
    if (ended === null) throw queryFailure(error)
    throw new LakehouseError('QUERY_FAILED', `the query was ended: ${ended}.`, { cause: error })
  } finally {
    if (timer !== null) clearTimeout(timer)
    if (interrupts !== null) clearInterval(interrupts)
    process.off('SIGINT', interrupt)
    reader.close()
    if (scratch !== null) await rm(scratch, { recursive: true, force: true })
  }
}

/** By way of a file, because the end of one is written before it is known what stands at its beginning. */
async function writeParquet(
  reader: LakehouseReader,
  sql: string,
  directory: string,
  output: Output,
): Promise<void> {
  const path = join(directory, 'result.parquet')
  await reader.writeParquet(sql, path)
  await pipeline(createReadStream(path), output, { end: false })
}

async function write(
  format: Exclude<QueryFormat, 'parquet'>,
  result: DuckDBResult,
  output: Output,
): Promise<void> {
  switch (format) {
    case 'json':
      return await writeNdjson(result, output)
    case 'csv':
      return await writeCsv(result, output)
    case 'arrow':
      return await writeArrow(result, output)
    case 'table':
    case 'vertical':
      return await writeTable(result, output, { expanded: format === 'vertical' })
    default:
      return format satisfies never
  }
}
