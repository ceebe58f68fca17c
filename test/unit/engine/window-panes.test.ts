// Windows from panes are, cell by cell, what DuckDB computes from the rows of silver.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { closesWindow } from '../../../src/batches/planner.ts'
import { newColumn, type Rows } from '../../../src/columns/column.ts'
import type { ForeignRemoval } from '../../../src/delta/index.ts'
import { eachRow } from '../../../src/engines/embedded/selected-rows.ts'
import { WindowPanes } from '../../../src/engines/embedded/window-panes.ts'
import {
  type Aggregate,
  type ColumnType,
  countDistinct,
  countRows,
  countWhere,
  type Expr,
  equals,
  isNull,
  maxMoney,
  minMoney,
  not,
  percent,
  ratio,
  sumMoney,
  text,
} from '../../../src/expr/index.ts'
import { panePlans } from '../../../src/javascript/index.ts'
import { silverRecent } from '../../../src/lakehouse/2-silver/transactions.ts'
import { processingTime } from '../../../src/lakehouse/batch.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import {
  belowFigures,
  defineTable,
  extend,
  filter,
  type Relation,
  type TableDefinition,
  window,
  windowOf,
} from '../../../src/plan/index.ts'
import { boundDuckdb, columnDefinitions, compileTable, duckdb, literalSql } from '../../../src/sql/index.ts'
import { newLakehouse, runOnce, writeInput } from './pipeline.ts'

const { tables: seedTables } = standardLakehouse
const seedWindows = seedTables.filter(({ rows }) => windowOf(rows.node) !== null)

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const { schema } = silverRecent
const columnNames = Object.keys(schema) as (keyof typeof schema)[]
const minute = 60_000_000n

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => connection.closeSync())

/** Values as src/columns has them; few different ones, so that groups have rows in common. */
type SilverRow = Readonly<Record<keyof typeof schema, string | number | bigint | boolean | null>>

const texts = fc.constantFrom('a', 'b', '\u{1F600}', '', null)
const flags = fc.constantFrom(true, false, null)
/** Hundredths; some beyond what a double holds. */
const amounts = fc.oneof(
  fc.integer({ min: -500, max: 10 ** 6 }),
  fc.constantFrom(99_999_999_999_999_999n, -99_999_999_999_999_998n, null),
)
const rowsFrom = (micros: bigint): fc.Arbitrary<SilverRow> =>
  fc.record({
    user_id: fc.constantFrom(1, 2, 3, -(2 ** 31), null),
    amount: amounts,
    amount_category: fc.constantFrom('micro', 'enterprise', null),
    is_high_value: flags,
    merchant: texts,
    payment_method: fc.constantFrom('credit_card', 'crypto', 'cheque', null),
    city: texts,
    country: texts,
    device_id: fc.oneof(fc.integer({ min: 0, max: 30 }).map(String), texts),
    is_fraud: flags,
    is_weekend: flags,
    event_time: fc.integer({ min: 0, max: 90 * 60_000_000 }).map((past) => Number(micros) + past),
  })

const names = <T extends ColumnType>(...types: T[]) =>
  fc.constantFrom(...columnNames.filter((name) => types.includes(schema[name] as T)))

type Columns = Readonly<Record<string, Expr>>
type MadeAggregate = (row: Columns) => Aggregate

const aggregates: fc.Arbitrary<MadeAggregate> = fc.oneof(
  fc.constant(() => countRows()),
  names('boolean').map((name) => (row: Columns) => countWhere(row[name] as Expr<'boolean'>)),
  names('string').map((name) => (row: Columns) => countWhere(equals(row[name] as Expr<'string'>, text('a')))),
  fc.constantFrom(...columnNames).map((name) => (row: Columns) => countDistinct(row[name]!)),
  fc
    .constantFrom(sumMoney, maxMoney, minMoney)
    .map((fold) => (row: Columns) => fold(row.amount as Expr<'decimal(18,2)'>)),
)

