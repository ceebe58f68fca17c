// assay why: the story of one transaction, from the tables alone.

import { DuckDBTimestampTZValue, type DuckDBValue } from '@duckdb/node-api'
import { Command } from 'commander'
import type { Config } from '../config/config.ts'
import { formatDuration } from '../config/duration.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { jsonValueAt } from '../json/json-value-at.ts'
import { hasTables, noLakehouse } from '../ops/readable.ts'
import { type DefinedRule, historiesOf, type Lakehouse, type TableDefinition } from '../plan/index.ts'
import type { Project } from '../project/project.ts'
import { type LakehouseReader, openReader } from '../query/reader.ts'
import { resultCellText } from '../query/result-cell.ts'
import { sqlName } from '../query/table-name.ts'
import { filledSentence } from '../rules/index.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import { type RulesByVersion, rulesByVersion } from '../versions/rules-in-force.ts'
import { printable, printableLine } from './printable.ts'
import { recordPlace } from './record-place.ts'
import { tableText } from './result-output.ts'
import { openSession } from './session.ts'

export function whyCommand(project: Project): Command {
  return new Command('why')
    .argument(
      '<transaction>',
      'its id as it is in the record, without white space around it, or the topic/partition/offset of its record',
    )
    .action(async (id: string) => {
      const { config } = openSession(project)
      process.stdout.write(printable(await why(config, id, process.stdout.columns ?? Infinity)))
    })
}

/** Rows of each kind that are shown; what is beyond is counted by nobody. */
const matchesMax = 20
const windowRowsMax = 100
const versionsMax = 100

type Row = Readonly<Record<string, DuckDBValue>>

/** Fails with TRANSACTION_NOT_FOUND where no table knows the id. */
export async function why(of: Config, id: string, widthMax = Infinity): Promise<string> {
  if (id.trim() === '') throw new LakehouseError('TRANSACTION_NOT_FOUND', 'no transaction has an empty id.')
  const rules = await rulesByVersion(await versionedRules(of))
  const config = { ...of, lakehouse: rules.lakehouse }
  const reader = await openReader(config)
  try {
    const { accepted, refused } = await rowsNamed(reader, id)
    if (accepted.length + refused.length === 0) throw await notFound(config, id)
    const sections: string[] = []
    for (const silver of accepted) sections.push(await acceptedText(reader, rules, silver, widthMax))
    for (const { row, what } of refused) sections.push(await refusedText(reader, row, what))
    return sections.join('\n')
  } finally {
    reader.close()
  }
}

type NamedRows = {
  readonly accepted: readonly Row[]
  /** Each with what it is called. */
  readonly refused: readonly { readonly row: Row; readonly what: string }[]
}

/** The rows of the id; where there is none, those of the record that the text says the place of. */
async function rowsNamed(reader: LakehouseReader, id: string): Promise<NamedRows> {
  const { events, refused } = reader.lakehouse
  const accepted = await acceptedRows(reader, id)
  const named = (await refusedRows(reader, id)).filter(({ value }) => isValueOf(reader.lakehouse, value, id))
  const place = accepted.length + named.length === 0 ? recordPlace(id) : null
  if (place === null) {
    // Of malformed bytes nobody can say which id they have.
    const what = (row: Row): string =>
      reasonsOf(row).includes('malformed') ? `${id} (${malformedTold})` : id
    return { accepted, refused: named.map((row) => ({ row, what: what(row) })) }
  }
  const at = { ...place, offset: BigInt(place.offset) }
  return {
    accepted: await atPosition(reader, events, at),
    refused: (await atPosition(reader, refused, at)).map((row) => ({ row, what: id })),
  }
}

async function notFound({ lakehouse, deltaBasePath }: Config, id: string): Promise<LakehouseError> {
  if (!(await hasTables(lakehouse, deltaBasePath))) return noLakehouse(deltaBasePath)
  const { events, refused } = lakehouse
  const message =
    `no transaction ${JSON.stringify(id)} in ${deltaBasePath}: it is neither in ${sqlName(events)} ` +
    `nor in ${sqlName(refused)}. It was not read yet, its id is another, or DELTA_BASE_PATH is.`
  return new LakehouseError('TRANSACTION_NOT_FOUND', message)
}

