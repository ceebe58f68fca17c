// The operators on Spark: deduplication and velocity against their meaning, windows against DuckDB, the
// judgement of records against the oracle. Many cases are one statement: each has keys of its own.
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sqlRelation } from '../../../src/engines/spark/connect/relations.ts'
import { assert } from '../../../src/errors/errors.ts'
import { refused, silverOf } from '../../../src/lakehouse/2-silver/transactions.ts'
import { qualityMetrics } from '../../../src/lakehouse/3-quality/metrics.ts'
import { earlierRows, type PlanNode } from '../../../src/plan/index.ts'
import { boundDuckdb, boundSpark, compileTable, spark } from '../../../src/sql/index.ts'
import { busyKeysSql, sparkOverCount } from '../../../src/sql/spark-over-count.ts'
import { judge } from '../../../src/verify/judge.ts'
import {
  differencesOf,
  judgedCells,
  judgedRecords,
  parameters,
  shownRecords,
} from '../../compare/mapped-silver.ts'
import { badInput } from '../../generate/lines.ts'
import { oddValue } from '../../generate/odd-values.ts'
import { mappedProject, mappedRecord } from '../../oracle/mapped-project.ts'
import { bronzeMicros } from '../../oracle/mapped-records.ts'
import {
  type Case,
  counted,
  longChain,
  marked,
  naiveCounts,
  naiveRepeats,
  type Row,
  repeatCases,
  velocityCases,
} from '../../unit/sql/naive.ts'
import { closings, duckdbFigures, shownFigures } from './figures.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'
import { cutRows, randomSessionRows } from './sessions.ts'
import { randomRows, windows } from './windows.ts'

const caseCount = 200
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
/** More rows than any case has. */
const rowsPerCase = 100
/** 2026-11-02, after all event times. */
const processingMicros = BigInt(Date.UTC(2026, 10, 2)) * 1000n

