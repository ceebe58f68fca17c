// The operator `over` on JavaScript and on DuckDB against its meaning, on random rows.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Whole, whole } from '../../../src/columns/whole.ts'
import { eachRow } from '../../../src/engines/embedded/selected-rows.ts'
import type { Schema } from '../../../src/expr/index.ts'
import { compileRowPath, type RowPath, type StateOfRows } from '../../../src/javascript/index.ts'
import { countsAlone, type OverNode } from '../../../src/plan/index.ts'
import { columnDefinitions, compileTable, duckdb, literalSql } from '../../../src/sql/index.ts'
import { KeyHash } from '../../../src/state/key-hash.ts'
import { RecentAggregates } from '../../../src/state/recent-aggregates.ts'
import { RecentTimes } from '../../../src/state/recent-times.ts'
import {
  chainByMeaning,
  literalValue,
  type OverCase,
  overCases,
  overChains,
  overSchema,
  pathValue,
} from '../../generate/over.ts'
import { type OracleRow, overByMeaning } from '../../oracle/over.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const runs = { seed, numRuns: Number(process.env.RUNS ?? 300) }

/** What is added to each row, as text. */
type Added = Readonly<Record<string, string>>[]

function shown(row: Readonly<Record<string, unknown>>, node: OverNode): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.keys(node.aggregates).map((name) => [name, String(row[name])]))
}

function expected({ node, oracle, batches }: OverCase, batch: number): Added {
  return overByMeaning(oracle, batches.slice(0, batch).flat(), batches[batch]!).map((row) => shown(row, node))
}

type OverState = RecentAggregates | RecentTimes

function newState(node: OverNode): OverState {
  const hash = new KeyHash([1, 2, 3, 4])
  if (!countsAlone(node)) return new RecentAggregates({ hash, node })
  return new RecentTimes({ hash, rangeMicros: whole(node.rangeMicros) })
}

function load(state: OverState, node: OverNode, rows: readonly OracleRow[]): void {
  for (const row of rows) {
    const [key, at] = [pathValue(row[node.key]!) as never, pathValue(row[node.eventTime]!) as Whole | null]
    if (state instanceof RecentTimes) {
      if (key !== null && at !== null) state.add(key, at)
      continue
    }
    for (const [index, column] of state.columns.entries()) state.values[index] = pathValue(row[column]!)
    state.load(key, at)
  }
}

function pathOf(node: OverNode): RowPath {
  const types = Object.entries(node.aggregates).map(([name, { type }]) => [name, type])
  const relation = { node, schema: { ...overSchema, ...Object.fromEntries(types) } }
  return compileRowPath({ source: 'batch', outputs: { rows: { relation, into: 'columns' } } })
}

function onJavaScript(path: RowPath, node: OverNode, state: OverState, rows: readonly OracleRow[]): Added {
  const running = path.start({ parameters: {}, states: [state as StateOfRows] })
  for (const row of rows) {
    running.add(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, pathValue(value)])))
  }
  const { columns } = running.rows('rows')
  return rows.map((_, index) =>
    shown(Object.fromEntries(Object.keys(columns).map((name) => [name, columns[name]!.get(index)])), node),
  )
}

/** Before which time no row of a later batch is; null where there is none. */
function leastAfter({ batches }: OverCase, batch: number): bigint | null {
  const times = batches
    .slice(batch + 1)
    .flatMap((rows) => rows.flatMap(({ at }) => (typeof at === 'bigint' ? [at] : [])))
  return times.length === 0 ? null : times.reduce((a, b) => (b < a ? b : a))
}

test(`JavaScript: batch by batch, taken back and again, loaded anew, with what is too old forgotten (SEED=${seed})`, () => {
  fc.assert(
    fc.property(overCases, fc.boolean(), (one, forgets) => {
      const { node, batches } = one
      const path = pathOf(node)
      const kept = newState(node)
      for (const [batch, rows] of batches.entries()) {
        const wanted = expected(one, batch)
        const anew = newState(node)
        load(anew, node, batches.slice(0, batch).flat())
        expect(onJavaScript(path, node, anew, rows)).toEqual(wanted)
        kept.mark()
        onJavaScript(path, node, kept, rows.slice(0, rows.length - 1).toReversed())
        kept.rollback()
        expect(onJavaScript(path, node, kept, rows)).toEqual(wanted)
        kept.commit()
        const least = leastAfter(one, batch)
        if (!forgets || least === null) continue
        for (let part = 0; part < 200; part++) kept.forgetBefore(whole(least - node.rangeMicros))
      }
    }),
    runs,
  )
})

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => connection.closeSync())

async function put(table: string, rows: readonly OracleRow[], schema: Schema = overSchema): Promise<void> {
  await connection.run(`CREATE OR REPLACE TABLE ${table} (${columnDefinitions(duckdb, schema)})`)
  const values = rows.map((row) => {
    const cells = Object.entries(schema).map(([name, type]) => {
      const value = row[name]!
      if (type === 'timestamp') return value === null ? 'NULL' : `make_timestamp(${value}::BIGINT)`
      return literalSql(duckdb, type, literalValue(type, value))
    })
    return `(${cells.join(', ')})`
  })
  if (values.length > 0) await connection.run(`INSERT INTO ${table} VALUES ${values.join(',')}`)
}

test(`DuckDB gives what the meaning says (SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(overCases, async (one) => {
      const { node, batches } = one
      const batch = batches.length - 1
      await put('history', batches.slice(0, batch).flat().toReversed())
      await put('batch', batches[batch]!.toReversed())
      const found: Record<string, string>[] = []
      await eachRow(
        connection,
        `SELECT * FROM (${compileTable(duckdb, node).sql}) ORDER BY "offset"`,
        (row) => {
          found.push({ offset: String(row.offset), ...shown(row, node) })
        },
      )
      const wanted = expected(one, batch).map((row, index) => ({
        offset: String(batches[batch]![index]!.offset),
        ...row,
      }))
      const byOffset = (a: { offset: string }, b: { offset: string }) => Number(a.offset) - Number(b.offset)
      expect(found).toEqual(wanted.toSorted(byOffset))
    }),
    { ...runs, numRuns: Math.ceil(runs.numRuns / 4) },
  )
})

test(`DuckDB gives what the meaning says of operators above one another (SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(overChains, async (one) => {
      const { node, chain, batches } = one
      const { wanted, counted } = chainByMeaning(one)
      await put('history', batches.slice(0, -1).flat())
      await put('history_counted', counted, { ...overSchema, counted: 'int' })
      await put('batch', batches.at(-1)!)
      const found: Record<string, string>[] = []
      const select = `SELECT * FROM (${compileTable(duckdb, node).sql}) ORDER BY "offset"`
      await eachRow(connection, select, (row) => {
        found.push(Object.assign({}, ...chain.map((each) => shown(row, each.node))))
      })
      const shownWanted = wanted
        .toSorted((a, b) => Number(a.offset) - Number(b.offset))
        .map((row) => Object.assign({}, ...chain.map((each) => shown(row, each.node))))
      expect(found).toEqual(shownWanted)
    }),
    { ...runs, numRuns: Math.ceil(runs.numRuns / 10) },
  )
})
