// Windows over random rows, for a comparison of the engines: every aggregate, nulls in keys and values,
// instants on the edges of windows and before 1970.
import fc from 'fast-check'
import {
  countDistinct,
  countRows,
  countWhere,
  lessThan,
  maxMoney,
  minMoney,
  money,
  sumMoney,
} from '../../../src/expr/index.ts'
import { input, window } from '../../../src/plan/index.ts'

const rows = input('rows', { at: 'timestamp', k: 'string', v: 'int', m: 'decimal(18,2)' })

function windowOf(slideMicros: bigint, keys: readonly 'k'[]) {
  return window(rows, {
    eventTime: 'at',
    sizeMicros: 6_000_000n,
    slideMicros,
    keys,
    aggregates: (row) => ({
      n: countRows(),
      c: countWhere(lessThan(row.m, money('0'))),
      u: countDistinct(row.v),
      s: sumMoney(row.m),
      hi: maxMoney(row.m),
      lo: minMoney(row.m),
    }),
  }).node
}

export const windows = [
  { name: 'a tumbling window', node: windowOf(6_000_000n, ['k']), keys: ['k'] },
  { name: 'a sliding window', node: windowOf(2_000_000n, ['k']), keys: ['k'] },
] as const

const row = fc.record({
  at: fc.oneof(
    fc.integer({ min: -60_000_000, max: 60_000_000 }),
    fc.integer({ min: -10, max: 10 }).map((second) => second * 6_000_000),
    fc.integer({ min: -10, max: 10 }).map((second) => second * 6_000_000 - 1),
  ),
  k: fc.option(fc.constantFrom('a', 'b', 'ä', '')),
  v: fc.option(fc.integer({ min: 0, max: 4 })),
  m: fc.option(fc.integer({ min: -1_000_000, max: 1_000_000 }).map((cents) => (cents / 100).toFixed(2))),
})

/** The same rows as a SELECT of each engine. */
export function randomRows(seed: number, count: number): { duckdbRows: string; sparkRows: string } {
  const values = fc
    .sample(row, { seed, numRuns: count })
    .map(({ at, k, v, m }) => `(${at}, ${k === null ? 'NULL' : `'${k}'`}, ${v}, ${m})`)
    .join(', ')
  const select = (instant: string, text: string): string =>
    `SELECT ${instant}(micros) AS at, CAST(k AS ${text}) AS k, CAST(v AS INTEGER) AS v, CAST(m AS DECIMAL(18,2)) AS m ` +
    `FROM (VALUES ${values}) AS t(micros, k, v, m)`
  return { duckdbRows: select('make_timestamp', 'VARCHAR'), sparkRows: select('timestamp_micros', 'STRING') }
}
