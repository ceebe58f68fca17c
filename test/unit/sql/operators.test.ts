// Deduplication and velocity against their meaning, written naively, on random rows.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bool, literal } from '../../../src/expr/index.ts'
import { deduplicate, input, type PlanNode, velocity } from '../../../src/plan/index.ts'
import { compileTable, duckdb } from '../../../src/sql/index.ts'

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => connection.closeSync())

const schema = {
  id: 'string',
  user_id: 'int',
  at: 'timestamp',
  topic: 'string',
  offset: 'long',
  candidate: 'boolean',
} as const
const batch = input('batch', schema)
const history = input('history', { id: 'string', user_id: 'int', at: 'timestamp' })

type Row = { id: string; user: number; at: number; topic: string; candidate: boolean }
const row = fc.record<Row>({
  id: fc.constantFrom('a', 'b', 'c'),
  user: fc.integer({ min: 1, max: 3 }),
  at: fc.integer({ min: 0, max: 60 }),
  topic: fc.constantFrom('t', 'u'),
  candidate: fc.boolean(),
})
const rows = fc.record({ past: fc.array(row, { maxLength: 15 }), now: fc.array(row, { maxLength: 30 }) })
const range = 10

async function put(past: readonly Row[], now: readonly Row[]): Promise<void> {
  const value = (one: Row): string => `'${one.id}', ${one.user}, make_timestamp(${one.at}::BIGINT)`
  await connection.run('CREATE OR REPLACE TABLE history (id VARCHAR, user_id INTEGER, "at" TIMESTAMP)')
  await connection.run(
    'CREATE OR REPLACE TABLE batch (id VARCHAR, user_id INTEGER, "at" TIMESTAMP, topic VARCHAR, "offset" BIGINT, candidate BOOLEAN)',
  )
  if (past.length > 0)
    await connection.run(`INSERT INTO history VALUES ${past.map((one) => `(${value(one)})`).join(',')}`)
  const values = now.map((one, index) => `(${value(one)}, '${one.topic}', ${index}, ${one.candidate})`)
  if (now.length > 0) await connection.run(`INSERT INTO batch VALUES ${values.toSorted().join(',')}`)
}

/** The result column of every row, by the row's place in `now`. */
async function results(node: PlanNode, as: string): Promise<unknown[]> {
  const { sql } = compileTable(duckdb, node)
  const reader = await connection.runAndReadAll(
    `SELECT "offset", "${as}" AS r FROM (${sql}) ORDER BY "offset"`,
  )
  return reader.getRowObjectsJS().map((one) => one.r)
}

/** The places of `now` in the order of arrival: topic, then offset. */
function arrivalOrder(now: readonly Row[]): number[] {
  return now
    .map((_, index) => index)
    .toSorted((a, b) => (now[a]!.topic < now[b]!.topic ? -1 : now[a]!.topic > now[b]!.topic ? 1 : a - b))
}

test('deduplicate marks what a naive pass in the order of arrival refuses', async () => {
  await fc.assert(
    fc.asyncProperty(rows, async ({ past, now }) => {
      // History holds only rows that stayed.
      const stayed: Row[] = []
      const repeats = (one: Row): boolean =>
        stayed.some((other) => other.id === one.id && Math.abs(other.at - one.at) <= range)
      for (const one of past) if (!repeats(one)) stayed.push(one)
      await put([...stayed], now)
      const expected = new Array<boolean>(now.length).fill(false)
      for (const index of arrivalOrder(now)) {
        const one = now[index]!
        if (!one.candidate) continue
        if (repeats(one)) expected[index] = true
        else stayed.push(one)
      }
      const marked = deduplicate(batch, {
        history,
        candidate: (columns) => columns.candidate,
        key: 'id',
        eventTime: 'at',
        arrival: ['topic', 'offset'],
        rangeMicros: literal('long', BigInt(range)),
        as: 'is_repeat',
      })
      expect(await results(marked.node, 'is_repeat')).toEqual(expected)
    }),
    { numRuns: 150 },
  )
})

test('velocity counts what arrived no later and lies in the time before', async () => {
  await fc.assert(
    fc.asyncProperty(rows, async ({ past, now }) => {
      await put(past, now)
      const order = arrivalOrder(now)
      const expected = now.map((one, index) => {
        const arrived = [...past, ...order.slice(0, order.indexOf(index) + 1).map((place) => now[place]!)]
        return arrived.filter(
          (other) => other.user === one.user && other.at <= one.at && other.at >= one.at - range,
        ).length
      })
      const counted = velocity(batch, {
        history,
        key: 'user_id',
        eventTime: 'at',
        arrival: ['topic', 'offset'],
        rangeMicros: BigInt(range),
        as: 'count',
      })
      expect(await results(counted.node, 'count')).toEqual(expected)
    }),
    { numRuns: 150 },
  )
})

test('a long chain of repeats keeps every row that is far enough from the last kept one', async () => {
  const now = Array.from(
    { length: 50 },
    (_, index): Row => ({ id: 'a', user: 1, at: index * 8, topic: 't', candidate: true }),
  )
  await put([], now)
  const marked = deduplicate(batch, {
    history,
    candidate: () => bool(true),
    key: 'id',
    eventTime: 'at',
    arrival: ['topic', 'offset'],
    rangeMicros: literal('long', 10n),
    as: 'is_repeat',
  })
  expect(await results(marked.node, 'is_repeat')).toEqual(now.map((_, index) => index % 2 === 1))
})