const malformedTold = 'a record that is no JSON object and somewhere holds this text'

const arrival = 'processing_time, topic, "partition", "offset"'

function acceptedRows(reader: LakehouseReader, id: string): Promise<Row[]> {
  const { events, names } = reader.lakehouse
  const column = quoteIdentifier(names.event.column)
  const sql = `SELECT * FROM ${sqlName(events)} WHERE ${column} = $id ORDER BY ${arrival} LIMIT ${matchesMax}`
  return select(reader, events, sql, { id })
}

/**
 * Quarantined rows whose bytes hold the id, as it is or as JSON escapes it. The bytes need not be text at
 * all, and their hexadecimal form can match between two bytes: `isValueOf` decides.
 */
function refusedRows(reader: LakehouseReader, id: string): Promise<Row[]> {
  const { refused } = reader.lakehouse
  const sql = `SELECT * FROM ${sqlName(refused)} WHERE contains(hex(value), hex(encode($id::VARCHAR)))
    OR contains(hex(value), hex(encode($escaped::VARCHAR))) ORDER BY ${arrival} LIMIT ${matchesMax}`
  return select(reader, refused, sql, { id, escaped: JSON.stringify(id).slice(1, -1) })
}

/** A value that is JSON has to have the id in its place; for one that is not, holding it is enough. */
function isValueOf({ names }: Lakehouse, value: DuckDBValue | undefined, id: string): boolean {
  const text = value == null ? '' : resultCellText(value)
  try {
    const its = jsonValueAt(JSON.parse(text), names.event.path)
    return typeof its === 'string' ? its.trim() === id : String(its) === id
  } catch {
    return text.includes(id)
  }
}

async function acceptedText(
  reader: LakehouseReader,
  rules: RulesByVersion,
  event: Row,
  widthMax: number,
): Promise<string> {
  const { events, scored, names } = reader.lakehouse
  const title = `${text(event[names.event.column])}: accepted`
  const hidden = new Set(['topic', 'partition', 'offset', 'processing_time', 'processing_date'])
  return [
    `${title}\n${'═'.repeat(title.length)}`,
    await originText(reader, event),
    factsText(sqlName(events), event, hidden),
    ...(scored === null ? [] : [await scoredText(reader, rules, scored, event)]),
    ...(await shadowTexts(reader, event)),
    ...(await lookBackTexts(reader, event, widthMax)),
  ].join('\n')
}

async function scoredText(
  reader: LakehouseReader,
  rules: RulesByVersion,
  scored: TableDefinition,
  event: Row,
): Promise<string> {
  const [score] = await atPosition(reader, scored, event)
  if (score !== undefined) return scoreText(rules, score, event)
  return `score\n  not scored yet: ${sqlName(scored)} has no row for it\n`
}

/** What versions said of it that decided nothing; nothing where none did. */
async function shadowTexts(reader: LakehouseReader, event: Row): Promise<string[]> {
  const { shadow } = reader.lakehouse
  if (shadow === undefined) return []
  const rows = await atPosition(reader, shadow.table, event, versionsMax)
  if (rows.length === 0) return []
  const lines = rows
    .toSorted((a, b) => Number(a.rules_version) - Number(b.rules_version))
    .map((row) => {
      const review = row.requires_review === true ? ', would require review' : ''
      const [fired, failed] = [reasonsOf(row), reasonsOf({ reasons: row.failed_rules ?? null })]
      const uncalculated = failed.length === 0 ? '' : `; not calculated: ${failed.join(', ')}`
      const said = `score ${text(row.fraud_score)}, ${text(row.risk_level)}${review}`
      return `  version ${text(row.rules_version)}: ${said}: ${fired.join(', ') || 'no rule fired'}${uncalculated}`
    })
  return [`shadows, which decided nothing\n${lines.map((line) => `${printableLine(line)}\n`).join('')}`]
}

