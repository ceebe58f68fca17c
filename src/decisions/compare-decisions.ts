// Decisions against the tables, cell by cell: each that differs from the row of its record has a cause.
// Decisions are early and at least once, the tables the truth.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Delays } from '../batches/plan.ts'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { BatchHistory } from '../engines/batch-history.ts'
import { rowsOf } from '../engines/database.ts'
import { DefinitionStore } from '../engines/definition-store.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Schema } from '../expr/index.ts'
import type { Definitions } from '../ops/definitions.ts'
import { tableDirectory } from '../ops/tables.ts'
import {
  eventsWatermark,
  historiesOf,
  type Lakehouse,
  placeColumns,
  type TableDefinition,
} from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { cutTextMax, featureColumns } from './decision.ts'
import { decisionVersion } from './decision-version.ts'
import { type CausesOf, causeStatements, type DifferenceCause, keyColumn } from './difference-causes.ts'

export type ComparedLakehouse = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly delays: Delays
  readonly current: Definitions
  /** Decisions one a line, each with what `DecidedLine` says. */
  readonly file: string
}

export type Difference = {
  readonly topic: string
  readonly partition: string
  readonly offset: string
  readonly column: string
  readonly decided: string | null
  readonly written: string | null
}

export type ComparedDecisions = {
  /** Records of which there is a decision and a row. */
  readonly compared: number
  /** Decisions of records that are in no table: not yet, or not any more. */
  readonly withoutRow: number
  readonly differing: Readonly<Partial<Record<DifferenceCause, number>>>
  /** The first without a cause. */
  readonly unexplained: readonly Difference[]
  /** False where the log does not go back so far that all batches tell by what they were decided. */
  readonly isVersionKnown: boolean
}

const toldMax = 5

export async function compareDecisions(
  connection: DuckDBConnection,
  options: ComparedLakehouse,
): Promise<ComparedDecisions> {
  const { lakehouse } = options
  const { scored } = lakehouse
  if (scored === null)
    throw new LakehouseError('CONFIG_INVALID', 'this lakehouse scores nothing: there are no decisions.')
  const features = featureColumns(lakehouse, scored.path)
  const looks = looksOf(lakehouse, scored)
  await connection.run(`CREATE TEMP TABLE decided AS ${decidedSql(options.file, features)}`)
  const isVersionKnown = await putVersions(connection, options)
  await connection.run(`CREATE TEMP TABLE written AS ${await writtenSql(options, scored, features, looks)}`)
  await connection.run(`CREATE TEMP TABLE compared AS ${comparedSql}`)
  await connection.run(`CREATE TEMP TABLE differing AS ${differingSql(features)}`)
  const of = {
    ...{ late: 'late', repeated: 'duplicate', looks },
    delayMicros: options.delays[eventsWatermark(lakehouse)] ?? 0n,
  }
  for (const statement of causeStatements(of)) await connection.run(statement)
  return await comparisonOf(connection, isVersionKnown)
}

/** By columns that the events have: a feature by another key differs by what its row shares with others. */
function looksOf({ events }: Lakehouse, scored: TableDefinition): CausesOf['looks'] {
  return historiesOf(scored.rows.node).flatMap(({ node }) =>
    node.kind === 'over' && node.key in events.rows.schema
      ? [{ key: node.key, rangeMicros: node.rangeMicros }]
      : [],
  )
}

const place = Object.keys(placeColumns).map(duckdb.name).join(', ')
const rulesColumn = `list_transform(decision.rules, lambda rule: rule.name)`

