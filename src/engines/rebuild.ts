// A derived table computed anew from silver's history: each row with the time of its own batch, and by what
// its batch went by, but where the table's definition has changed since in a way that its rows do not follow:
// there by today's. Runs pause meanwhile, as for an erasure. One commit replaces the rows, so whatever ends
// the work before leaves the table as it was.

import type { DuckDBConnection } from '@duckdb/node-api'
import {
  batchAppId,
  noProgress,
  type Progress,
  progressTxns,
  type RecordedBatch,
  rewoundAppId,
  sinceAppId,
  writerAppId,
} from '../batches/progress.ts'
import {
  type DeltaSnapshot,
  DeltaTable,
  deltaType,
  fetchedScanSql,
  type Replacement,
  type StagedAppend,
} from '../delta/index.ts'
import { duckdbType, typeText } from '../delta/schema.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { tableHash } from '../ops/definitions.ts'
import { noLakehouse } from '../ops/readable.ts'
import { rebuiltTxns } from '../ops/rebuilt.ts'
import { dayText, retainedOf } from '../ops/retained.ts'
import { deltaDefinition, openTable, tableDirectory } from '../ops/tables.ts'
import { batchTimeColumn } from '../plan/batch-time.ts'
import { isOfInput, type Lakehouse, type Role, roleOf, type TableDefinition, tableAt } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { BatchHistory } from './batch-history.ts'
import { planOf, rulesOf } from './batch-rules.ts'
import { refuseCopy } from './copied-place.ts'
import { definitionsOfRun } from './definition-changes.ts'
import type { DefinitionStore } from './definition-store.ts'
import { computableFrom } from './dropped-history.ts'
import { executeBatch } from './embedded/execute.ts'
import { BatchContexts, batchRowsSql } from './embedded/follow-silver.ts'
import { carrierOf } from './embedded/replay.ts'
import type { PipelineOptions } from './engine.ts'
import { type EraseOptions, LockedLakehouse } from './erase.ts'
import { tellNobody } from './events.ts'
import { RebuiltDefinitions } from './rebuilt-definitions.ts'
import { replacedOperation } from './restored.ts'
import { carryToSilver } from './resume.ts'
import { startChanges } from './start-changes.ts'
import { type BatchTable, claimTable } from './tables.ts'
import { UsualFigures } from './usual-figures.ts'

export type RebuildOptions = Omit<EraseOptions, 'signal'> &
  Omit<PipelineOptions, 'streams' | 'source' | 'once' | 'finalize' | 'tell'> & {
    /** Told after each batch: how many of how many. */
    readonly onProgress?: (batch: bigint, last: bigint) => void
  }

export type RebuildReport = {
  readonly batches: bigint
  readonly rows: bigint
  readonly rowsBefore: bigint
  /** Among the rows are so many of days that silver has dropped: they are as they were. */
  readonly kept: { readonly rows: bigint; readonly beforeMicros: bigint } | null
}

/** Fails with DEFINITION_INCOMPATIBLE for a table that nothing computes. */
export async function rebuildTable(options: RebuildOptions, path: string): Promise<RebuildReport> {
  const { lakehouse, deltaBasePath } = options
  const definition = tableAt(lakehouse.tables, path)
  if (isOfInput(lakehouse, path)) {
    throw new LakehouseError(
      'DEFINITION_INCOMPATIBLE',
      `${path} has the records themselves: nothing can compute it anew. The tables that can are ` +
        `${lakehouse.tables.flatMap((one) => (isOfInput(lakehouse, one.path) ? [] : [one.path])).join(', ')}.`,
    )
  }
  await refuseCopy(deltaBasePath)
  if (!(await DeltaTable.exists(tableDirectory(deltaBasePath, lakehouse.events))))
    throw noLakehouse(deltaBasePath)
  const directory = tableDirectory(deltaBasePath, definition)
  // A directory that was removed is made again: by another definition than before no run would fill it.
  if (!(await DeltaTable.exists(directory)))
    await openTable(deltaBasePath, definition, options.tableProperties)
  // A batch that stands still because of this very table is left to the next start.
  return LockedLakehouse.use(
    { ...options, lakehouse: inputOf(lakehouse) },
    (locked) => rebuildLocked(options, definition, locked),
    { mayLeaveBatches: true },
  )
}

