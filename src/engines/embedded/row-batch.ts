// The rows that a batch brings to the tables that are computed row by row: the compiled row path, fed from
// records in memory, from rows of bronze or from rows of silver.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { BatchPlan } from '../../batches/plan.ts'
import type { RecordedBatch } from '../../batches/progress.ts'
import { type Column, newColumn, type Rows } from '../../columns/column.ts'
import { assert } from '../../errors/errors.ts'
import {
  addRows,
  JudgedFacts,
  type RowPath,
  type RowState,
  type RunningBatch,
  type StateOfRows,
} from '../../javascript/index.ts'
import { type Lakehouse, type TableDefinition, tableAt } from '../../plan/index.ts'
import type { ParameterValues } from '../../sql/index.ts'
import { turn } from '../../steps/turn.ts'
import type { SilverRows } from '../followed-silver.ts'
import {
  addRecords,
  calculatingRules,
  factsOutput,
  judgedRowPath,
  lakehouseRowPath,
  overflowsOutput,
  type RowSource,
  rowTables,
} from '../row-path.ts'
import type { SchemaStore } from '../schema-store.ts'
import { canLookUp, type EventsOfBatch, lookedUp } from './looked-up.ts'
import type { RecentSilver } from './recent.ts'
import type { Records } from './records.ts'
import { eachRow } from './selected-rows.ts'

/** Records that are added without a look at the clock. */
const recordsAtOnce = 1_000
/** The order in which rows arrived. */
const inArrival = 'ORDER BY topic, "partition", "offset"'

/** Where a batch starts: from the input's records, or from rows that a table has already. */
export type BatchInput =
  | { readonly kind: 'records'; readonly records: Records }
  /** Rows that bronze has, and silver has not met. */
  | { readonly kind: 'bronze'; readonly select: string }
  /**
   * A batch that is in the tables already, in part. What silver has of it is taken from there; null where
   * silver lacks it.
   */
  | {
      readonly kind: 'replay'
      readonly select: string
      readonly silver: string | null
      readonly recorded: RecordedBatch
    }
  /** A stream of its own behind silver. */
  | { readonly kind: 'silver'; readonly select: string; readonly recorded: RecordedBatch }

/** The batch's rows by the path of their table; tables without any that was asked for are absent. */
export type BatchRows = {
  readonly tables: ReadonlyMap<string, Rows>
  /** What the judged rows say of the batch; null where none were judged. */
  readonly facts: JudgedFacts | null
  /** In how many scored rows each rule could not calculate; those without any are absent. */
  readonly overflows: Readonly<Record<string, number>>
}

/** The compiled row paths of a run, by the definitions that a batch goes by. */
export class RowPaths {
  readonly #lakehouse: Lakehouse
  readonly #paths: readonly string[]
  readonly #compiled = new Map<string, RowPath>()

  /** `paths`: of the tables that the run writes. */
  constructor(lakehouse: Lakehouse, paths: readonly string[]) {
    this.#lakehouse = lakehouse
    this.#paths = paths
  }

  of(hash: string, definitions: readonly TableDefinition[], source: RowSource): RowPath {
    return this.#path(`${hash} ${source}`, () => {
      const wanted = rowTables(this.#lakehouse, definitions, source, this.#paths)
      return lakehouseRowPath(this.#lakehouse, definitions, source, wanted)
    })
  }

  /** As `of`, of the tables alone that are not computed from events. */
  ofInput(hash: string, definitions: readonly TableDefinition[], source: RowSource): RowPath {
    return this.#path(`${hash} ${source} of input`, () => {
      const behind = rowTables(this.#lakehouse, definitions, 'events', this.#paths)
      const wanted = rowTables(this.#lakehouse, definitions, source, this.#paths)
      const ofInput = wanted.filter((path) => !behind.includes(path))
      return lakehouseRowPath(this.#lakehouse, definitions, source, ofInput)
    })
  }

  judging(hash: string, definitions: readonly TableDefinition[]): RowPath {
    return this.#path(`${hash} judging`, () => judgedRowPath(this.#lakehouse, definitions))
  }

  /** The operators of a run that remember rows of silver. */
  states(hash: string, definitions: readonly TableDefinition[], source: RowSource): readonly RowState[] {
    return this.of(hash, definitions, source).states
  }

  #path(key: string, compile: () => RowPath): RowPath {
    const path = this.#compiled.get(key) ?? compile()
    this.#compiled.set(key, path)
    return path
  }
}