function decidedSql(file: string, features: Schema): string {
  const featureTypes = Object.entries(features).map(
    ([name, type]) => `${duckdb.name(name)} ${duckdb.type(type)}`,
  )
  const decision =
    `STRUCT(topic VARCHAR, partition INTEGER, "offset" BIGINT, decision VARCHAR, id VARCHAR, version VARCHAR, ` +
    `fraud_score INTEGER, risk_level VARCHAR, requires_review BOOLEAN, rules STRUCT(name VARCHAR)[], ` +
    `reasons STRUCT(name VARCHAR)[]${featureTypes.length === 0 ? '' : `, features STRUCT(${featureTypes.join(', ')})`})`
  const columns = `{decision: ${duckdb.text(decision)}, record_key: 'VARCHAR', decided_by: 'VARCHAR', decided_as: 'BIGINT'}`
  const cells = Object.keys(features).map(
    (name) => `decision.features.${duckdb.name(name)} AS ${duckdb.name(`d ${name}`)}`,
  )
  // A decision that is there twice is one; two that differ are two.
  return `SELECT * EXCLUDE (decided), min(decided).decided_by AS decided_by, min(decided).decided_as AS decided_as
    FROM (SELECT decision.topic, decision.partition, decision."offset", decision.decision AS d_kind,
        CASE WHEN decision.decision = 'scored' THEN decision.id END AS d_id, decision.version AS d_version,
        decision.fraud_score AS "d fraud_score", decision.risk_level AS "d risk_level",
        decision.requires_review AS "d requires_review", ${rulesColumn} AS "d rules",
        coalesce(list_transform(decision.reasons, lambda reason: reason.name), []) AS d_reasons,
        ${cells.map((cell) => `${cell}, `).join('')} record_key,
        {decided_by: decided_by, decided_as: decided_as} AS decided
      FROM read_json(${duckdb.text(file)}, format = 'newline_delimited', columns = ${columns}))
    GROUP BY ALL`
}

async function writtenSql(
  options: ComparedLakehouse,
  scored: TableDefinition,
  features: Schema,
  looks: CausesOf['looks'],
): Promise<string> {
  const { events, refused, names } = options.lakehouse
  const keys = [...new Set(looks.map(({ key }) => key))]
  const id = names.event.column
  const ofEvents = await scanOf(options, events, [id, 'event_time', 'processing_time', ...keys])
  const ofScored = await scanOf(options, scored, [
    ...['fraud_score', 'risk_level', 'requires_review', 'reasons', ...Object.keys(features)],
  ])
  const ofRefused = await scanOf(options, refused, ['reasons', 'processing_time'])
  const cells = Object.keys(features).map((name) => `s.${duckdb.name(name)} AS ${duckdb.name(`t ${name}`)}, `)
  return `
    SELECT e.topic, e.partition, e."offset", 'scored' AS t_kind, CAST(e.${duckdb.name(id)} AS VARCHAR) AS t_id,
      s.fraud_score AS "t fraud_score", s.risk_level AS "t risk_level",
      s.requires_review AS "t requires_review", s.reasons AS "t rules", CAST([] AS VARCHAR[]) AS t_reasons,
      ${cells.join('')} e.event_time AS t_time, e.processing_time AS t_batch,
      ${keys.map((key) => `e.${duckdb.name(key)} AS ${keyColumn(key)}, `).join('')} v.version AS t_version
    FROM (${ofEvents}) e SEMI JOIN decided USING (${place}) JOIN (${ofScored}) s USING (${place})
      LEFT JOIN versions v ON v.batch = e.processing_time
    UNION ALL BY NAME
    SELECT r.topic, r.partition, r."offset", 'refused' AS t_kind, r.reasons AS t_reasons,
      r.processing_time AS t_batch, v.version AS t_version
    FROM (${ofRefused}) r SEMI JOIN decided USING (${place}) LEFT JOIN versions v ON v.batch = r.processing_time`
}

async function scanOf(
  { deltaBasePath }: ComparedLakehouse,
  table: TableDefinition,
  columns: readonly string[],
): Promise<string> {
  const directory = tableDirectory(deltaBasePath, table)
  if (!(await DeltaTable.exists(directory))) {
    const message = `there is no table ${table.path} in ${deltaBasePath}: run first, or set DELTA_BASE_PATH.`
    throw new LakehouseError('DELTA_TABLE_NOT_FOUND', message)
  }
  const snapshot = await (await DeltaTable.open(directory)).snapshot()
  const all = [...new Set([...Object.keys(placeColumns), ...columns])]
  return await fetchedScanSql(snapshot, directory, { columns: all, naiveTimestamps: true })
}

