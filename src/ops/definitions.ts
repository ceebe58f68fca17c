// ops/definitions: what decided the rows, as text by its hash. A replay, `assay verify` and a table that is
// made again use the definitions of the batch, whatever the sources say by then.
import { createHash } from 'node:crypto'
import type { BatchSettings } from '../batches/plan.ts'
import { formatDuration } from '../config/duration.ts'
import { watermarkVariable } from '../config/variables.ts'
import type { DeltaTableDefinition } from '../delta/index.ts'
import { assert } from '../errors/errors.ts'
import {
  type Lakehouse,
  type NamedReads,
  type RecordReading,
  type Setting,
  storedTable,
  storedText,
  type TableDefinition,
} from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'

export const definitionsPath = 'ops/definitions'

export type StoredDefinition = {
  readonly kind: 'table' | 'rule' | 'setting' | 'reading'
  readonly name: string
  readonly content: string
  readonly hash: string
}

/** All that decides the rows of a batch. */
export type Definitions = {
  readonly hash: string
  readonly stored: readonly StoredDefinition[]
  readonly tables: readonly TableDefinition[]
  /** How records were read, for who reads them without the plan; null where nobody recorded it. */
  readonly reading: DefinedReading | null
}

type DefinedReading = Pick<RecordReading, 'mapping' | 'checkReasons'>

export const definitionsDefinition = {
  description: 'The tables, rules and settings that decided rows, as text by their hash.',
  partitionColumns: [],
  fields: ['hash', 'kind', 'name', 'content'].map((name) => {
    return { name, type: 'string' as const, nullable: true, metadata: {} }
  }),
} satisfies Omit<DeltaTableDefinition, 'properties'>

/** Inputs had names alone when the first lakehouses recorded what decides their rows: theirs stay so. */
const namedReads: NamedReads = {
  kafka_batch: { of: 'records' },
  bronze_batch: { of: 'batch', table: 'bronze/transactions' },
  silver_batch: { of: 'batch', table: 'silver/transactions' },
  silver_ids: { of: 'history', table: 'silver/transactions' },
  silver_users: { of: 'history', table: 'silver/transactions' },
  silver_recent: { of: 'closing', table: 'silver/transactions' },
}

export function definitionsOf(lakehouse: Lakehouse, settings: BatchSettings): Definitions {
  const { tables, rules, reading } = lakehouse
  const stored = [
    ...tables.map((table) => define('table', table.path, storedText(table, namedReads))),
    ...rules.map(({ name, points, meaning, fires }) =>
      define('rule', name, storedText({ points, meaning, fires })),
    ),
    ...Object.entries(settingTexts(lakehouse, settings)).map(([name, value]) =>
      define('setting', name, value),
    ),
    ...(reading === undefined ? [] : [define('reading', 'records', readingText(reading))]),
  ]
  return { hash: hashOf(setText(stored)), stored, tables, reading: reading ?? null }
}

/** Samples decide nothing. */
function readingText({ mapping, checkReasons }: RecordReading): string {
  return storedText({ mapping, checkReasons })
}

/** As they would stand in .env. */
function settingTexts(
  { settings }: Lakehouse,
  { delays, parameters, recordsPerBatchMax }: BatchSettings,
): Readonly<Record<string, string>> {
  const watermarks = Object.entries(delays).map(([name, micros]) => {
    return [watermarkVariable(name), formatDuration(micros)]
  })
  const values = settings.map((setting) => [setting.variable, settingText(setting, parameters)])
  return {
    ...Object.fromEntries([...watermarks, ...values]),
    MAX_RECORDS_PER_BATCH: String(recordsPerBatchMax),
  }
}

function settingText({ parameter }: Setting, parameters: BatchSettings['parameters']): string {
  const value = parameters[parameter]
  assert(value !== undefined, `the parameter ${parameter} has a value`)
  return typeof value === 'bigint' ? formatDuration(value) : value.join(',')
}

function define(kind: StoredDefinition['kind'], name: string, content: string): StoredDefinition {
  return { kind, name, content, hash: hashOf(`${kind}\n${name}\n${content}`) }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

function setText(stored: readonly StoredDefinition[]): string {
  return storedText(stored.map(({ kind, name, hash }) => [kind, name, hash]))
}

/**
 * A SELECT of the rows that a set of definitions brings: each of its parts that is not known, and the list.
 */
export function definitionRowsSql({ hash, stored }: Definitions, known: ReadonlySet<string>): string {
  const rows = [
    ...stored.filter((one) => !known.has(one.hash)),
    { hash, kind: 'set', name: '', content: setText(stored) },
  ]
  const cells = rows.map(
    (row) => `(${[row.hash, row.kind, row.name, row.content].map(duckdb.text).join(', ')})`,
  )
  return `SELECT * FROM (VALUES ${cells.join(',\n')}) AS definitions(hash, kind, name, content)`
}

/** The definitions of a set's text; `contentOf` gives the text of a part, null where it is gone. */
export function definitionsFrom(
  hash: string,
  set: string,
  contentOf: (hash: string) => string | null,
): Definitions | null {
  const parts: unknown = JSON.parse(set)
  assert(Array.isArray(parts), 'a set of definitions is a list')
  const stored: StoredDefinition[] = []
  for (const [kind, name, partHash] of parts as [StoredDefinition['kind'], string, string][]) {
    const content = contentOf(partHash)
    if (content === null) return null
    stored.push({ kind, name, content, hash: partHash })
  }
  const tables = stored.filter(({ kind }) => kind === 'table').map(({ content }) => tableOfText(content))
  const reading = stored.find(({ kind }) => kind === 'reading')
  // As `readingText` wrote it.
  return { hash, stored, tables, reading: reading === undefined ? null : JSON.parse(reading.content) }
}

export type SettingChange = { readonly name: string; readonly text: string }

/** The rules and settings that are others in `after` than in `before`. */
export function settingChanges(before: Definitions, after: Definitions): SettingChange[] {
  const keyOf = ({ kind, name }: StoredDefinition): string => `${kind} ${name}`
  const old = new Map(before.stored.map((one) => [keyOf(one), one]))
  const changes: SettingChange[] = []
  for (const one of after.stored) {
    const was = old.get(keyOf(one))
    old.delete(keyOf(one))
    if (!isOfChanges(one) || was?.hash === one.hash) continue
    const text = was === undefined ? 'it is new' : changeOf(was, one)
    changes.push({ name: keyOf(one), text })
  }
  const gone = [...old.values()].filter(isOfChanges)
  return [...changes, ...gone.map((one) => ({ name: keyOf(one), text: 'it is gone' }))]
}

/** Tables are compared by their columns, and how records are read is in them. */
function isOfChanges({ kind }: StoredDefinition): boolean {
  return kind === 'rule' || kind === 'setting'
}

function changeOf(was: StoredDefinition, is: StoredDefinition): string {
  return is.kind === 'setting' ? `${was.content} became ${is.content}` : 'it was changed'
}

/** The hash of a table's own definition. */
export function tableHash({ stored }: Definitions, path: string): string | null {
  return stored.find(({ kind, name }) => kind === 'table' && name === path)?.hash ?? null
}

/** The table that is defined by the text of a part. */
export function tableOfText(content: string): TableDefinition {
  return storedTable(content, namedReads)
}