/** As definitions that are written later will have them. */
const definitions = fc
  .record({
    slide: fc.constantFrom(1n, 5n, 7n, 10n),
    slides: fc.integer({ min: 1, max: 4 }),
    keys: fc.subarray(['user_id', 'merchant', 'country', 'is_fraud', 'amount'] as const, { maxLength: 3 }),
    made: fc.array(aggregates, { minLength: 1, maxLength: 5 }),
    isFiltered: fc.boolean(),
  })
  .map(({ slide, slides, keys, made, isFiltered }): TableDefinition => {
    const given = isFiltered ? filter(silverRecent, (row) => not(isNull(row.user_id))) : silverRecent
    const input = isFiltered
      ? extend(given, (row) => ({ country: row.city, payment_method: row.merchant }))
      : given
    const figures = (row: Columns) =>
      Object.fromEntries(made.map((make, index) => [`figure_${index}`, make(row)]))
    const windows = window(input as typeof silverRecent, {
      eventTime: 'event_time',
      sizeMicros: slide * minute * BigInt(slides),
      slideMicros: slide * minute,
      keys,
      aggregates: (row) => ({ ...figures(row), total: countRows(), money: sumMoney(row.amount) }),
    }) as Relation<{ total: 'long'; money: 'decimal(28,2)' }>
    const rows = extend(windows, (row) => ({
      mean: ratio(row.money, row.total),
      share: percent(row.total, row.money),
      aggregation_time: processingTime,
    }))
    return defineTable({ ...seedTables.at(-1)!, rows: rows as Relation, partitionBy: null })
  })

/** Of a table of figures what they are taken from: panes have no more. */
const ofWindows = (table: TableDefinition): TableDefinition => ({ ...table, rows: belowFigures(table.rows) })

type Case = {
  readonly tables: readonly TableDefinition[]
  readonly batches: readonly (readonly SilverRow[])[]
  readonly seenBatches: number
  readonly bytesMax: number
}

const startMicros = fc.constantFrom(
  BigInt(Date.UTC(2024, 0, 1)) * 1000n,
  -123_456_789n,
  BigInt(Date.UTC(1969, 11, 31, 23)) * 1000n,
)
const cases: fc.Arbitrary<Case> = startMicros.chain((start) =>
  fc.record({
    tables: fc
      .array(definitions, { minLength: 1, maxLength: 4 })
      .map((made) => made.map((table, index) => ({ ...table, path: `made/table_${index}` })))
      .map((made) => [...made, ...seedWindows.map(ofWindows)]),
    batches: fc
      .array(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 1 }), { minLength: 2, maxLength: 6 })
      .chain((shape) =>
        fc.tuple(
          ...shape.map((_, index) =>
            fc.array(rowsFrom(start + BigInt(index) * 30n * minute), { minLength: 1, maxLength: 60 }),
          ),
        ),
      ),
    seenBatches: fc.constantFrom(0, 0, 1),
    bytesMax: fc.constantFrom(2 ** 30, 2 ** 30, 60_000),
  }),
)

const delay = 20n * minute

/** How many windows were compared. */
async function compare({ tables, batches, seenBatches, bytesMax }: Case): Promise<number> {
  await connection.run(`CREATE OR REPLACE TABLE silver_recent (${columnDefinitions(duckdb, schema)})`)
  let panes: WindowPanes | null = null
  let [watermark, seen, compared]: [bigint | null, bigint | null, number] = [null, null, 0]
  for (const [index, all] of [...batches, []].entries()) {
    if (index === seenBatches)
      panes = new WindowPanes({ hash: 'today', tables }, { lastRemoval: null }, seen, bytesMax)
    const rows = all.filter(
      ({ event_time }) => watermark === null || BigInt(event_time as number) >= watermark,
    )
    await insert(rows)
    for (const { event_time } of rows) {
      const micros = BigInt(event_time as number)
      if (seen === null || micros > seen) seen = micros
    }
    await panes?.add('today', columnsOf(rows), seen)
    const isLast = index === batches.length
    const upTo: bigint | null = seen === null ? null : isLast ? seen + 1_000n * minute : seen - delay
    for (const { path, rows: relation } of tables) {
      const node = windowOf(relation.node)!
      if (upTo === null || !closesWindow(node, watermark, upTo)) continue
      const parameters = { processing_time: 1_000_000n, closed_after: watermark, closed_up_to: upTo }
      const closing = { window: node, closedToMicros: watermark, upToMicros: upTo }
      const found = await panes?.closed('today', path, closing, parameters)
      panes?.forget(path, upTo)
      if (found === null || found === undefined) continue
      const expected: string[] = []
      const { sql } = compileTable(boundDuckdb(parameters), relation.node)
      await eachRow(connection, sql, (row) => expected.push(shown(Object.entries(row))))
      expect(listed(found), `${path} in batch ${index}`).toEqual(expected.toSorted())
      compared += found.rowCount
    }
    watermark = upTo
  }
  return compared
}

