// What a start changes: the definitions of today against those of the last batch. `assay plan` shows it, and
// a start goes by it: what the tables can follow goes on, anything else stops it before a table is touched.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { RecordedBatch } from '../batches/progress.ts'
import { type DeltaSnapshot, DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { batchesPath } from '../ops/batches.ts'
import { type Definitions, settingChanges } from '../ops/definitions.ts'
import { newestRebuild } from '../ops/rebuilt.ts'
import { opsDirectory, progressOf, tableDirectory } from '../ops/tables.ts'
import { isConstant } from '../plan/constants.ts'
import {
  copyName,
  expandOf,
  hasClosingRows,
  isOfInput,
  type Lakehouse,
  type TableDefinition,
  type TableDifference,
  tableDifference,
} from '../plan/index.ts'
import { BatchHistory } from './batch-history.ts'
import { definitionsOfRun } from './definition-changes.ts'
import type { DefinitionStore } from './definition-store.ts'
import type { PipelineOptions } from './engine.ts'
import { journalAfter } from './journal.ts'

export type StartChange = {
  readonly kind: 'new table' | 'new column' | 'next batch' | 'rebuild' | 'refused' | 'removed table'
  /** A table by its path, a rule or a setting by its name. */
  readonly name: string
  /** What is another than in the last batch, and what a start makes of it. */
  readonly text: string
}

export type StartChanges = {
  /** The last batch that any table has; null for a lakehouse that has none. */
  readonly last: RecordedBatch | null
  readonly changes: readonly StartChange[]
}

export type StartFacts = Pick<PipelineOptions, 'lakehouse' | 'deltaBasePath'>

/** What a start of today's definitions changes; nothing is written. */
export async function startChanges(
  of: StartFacts,
  store: DefinitionStore,
  connection: DuckDBConnection,
): Promise<StartChanges> {
  const last = await lastRecorded(of, connection)
  const hash = last?.plan?.definitions
  if (last === null || hash === undefined) return { last, changes: [] }
  const before = await store.at(hash)
  if (before === null) return { last, changes: [] }
  const written = await writtenTables(of, store, last.progress.batch)
  return { last, changes: changesBetween(of.lakehouse, before, store.current, written) }
}

/**
 * Fails with DEFINITION_INCOMPATIBLE where the tables cannot go on by today's definitions. To be asked before
 * a table is opened: that adds columns.
 */
export async function refuseIncompatible(
  options: PipelineOptions,
  connection: DuckDBConnection,
): Promise<void> {
  const { last, changes } = await startChanges(options, definitionsOfRun(options, connection), connection)
  const stopping = changes.filter(stopsStart)
  if (stopping.length === 0) return
  const lines = stopping.map(({ name, text }) => `${name}: ${text}`)
  const message = `since batch ${last?.progress.batch} definitions have changed in a way that the tables cannot follow:`
  throw new LakehouseError('DEFINITION_INCOMPATIBLE', [message, ...lines].join('\n  '), {
    details: { changes: stopping },
  })
}

/** Tells what is another than in the last batch; its rows, and all before, stay as they are. */
export async function tellChanges(
  options: Pick<PipelineOptions, 'lakehouse' | 'deltaBasePath' | 'tell'>,
  store: DefinitionStore,
  { plan, progress: { batch } }: RecordedBatch,
): Promise<void> {
  const hash = plan?.definitions
  if (hash === undefined || hash === store.current.hash) return
  const before = await store.at(hash)
  const changes =
    before === null
      ? ['the definitions of then are lost']
      : changesBetween(
          options.lakehouse,
          before,
          store.current,
          await filledTables(options, store, batch),
        ).map(changeText)
  if (changes.length === 0) return
  const message = `Since batch ${batch} these have changed: ${changes.join('; ')}. Rows that are there stay as they are.`
  options.tell({ kind: 'notice', code: 'DEFINITIONS_CHANGED', message, details: { batch, changes } })
}

export function changeText({ kind, name, text }: StartChange): string {
  return `${name}: ${kind}, ${text}`
}

export function stopsStart({ kind }: StartChange): boolean {
  return kind === 'rebuild' || kind === 'refused'
}

/** A table as it is on disk. */
export type WrittenTable = {
  readonly isThere: boolean
  /** What its rows go by, where that is not what the last batch went by: it was rebuilt since. */
  readonly rebuiltAs: TableDefinition | null
}

/** The decision, of facts alone. */
export function changesBetween(
  lakehouse: Lakehouse,
  before: Definitions,
  after: Definitions,
  written: ReadonlyMap<string, WrittenTable>,
): StartChange[] {
  const isOf = (path: string) => (table: TableDefinition) => table.path === path
  const ofTables = after.tables.flatMap((is) => {
    const { isThere = false, rebuiltAs = null } = written.get(is.path) ?? {}
    const was = rebuiltAs ?? before.tables.find(isOf(is.path)) ?? null
    const facts = { isInput: isOfInput(lakehouse, is.path), isThere }
    if (was === null) return [newTable(is, facts)]
    const difference = tableDifference(was, is)
    return difference === null ? [] : tableChanges(is, difference, facts)
  })
  const removed = before.tables.filter(({ path }) => !after.tables.some(isOf(path)))
  return [
    ...ofTables,
    ...removed.map(({ path }): StartChange => {
      return { kind: 'removed table', name: path, text: 'it stays as it is, and is not written any more' }
    }),
    ...settingChanges(before, after).map((one): StartChange => ({ kind: 'next batch', ...one })),
  ]
}

type TableFacts = { readonly isInput: boolean; readonly isThere: boolean }

function newTable({ path, rows }: TableDefinition, { isInput, isThere }: TableFacts): StartChange {
  const expanded = expandOf(rows.node)
  if (expanded !== null) {
    const names = expanded.copies.map((copy) => `${expanded.by} ${copyName(expanded, copy)}`)
    return { kind: 'next batch', name: path, text: `it has rows of ${listed(names)}` }
  }
  if (isInput) {
    const text =
      'no batch has written it, but others were written: a table that the records themselves go to keeps its name. Give it its old name, or begin anew with an empty DELTA_BASE_PATH'
    return { kind: 'refused', name: path, text }
  }
  if (isThere) {
    const text = `it was no table of the last batch, so it lacks rows: run "assay rebuild ${path}"`
    return { kind: 'rebuild', name: path, text }
  }
  return { kind: 'new table', name: path, text: "it is filled from silver's history when it first runs" }
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}

function tableChanges(
  is: TableDefinition,
  difference: TableDifference,
  { isInput }: TableFacts,
): StartChange[] {
  const { path } = is
  const blocking = blockingChanges(is, difference)
  if (blocking.length > 0) {
    if (!isInput) {
      return [{ kind: 'rebuild', name: path, text: `${blocking.join('; ')}: run "assay rebuild ${path}"` }]
    }
    return [{ kind: 'refused', name: path, text: `${blocking.join('; ')}: ${inputAdvice(difference)}` }]
  }
  const { added, recomputed, isOfOtherRows, layout, addedFigures, removedFigures } = difference
  const schema: Readonly<Record<string, string>> = is.rows.schema
  const columns = added.map((name): StartChange => {
    return {
      kind: 'new column',
      name: path,
      text: `${name} (${schema[name]}); rows that are there have null`,
    }
  })
  const reasons = reasonTexts(difference)
  // Which records are refused, and what their rows say, follows from the reasons.
  const isByReasons = isInput && reasons.length > 0
  const others = [
    ...reasons,
    ...recomputed.flatMap((name) =>
      (isByReasons && name === 'reasons') || isConstant(is, name)
        ? []
        : [`${name} is computed in another way`],
    ),
    ...(isOfOtherRows && !isByReasons ? ['which rows it has goes by another condition'] : []),
    ...layout,
    ...addedFigures.map((name) => `it has rows of ${name}`),
    ...removedFigures.map((name) => `it has no rows of ${name} any more`),
  ]
  if (others.length === 0) return columns
  const text = `${others.join('; ')}; rows that are there stay as they are`
  return [...columns, { kind: 'next batch', name: path, text }]
}

/** Names are those of checks, and of what every mapping asks for. */
function reasonTexts({ isOfOtherRows, recomputed, reasons }: TableDifference): string[] {
  if (!isOfOtherRows && recomputed.length === 0) return []
  const { added, removed, changed } = reasons
  return [
    ...added.map((name) => `it has the new reason ${name}`),
    ...removed.map((name) => `the reason ${name} is gone`),
    ...changed.map((name) => `the reason ${name} goes by another condition`),
  ]
}

/** What can be done where a table of the records themselves cannot follow. */
function inputAdvice({ retyped, removed }: TableDifference): string {
  const advice = [
    ...(retyped.length > 0 ? ['give the column another name and keep the old one'] : []),
    ...(removed.length > 0
      ? [`keep ${removed.join(', ')}, which is null from then on where records have no such value any more`]
      : []),
  ]
  const first = advice.length === 0 ? 'take the change back' : advice.join('; ')
  return `its rows are the records themselves, which nothing can compute anew: ${first}, or begin anew with an empty DELTA_BASE_PATH`
}

/** What rows that are there do not go together with. */
export function blockingChanges(is: TableDefinition, difference: TableDifference): string[] {
  const { removed, retyped, recomputed, isOfOtherRows, layout } = difference
  const columns = [
    ...removed.map((name) => `its column ${name} is gone`),
    ...retyped.map((one) => `its column ${one.name} was ${one.was} and is ${one.is}`),
  ]
  // Where a stream says how far its tables are, it means those that it had: one that moves there lacks rows.
  const isOfWindows = hasClosingRows(is.rows.node)
  if (!isOfWindows)
    return [...columns, ...layout.filter((text) => /^its (stream|partition column) /.test(text))]
  const windows = [...layout, ...recomputed.map((name) => `its column ${name} is computed in another way`)]
  return [
    ...columns,
    ...(windows.length > 0 ? windows : isOfOtherRows ? ['which rows it has goes by another condition'] : []),
  ]
}

/** By the tables of the input, or, where those have other names by now, by the journal. */
async function lastRecorded(
  { lakehouse, deltaBasePath }: StartFacts,
  connection: DuckDBConnection,
): Promise<RecordedBatch | null> {
  const candidates: RecordedBatch[] = []
  const events = await openIfThere(tableDirectory(deltaBasePath, lakehouse.events))
  for (const path of [lakehouse.events.path, lakehouse.records.path]) {
    const delta = await openIfThere(tableDirectory(deltaBasePath, { path }))
    const progress = delta === null ? null : await progressOf(delta, await delta.snapshot())
    if (delta === null || progress === null) continue
    const history = new BatchHistory(deltaBasePath, events ?? delta, connection)
    candidates.push(await history.last(delta, progress))
  }
  const journal = await openIfThere(opsDirectory(deltaBasePath, batchesPath))
  if (candidates.length === 0 && journal !== null) {
    const noted = (await progressOfJournal(await journal.snapshot())) - 1n
    for await (const recorded of journalAfter(connection, journal, noted)) candidates.push(recorded)
  }
  return candidates.reduce<RecordedBatch | null>((most, one) => {
    return most === null || one.progress.batch > most.progress.batch ? one : most
  }, null)
}

async function progressOfJournal({ txns }: DeltaSnapshot): Promise<bigint> {
  return txns.get('assay')?.version ?? 0n
}

async function openIfThere(directory: string): Promise<DeltaTable | null> {
  return (await DeltaTable.exists(directory)) ? DeltaTable.open(directory) : null
}

/** The same when tables are open: a new one has been made by then, and gets its rows from silver's history. */
async function filledTables(
  of: StartFacts,
  store: DefinitionStore,
  lastBatch: bigint,
): Promise<ReadonlyMap<string, WrittenTable>> {
  const written = await writtenTables(of, store, lastBatch)
  return new Map([...written].map(([path, { rebuiltAs }]) => [path, { isThere: false, rebuiltAs }]))
}

async function writtenTables(
  { lakehouse, deltaBasePath }: StartFacts,
  store: DefinitionStore,
  lastBatch: bigint,
): Promise<ReadonlyMap<string, WrittenTable>> {
  const written = new Map<string, WrittenTable>()
  for (const { path } of lakehouse.tables) {
    const delta = await openIfThere(tableDirectory(deltaBasePath, { path }))
    if (delta === null) continue
    const { txns } = await delta.snapshot()
    const rebuilt = newestRebuild(txns)
    const rebuiltAs = rebuilt === null || rebuilt.batch < lastBatch ? null : await store.table(rebuilt.hash)
    written.set(path, { isThere: true, rebuiltAs })
  }
  return written
}
