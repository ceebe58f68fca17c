// Sessions over random rows, for a comparison of the engines: gaps of just the length, stretches that are
// much longer than a session can be, rows of one time, nulls in keys and values, sessions that were written.
import fc from 'fast-check'
import { countDistinct, countRows, greaterThan, int, lessThan } from '../../../src/expr/index.ts'
import { changes, firstValues, input, isPreceded, sessions } from '../../../src/plan/index.ts'

const rows = input('rows', { at: 'timestamp', n: 'long', k: 'string', v: 'string', m: 'int' })
const second = 1_000_000n

export const cutRows = sessions(rows, {
  table: 'written/sessions',
  eventTime: 'at',
  arrival: ['n'],
  keys: ['k'],
  gapMicros: 3n * second,
  lengthMaxMicros: 10n * second,
  aggregates: (row) => ({
    c: countRows(),
    u: countDistinct(row.v),
    path: firstValues(row.v, 4),
    moves: changes(row.v),
    fast: changes(row.v, second),
    odd: isPreceded(greaterThan(row.m, int(5)), { rows: lessThan(row.m, int(2)), rowsMin: 2 }),
  }),
}).node

const row = fc.record({
  step: fc.constantFrom(0, 0, 1, 1, 2, 3, 3, 4),
  micros: fc.constantFrom(0, 0, 0, 1),
  k: fc.constantFrom('a', 'a', 'ä', '', null),
  v: fc.constantFrom('x', 'y', 'z', null),
  m: fc.constantFrom(0, 1, 3, 6, 9, null),
})

/** The same rows, and the same sessions that were written, as SELECTs of each engine. */
export function randomSessionRows(seed: number, count: number) {
  let at = -60_000_000
  const values = fc.sample(row, { seed, numRuns: count }).map(({ step, micros, k, v, m }, index) => {
    at += step * 1_000_000
    const texts = [k, v].map((text) => (text === null ? 'NULL' : `'${text}'`)).join(', ')
    return `(${at + micros}, ${index}, ${texts}, ${m})`
  })
  const select = (instant: string, text: string): string =>
    `SELECT ${instant}(micros) AS at, CAST(n AS BIGINT) AS n, CAST(k AS ${text}) AS k, CAST(v AS ${text}) AS v, CAST(m AS INT) AS m ` +
    `FROM (VALUES ${values.join(', ')}) AS t(micros, n, k, v, m)`
  const written = (instant: string, text: string): string =>
    `SELECT CAST(k AS ${text}) AS k, ${instant}(micros) AS session_end FROM (VALUES ('a', -55000000), (NULL, -50000000)) AS t(k, micros)`
  return {
    endMicros: BigInt(at),
    duckdb: { rows: select('make_timestamp', 'VARCHAR'), written: written('make_timestamp', 'VARCHAR') },
    spark: { rows: select('timestamp_micros', 'STRING'), written: written('timestamp_micros', 'STRING') },
  }
}
