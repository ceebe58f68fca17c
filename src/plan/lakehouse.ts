// A lakehouse as one value: its tables by their roles, its streams, watermarks and settings, and the rules
// that its scored table goes by. Engines, the proof and the commands are handed it and know no table by name.
import { assert, LakehouseError } from '../errors/errors.ts'
import type { ColumnType, Expr, Schema } from '../expr/index.ts'
import { inputsOf, sessionsIn } from './inputs.ts'
import { inputNameMistakes, lookBackMistakes, windowMistakes } from './mistakes.ts'
import type { PlanNode, SessionsNode } from './relation.ts'
import { type Role, roleColumns } from './roles.ts'
import type { TableDefinition } from './table.ts'
import { typeMistakes } from './type-mistakes.ts'

/** How far a watermark stays behind the greatest event time of the events. */
export type Watermark = {
  /** Its variable is `WATERMARK_<NAME>`. */
  readonly name: string
  /** A duration as it would stand in .env. */
  readonly default: string
}

/** A value that decides rows and is configured: a parameter of plans, and a variable. */
export type Setting = {
  /** The parameter's name in plans. */
  readonly parameter: string
  /** A duration is a long of microseconds, names are an array<string>. */
  readonly kind: 'duration' | 'names'
  readonly variable: string
  readonly group: 'Time' | 'Fraud rules'
  /** One sentence, without its full stop. */
  readonly meaning: string
  /** As it would stand in .env. */
  readonly default: string
  readonly example: string
}

/**
 * A length of time that is a part of a table's definition, and is configured: another one is another
 * definition.
 */
export type DefinitionSetting = Pick<Setting, 'variable' | 'group' | 'meaning' | 'default' | 'example'> & {
  /** The path of the table, whose rows are sessions. */
  readonly table: string
  readonly part: 'gapMicros' | 'lengthMaxMicros'
}

/** A rule as it is recorded with the definitions of a batch. */
export type DefinedRule = {
  readonly name: string
  readonly points: number
  readonly meaning: string
  readonly fires: Expr<'boolean'>
  /** True where a calculation in it has no result; absent or null where it calculates nothing. */
  readonly overflows?: Expr<'boolean'> | null
  /** What it says of a row for which it fires. */
  readonly says?: Sentence
}

/** When something counts: in the batches of this time; a bound that is absent or null is none. */
export type CountedTime = { readonly sinceMicros?: bigint; readonly untilMicros: bigint | null }

/** An element that is added to a list of the rules. */
export type ListEntry = CountedTime & { readonly list: string; readonly value: string }

/** A rule that does not fire for a person. */
export type Snooze = CountedTime & { readonly rule: string; readonly person: string }

/** What is added to the rules of a version, whatever version. */
export type AddedToRules = { readonly entries: readonly ListEntry[]; readonly snoozes: readonly Snooze[] }

/** Rules that decide: their number among the versions, their text, and what is added to it. */
export type RulesVersion = Partial<AddedToRules> & {
  readonly version: number
  readonly text: string
  /** Lists that no variable sets: the elements are those of the text. Absent: the batch brings them. */
  readonly ownLists?: readonly string[]
  /** Other rules decide for a part of the customers. */
  readonly experiment?: RulesExperiment
  /** Rules that are asked beside these, and decide nothing; absent: there never were any. */
  readonly shadows?: readonly Omit<RulesVersion, 'experiment' | 'shadows'>[]
}

export type RulesExperiment = {
  readonly name: string
  /** Of the customers, the share that the candidate decides for: more than 0, less than 1. */
  readonly share: number
  /** The column that names the customer. */
  readonly by: string
  readonly candidate: Omit<RulesVersion, 'experiment' | 'shadows'>
}

/** The file of rules, and the columns that its conditions may ask. */
export type RulesSource = {
  readonly file: string
  readonly columns: Schema
  /** The lakehouse as it is by other rules. Fails with RULES_INVALID. */
  readonly by: (rules: RulesVersion) => Lakehouse
}

/** The version of rules that nobody has numbered: those that a lakehouse begins with. */
export const firstRulesVersion = 1

/** Text, and columns whose values stand in it. */
export type Sentence = readonly SentencePart[]
export type SentencePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'column'; readonly name: string; readonly type: ColumnType }