async function insert(rows: readonly SilverRow[]): Promise<void> {
  if (rows.length === 0) return
  const cell = (name: keyof typeof schema, value: SilverRow[keyof typeof schema]): string => {
    const type = schema[name]
    if (type === 'timestamp') return `make_timestamp(${value})`
    if (type !== 'decimal(18,2)' || value === null) return literalSql(duckdb, type, value)
    return `CAST(${value}::DECIMAL(38,2) / 100 AS DECIMAL(18,2))`
  }
  const values = rows.map((row) => {
    return `(${columnNames.map((name) => (name === 'amount' ? moneySql(row.amount) : cell(name, row[name]))).join(', ')})`
  })
  await connection.run(`INSERT INTO silver_recent VALUES ${values.join(', ')}`)
}

function moneySql(hundredths: SilverRow['amount']): string {
  if (hundredths === null) return 'NULL'
  const digits = String(hundredths).replace('-', '').padStart(3, '0')
  const sign = String(hundredths).startsWith('-') ? '-' : ''
  return `'${sign}${digits.slice(0, -2)}.${digits.slice(-2)}'::DECIMAL(18,2)`
}

function columnsOf(rows: readonly SilverRow[]): Rows {
  const columns = Object.fromEntries(columnNames.map((name) => [name, newColumn(schema[name])]))
  for (const row of rows) for (const name of columnNames) columns[name]!.push(row[name] as never)
  return { schema, columns, rowCount: rows.length }
}

function listed({ columns, rowCount }: Rows): string[] {
  return Array.from({ length: rowCount }, (_, row) =>
    shown(Object.entries(columns).map(([name, column]) => [name, column.get(row)])),
  ).toSorted()
}

function shown(cells: readonly (readonly [string, unknown])[]): string {
  return cells.map(([name, value]) => `${name}=${typeof value} ${value === 0 ? 0 : value}`).join(', ')
}

test(`random windows over random rows (SEED=${seed})`, { timeout: 120_000 }, async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(cases, async (one) => {
      compared += await compare(one)
    }),
    { numRuns: 40, seed },
  )
  expect(compared).toBeGreaterThan(1_000)
})

test('all windows of the lakehouse are computed from panes, and tables with the same keys share them', () => {
  const windows = seedWindows
  const twin = { ...windows[0]!, path: 'made/twin' }
  const { plans } = panePlans([...seedTables, twin])
  expect(plans.flatMap(({ tables }) => tables.map(({ path }) => path)).toSorted()).toEqual(
    [...windows.map(({ path }) => path), twin.path].toSorted(),
  )
  // The twin has those of its table, and two tables of all rows have panes of the shorter windows.
  expect(plans.length).toBe(windows.length - 1)
})

test('windows that were open when rows of silver went, or when a batch had other definitions, are not read off', async () => {
  const first = BigInt(Date.UTC(2024, 0, 1)) * 1000n
  const table = seedTables.find(({ path }) => path === 'gold/transactions')!
  const window = windowOf(table.rows.node)!
  const at = (minutes: bigint) => first + minutes * minute
  const rowsAt = (minutes: bigint) => {
    const [row] = fc.sample(rowsFrom(0n), { numRuns: 1, seed })
    return columnsOf([{ ...row!, event_time: Number(at(minutes)) }])
  }
  for (const [definitions, isRemoval] of [
    ['today', true],
    ['yesterday', false],
  ] as const) {
    const silver: { lastRemoval: ForeignRemoval | null } = { lastRemoval: null }
    const panes = new WindowPanes({ hash: 'today', tables: [table] }, silver, null)
    await panes.add('today', rowsAt(1n), at(1n))
    if (isRemoval) silver.lastRemoval = { version: 7n, operation: 'DELETE' }
    await panes.add(definitions, rowsAt(12n), at(12n))
    for (const minutes of [13n, 25n]) await panes.add('today', rowsAt(minutes), at(minutes))
    const closed = (from: bigint, to: bigint) => {
      const closing = { window, closedToMicros: at(from), upToMicros: at(to) }
      return panes.closed('today', table.path, closing, { processing_time: 1_000_000n })
    }
    expect(await closed(0n, 10n)).toBeNull()
    expect(await closed(10n, 20n)).toBeNull()
    expect(await closed(20n, 30n)).toMatchObject({ rowCount: 1 })
  }
})

const origin = Date.UTC(2024, 0, 1) * 1000
const fiveMinutes = 300_000_000