async function originText(reader: LakehouseReader, row: Row): Promise<string> {
  const [bronze] = await atPosition(reader, reader.lakehouse.records, row)
  const facts = {
    topic: row.topic ?? null,
    partition: row.partition ?? null,
    offset: row.offset ?? null,
    'Kafka time': bronze?.kafka_timestamp ?? null,
    'processing time': row.processing_time ?? null,
    value: bronze?.value ?? row.value ?? null,
  }
  return factsText('came from', facts)
}

/** The rows of the table that come from the same record: of most tables it is one. */
function atPosition(reader: LakehouseReader, table: TableDefinition, row: Row, rowsMax = 1): Promise<Row[]> {
  const sql = `SELECT * FROM ${sqlName(table)}
    WHERE topic = $topic AND "partition" = $partition AND "offset" = $offset LIMIT ${rowsMax}`
  return select(reader, table, sql, { topic: row.topic!, partition: row.partition!, offset: row.offset! })
}

/** null in rows that are older than versions of rules. */
function versionOf({ rules_version: version }: Row): number | null {
  return typeof version === 'number' ? version : null
}

function scoreText(versions: RulesByVersion, fraud: Row, event: Row): string {
  const rules = versions.at(versionOf(fraud))
  const fired = reasonsOf(fraud)
  const lines = fired.map((name) => {
    const rule = rules.find((known) => known.name === name)
    const sign = rule !== undefined && rule.points < 0 ? '' : '+'
    const points = (rule === undefined ? '?' : `${sign}${rule.points}`).padStart(3)
    return `  ${points}  ${name.padEnd(18)} ${rule === undefined ? '' : printableLine(saidOf(rule, fraud, event))}${entryText(versions, name, fraud, event)}`.trimEnd()
  })
  const review = fraud.requires_review === true ? ', requires review' : ''
  const sum = rules
    .filter(({ name }) => fired.includes(name))
    .reduce((total, { points }) => total + points, 0)
  const version = versionOf(fraud)
  const by = version === null ? '' : `, by version ${version} of the rules`
  const heading = `score ${text(fraud.fraud_score)}, ${text(fraud.risk_level)}${review}${by}`
  if (fired.length === 0) lines.push('  no rule fired')
  if (sum !== fraud.fraud_score)
    lines.push(`  the points are today's (${sum} together): the rules have changed since`)
  return `${[heading, ...lines].join('\n')}\n`
}

/** Which entry of a list it was, where it is none of the version's own. */
function entryText(versions: RulesByVersion, rule: string, fraud: Row, event: Row): string {
  const at = fraud.processing_time ?? event.processing_time
  if (!(at instanceof DuckDBTimestampTZValue)) return ''
  const values = Object.values({ ...event, ...fraud }).flatMap((cell) =>
    typeof cell === 'string' ? [cell] : [],
  )
  const entry = versions.entryOf(rule, versionOf(fraud), values, at.micros)
  if (entry === null) return ''
  const note = entry.note === null ? '' : `: ${printableLine(entry.note)}`
  return ` (${printableLine(entry.value)} was added to ${entry.list} by ${printableLine(entry.user)}${note})`
}

/** In place of a value that the row does not have stands that it is unknown. */
function saidOf({ says, meaning }: DefinedRule, fraud: Row, event: Row): string {
  if (says === undefined) return meaning
  return filledSentence(says, (name) => {
    const value = fraud[name] ?? event[name]
    return value == null ? null : text(value)
  })
}

/** What the scored table looks back at: the events of one key in the time before. */
async function lookBackTexts(reader: LakehouseReader, event: Row, widthMax: number): Promise<string[]> {
  const { scored } = reader.lakehouse
  const looks = scored === null ? [] : historiesOf(scored.rows.node).map(({ node }) => node)
  const texts: string[] = []
  for (const node of looks) {
    if (node.kind === 'deduplicate' || event[node.key] == null) continue
    const rows = await eventsBefore(reader, event, node.key, node.rangeMicros)
    texts.push(windowText(reader.lakehouse, event, node, rows, widthMax))
  }
  return texts
}