/** A column of the events, and where a record has its value: for records that were refused. */
export type NamingColumn = { readonly column: string; readonly path: readonly string[] }

/** A mapping is data that its reader knows; the reasons are those of conditions beside it. */
export type RecordReading = {
  readonly mapping: unknown
  readonly checkReasons: readonly string[]
  /** Values that columns of the project may have, by column: for records that are made up. */
  readonly samples?: Readonly<Record<string, readonly unknown[]>>
}

export type LakehouseParts = {
  /** The topic that is read where KAFKA_TOPIC does not say another. */
  readonly topic: string
  /** Every record as it arrives, nothing parsed. */
  readonly records: TableDefinition
  /** The records that are valid, on time and not repeated. */
  readonly events: TableDefinition
  /** The others, each with its reasons. */
  readonly refused: TableDefinition
  /** The events with their score; null where none are scored. */
  readonly scored: TableDefinition | null
  /** Further tables, each behind those that it reads. */
  readonly tables: readonly TableDefinition[]
  /** What rules say that decide nothing: the last of the tables where it is written. */
  readonly shadow?: { readonly table: TableDefinition; readonly isWritten: boolean }
  /** The paths of tables that may lie in a folder that is kept for Assay itself: they come with it. */
  readonly shipped?: readonly string[]
  /** The streams by name, each may run as a process of its own; the first reads the input. */
  readonly streams: readonly string[]
  /** The first judges which records are late; none of the others is smaller. */
  readonly watermarks: readonly Watermark[]
  readonly settings: readonly Setting[]
  readonly definitionSettings?: readonly DefinitionSetting[]
  readonly rules: readonly DefinedRule[]
  /** Where the rules are text. */
  readonly rulesFrom?: RulesSource
  /** The rules of the candidate, where an experiment goes on; `rules` has those that only it has, too. */
  readonly candidateRules?: readonly DefinedRule[]
  /**
   * The column of the events that names one, that names the person whom it is about, and that records have
   * for their key, as text; absent: the person.
   */
  readonly names: {
    readonly event: NamingColumn
    readonly person: NamingColumn
    readonly key?: NamingColumn
  }
  /** What each reason of a refused record means. */
  readonly reasons: Readonly<Record<string, string>>
  /** How records are read, for who reads them without the plan; absent: nobody can. */
  readonly reading?: RecordReading
}

export type Lakehouse = Omit<LakehouseParts, 'tables'> & {
  /** All tables in the order in which a batch writes them: a table reads only what stands before it. */
  readonly tables: readonly TableDefinition[]
}

/** Folders of the lakehouse that are no tables of anybody's. */
const keptFolders = ['ops', 'rules', 'review', 'quality', 'alerts', 'fraud_labels', 'live']

/** Checks what types cannot say. Fails with LAKEHOUSE_INVALID; its message has one line for each mistake. */
export function defineLakehouse(parts: LakehouseParts): Lakehouse {
  const { records, events, refused, scored, shipped = [] } = parts
  const roles = [records, events, refused, ...(scored === null ? [] : [scored])]
  const shadow = parts.shadow?.isWritten === true ? [parts.shadow.table] : []
  const lakehouse = { ...parts, tables: [...roles, ...parts.tables, ...shadow] }
  const mistakes = [
    ...pathMistakes(lakehouse.tables, [...shipped, ...shadow.map(({ path }) => path)]),
    ...nameMistakes(lakehouse),
    ...roleMistakes('records', records),
    ...roleMistakes('events', events),
    ...partitionMistakes(events),
    ...roleMistakes('refused', refused),
    ...(scored === null ? [] : roleMistakes('scored', scored)),
    ...readMistakes(lakehouse.tables),
    ...inputNameMistakes(lakehouse.tables),
    ...settingMistakes(lakehouse),
    ...definitionSettingMistakes(lakehouse),
    ...lakehouse.tables.flatMap((table) => typeMistakes(table, parameterTypes(lakehouse))),
    ...lakehouse.tables.flatMap((table) => [
      ...windowMistakes(events, table),
      ...lookBackMistakes(events, lakehouse.tables, [events.path, refused.path], table),
    ]),
  ]
  if (mistakes.length === 0) return lakehouse
  throw new LakehouseError('LAKEHOUSE_INVALID', ['the lakehouse is not valid:', ...mistakes].join('\n  '), {
    details: { mistakes },
  })
}