/** The tables of the input alone: others need not be as they are defined today. */
function inputOf(lakehouse: Lakehouse): Lakehouse {
  const { records, events, refused } = lakehouse
  return { ...lakehouse, scored: null, tables: [records, events, refused] }
}

async function rebuildLocked(
  options: RebuildOptions,
  definition: TableDefinition,
  locked: LockedLakehouse,
): Promise<RebuildReport> {
  const { lakehouse, deltaBasePath } = options
  const { database, tables } = locked
  const { path } = definition
  const silver = tables.get(lakehouse.events.path)
  assert(silver, 'an erasure and a rebuild have silver in their hands')
  const store = definitionsOfRun(options, database.load)
  const { changes } = await startChanges(options, store, database.load)
  const refused = changes.find(({ kind }) => kind === 'refused')
  if (refused !== undefined) {
    throw new LakehouseError('DEFINITION_INCOMPATIBLE', `${refused.name}: ${refused.text}`)
  }
  await store.record(options.tableProperties)
  const delta = await DeltaTable.open(tableDirectory(deltaBasePath, definition))
  const claim = await claimTable(delta)
  const snapshot = await delta.snapshot()
  const replacement = delta.replacement(snapshot, deltaDefinition(definition, {}))
  const table = new RebuiltTable(definition, roleOf(lakehouse, path), replacement, database.upkeep)
  const run: PipelineOptions = {
    ...options,
    streams: [definition.stream],
    source: null,
    once: true,
    finalize: false,
    tell: tellNobody,
  }
  await carryStanding(run, locked, store)
  const definitions = new RebuiltDefinitions(store, definition)
  const history = new BatchHistory(deltaBasePath, silver.delta, database.load)
  const facts = { definitions, paths: [path], source: 'events' } as const
  const contexts = new BatchContexts(run, database, silver.delta, facts)
  let before = await computableFrom(run, store, history, noProgress)
  const kept = before.batch === 0n ? null : await keepRows(options, table, { snapshot, delta }, before)
  const keptFromMicros = retainedOf(snapshot.txns)?.keptFromMicros ?? 0n
  for await (const next of history.after(before.batch)) {
    options.signal.throwIfAborted()
    // Days that the table has dropped do not come back.
    if (next.progress.timeMicros < keptFromMicros) {
      before = next.progress
      continue
    }
    const plan = planOf(before, next, rulesOf(run, store))
    const rows = { kind: 'silver', select: await batchRowsSql(silver.delta, next), recorded: next } as const
    await executeBatch(await contexts.of(before, plan), plan, before, rows, [table])
    before = next.progress
    options.onProgress?.(before.batch, silver.progress.batch)
  }
  const hash = tableHash(store.current, path)
  assert(hash !== null, `${path} has a definition`)
  const outcome = await delta.replaceRows(replacement, {
    ...soleOperation,
    fence: { appId: writerAppId, version: claim },
    txns: {
      ...progressTxns(before),
      [batchAppId]: before.batch,
      [sinceAppId]: 0n,
      [rewoundAppId]: 0n,
      ...rebuiltTxns(snapshot.txns, { hash, set: store.current.hash, batch: before.batch }),
    },
    timestampMs: Number(options.clock() / 1000n),
  })
  if (outcome.kind !== 'committed') throw overtaken(delta)
  await delta.settled()
  return { batches: before.batch, rows: table.rows, rowsBefore: snapshot.numRecords ?? 0n, kept }
}