describe.skipIf(sparkAbsent !== null)(`on Spark (SEED=${seed})`, () => {
  let server: TestSpark
  beforeAll(async () => {
    server = await startTestSpark({ compilesStages: true })
  })
  afterAll(() => server?.close())

  async function results(
    node: PlanNode,
    as: string,
    all: readonly Case[],
    sql = compileTable(spark, node).sql,
  ): Promise<unknown[][]> {
    const value = (one: Row, place: number): string =>
      `'${place}-${one.id}', ${place * 10 + one.user}, timestamp_micros(${one.at})`
    const past = all.flatMap((one, place) => one.past.map((row) => `(${value(row, place)})`))
    const now = all.flatMap((one, place) =>
      one.now.map(
        (row, index) =>
          `(${value(row, place)}, '${row.topic}', ${place * rowsPerCase + index}L, ${row.candidate})`,
      ),
    )
    const table = (names: string, values: string[]): string =>
      `SELECT * FROM VALUES ${values.join(',')} AS t(${names})`
    const inputs = {
      history: sqlRelation(table('id, user_id, at', past)),
      batch: sqlRelation(table('id, user_id, at, topic, `offset`, candidate', now.toSorted())),
    }
    const rows = await server.session.rows(`SELECT \`offset\`, ${as} AS r FROM (${sql})`, { ...call, inputs })
    const found = new Map(rows.map((row) => [Number(row.offset), row.r]))
    expect(found.size).toBe(rows.length)
    return all.map((one, place) => one.now.map((_, index) => found.get(place * rowsPerCase + index)))
  }

  test('deduplicate marks what a naive pass in the order of arrival refuses', async () => {
    const all = [...fc.sample(repeatCases, { seed, numRuns: caseCount }), longChain]
    expect(await results(marked, 'is_repeat', all)).toEqual(all.map(naiveRepeats))
  })

  test('velocity counts what arrived no later and lies in the time before', async () => {
    const all = fc.sample(velocityCases, { seed, numRuns: caseCount })
    expect(await results(counted, 'count', all)).toEqual(all.map(naiveCounts))
  })

  test('velocity of busy keys, and of some that are busy beside others, is the same', async () => {
    const all = fc.sample(velocityCases, { seed, numRuns: caseCount })
    assert(counted.kind === 'over')
    const keys = all.flatMap(({ now }, place) => now.map(({ user }) => place * 10 + user))
    for (const busy of [keys, keys.filter((key) => key % 3 === 0)]) {
      const sql = sparkOverCount(counted, 'batch', 'history', [...new Set(busy)].map(String))
      expect(await results(counted, 'count', all, sql), `${busy.length}`).toEqual(all.map(naiveCounts))
    }
  })

  test('velocity does not grow with the square of the rows of a user, however they are mixed', async () => {
    assert(counted.kind === 'over')
    const node = { ...counted, rangeMicros: 1_800_000_000n }
    // One user in a minute: each row is up to the minute late, by a fixed mix of its number.
    const took = async (rows: number): Promise<number> => {
      const batch =
        `SELECT CAST(id AS STRING) AS id, 7 AS user_id, timestamp_micros(pmod(id * 7919, ${rows}) * 1500) AS at, ` +
        `'t' AS topic, id AS \`offset\`, true AS candidate FROM range(${rows})`
      const history = sqlRelation(`SELECT id, user_id, at FROM (${batch}) WHERE false`)
      const asked = { ...call, inputs: { batch: sqlRelation(batch), history } }
      const startedMs = performance.now()
      const busy = await server.session.rows(busyKeysSql(node, 'batch', 'history'), asked)
      const keys = busy.map(({ key_text: key }) => String(key))
      const [sums] = await server.session.rows(
        `SELECT count(*) AS n, sum(count) AS sum FROM (${sparkOverCount(node, 'batch', 'history', keys)})`,
        asked,
      )
      expect([keys, sums]).toEqual([['7'], { n: BigInt(rows), sum: BigInt(mixedSum(rows)) }])
      return performance.now() - startedMs
    }
    await took(10_000) // Compiles.
    const [few, many] = [await took(10_000), await took(40_000)]
    expect(many / few).toBeLessThan(8) // The square would be 16 times as long.
  })

  test.each(windows)('$name gives the windows that DuckDB gives', async ({ node, keys }) => {
    const { duckdbRows, sparkRows } = randomRows(seed, 400)
    const values = { closed_after: -30_000_000n, closed_up_to: 40_000_000n }
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run(`CREATE TABLE rows AS ${duckdbRows}`)
    const order = ['window_start', ...keys].join(', ')
    const inner = compileTable(boundDuckdb(values), node).sql
    const shown = (text: string) => `CAST(${text} AS VARCHAR)`
    const reader = await connection.runAndReadAll(
      `SELECT epoch_us(window_start) AS window_start, epoch_us(window_end) AS window_end, k, n, c, u, ` +
        `${shown('s')} AS s, ${shown('hi')} AS hi, ${shown('lo')} AS lo FROM (${inner}) ORDER BY ${order} NULLS FIRST`,
    )
    const expected = reader.getRowObjectsJS()
    connection.closeSync()
    instance.closeSync()
    const found = await server.session.rows(
      `SELECT window_start, window_end, k, n, c, u, s, hi, lo FROM (${compileTable(boundSpark(values), node).sql}) ORDER BY ${order} NULLS FIRST`,
      { ...call, inputs: { rows: sqlRelation(sparkRows) } },
    )
    expect(expected.length).toBeGreaterThan(10)
    expect(found).toEqual(expected)
  })

  test('figures, and what is usual for them, are what DuckDB gives, also behind rows of earlier batches', async () => {
    const { node } = qualityMetrics.rows
    const { rows, earlier, expected } = await duckdbFigures(seed)
    const { sql } = compileTable(boundSpark(closings.later), node)
    const found = await server.session.rows(
      `SELECT ${shownFigures} FROM (${sql}) ORDER BY window_start, column_name NULLS FIRST, metric`,
      { ...call, inputs: { silver_recent: sqlRelation(rows), [earlierRows]: sqlRelation(earlier) } },
    )
    expect(expected.length).toBeGreaterThan(100)
    expect(expected.filter((row) => row.score !== null).length).toBeGreaterThan(50)
    expect(found).toEqual(expected)
  })

  test('sessions are those of DuckDB', async () => {
    const { endMicros, ...of } = randomSessionRows(seed, 500)
    const columns = 'k, c, u, path, moves, fast, odd'
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run(`CREATE TABLE rows AS ${of.duckdb.rows}`)
    await connection.run(`CREATE TABLE written_written_sessions AS ${of.duckdb.written}`)
    const inputs = {
      rows: sqlRelation(of.spark.rows),
      written_written_sessions: sqlRelation(of.spark.written),
    }
    const values = { closed_after: -48_000_000n, closed_up_to: endMicros - 5_000_000n }
    const reader = await connection.runAndReadAll(
      `SELECT epoch_us(session_start) AS session_start, epoch_us(session_end) AS session_end, ${columns}
      FROM (${compileTable(boundDuckdb(values), cutRows).sql}) ORDER BY session_start, k NULLS FIRST`,
    )
    const found = await server.session.rows(
      `SELECT session_start, session_end, ${columns}
      FROM (${compileTable(boundSpark(values), cutRows).sql}) ORDER BY session_start, k NULLS FIRST`,
      { ...call, inputs },
    )
    const expected = reader.getRowObjectsJS()
    expect(expected.length).toBeGreaterThan(10)
    expect(found).toEqual(expected)
    connection.closeSync()
    instance.closeSync()
  })

  test('records of random projects are read as they were written', async () => {
    for (const [index, project] of fc.sample(mappedProject, { seed, numRuns: 4 }).entries()) {
      const silver = silverOf(project)
      const records = fc.sample(mappedRecord(project), { seed: seed + index, numRuns: 400 })
      const rows = records.map(({ value, kafkaMicros }, offset) => {
        const kafka = kafkaMicros === null ? 'NULL' : `timestamp_micros(${kafkaMicros})`
        return `(${offset}L, ${spark.bytes(value)}, CAST(${kafka} AS TIMESTAMP))`
      })
      const bronze = sqlRelation(
        "SELECT 't' AS topic, 0 AS partition, `offset`, CAST(NULL AS BINARY) AS kafka_key, value, " +
          'CAST(NULL AS ARRAY<STRUCT<key: STRING, value: BINARY>>) AS headers, kafka_timestamp, ' +
          `timestamp_micros(${bronzeMicros}) AS processing_time, DATE'2026-11-02' AS processing_date ` +
          `FROM VALUES ${rows.join(',\n')} AS t(\`offset\`, value, kafka_timestamp)`,
      )
      const relation = judgedRecords(silver)
      const dialect = boundSpark(parameters)
      const sql = shownRecords(dialect, relation, compileTable(dialect, relation.node))
      const held = await server.session.checkpoint(bronze, call)
      const inputs = { bronze_batch: held.relation }
      const found = await server.session.rows(sql, { ...call, inputs })
      await held.drop(call)
      const judged = records.map((record, place) => judgedCells(found[place]!, record))
      const differences = differencesOf(records, { spark: judged })
      const what = `${differences.length} records of ${JSON.stringify(project)}`
      expect(differences.slice(0, 2), what).toEqual([])
    }
  })

  test('records are judged as the oracle judges them', async () => {
    const odd = fc.sample(oddValue({ oneLine: false }), { seed, numRuns: 1_000 })
    const values = [...badInput.map(({ value }) => value), ...odd]
    const rows = values.map((value, offset) => {
      const bytes = value === null ? 'CAST(NULL AS BINARY)' : spark.bytes(value)
      return `('t', 0, ${offset}L, CAST(NULL AS BINARY), ${bytes})`
    })
    const bronze = sqlRelation(
      'SELECT topic, partition, `offset`, kafka_key, value, CAST(NULL AS ARRAY<STRUCT<key: STRING, value: BINARY>>) AS headers, ' +
        `CAST(NULL AS TIMESTAMP) AS kafka_timestamp, timestamp_micros(${processingMicros}) AS processing_time, ` +
        `DATE'2026-11-02' AS processing_date FROM VALUES ${rows.join(',\n')} AS t(topic, partition, \`offset\`, kafka_key, value)`,
    )
    const dialect = boundSpark({
      processing_time: processingMicros,
      watermark: null,
      dedup_micros: 600_000_000n,
    })
    const parsed = compileTable(dialect, refused.node).shared.find(({ name }) => name === 'parsed_batch')!
    // From a table, as in a batch: the optimizer computes rows that stand in the statement itself.
    const held = await server.session.checkpoint(bronze, call)
    const inputs = { bronze_batch: held.relation }
    const found = await server.session.rows(`SELECT * FROM (${parsed.sql}) ORDER BY \`offset\``, {
      ...call,
      inputs,
    })
    await held.drop(call)
    expect(found.length).toBe(values.length)
    const differences = values.flatMap((value, index) => {
      const judged = judge(value, null, processingMicros)
      const { invalid, ...row } = found[index]!
      if (judged.mayBeRefused && JSON.stringify(invalid) === '["malformed"]') return []
      const expected = judged.kind === 'refused' ? judged.reasons : rowOf(judged.transaction)
      const got = judged.kind === 'refused' || (invalid as string[]).length > 0 ? invalid : picked(row)
      const same = JSON.stringify(expected, bigintText) === JSON.stringify(got, bigintText)
      return same ? [] : [{ value: value === null ? null : value.toString('latin1'), expected, got }]
    })
    expect(differences).toEqual([])
  })
})