/** The events of the same key that the row looks back at: in the time before it, and arrived no later. */
function eventsBefore(reader: LakehouseReader, event: Row, key: string, rangeMicros: bigint): Promise<Row[]> {
  const { events } = reader.lakehouse
  const sql = `SELECT * FROM ${sqlName(events)} WHERE ${quoteIdentifier(key)} = $key
    AND event_time BETWEEN $event_time - to_microseconds(${rangeMicros}) AND $event_time
    AND (${arrival}) <= ($processing_time, $topic, $partition, $offset)
    ORDER BY event_time DESC, ${arrival} LIMIT ${windowRowsMax + 1}`
  const { event_time, processing_time, topic, partition, offset } = event
  return select(reader, events, sql, {
    key: event[key]!,
    event_time: event_time!,
    processing_time: processing_time!,
    topic: topic!,
    partition: partition!,
    offset: offset!,
  })
}

/** Columns of the events that tell most of them at a glance, where there are such. */
const telling = ['amount', 'merchant', 'payment_method', 'country', 'device_id']

function windowText(
  { events, names }: Lakehouse,
  event: Row,
  { key, rangeMicros }: { readonly key: string; readonly rangeMicros: bigint },
  rows: readonly Row[],
  widthMax: number,
): string {
  const shown = [names.event.column, ...telling.filter((name) => name in events.rows.schema && name !== key)]
  // The day stands above; the time of day is what tells the rows apart, so it must not be cut.
  const cells = rows
    .slice(0, windowRowsMax)
    .map((row) => [text(row.event_time).slice(11, 26), ...shown.map((name) => text(row[name]))])
  const until = text(event.event_time).slice(0, 26).replace('T', ' ')
  const shownOf = rows.length > windowRowsMax ? `more than ${windowRowsMax}, the latest of them` : null
  const count = shownOf ?? counted(rows.length, 'transaction')
  const what = key.endsWith('_id') ? key.slice(0, -3) : key
  const range = formatDuration(rangeMicros)
  const heading = `${what} ${text(event[key])}, the ${range} until ${until}Z (${count})`
  return `${heading}\n${tableText(['time', ...shown], cells, { widthMax, isRight: [false, false, true] })}`
}

async function refusedText(reader: LakehouseReader, row: Row, what: string): Promise<string> {
  const reasons = reasonsOf(row)
  const title = `${printableLine(what)}: refused: ${reasons.join(', ')}`
  const meanings = reasons.map((reason) => `  ${reason.padEnd(22)} ${reader.lakehouse.reasons[reason] ?? ''}`)
  return [
    `${title}\n${'═'.repeat(title.length)}`,
    `${meanings.join('\n')}\n`,
    await originText(reader, row),
  ].join('\n')
}

function reasonsOf({ reasons }: Row): readonly string[] {
  return reasons == null ? [] : (JSON.parse(resultCellText(reasons)) as string[])
}

function factsText(heading: string, facts: Row, hidden: ReadonlySet<string> = new Set()): string {
  const shown = Object.entries(facts).filter(([name]) => !hidden.has(name))
  const width = Math.max(...shown.map(([name]) => name.length))
  const lines = shown.map(([name, value]) => `  ${name.padEnd(width)}  ${text(value)}`.trimEnd())
  return `${[heading, ...lines].join('\n')}\n`
}

function text(value: DuckDBValue | undefined): string {
  return value == null ? '-' : printableLine(resultCellText(value))
}

/** No rows where the table has not been written. */
async function select(
  reader: LakehouseReader,
  table: TableDefinition,
  sql: string,
  parameters: Readonly<Record<string, DuckDBValue>>,
): Promise<Row[]> {
  if (!(await reader.has(table))) return []
  const rows: Row[] = []
  for await (const chunk of (await reader.select(sql, parameters)).yieldRowObjects()) rows.push(...chunk)
  return rows
}