/** The tables, and the one that is a table once it is written. */
export function namedTables({
  tables,
  shadow,
}: Pick<Lakehouse, 'tables' | 'shadow'>): readonly TableDefinition[] {
  return shadow === undefined || shadow.isWritten ? tables : [...tables, shadow.table]
}

/** The tables that these streams write. */
export function tablesOf({ tables }: Lakehouse, streams: readonly string[]): readonly TableDefinition[] {
  return tables.filter((table) => streams.includes(table.stream))
}

/** The stream that reads the input. */
export function inputStream({ streams }: Lakehouse): string {
  return streams[0]!
}

/** The watermark that judges which records are late. */
export function eventsWatermark({ watermarks }: Lakehouse): string {
  return watermarks[0]!.name
}

export function roleOf({ records, events, refused, scored }: Lakehouse, path: string): Role | null {
  if (path === records.path) return 'records'
  if (path === events.path) return 'events'
  if (path === refused.path) return 'refused'
  return path === scored?.path ? 'scored' : null
}

/** True for a table whose rows cannot be computed from the events. */
export function isOfInput(lakehouse: Lakehouse, path: string): boolean {
  const role = roleOf(lakehouse, path)
  return role !== null && role !== 'scored'
}

function pathMistakes(tables: readonly TableDefinition[], shipped: readonly string[]): string[] {
  return tables.flatMap(({ path }, index) => {
    const [folder] = path.split('/')
    if (!/^[a-z][a-z0-9_]*(\/[a-z][a-z0-9_]*)*$/.test(path)) {
      return [`table ${JSON.stringify(path)}: a path is lower-case names with / between them`]
    }
    if (keptFolders.includes(folder!) && !shipped.includes(path))
      return [`table ${path}: the folder ${folder} is kept for Assay itself`]
    const other = tables.find((one, at) => at !== index && `${path}/`.startsWith(`${one.path}/`))
    if (other === undefined) return []
    return [
      other.path === path ? `two tables are called ${path}` : `table ${path} lies inside of ${other.path}`,
    ]
  })
}

function nameMistakes({ tables, streams, watermarks }: Lakehouse): string[] {
  const watermarkNames = watermarks.map(({ name }) => name)
  const among = (names: readonly string[]): string => `there is ${names.join(', ')}`
  const odd = [...streams, ...watermarkNames].filter((name) => !/^[a-z][a-z0-9_-]*$/.test(name))
  return [
    ...odd.map(
      (name) => `${JSON.stringify(name)} is no name of a stream or watermark: letters, digits, _ and -`,
    ),
    ...[streams, watermarkNames].flatMap((names) =>
      names.flatMap((name, index) =>
        names.indexOf(name) === index ? [] : [`there are two of the name ${name}`],
      ),
    ),
    ...(streams.length === 0 ? ['there is no stream'] : []),
    ...(watermarks.length === 0 ? ['there is no watermark'] : []),
    ...tables.flatMap(({ path, stream, watermark }) => [
      ...(streams.includes(stream) ? [] : [`table ${path}: no stream ${stream}; ${among(streams)}`]),
      ...(watermark === null || watermarkNames.includes(watermark)
        ? []
        : [`table ${path}: no watermark ${watermark}; ${among(watermarkNames)}`]),
    ]),
  ]
}

/** What every batch brings. */
const batchParameters = {
  processing_time: 'timestamp',
  watermark: 'timestamp',
  closed_after: 'timestamp',
  closed_up_to: 'timestamp',
} as const

function parameterTypes({ settings }: Lakehouse): Schema {
  const own = settings.map(({ parameter, kind }) => [
    parameter,
    kind === 'duration' ? 'long' : 'array<string>',
  ])
  return { ...batchParameters, ...Object.fromEntries(own) }
}

function settingMistakes({ settings }: Lakehouse): string[] {
  const isTwice = (name: 'parameter' | 'variable', index: number): boolean =>
    settings.findIndex((one) => one[name] === settings[index]![name]) !== index
  return settings.flatMap(({ parameter, variable }, index) => [
    ...(/^[a-z][a-z0-9_]*$/.test(parameter) && !(parameter in batchParameters) && !isTwice('parameter', index)
      ? []
      : [`setting ${JSON.stringify(parameter)}: a parameter is a name of its own of letters, digits and _`]),
    ...(/^[A-Z][A-Z0-9_]*$/.test(variable) && !isTwice('variable', index)
      ? []
      : [`setting ${JSON.stringify(variable)}: a variable is a name of its own of capitals, digits and _`]),
  ])
}