/** Five minutes of rows, and how many devices they came from. */
function devicesTable(): TableDefinition {
  const rows = window(silverRecent, {
    eventTime: 'event_time',
    sizeMicros: BigInt(fiveMinutes),
    keys: [],
    aggregates: (row) => ({ total: countRows(), devices: countDistinct(row.device_id) }),
  })
  return defineTable({
    ...seedTables.at(-1)!,
    path: 'made/devices',
    rows: rows as Relation,
    partitionBy: null,
  })
}

/** Rows of one user each so many microseconds after the one before, each of a device of its own. */
function rowsOf(count: number, firstMicros: number, stepMicros: number): Rows {
  const [row] = fc.sample(rowsFrom(0n), { numRuns: 1, seed })
  const columns = Object.fromEntries(columnNames.map((name) => [name, newColumn(schema[name], count)]))
  for (let index = 0; index < count; index++) {
    const event_time = firstMicros + index * stepMicros
    const values: SilverRow = { ...row!, event_time, device_id: `device ${event_time}` }
    for (const name of columnNames) columns[name]!.push(values[name] as never)
  }
  return { schema, columns, rowCount: count }
}

function panesOf(tables: readonly TableDefinition[], bytesMax: number): WindowPanes {
  return new WindowPanes({ hash: 'today', tables }, { lastRemoval: null }, null, bytesMax)
}

test('a batch of rows far apart in time keeps the bound while it is added', async () => {
  const bytesMax = 4_000_000
  const tables = seedWindows
  const panes = panesOf(tables, bytesMax)
  const count = 12_000
  let [most, isDone] = [0, false]
  const adding = panes
    .add('today', rowsOf(count, origin, fiveMinutes), BigInt(origin + count * fiveMinutes))
    .finally(() => {
      isDone = true
    })
  while (!isDone) {
    most = Math.max(most, panes.bytes)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await adding
  expect(most).toBeLessThan(bytesMax * 4)
  expect(panes.bytes).toBeLessThan(bytesMax)
})

test('there may be more panes than a call can have arguments', async () => {
  const table = devicesTable()
  const panes = panesOf([table], Number.POSITIVE_INFINITY)
  const count = 140_000
  const end = origin + count * fiveMinutes
  await panes.add('today', rowsOf(count, origin, fiveMinutes), BigInt(end))
  panes.forget(table.path, BigInt(origin))
  await panes.add('today', rowsOf(1, end, 1), BigInt(end))
})

test('panes stay where values that nobody needs any more take too much', async () => {
  const table = devicesTable()
  const window = windowOf(table.rows.node)!
  const bytesMax = 2_200_000
  const panes = panesOf([table], bytesMax)
  const add = async (count: number, at: number): Promise<number> => {
    const from = origin + at * fiveMinutes
    const end = from + fiveMinutes
    await panes.add('today', rowsOf(count, from, Math.floor(fiveMinutes / count)), BigInt(end - 1))
    expect(panes.bytes).toBeLessThanOrEqual(bytesMax)
    return end
  }
  await add(12_000, 0)
  panes.forget(table.path, BigInt(origin)) // All of the values are looked through, and needed.
  for (let at = 1; at < 30; at++) {
    const upToMicros = BigInt(await add(1_000, at))
    const closing = { window, closedToMicros: upToMicros - BigInt(fiveMinutes), upToMicros }
    const closed = await panes.closed('today', table.path, closing, { processing_time: 1_000_000n })
    panes.forget(table.path, upToMicros)
    expect(closed?.columns.devices?.get(0), `window ${at}`).toBe(1_000)
  }
})

test('a run has panes of the tables that it writes alone', async () => {
  const lakehouse = await newLakehouse()
  const added = vi.spyOn(WindowPanes.prototype, 'add')
  try {
    const facts = { transaction_id: 't', user_id: 1, amount: 1, timestamp: '2026-10-01T10:00:00Z' }
    await writeInput(lakehouse, [Buffer.from(JSON.stringify(facts))])
    await runOnce(lakehouse, { recordsPerBatchMax: 10, streams: ['kafka-to-delta'] })
    const panes = added.mock.contexts[0] as WindowPanes
    const [hash] = added.mock.calls[0]!
    for (const { path, rows, watermark } of seedTables) {
      if (watermark === null) continue
      const upToMicros = BigInt(Date.UTC(2026, 9, 2)) * 1000n
      const closing = { window: windowOf(rows.node)!, closedToMicros: null, upToMicros }
      const closed = await panes.closed(hash, path, closing, { processing_time: 1_000_000n })
      expect(closed !== null, path).toBe(path === 'gold/transactions')
    }
  } finally {
    added.mockRestore()
    await lakehouse.remove()
  }
})