/** Rows of days that silver has dropped cannot be computed any more: the table keeps those that it has. */
async function keepRows(
  { lakehouse }: RebuildOptions,
  table: RebuiltTable,
  { snapshot, delta }: { readonly snapshot: DeltaSnapshot; readonly delta: DeltaTable },
  { timeMicros }: Progress,
): Promise<{ readonly rows: bigint; readonly beforeMicros: bigint }> {
  const { definition } = table
  const beforeMicros = timeMicros + 1n
  const has = new Map(snapshot.metadata.fields.map(({ name, type }) => [name, type]))
  const column = batchTimeColumn(lakehouse, definition)
  const wanted = Object.entries(definition.rows.schema).map(([name, type]) => ({
    name,
    type: deltaType(type),
  }))
  const other = wanted.find(({ name, type }) => has.has(name) && typeText(has.get(name)!) !== typeText(type))
  if (snapshot.files.size === 0) return { rows: 0n, beforeMicros }
  if (column === null || !has.has(column) || other !== undefined) {
    const why =
      other === undefined
        ? 'the table does not say which batch a row came with'
        : `their ${other.name} is of another type`
    throw new LakehouseError(
      'DEFINITION_INCOMPATIBLE',
      `${definition.path}: its rows of batches up to ${dayText(beforeMicros)} cannot be computed again, because silver has dropped what they were made of (its retention), ` +
        `and they cannot be kept, because ${why}. ` +
        'Copy the table elsewhere and remove its directory: the next run begins it anew from what silver has.',
    )
  }
  const scan = await fetchedScanSql(snapshot, delta.directory, { naiveTimestamps: true })
  const cells = wanted.map(({ name, type }) => {
    const as = duckdb.name(name)
    return has.has(name) ? as : `CAST(NULL AS ${duckdbType(type)}) AS ${as}`
  })
  const rows = await table.keep(
    `SELECT ${cells.join(', ')} FROM (${scan}) WHERE ${duckdb.name(column)} < make_timestamp(${beforeMicros})`,
  )
  return { rows, beforeMicros }
}

/**
 * A batch that bronze has and silver has not could be carried by no start: its rows of the table would go by
 * what the table was.
 */
async function carryStanding(
  options: PipelineOptions,
  { database, tables }: LockedLakehouse,
  definitions: DefinitionStore,
): Promise<void> {
  const { records, events } = options.lakehouse
  const found = [records, events].flatMap(({ path }) => tables.get(path) ?? [])
  if (found.length < 2) return // The next start tells what is lost.
  const facts = { options, connection: database.load, tables: found, definitions }
  await carryToSilver(facts, carrierOf(options, database, found, definitions))
}

const soleOperation = { operation: replacedOperation, operationParameters: {} } as const

/** What batches see of the table: their rows are put aside until all are there. */
class RebuiltTable implements BatchTable {
  readonly definition: TableDefinition
  readonly role: Role | null
  readonly delta: Replacement
  progress: Progress = noProgress
  rows = 0n
  /** By the rows that are computed, behind those that were taken over. */
  readonly usual = new UsualFigures({ select: async () => this.#kept, state: async () => '' })
  #kept: string | null = null
  readonly #connection: DuckDBConnection

  constructor(
    definition: TableDefinition,
    role: Role | null,
    delta: Replacement,
    connection: DuckDBConnection,
  ) {
    this.definition = definition
    this.role = role
    this.delta = delta
    this.#connection = connection
  }

  /** Takes rows over that are not computed again. */
  async keep(select: string): Promise<bigint> {
    const staged = await this.delta.stage(this.#connection, select)
    await this.delta.add(this.#connection, staged)
    this.rows += staged.rowCount
    this.#kept = select
    return staged.rowCount
  }

  has(batch: bigint): boolean {
    return this.progress.batch >= batch
  }

  async commit(staged: StagedAppend | null, { progress }: RecordedBatch): Promise<void> {
    if (staged !== null) await this.delta.add(this.#connection, staged)
    this.rows += staged?.rowCount ?? 0n
    this.progress = progress
  }
}

function overtaken({ directory }: DeltaTable): LakehouseError {
  return new LakehouseError(
    'WRITER_FENCED',
    `${directory} was taken over by another process while it was rebuilt: this one gave no sign of life for a lease ` +
      '(it was paused, or the machine was). The table is as it was: rebuild it again.',
  )
}
