// A table without windows that is made of rows of others: each row is there once, with every cell as the
// table's plan gives it from the rows that are stored of the tables by their roles. What operators over
// earlier rows give is computed by other means.

import { quoteIdentifier } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { tableAlone } from '../plan/alone.ts'
import { batchTimeColumn } from '../plan/batch-time.ts'
import {
  expandOf,
  inputsOf,
  type Lakehouse,
  type OverNode,
  type PlanNode,
  roleOf,
  type TableDefinition,
} from '../plan/index.ts'
import { type Findings, findingsOf, nothingFound, together } from './check.ts'
import { bagDifferencesSql, differencesSql } from './compare.ts'
import { ofNoErased, unprovedNote } from './erased.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import {
  computeOver,
  erasedBehindSql,
  isBusy,
  mayBeOfMoreSql,
  overNames,
  overOutputSql,
  showOverOutput,
} from './over.ts'
import { batchTimeSql, inputRelation, lateBeforeSql, nameIn, selectOfMany, standIn } from './plans.ts'
import { position, samePosition } from './position.ts'
import { RuleNotes } from './silver.ts'
import { type RunningCheck, type Slice, sliceOf } from './slice.ts'

/** Rows whose aggregates nobody can tell, and that the table does not tell either: by their place. */
const untold = 'untold_rows'
const mostErased = '"most erased"'
const expected = 'expected_rows'
const found = 'found_rows'

/** The tables by their roles whose rows such a table is made of. */
export function sourcesOf(lakehouse: Lakehouse, table: TableDefinition): readonly string[] {
  const inputs = inputsOf(tableAlone(lakehouse, lakehouse.tables, table).rows.node)
  return [
    ...new Set(
      inputs.flatMap(({ reads }) => (reads.of === 'records' ? [lakehouse.records.path] : [reads.table])),
    ),
  ]
}

export function checkDerivedRows(lakehouse: WrittenLakehouse, state: TableState): RunningCheck {
  const { path, stream } = state.definition
  const rules = new RuleNotes(lakehouse)
  const judge = new DerivedRows(lakehouse, state)
  let findings = nothingFound
  return {
    async slice(slice) {
      rules.take(slice)
      findings = together(findings, await judge.slice(slice))
    },
    async finish() {
      findings = together(findings, await judge.rest())
      const isOfRules = findings.first.some(({ problem }) => problem === 'differs')
      const isExpanded = expandOf(state.definition.rows.node) !== null
      const isScored = roleOf(lakehouse.defined, path) === 'scored'
      const { rows, lagging, busy, unproved } = judge
      const lag = `it lags behind silver by ${counted(lagging, 'row')}: run "assay run ${stream}"`
      const left = `not judged: ${counted(busy, 'row')} of keys too busy for a plain count`
      return {
        proved: isScored
          ? `${counted(rows, 'row')} of silver, each scored, with every cell as the rules say`
          : isExpanded
            ? `${counted(rows, 'row')}, one for each row of silver and version that ran beside it, with every cell as its version says`
            : `${counted(rows, 'row')}, every cell as the rows that it is made of give it`,
        findings,
        notes: [
          ...(lagging === 0n ? [] : [lag]),
          ...(busy === 0n ? [] : [left]),
          ...unprovedNote(unproved, 'row'),
          ...rules.notes,
        ],
        hint: isOfRules ? rules.hint : null,
      }
    },
  }
}

class DerivedRows {
  rows = 0n
  /** Rows of events that the table has not met yet. */
  lagging = 0n
  /** Rows whose aggregates were too many to compute. */
  busy = 0n
  unproved = 0n
  readonly #lakehouse: WrittenLakehouse
  readonly #state: TableState
  /** The column with the time of a row's batch; without one the rows are compared at the end. */
  readonly #timeColumn: string | null
  /** What was expected of the slices so far, where the rows are compared at the end. */
  readonly #all: string
  #isBegun = false

  constructor(lakehouse: WrittenLakehouse, state: TableState) {
    this.#lakehouse = lakehouse
    this.#state = state
    this.#timeColumn = batchTimeColumn(lakehouse.defined, state.definition)
    this.#all = quoteIdentifier(`all ${expected} ${state.definition.path}`)
  }

  async slice(slice: Slice): Promise<Findings> {
    const { path } = this.#state.definition
    const definition = slice.definition(path)
    await this.#showSources(slice)
    await this.#run(
      `CREATE OR REPLACE TEMP TABLE ${untold} (topic VARCHAR, partition INTEGER, "offset" BIGINT)`,
    )
    if (this.#timeColumn !== null) {
      await this.#run(`CREATE OR REPLACE TEMP VIEW ${found} AS ${slice.rowsOf(path, this.#timeColumn)}`)
    }
    const { node } = definition.rows
    const standIns = await this.#computeOvers(slice, node)
    const select = selectOfMany(node, slice.rules.settings.parameters, (one) => standIns.get(one) ?? null)
    const names = Object.keys(definition.rows.schema).map(quoteIdentifier).join(', ')
    await this.#run(`CREATE OR REPLACE TEMP VIEW ${expected} AS SELECT ${names} FROM (${select})`)
    await this.#count()
    if (this.#timeColumn !== null) return await this.#compare(definition, expected, found)
    const into = this.#isBegun ? `INSERT INTO ${this.#all} BY NAME` : `CREATE TEMP TABLE ${this.#all} AS`
    await this.#run(`${into} SELECT * FROM ${expected}`)
    this.#isBegun = true
    return nothingFound
  }