/** How many pairs, each row with itself included, come in the order of their times. */
function mixedSum(rows: number): number {
  const seen = new Int32Array(rows + 1) // A Fenwick tree over the places in time.
  let sum = 0
  for (let number = 0; number < rows; number++) {
    const place = (number * 7_919) % rows
    for (let at = place + 1; at <= rows; at += at & -at) seen[at]! += 1
    for (let at = place + 1; at > 0; at -= at & -at) sum += seen[at]!
  }
  return sum
}

type Judgement = Extract<ReturnType<typeof judge>, { kind: 'valid' }>['transaction']

function rowOf(one: Judgement): Record<string, unknown> {
  const digits = String(one.cents).padStart(3, '0')
  return {
    transaction_id: one.transactionId,
    user_id: Number(one.userId),
    amount: `${digits.slice(0, -2)}.${digits.slice(-2)}`,
    merchant: one.merchant,
    payment_method: one.paymentMethod,
    location: one.location,
    device_id: one.deviceId,
    is_fraud: one.isFraud,
    event_time: one.eventTime,
  }
}

function picked(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = ['transaction_id', 'user_id', 'amount', 'merchant', 'payment_method', 'location', 'device_id']
  return Object.fromEntries([...names, 'is_fraud', 'event_time'].map((name) => [name, row[name]]))
}

const bigintText = (_name: string, value: unknown): unknown =>
  typeof value === 'bigint' ? `${value}` : value
