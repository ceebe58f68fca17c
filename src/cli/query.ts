// assay query: SQL over the tables, for reading only.
import { text as textOf } from 'node:stream/consumers'
import type { DuckDBResult } from '@duckdb/node-api'
import { Command, Option } from 'commander'
import type { Config } from '../config/config.ts'
import { helpLines } from '../config/reference.ts'
import { LakehouseError } from '../errors/errors.ts'
import { readableTables } from '../ops/readable.ts'
import type { Lakehouse } from '../plan/index.ts'
import type { Project } from '../project/project.ts'
import { liveName, liveTables } from '../query/open-windows.ts'
import { openReader, queryFailure } from '../query/reader.ts'
import { isShowTables } from '../query/select-statement.ts'
import { sqlName } from '../query/table-name.ts'
import { sayWhereNoTables } from './no-tables.ts'
import { bytes, durationMs } from './option-values.ts'
import { type Output, writeCsv, writeNdjson, writeTable } from './result-output.ts'
import { openSession } from './session.ts'
import { formatElapsed } from './terminal-text.ts'

export type QueryFormat = 'table' | 'expanded' | 'json' | 'csv'

/** DuckDB needs some to do anything at all. */
const memoryMin = 16 * 2 ** 20

type QueryFlags = {
  readonly json?: true
  readonly csv?: true
  readonly expanded?: true
  readonly timeout?: number
  readonly memory?: number
}

export function queryCommand(project: Project): Command {
  return new Command('query')
    .argument('[sql]', 'the query; read from standard input where it is absent or -')
    .addOption(new Option('--json', 'one JSON object a line').conflicts(['csv', 'expanded']))
    .addOption(new Option('--csv', 'CSV with a header, quoted as in RFC 4180').conflicts('expanded'))
    .option('--expanded', 'a line for each column of each row, whole; so are rows too wide for the terminal')
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
  const format = flags.json ? 'json' : flags.csv ? 'csv' : flags.expanded ? 'expanded' : 'table'
  if (sql === undefined && process.stdin.isTTY) throw noSql()
  const text = sql === undefined || sql === '-' ? await textOf(process.stdin) : sql
  const { memory, timeout } = flags
  const limits = memory === undefined ? config.duckdb : { ...config.duckdb, memoryLimitBytes: memory }
  await query({ ...config, duckdb: limits }, text, format, process.stdout, timeout ?? null)
  if (isShowTables(text)) await sayWhereNoTables(config)
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
        'microseconds. In CSV, null is an empty field, the empty text is "", and lines end with LF.',
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
  const reader = await openReader(config)
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
    await write(format, await reader.select(sql), output)
  } catch (error) {
    if (ended === null) throw queryFailure(error)
    throw new LakehouseError('QUERY_FAILED', `the query was ended: ${ended}.`, { cause: error })
  } finally {
    if (timer !== null) clearTimeout(timer)
    if (interrupts !== null) clearInterval(interrupts)
    process.off('SIGINT', interrupt)
    reader.close()
  }
}

async function write(format: QueryFormat, result: DuckDBResult, output: Output): Promise<void> {
  switch (format) {
    case 'json':
      return await writeNdjson(result, output)
    case 'csv':
      return await writeCsv(result, output)
    default:
      return await writeTable(result, output, { expanded: format === 'expanded' })
  }
}
