// Figures as rows, and what is usual for them: DuckDB's SQL gives what the compiled path gives, batch by batch.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { figurePathOf, figureRows } from '../../../src/javascript/index.ts'
import { baseline, defineTable, earlierRows, input, project, unpivot } from '../../../src/plan/index.ts'
import { boundDuckdb, compileTable } from '../../../src/sql/index.ts'
import { Baselines } from '../../../src/state/baselines.ts'

const wide = input('wide', { moment: 'timestamp', a: 'double', b: 'double' })
const figures = unpivot(wide, {
  keep: ['moment'],
  labels: ['of', 'what'],
  value: 'value',
  figures: [
    { labels: { of: null, what: 'a' }, of: 'a' },
    { labels: { of: "it's", what: 'b' }, of: 'b' },
  ],
})
const table = defineTable({
  path: 'made/figures',
  meaning: 'Of a test.',
  stream: 'aggregations',
  partitionBy: null,
  watermark: null,
  rows: project(
    baseline(figures, {
      ...{ keys: ['of', 'what'], order: 'moment', value: 'value' },
      ...{ rowsMin: 3, rowsMax: 7, expected: 'expected', deviation: 'deviation' },
    }),
    (row) => row,
  ),
})

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => connection.closeSync())

const value = fc.oneof(
  fc.constant(null),
  fc.integer({ min: -5, max: 5 }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
)
const batches = fc.array(fc.array(fc.record({ a: value, b: value }), { maxLength: 6 }), { maxLength: 8 })

test('batches of figures, with nulls, few rows and many', async () => {
  await fc.assert(
    fc.asyncProperty(batches, async (all) => {
      const columns = Object.entries(table.rows.schema)
      const types = columns.map(([name, type]) => `"${name}" ${type === 'string' ? 'VARCHAR' : type}`)
      await connection.run(`CREATE OR REPLACE TABLE ${earlierRows} (${types.join(', ')})`)
      const baselines = new Baselines({ rowsMin: 3, rowsMax: 7 })
      let at = 0
      for (const batch of all) {
        const rows = batch.map((row, index) => ({ moment: at + index, ...row }))
        at += batch.length
        const path = figurePathOf(table)!
        const made = figureRows(path, rows.toReversed(), baselines, {})
        const tuples = rows.map(
          (row) => `(make_timestamp(${row.moment}), ${literal(row.a)}, ${literal(row.b)})`,
        )
        const given = ['(NULL::TIMESTAMP, NULL::DOUBLE, NULL::DOUBLE)', ...tuples].join(', ')
        await connection.run(
          `CREATE OR REPLACE TEMP TABLE wide AS SELECT * FROM (VALUES ${given}) t(moment, a, b) WHERE moment IS NOT NULL`,
        )
        await connection.run(
          `CREATE OR REPLACE TEMP TABLE made AS ${compileTable(boundDuckdb({}), table.rows.node).sql}`,
        )
        const found = await connection.runAndReadAll(
          'SELECT epoch_us(moment)::DOUBLE AS moment, * EXCLUDE (moment) FROM made ORDER BY ALL',
        )
        const listed = Array.from({ length: made.rowCount }, (_, row) =>
          Object.fromEntries(Object.entries(made.columns).map(([name, column]) => [name, column.get(row)])),
        )
        const sorted = (of: readonly object[]) => of.map((row) => JSON.stringify(row)).toSorted()
        expect(sorted(found.getRowObjects())).toEqual(sorted(listed))
        await connection.run(`INSERT INTO ${earlierRows} FROM made`)
      }
    }),
    { numRuns: 60 },
  )
})

const literal = (one: number | null): string => (one === null ? 'NULL::DOUBLE' : `'${one}'::DOUBLE`)
