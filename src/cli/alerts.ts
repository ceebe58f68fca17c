// assay alerts: tries the sinks, shows what was told and what was not, sends it again, and silences.
import { randomUUID } from 'node:crypto'
import { DuckDBInstance } from '@duckdb/node-api'
import { Command, Option } from 'commander'
import { AlertLog, queryLog } from '../alerts/alert-log.ts'
import { outcomesSql } from '../alerts/log-state.ts'
import type { AlertNotification } from '../alerts/notification.ts'
import { alertCondition, scoredColumns } from '../alerts/read-alerts.ts'
import type { SendOutcome } from '../alerts/sink.ts'
import type { Config } from '../config/config.ts'
import { parseDuration } from '../config/duration.ts'
import { parseInstantMs } from '../config/values.ts'
import { DeltaTable } from '../delta/index.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type AlertLogRow, alertLogPath } from '../ops/alerts.ts'
import { opsDirectory } from '../ops/tables.ts'
import type { Project } from '../project/project.ts'
import { instanceOptions } from '../query/reader.ts'
import { duckdb } from '../sql/index.ts'
import { exitCodes } from './failure.ts'
import { wholeNumberFrom } from './option-values.ts'
import { printableLine } from './printable.ts'
import { tableText } from './result-output.ts'
import { openSession, sinkEnvironment } from './session.ts'
import { readAlertsFile, sinksOf } from './told-alerts.ts'

const listedMax = 1_000
const testMaxMs = 60_000

export function alertsCommand(project: Project): Command {
  const command = new Command('alerts')
  command
    .command('test')
    .description('send a test to the sinks; the exit code is 1 where one does not take it')
    .argument('[sink]', 'the name of a sink (default: all)')
    .action(async (named: string | undefined) => {
      const isTaken = await testSinks(project, named)
      process.exitCode = isTaken ? exitCodes.ok : exitCodes.failed
    })
  command
    .command('list')
    .description('what was told last, and what became of it')
    .option('--failed', 'only what a sink did not take')
    .option('--silences', 'the silences of the command line that are not over')
    .addOption(new Option('--limit <count>', 'of rows').default(20).argParser(wholeNumberFrom(1, listedMax)))
    .action(async (flags: ListFlags) => {
      const { config } = openSession(project)
      process.stdout.write(await withLog(config, (log) => listed(log, flags)))
    })
  command
    .command('replay')
    .description('send again what a sink did not take; a run sends it, the one that runs or the next')
    .argument('[ids...]', 'of notifications')
    .option('--failed', 'all that some sink did not take')
    .action(async (ids: readonly string[], { failed }: { readonly failed?: true }) => {
      const { config } = openSession(project)
      const count = await withLog(config, (log) => replay(log, ids, failed === true))
      process.stdout.write(`${counted(count, 'notification')} will be sent again\n`)
    })
  command
    .command('silence')
    .description('tell nobody for a while; what is silenced stays in alerts.log')
    .requiredOption('--for <duration>', 'as in "2 hours", or the time of its end, as in 2030-01-31T08:00Z')
    .option('--route <name>', 'of this route alone (default: all)')
    .option('--when <condition>', 'only of transactions that are so, as in merchant == "Shop"')
    .option('--reason <text>', 'why')
    .action(async (flags: SilenceFlags) => {
      const { config } = openSession(project)
      process.stdout.write(await silence(config, flags))
    })
  return command
}