  /** The comparison of a table that does not say which batch a row is of. */
  async rest(): Promise<Findings> {
    if (!this.#isBegun) return nothingFound
    const { definition } = this.#state
    const rows = this.#lakehouse.rows(definition.path)
    const findings = await this.#compare(definition, this.#all, rows)
    await this.#run(`DROP TABLE ${this.#all}`)
    return findings
  }

  /** The rows of the batches that the table has met, each with the time and the watermark of its batch. */
  async #showSources(slice: Slice): Promise<void> {
    const { doneBatch } = this.#state
    const { records, events, refused } = this.#lakehouse.paths
    const sources = new Map([
      [records, sliceOf.bronze],
      [events, sliceOf.silver],
      [refused, sliceOf.quarantine],
    ])
    for (const { name, reads } of this.#inputs(slice)) {
      const path = reads.of === 'records' ? records : reads.table
      const rows = sources.get(path)
      if (rows === undefined || reads.of === 'history') continue
      const time = path === records ? 'batch_time' : 'processing_time'
      await this.#run(`CREATE OR REPLACE TEMP VIEW ${quoteIdentifier(inputRelation(name))} AS
        SELECT s.*, s.${time} AS ${batchTimeSql}, b.late_before AS ${lateBeforeSql}
        FROM ${rows} AS s LEFT JOIN ${sliceOf.batches} AS b ON b.time = s.${time}
        WHERE coalesce(b.batch, 0) <= ${doneBatch}`)
    }
  }

  #inputs(slice: Slice) {
    return inputsOf(slice.definition(this.#state.definition.path).rows.node)
  }

  async #count(): Promise<void> {
    const { doneBatch } = this.#state
    this.rows += await this.#lakehouse.number(`SELECT count(*) FROM ${expected}`)
    this.lagging += await this.#lakehouse.number(`SELECT count(*) FROM ${sliceOf.silver} AS s
      JOIN ${sliceOf.batches} AS b ON b.time = s.processing_time WHERE b.batch > ${doneBatch}`)
  }

  /** What stands for each operator over earlier rows. */
  async #computeOvers(slice: Slice, node: PlanNode): Promise<ReadonlyMap<PlanNode, PlanNode>> {
    const standIns = new Map<PlanNode, PlanNode>()
    for (const [index, operator] of operatorsOf(node).entries()) {
      const { parameters } = slice.rules.settings
      const input = selectOfMany(operator.input, parameters, (one) => standIns.get(one) ?? null)
      const names = overNames(index)
      await this.#run(`CREATE OR REPLACE TEMP VIEW ${quoteIdentifier(names.input)} AS ${input}`)
      const busy = await computeOver(this.#lakehouse, slice, operator, index)
      this.busy += busy
      const isTold = busy === 0n && this.#lakehouse.erased.isNone
      const select = isTold ? overOutputSql(operator, index) : await this.#believed(node, operator, index)
      await showOverOutput(this.#lakehouse, index, select)
      standIns.set(operator, standIn(names.output))
    }
    return standIns
  }

  /** Where nobody can tell an aggregate any more, what the table says is believed; the rest is left. */
  async #believed(node: PlanNode, operator: OverNode, index: number): Promise<string> {
    const names = Object.keys(operator.aggregates)
    const values = quoteIdentifier(overNames(index).values)
    const most = erasedBehindSql(this.#lakehouse, operator)
    const stored = this.#isPlaced(operator) ? storedNames(node, operator) : new Map<string, string>()
    const place = position.map(quoteIdentifier)
    if (stored.size < names.length && this.#isPlaced(operator)) {
      await this.#run(`INSERT INTO ${untold} SELECT ${place.map((name) => `v.${name}`).join(', ')}
        FROM ${values} AS v WHERE v.${isBusy} OR ${most} > 0`)
    }
    if (stored.size === 0) return overOutputSql(operator, index)
    const told = [...stored].map(
      ([name, as]) => `any_value(${quoteIdentifier(as)}) AS ${quoteIdentifier(name)}`,
    )
    const differs = [...stored.keys()].map((name) => {
      return `f.${quoteIdentifier(name)} IS DISTINCT FROM v.${quoteIdentifier(name)}`
    })
    const believed = quoteIdentifier(`over believed ${index}`)
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${believed} AS
      SELECT f.*, v.${isBusy}, ${most} AS ${mostErased} FROM ${values} AS v JOIN (
        SELECT ${[...place, ...told].join(', ')} FROM ${found} GROUP BY ALL
      ) AS f ON ${samePosition('f', 'v')} WHERE ${differs.join(' OR ')}`)
    const isBelieved = (name: string): string => {
      const [of, by] = [`x.${quoteIdentifier(name)}`, `v.${quoteIdentifier(name)}`]
      const mayBe = mayBeOfMoreSql(operator.aggregates[name]!.function, of, by, `x.${mostErased}`)
      return `x.${isBusy} OR (x.${mostErased} > 0 AND ${of} IS DISTINCT FROM ${by} AND ${mayBe})`
    }
    const cells = [...stored.keys()].map((name): [string, string] => {
      const [of, by] = [`x.${quoteIdentifier(name)}`, `v.${quoteIdentifier(name)}`]
      return [name, `CASE WHEN ${isBelieved(name)} THEN ${of} ELSE ${by} END`]
    })
    const join = `LEFT JOIN ${believed} AS x ON ${samePosition('x', 'v')}`
    const some = [...stored.keys()].map(isBelieved).join(' OR ')
    this.unproved += await this.#lakehouse.number(
      `SELECT count(*) FROM ${values} AS v ${join} WHERE NOT x.${isBusy} AND (${some})`,
    )
    return overOutputSql(operator, index, Object.fromEntries(cells), join)
  }

  /** Whether a row of the table can be found by that of the operator. */
  #isPlaced({ arrival }: OverNode): boolean {
    const { schema } = this.#state.definition.rows
    return this.#timeColumn !== null && position.every((name) => arrival.includes(name) && name in schema)
  }

  async #compare(definition: TableDefinition, of: string, rows: string): Promise<Findings> {
    const { connection, sinceMicros } = this.#lakehouse
    const columns = Object.keys(definition.rows.schema)
    // Rows of batches that are not judged cannot be told from those that are.
    const isComplete = this.#timeColumn !== null || sinceMicros === null
    const extra = 'is not in silver'
    if (!position.every((name) => columns.includes(name))) {
      const bags = bagDifferencesSql({ found: rows, expected: of, columns, isComplete, extra })
      return await this.#judgeBags(definition, bags)
    }
    const expanded = expandOf(definition.rows.node)
    const keys = expanded === null ? [...position] : [...position, expanded.by]
    const differences = differencesSql({
      found: rows,
      expected: of,
      keys,
      columns: columns.filter((name) => !keys.includes(name)),
      isComplete: true,
      extra,
    })
    const own = isComplete ? differences : `SELECT * FROM (${differences}) WHERE problem <> '${extra}'`
    await this.#run(`CREATE OR REPLACE TEMP TABLE row_differences AS ${ofNoErased(own)}`)
    const place = position.map(quoteIdentifier).join(', ')
    const left = `SELECT * FROM row_differences SEMI JOIN ${untold} USING (${place}) WHERE problem <> 'is there more than once'`
    this.unproved += await this.#lakehouse.number(`SELECT count(*) FROM (${left})`)
    const told = `SELECT * FROM row_differences ANTI JOIN (${left}) AS l USING (${keys.map(quoteIdentifier).join(', ')})`
    return await findingsOf(connection, told, keys)
  }

  /**
   * An erasure finds no rows that do not say where their record was: they stay. What operators gave with the
   * erased records can no longer be told of such a table.
   */
  async #judgeBags(table: TableDefinition, differences: string): Promise<Findings> {
    const { connection, defined, erased } = this.#lakehouse
    const columns = Object.keys(table.rows.schema)
    if (erased.isNone) return await findingsOf(connection, differences, columns)
    await this.#run(`CREATE OR REPLACE TEMP TABLE row_differences AS ${differences}`)
    const looksBack = operatorsOf(tableAlone(defined, defined.tables, table).rows.node).length > 0
    const isLeft = looksBack ? 'true' : "problem <> 'missing'"
    this.unproved += await this.#lakehouse.number(`SELECT count(*) FROM row_differences WHERE ${isLeft}`)
    return await findingsOf(connection, `SELECT * FROM row_differences WHERE NOT (${isLeft})`, columns)
  }

  async #run(sql: string): Promise<void> {
    await this.#lakehouse.connection.run(sql)
  }
}

/** The operators over earlier rows, those that are nearest to the rows first. */
function operatorsOf(node: PlanNode): readonly OverNode[] {
  const below = 'input' in node ? operatorsOf(node.input) : []
  return node.kind === 'over' ? [...below, node] : below
}

/** By the name of an aggregate of the operator the column of the table that is the same. */
function storedNames(node: PlanNode, of: OverNode): ReadonlyMap<string, string> {
  const names = node.kind === 'project' ? Object.keys(node.columns) : []
  return new Map(
    names.flatMap((as): [string, string][] => {
      const name = nameIn(of, node, as)
      return name !== null && name in of.aggregates ? [[name, as]] : []
    }),
  )
}