export type ComputeContext = {
  readonly lakehouse: Lakehouse
  readonly rowConnection: DuckDBConnection
  readonly paths: RowPaths
  readonly recent: RecentSilver
  readonly silver: SilverRows
  readonly schemas: SchemaStore
}

export async function computeRows(
  context: ComputeContext,
  plan: BatchPlan,
  definitions: readonly TableDefinition[],
  input: BatchInput,
): Promise<BatchRows> {
  const batch = new RowBatchRun(context, plan, definitions)
  switch (input.kind) {
    case 'records':
      return await batch.ofRecords(input)
    case 'bronze':
      return await batch.ofBronze(input.select)
    case 'silver':
      return await batch.ofSilver(input.select)
    case 'replay':
      if (input.silver === null) return await batch.ofBronze(input.select)
      return await batch.asSilverHas(input.select, input.silver)
  }
}

class RowBatchRun {
  readonly #context: ComputeContext
  readonly #plan: BatchPlan
  readonly #definitions: readonly TableDefinition[]
  readonly #overflows: Record<string, number> = {}

  constructor(context: ComputeContext, plan: BatchPlan, definitions: readonly TableDefinition[]) {
    this.#context = context
    this.#plan = plan
    this.#definitions = definitions
  }

  async ofRecords({ records }: Extract<BatchInput, { kind: 'records' }>): Promise<BatchRows> {
    const facts = new JudgedFacts()
    const batch = this.#start('input', records.count, { [factsOutput]: facts.add })
    for (const chunk of records.chunks) {
      for (let from = 0; from < chunk.count; from += recordsAtOnce) {
        addRecords(batch, chunk, from, Math.min(from + recordsAtOnce, chunk.count))
        await turn()
      }
    }
    const tables = await this.#withRowsBehind(rowsOf(batch, this.#path('input')))
    return { tables, facts, overflows: this.#overflows }
  }

  async ofBronze(select: string): Promise<BatchRows> {
    const facts = new JudgedFacts()
    const batch = this.#start('records', undefined, { [factsOutput]: facts.add })
    await eachRow(this.#context.rowConnection, `SELECT * FROM (${select}) ${inArrival}`, batch.add)
    const tables = await this.#withRowsBehind(rowsOf(batch, this.#path('records')))
    return { tables, facts, overflows: this.#overflows }
  }

  async ofSilver(select: string): Promise<BatchRows> {
    const path = this.#path('events')
    if (Object.keys(path.plan.outputs).length === 0) return { tables: new Map(), facts: null, overflows: {} }
    const batch = await this.#startBehind({ select })
    await eachRow(this.#context.rowConnection, `SELECT * FROM (${select}) ${inArrival}`, batch.add)
    return { tables: rowsOf(batch, path), facts: null, overflows: this.#overflows }
  }

  /**
   * The judgement is that of silver, which has the batch: what silver lacks of bronze's rows is refused. A
   * row that silver lacks although nothing speaks against it today was a repeat by the settings of a version
   * that did not record them.
   */
  async asSilverHas(bronze: string, silver: string): Promise<BatchRows> {
    const { rowConnection: connection } = this.#context
    const accepted = new Set<string>()
    await eachRow(connection, `SELECT topic, "partition", "offset" FROM (${silver})`, (row) => {
      accepted.add(placeOf(row.topic, row.partition, row.offset))
    })
    const { path: refusedPath } = this.#context.lakehouse.refused
    const { schema } = tableAt(this.#definitions, refusedPath).rows
    const names = Object.keys(schema)
    const columns: Record<string, Column> = {}
    for (const [name, type] of Object.entries(schema)) columns[name] = newColumn(type)
    let rowCount = 0
    const [topicAt, partitionAt, offsetAt, reasonsAt] = ['topic', 'partition', 'offset', 'reasons'].map(
      (name) => names.indexOf(name),
    ) as [number, number, number, number]
    const judged = (...values: unknown[]): void => {
      if (accepted.has(placeOf(values[topicAt], values[partitionAt], values[offsetAt]))) return
      if ((values[reasonsAt] as readonly string[]).length === 0) values[reasonsAt] = ['duplicate']
      for (let index = 0; index < names.length; index++) columns[names[index]!]!.push(values[index] as never)
      rowCount++
    }
    const path = this.#context.paths.judging(this.#plan.definitions, this.#definitions)
    const batch = this.#run(path, undefined, { judged })
    await eachRow(connection, `SELECT * FROM (${bronze}) ${inArrival}`, batch.add)
    const { tables } = await this.ofSilver(silver)
    return {
      tables: new Map([...tables, [refusedPath, { schema, columns, rowCount }]]),
      facts: null,
      overflows: this.#overflows,
    }
  }

  /**
   * Rows of operators that are looked up are those of the keys of the batch, which silver's rows have to tell
   * first: tables behind silver are computed from these.
   */
  async #withRowsBehind(tables: ReadonlyMap<string, Rows>): Promise<ReadonlyMap<string, Rows>> {
    const path = this.#path('events')
    const events = tables.get(this.#context.lakehouse.events.path)
    if (!this.#context.recent.isLookedUp || events === undefined) return tables
    if (Object.keys(path.plan.outputs).length === 0) return tables
    const batch = await this.#startBehind(events)
    for (let from = 0; from < events.rowCount; from += recordsAtOnce) {
      addRows(batch, path.reads, events.columns, from, Math.min(from + recordsAtOnce, events.rowCount))
      await turn()
    }
    return new Map([...tables, ...rowsOf(batch, path)])
  }

  /** A batch of the tables behind silver, with what their operators look back at. */
  async #startBehind(events: EventsOfBatch): Promise<RunningBatch> {
    const { recent, rowConnection, silver } = this.#context
    const { timeMicros, settings } = this.#plan
    const { parameters } = settings
    const path = this.#path('events')
    const states: StateOfRows[] = []
    for (const node of path.states) {
      const kept = recent.of(node, parameters)
      if (kept !== null) states.push(kept)
      else if (canLookUp(node)) {
        states.push(await lookedUp(rowConnection, silver, node, events, { timeMicros, parameters }))
      }
    }
    return this.#run(path, undefined, {}, states)
  }

  #path(source: RowSource): RowPath {
    const { paths, recent } = this.#context
    const { definitions } = this.#plan
    if (source === 'events' || !recent.isLookedUp) return paths.of(definitions, this.#definitions, source)
    return paths.ofInput(definitions, this.#definitions, source)
  }

  #start(
    source: RowSource,
    rowCountMax: number | undefined,
    functions: Readonly<Record<string, (...values: never[]) => void>>,
  ): RunningBatch {
    return this.#run(this.#path(source), rowCountMax, functions)
  }

  #run(
    path: RowPath,
    rowCountMax: number | undefined,
    functions: Readonly<Record<string, (...values: never[]) => void>>,
    states = this.#kept(path),
  ): RunningBatch {
    const { settings } = this.#plan
    const parameters: ParameterValues = {
      processing_time: this.#plan.timeMicros,
      watermark: this.#plan.watermarkMicros,
      ...settings.parameters,
    }
    const limit = rowCountMax === undefined ? {} : { rowCountMax }
    const all =
      overflowsOutput in path.plan.outputs
        ? { ...functions, [overflowsOutput]: this.#countOverflows }
        : functions
    const decoder = this.#context.schemas.decoderAt(this.#plan.timeMicros)
    return path.start({ parameters, functions: all, ...limit, states, decoder })
  }

  /** Of a row, in the order of the rules that calculate. */
  readonly #countOverflows = (...values: readonly (boolean | null)[]): void => {
    if (!values.includes(true)) return
    for (const [index, { name }] of calculatingRules(this.#context.lakehouse).entries()) {
      if (values[index] === true) this.#overflows[name] = (this.#overflows[name] ?? 0) + 1
    }
  }

  #kept({ states }: RowPath): readonly StateOfRows[] {
    return states.map((node) => {
      const kept = this.#context.recent.of(node, this.#plan.settings.parameters)
      assert(kept !== null, 'operators whose rows are looked up stand behind silver')
      return kept
    })
  }
}

function rowsOf(batch: RunningBatch, { plan }: RowPath): ReadonlyMap<string, Rows> {
  const paths = Object.keys(plan.outputs).filter((name) => plan.outputs[name]!.into === 'columns')
  return new Map(paths.map((path) => [path, batch.rows(path)]))
}

function placeOf(topic: unknown, partition: unknown, offset: unknown): string {
  return `${topic} ${partition} ${offset}`
}
