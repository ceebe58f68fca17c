// assay query: SQL over the tables, for reading only.
import { text as textOf } from 'node:stream/consumers'
import { Command, Option } from 'commander'
import type { Config } from '../config/config.ts'
import { tables } from '../lakehouse/pipeline.ts'
import { liveName, liveTables } from './open-windows.ts'
import { openReader, queryFailure } from './reader.ts'
import { type Output, writeCsv, writeNdjson, writeTable } from './rows.ts'
import { openSession } from './session.ts'
import { sqlName } from './table-name.ts'

export type QueryFormat = keyof typeof writers

export function queryCommand(): Command {
  return new Command('query')
    .description(
      'Runs one SELECT over the tables, with DuckDB. Nothing is written and no other file is read.',
    )
    .argument('[sql]', 'the query; read from standard input where it is absent or -')
    .addOption(new Option('--json', 'one JSON object a line').conflicts('csv'))
    .addOption(new Option('--csv', 'CSV as in RFC 4180, with a header'))
    .addHelpText('after', helpFooter)
    .action(async (sql: string | undefined, options: { json?: true; csv?: true }) => {
      const format = options.json ? 'json' : options.csv ? 'csv' : 'table'
      const { config } = openSession()
      await query(
        config,
        sql === undefined || sql === '-' ? await textOf(process.stdin) : sql,
        format,
        process.stdout,
      )
    })
}

const helpFooter = `
Tables: ${tables.map(sqlName).join(', ')}
Windows that are still open: ${liveTables.map(liveName).join(', ')}

Those that are written: assay query "show tables"; the columns of one: "describe silver.transactions".

In JSON, integers are numbers with all their digits; decimals, dates and instants are strings;
bytes are base64. Of two columns with one name the second is called name_2: give it a name with AS.
Instants are UTC with microseconds. In CSV, null is an empty field and the empty text is "".

  assay query "select merchant, sum(amount) from silver.transactions group by all order by 2 desc limit 10"
  assay query --json "from fraud_detection where requires_review" | jq .transaction_id`

/** Runs the query and writes its rows. */
export async function query(config: Config, sql: string, format: QueryFormat, output: Output): Promise<void> {
  const reader = await openReader(config)
  const interrupt = () => reader.interrupt()
  process.once('SIGINT', interrupt)
  try {
    await writers[format](await reader.select(sql), output)
  } catch (error) {
    throw queryFailure(error)
  } finally {
    process.off('SIGINT', interrupt)
    reader.close()
  }
}

const writers = { table: writeTable, json: writeNdjson, csv: writeCsv } as const