async function testSinks(project: Project, named: string | undefined): Promise<boolean> {
  const { config } = openSession(project)
  const alerts = await readAlertsFile(config)
  const names = alerts.sinks.map(({ name }) => name)
  if (named !== undefined && !names.includes(named)) {
    const message = `there is no sink ${JSON.stringify(named)}: there is ${names.join(', ')}.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  const asked = alerts.sinks.filter(({ name }) => named === undefined || name === named)
  const sinks = await sinksOf({ ...alerts, sinks: asked }, config, sinkEnvironment(project))
  let isTaken = true
  for (const sink of sinks) {
    const outcome = await sink.send(testNotification(), AbortSignal.timeout(testMaxMs))
    if (outcome.kind !== 'sent') isTaken = false
    process.stdout.write(`${sink.name} ${printableLine(outcomeText(outcome))}\n`)
    await sink.close()
  }
  return isTaken
}

/** Of a test, what the service says itself can be shown. */
function outcomeText(outcome: SendOutcome): string {
  if (outcome.kind === 'sent') return 'has taken it'
  const said = outcome.said === undefined ? '' : `: ${outcome.said}`
  return `has not taken it: ${outcome.reason}${said}`
}

function testNotification(): AlertNotification {
  const about = { kind: 'test', route: 'test', severity: 'info', raisedMs: Date.now(), count: 1 } as const
  const none = { transactions: [], levels: [], rules: [], eventTimes: null, health: null }
  return { id: randomUUID().replaceAll('-', ''), ...about, ...none }
}

type Logged = {
  readonly log: AlertLog
  readonly query: (sql: string) => Promise<Record<string, unknown>[]>
}

async function withLog<Result>(config: Config, work: (logged: Logged) => Promise<Result>): Promise<Result> {
  const { deltaBasePath } = config
  if (!(await DeltaTable.exists(opsDirectory(deltaBasePath, alertLogPath)))) {
    const message = `nothing alerted yet in ${deltaBasePath}: a run with ALERTS_CONFIG writes alerts.log.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  const instance = await DuckDBInstance.create(':memory:', { ...instanceOptions(config), threads: '1' })
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    const log = await AlertLog.open(deltaBasePath, connection)
    return await work({ log, query: async (sql) => queryLog(connection, await log.scan(), sql) })
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

type ListFlags = { readonly failed?: true; readonly silences?: true; readonly limit: number }

const isoSql = (instant: string) => `strftime(${instant}, '%Y-%m-%d %H:%M:%S')`

/** What each notification came to at each sink; one is old when a later one tells of its trouble. */
const toldSql = `, told AS (SELECT notification, route, min("at") AS raised, count(*) AS rows, max(event) AS event,
    any_value(sinks) AS sinks, any_value(health) AS health, max(sequence) AS last FROM log WHERE event IN ('raised', 'digest', 'resolved') AND notification IS NOT NULL
    GROUP BY notification, route),
  aged AS (SELECT *, health IS NOT NULL AND last < max(last) OVER (PARTITION BY route, health) AS is_old
    FROM told),
  outcomes AS (${outcomesSql}),
  states AS (SELECT notification, route, raised, rows, aged.event AS kind, sink, is_old,
      CASE coalesce(outcome, '') WHEN 'sent' THEN 'sent' WHEN 'dead' THEN 'failed' ELSE 'waits' END AS state,
      CASE outcome WHEN 'dead' THEN outcomes.reason ELSE '' END AS reason
    FROM (SELECT * EXCLUDE (sinks), unnest(sinks) AS sink FROM aged) AS aged
    LEFT JOIN outcomes USING (notification, sink))`

async function listed({ query }: Logged, { failed, silences, limit }: ListFlags): Promise<string> {
  if (silences === true) {
    const rows = await query(
      `SELECT silence, ${isoSql('"until"')} AS until_text, coalesce(route, 'all') AS route,
         coalesce(condition, '') AS condition, coalesce(reason, '') AS reason
       FROM log WHERE event = 'silence' AND "until" > make_timestamp(${Date.now() * 1000}) ORDER BY "at" DESC LIMIT ${limit}`,
    )
    return textOf(['silence', 'until_text', 'route', 'condition', 'reason'], rows)
  }
  const rows = await query(
    `${toldSql} SELECT notification, ${isoSql('raised')} AS raised, route, kind, sink, state, reason FROM states
     ${failed === true ? `WHERE state = 'failed'` : ''} ORDER BY states.raised DESC, notification, sink LIMIT ${limit}`,
  )
  return textOf(['notification', 'raised', 'route', 'kind', 'sink', 'state', 'reason'], rows)
}

function textOf(columns: readonly string[], rows: readonly Record<string, unknown>[]): string {
  const cells = rows.map((row) => columns.map((column) => printableLine(String(row[column]))))
  return tableText(
    columns.map((column) => column.replace('_text', '')),
    cells,
  )
}

async function replay({ log, query }: Logged, ids: readonly string[], isAll: boolean): Promise<number> {
  if ((ids.length === 0) === !isAll)
    throw new LakehouseError('CONFIG_INVALID', 'give the ids of notifications, or --failed for all.')
  const asked = isAll ? 'true' : `notification IN (${ids.map(duckdb.text).join(', ')})`
  const rows = await query(
    `${toldSql} SELECT notification, list(sink) AS sinks, bool_or(is_old) AS is_old FROM states
     WHERE state = 'failed' AND ${asked} GROUP BY notification`,
  )
  const found = rows.map((row) => String(row.notification))
  const unknown = ids.filter((id) => !found.includes(id))
  if (unknown.length > 0) {
    const message = `no sink has refused ${unknown.join(', ')}: "assay alerts list --failed" shows what failed.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  // It would open an incident that is over, or close one that lasts.
  const isOld = ({ is_old }: Readonly<Record<string, unknown>>) => is_old === true
  const old = rows.filter(isOld).map((row) => String(row.notification))
  if (!isAll && old.length > 0) {
    const message = `${old.join(', ')}: the trouble has changed since, and a later notification tells of it.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  const at = Date.now() * 1000
  const again = rows
    .filter((row) => !isOld(row))
    .map(({ notification, sinks }): AlertLogRow => {
      const names = Array.isArray(sinks) ? sinks.map(String) : []
      return { at, event: 'replayed', notification: String(notification), sinks: names }
    })
  if (again.length > 0) await log.append(again)
  return again.length
}

type SilenceFlags = {
  readonly for: string
  readonly route?: string
  readonly when?: string
  readonly reason?: string
}

async function silence(config: Config, flags: SilenceFlags): Promise<string> {
  const untilMs = endOf(flags.for, Date.now())
  const alerts = await readAlertsFile(config)
  const names = alerts.routes.map(({ name }) => name)
  if (flags.route !== undefined && !names.includes(flags.route)) {
    const message = `there is no route ${JSON.stringify(flags.route)}: there is ${names.join(', ')}.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  if (flags.when !== undefined) checkCondition(config, flags.when)
  const id = randomUUID().slice(0, 8)
  const row: AlertLogRow = {
    ...{ at: Date.now() * 1000, event: 'silence', silence: id, until: untilMs * 1000 },
    ...(flags.route === undefined ? {} : { route: flags.route }),
    ...(flags.when === undefined ? {} : { condition: flags.when }),
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
  }
  await withLog(config, ({ log }) => log.append([row]))
  return `silence ${id} until ${new Date(untilMs).toISOString()}\n`
}

function endOf(text: string, nowMs: number): number {
  const micros = parseDuration(text)
  const endMs = micros === null ? parseInstantMs(text) : nowMs + Number(micros / 1000n)
  if (endMs !== null && endMs > nowMs) return endMs
  throw new LakehouseError('CONFIG_INVALID', '--for is a duration, as in "2 hours", or a time to come.')
}

function checkCondition({ lakehouse }: Config, when: string): void {
  const mistakes: string[] = []
  alertCondition(when, scoredColumns(lakehouse), (at, message) => mistakes.push(`${at + 1}: ${message}`))
  if (mistakes.length === 0) return
  throw new LakehouseError('ALERTS_INVALID', ['the condition has mistakes:', ...mistakes].join('\n  '))
}