/** By the time of a batch what decided its rows. False where the log does not go back to the first one. */
async function putVersions(
  connection: DuckDBConnection,
  { lakehouse, deltaBasePath, current }: ComparedLakehouse,
): Promise<boolean> {
  await connection.run('CREATE TEMP TABLE versions (batch TIMESTAMP, version VARCHAR)')
  const directory = tableDirectory(deltaBasePath, lakehouse.events)
  if (!(await DeltaTable.exists(directory))) return true
  const store = new DefinitionStore(deltaBasePath, connection, lakehouse, current)
  const history = new BatchHistory(deltaBasePath, await DeltaTable.open(directory), connection)
  const values: string[] = []
  try {
    for await (const { plan } of history.after(0n)) {
      const definitions = plan === null ? null : await store.at(plan.definitions)
      if (plan === null || definitions === null) continue
      values.push(`(make_timestamp(${plan.timeMicros}), '${decisionVersion(definitions, lakehouse)}')`)
    }
  } catch (error) {
    if (!(error instanceof LakehouseError) || error.code !== 'PROGRESS_UNKNOWN') throw error
    return false
  }
  if (values.length > 0) await connection.run(`INSERT INTO versions VALUES ${values.join(', ')}`)
  return true
}

/** More than a process meets at once: so far it may be ahead of the tables in one partition. */
const aheadMax = 4_000

/** `reached` is the latest event time that a process may have met by then. */
const comparedSql = `
  SELECT *, d_kind = 'scored' AND t_kind = 'scored' AS both_scored,
    max(epoch_us(t_time)) OVER (ORDER BY t_batch, ${place}
      ROWS BETWEEN UNBOUNDED PRECEDING AND ${aheadMax} FOLLOWING) AS reached
  FROM decided JOIN written USING (${place})`

/** The pairs that differ, each with the first cell that does. */
function differingSql(features: Schema): string {
  const cells = ['fraud_score', 'risk_level', 'requires_review', 'rules', ...Object.keys(features)]
  const compared = [
    { name: 'decision', d: 'd_kind', t: 't_kind', where: 'true', told: (of: string) => kindTold(of) },
    { name: 'id', d: 'd_id', t: 't_id', where: 'both_scored' },
    ...cells.map((name) => ({
      ...{ name, d: duckdb.name(`d ${name}`), t: duckdb.name(`t ${name}`), where: 'both_scored' },
    })),
    { name: 'reasons', d: 'd_reasons', t: 't_reasons', where: `NOT both_scored` },
  ]
  const differs = ({ name, d, t, where }: (typeof compared)[number]): string => {
    // Of a decision that was too large for its topic.
    const cut =
      features[name] === 'string' ? ` AND ${d} IS DISTINCT FROM left(${t}, ${cutTextMax}) || '…'` : ''
    return `(${where} AND ${d} IS DISTINCT FROM ${t}${cut})`
  }
  const first = (value: (one: (typeof compared)[number]) => string): string =>
    `CASE ${compared.map((one) => `WHEN ${differs(one)} THEN ${value(one)}`).join(' ')} END`
  const told =
    (of: 'd' | 't') =>
    (one: (typeof compared)[number]): string =>
      'told' in one ? one.told(of) : `CAST(${one[of]} AS VARCHAR)`
  return `
    SELECT row_number() OVER () AS n, *, CAST(NULL AS VARCHAR) AS cause, ${first(({ name }) => duckdb.text(name))} AS "column",
      ${first(told('d'))} AS found, ${first(told('t'))} AS expected
    FROM compared WHERE ${compared.map(differs).join(' OR ')}`
}

/** With the reasons, where it was refused. */
function kindTold(of: string): string {
  return `concat_ws(': ', ${of}_kind, nullif(array_to_string(${of}_reasons, ', '), ''))`
}

async function comparisonOf(
  connection: DuckDBConnection,
  isVersionKnown: boolean,
): Promise<ComparedDecisions> {
  const number = async (sql: string): Promise<number> => Number((await rowsOf(connection, sql))[0]!.count)
  const causes = await rowsOf(
    connection,
    'SELECT cause, count(*) AS count FROM differing GROUP BY cause ORDER BY cause',
  )
  const told = await rowsOf(
    connection,
    `SELECT topic, partition, "offset", "column", found, expected FROM differing WHERE cause = 'unexplained'
     ORDER BY ${place} LIMIT ${toldMax}`,
  )
  return {
    compared: await number('SELECT count(*) AS count FROM compared'),
    withoutRow: await number(`SELECT count(*) AS count FROM decided ANTI JOIN written USING (${place})`),
    differing: Object.fromEntries(causes.map(({ cause, count }) => [String(cause), Number(count)])),
    unexplained: told.map((row) => ({
      ...{ topic: String(row.topic), partition: String(row.partition), offset: String(row.offset) },
      column: String(row.column),
      decided: row.found === null ? null : String(row.found),
      written: row.expected === null ? null : String(row.expected),
    })),
    isVersionKnown,
  }
}