function definitionSettingMistakes({ tables, settings, definitionSettings = [] }: Lakehouse): string[] {
  const variables = settings.map(({ variable }) => variable)
  return definitionSettings.flatMap(({ table, variable }) => {
    const found = tables.find(({ path }) => path === table)
    return [
      ...(found === undefined || sessionsIn(found.rows.node) !== null
        ? []
        : [`setting ${variable}: ${table} has no sessions`]),
      ...(variables.includes(variable) ? [`setting ${variable}: there are two of this variable`] : []),
    ]
  })
}

/** The lakehouse whose definitions have these lengths, by their variables. */
export function withDefinitionSettings(
  lakehouse: Lakehouse,
  micros: Readonly<Record<string, unknown>>,
): Lakehouse {
  const { definitionSettings = [] } = lakehouse
  const configured = <T extends TableDefinition>(table: T): T => {
    const own = definitionSettings.filter((one) => one.table === table.path)
    const lengths = own.flatMap(({ part, variable }) => {
      const value = micros[variable]
      return typeof value === 'bigint' ? [[part, value] as const] : []
    })
    if (lengths.length === 0) return table
    const node = withLengths(table.rows.node, Object.fromEntries(lengths))
    return { ...table, rows: { ...table.rows, node } }
  }
  return { ...lakehouse, tables: lakehouse.tables.map(configured) }
}

function withLengths(
  node: PlanNode,
  lengths: Partial<Pick<SessionsNode, 'gapMicros' | 'lengthMaxMicros'>>,
): PlanNode {
  if (node.kind === 'sessions') return { ...node, ...lengths }
  return 'input' in node ? { ...node, input: withLengths(node.input, lengths) } : node
}

function roleMistakes(role: Role, { path, rows }: TableDefinition): string[] {
  const schema: Schema = rows.schema
  return Object.entries(roleColumns[role]).flatMap(([name, type]) => {
    if (schema[name] === type) return []
    const found = schema[name] === undefined ? 'it has none of that name' : `it is ${schema[name]}`
    return [`table ${path}: as the table of ${role} it needs the column ${name} of type ${type}; ${found}`]
  })
}

/** By its days the rows in a range of event times are found. */
function partitionMistakes({ path, partitionBy, rows: { node } }: TableDefinition): string[] {
  if (partitionBy === null) return []
  const day = node.kind === 'project' ? node.columns[partitionBy] : undefined
  const [instant] = day?.kind === 'call' && day.function === 'dateOf' ? day.args : []
  if (instant?.kind === 'column' && instant.name === 'event_time') return []
  return [`table ${path}: the table of events is partitioned by dateOf(event_time), or by nothing`]
}

/** A table reads the batch of tables before it alone. */
function readMistakes(tables: readonly TableDefinition[]): string[] {
  return tables.flatMap(({ path, rows }, index) => {
    return inputsOf(rows.node).flatMap(({ reads, schema }) => {
      if (reads.of === 'records') return []
      const at = tables.findIndex((one) => one.path === reads.table)
      if (at < 0) return [`table ${path} reads ${reads.table}, which is no table of the lakehouse`]
      // A history is what the table had before the batch: its own rows as well.
      const isBefore = at < index || (reads.of === 'history' && at <= index)
      if (!isBefore) return [`table ${path} reads ${reads.table}, which stands behind it`]
      return columnMistakesOf(path, schema, tables[at]!)
    })
  })
}

/** What a table reads has to be there. */
function columnMistakesOf(path: string, wanted: Schema, { path: table, rows }: TableDefinition): string[] {
  const schema: Schema = rows.schema
  return Object.entries(wanted).flatMap(([name, type]) => {
    if (schema[name] === type) return []
    const found = schema[name] === undefined ? `which has no such column` : `where it is ${schema[name]}`
    return [`table ${path} reads the column ${name} of type ${type} from ${table}, ${found}`]
  })
}

/** The table of that path. */
export function tableAt(tables: readonly TableDefinition[], path: string): TableDefinition {
  const found = tables.find((table) => table.path === path)
  assert(found !== undefined, `no table ${path} is defined`)
  return found
}
