// What does the state of deduplicate and of counts cost in typed arrays: processor time and bytes a row, the
// longest call, and a batch as a ratio to DuckDB's operators over the same rows. Other work on the machine
// stretches the figures, least of all the ratios. Run: npx node --expose-gc bench/state.ts [rows] [part ..];
// parts are ids, times, disorder, batch, longest, hour and duckdb.
import { randomBytes } from 'node:crypto'
import { DuckDBInstance } from '@duckdb/node-api'
import type { RecordChunk } from '../src/batches/source.ts'
import { addRecords, factsOutput, lakehouseRowPath } from '../src/engines/row-path.ts'
import { literal } from '../src/expr/index.ts'
import { JudgedFacts } from '../src/javascript/index.ts'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import { deduplicate, input, over } from '../src/plan/index.ts'
import { compileTable, duckdb, keyDigestSql } from '../src/sql/index.ts'
import { type HashSeed, KeyHash } from '../src/state/key-hash.ts'
import { RecentIds } from '../src/state/recent-ids.ts'
import { RecentTimes } from '../src/state/recent-times.ts'

const { tables } = standardLakehouse

const rows = Number(process.argv[2] ?? 1_000_000)
const parts = process.argv.slice(3)
const rowsOfSecond = 10_000
const microsBetween = 1_000_000 / rowsOfSecond
const startMicros = 1_750_000_000_000_000
const idsRange = 600_000_000
const timesRange = 1_800_000_000
const secondMicros = 1_000_000

const isAsked = (part: string) => parts.length === 0 || parts.includes(part)
const seed = [...new Int32Array(randomBytes(16).buffer.slice(0, 16))] as unknown as HashSeed
/** Another seed would make other rows the ones at which a table grows. */
const hashOf = (word: number | null) => new KeyHash(word === null ? seed : [word, word, word, word])
const newIds = (word: number | null = null) => new RecentIds({ hash: hashOf(word), rangeMicros: idsRange })
const newTimes = (word: number | null = null) =>
  new RecentTimes({ hash: hashOf(word), rangeMicros: timesRange })

/** Processor time of all threads, in nanoseconds. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** Ids as wide as UUIDs, a new text each. */
function idOf(row: number): string {
  const low = (Math.imul(row, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')
  const text = `${low}-0000-4000-8000-${row.toString(16).padStart(12, '0')}`
  return Buffer.from(text).toString('latin1')
}

/** A whole number from 0 to `below` - 1 that looks random. */
function scattered(row: number, below: number): number {
  const mix = Math.imul(row ^ (row >>> 15), 0x2c1b3c6d)
  return ((Math.imul(mix ^ (mix >>> 12), 0x297a2d39) >>> 0) / 4_294_967_296) * below
}

function atOf(row: number, disorderMicros: number): number {
  return startMicros + row * microsBetween - Math.floor(scattered(row, disorderMicros))
}

/** Megabytes of typed arrays that the process has. */
function arrayMegabytes(): number {
  globalThis.gc?.()
  return Math.round(process.memoryUsage().arrayBuffers / 1e6)
}

function told(
  what: string,
  count: number,
  spentNs: number,
  state: { bytes: number; rowCount: number },
): void {
  const bytesOfRow = (state.bytes / state.rowCount).toFixed(1)
  const arrays = arrayMegabytes()
  console.log(
    `${what}: ${(spentNs / count).toFixed(0)} ns a row, ${bytesOfRow} bytes a row, ${arrays} MB of arrays`,
  )
}

function benchIds(): void {
  const some = 1_000_000
  const ids = newIds()
  let spent = 0
  for (let from = 0; from < rows; from += some) {
    const texts = Array.from({ length: Math.min(some, rows - from) }, (_, index) => idOf(from + index))
    const before = cpuNs()
    for (const [index, text] of texts.entries()) ids.add(text, atOf(from + index, 0))
    spent += cpuNs() - before
  }
  told(`${rows} ids`, rows, spent, ids)
  const texts = Array.from({ length: 200_000 }, (_, index) => idOf(rows + index))
  const before = cpuNs()
  for (const [index, text] of texts.entries()) ids.repeats(text, atOf(rows + index, 0))
  told(`200000 new ids judged on top of ${rows}`, texts.length, cpuNs() - before, ids)
}

function benchTimes(): void {
  for (const users of [1e3, 1e4, 1e5, 1e6, 1e7])
    for (const disorderMicros of [0, 300_000_000]) {
      const times = newTimes()
      let before = cpuNs()
      for (let row = 0; row < rows; row++)
        times.add(Math.floor(scattered(row, users)), atOf(row, disorderMicros))
      const what = `of ${users} users ${disorderMicros === 0 ? 'in order' : 'in 5 minutes of disorder'}`
      told(`${rows} times ${what}`, rows, cpuNs() - before, times)
      before = cpuNs()
      for (let row = rows; row < rows + 200_000; row++)
        times.count(Math.floor(scattered(row, users)), atOf(row, disorderMicros))
      told(`200000 rows ${what} counted on top of ${rows}`, 200_000, cpuNs() - before, times)
    }
}

/** One user, by minutes of disorder. Runs take turns, so that what else the machine does falls on all. */
function benchDisorder(): void {
  const count = 40_000
  const minutes = [0, 1, 2, 5]
  const spent = minutes.map(() => 0)
  const runs = 60
  for (let run = -5; run < runs; run++)
    for (const [place, minute] of minutes.entries()) {
      const spread = (row: number) => Math.floor(scattered(row, minute * 60_000_000))
      const at = Array.from({ length: count }, (_, row) => startMicros + row * 45_000 - spread(row))
      const times = newTimes()
      const before = cpuNs()
      for (const micros of at) times.count(7, micros)
      if (run >= 0) spent[place]! += cpuNs() - before
    }
  for (const [place, minute] of minutes.entries()) {
    const ratio = (spent[place]! / spent[0]!).toFixed(2)
    const nanoseconds = (spent[place]! / runs / count).toFixed(0)
    console.log(
      `${count} rows of one user, ${minute} min of disorder: ${nanoseconds} ns a row, ${ratio} times`,
    )
  }
}

/** As above, of a whole batch: parsed, judged and scored by the row path. Files are not in it. */
function benchBatch(): void {
  const count = 40_000
  const path = lakehouseRowPath(standardLakehouse, tables, 'input', [
    'bronze/transactions',
    'silver/transactions',
    'silver/quarantine',
    'fraud_detection',
  ])
  const chunks = [0, 60_000_000].map((disorderMicros): RecordChunk => {
    const values = Array.from({ length: count }, (_, row) => {
      const micros = startMicros + row * 45_000 - Math.floor(scattered(row, disorderMicros))
      const timestamp = new Date(micros / 1000).toISOString()
      const transaction = { transaction_id: idOf(row), user_id: 7, amount: 12.5, timestamp }
      return Buffer.from(JSON.stringify({ ...transaction, merchant: 'm', location: 'Paris, France' }))
    })
    return {
      topic: 'transactions',
      partition: 0,
      count,
      offsets: BigInt64Array.from(values, (_, row) => BigInt(row)),
      timestampsMs: null,
      keys: values.map(() => null),
      values,
      headers: values.map(() => null),
    }
  })
  const spent = chunks.map(() => 0)
  const runs = 10
  for (let run = -2; run < runs; run++)
    for (const [place, chunk] of chunks.entries()) {
      const before = cpuNs()
      const batch = path.start({
        rowCountMax: count,
        parameters: {
          processing_time: BigInt(startMicros) + 86_400_000_000n,
          watermark: BigInt(startMicros) - 86_400_000_000n,
          dedup_micros: BigInt(idsRange),
          high_risk_countries: [],
        },
        states: path.states.map(({ kind }) => (kind === 'over' ? newTimes() : newIds())),
        functions: { [factsOutput]: new JudgedFacts().add },
      })
      addRecords(batch, chunk)
      if (run >= 0) spent[place]! += cpuNs() - before
      if (batch.rows('silver/transactions').rowCount !== count) throw new Error('a transaction was refused')
    }
  const [inOrder, inDisorder] = spent.map((ns) => ns / runs / count) as [number, number]
  console.log(
    `a batch of ${count} of one user: ${inOrder.toFixed(0)} ns a row in order, ${inDisorder.toFixed(0)} in a minute
    of disorder, ${(inDisorder / inOrder).toFixed(2)} times`,
  )
}

/**
 * Of the last tenth of the rows, with the line moved on by a second of all rows each time. Each call does the
 * same in each run, so the least of its times is that of the call and not of what interrupted it.
 */
function benchLongest(): void {
  const measured = Math.floor(rows / 10)
  for (const what of ['ids', 'times'] as const) {
    const rowMs = new Float32Array(measured).fill(Number.POSITIVE_INFINITY)
    const forgetMs = new Float32Array(Math.ceil(measured / 1000)).fill(Number.POSITIVE_INFINITY)
    for (let run = 0; run < 2; run++) {
      const state = what === 'ids' ? newIds(1) : newTimes(1)
      const put = (row: number): void => {
        if (state instanceof RecentIds) state.repeats(`${row}`, atOf(row, 60_000_000))
        else state.count(Math.floor(scattered(row, 1e6)), atOf(row, 60_000_000))
      }
      for (let row = 0; row < rows - measured; row++) put(row)
      for (let index = 0; index < measured; index++) {
        let startedMs = performance.now()
        put(rows - measured + index)
        rowMs[index] = Math.min(rowMs[index]!, performance.now() - startedMs)
        if (index % 1000 !== 0) continue
        const line = startMicros + (index / 1000) * secondMicros
        startedMs = performance.now()
        state.forgetBefore(line)
        forgetMs[index / 1000] = Math.min(forgetMs[index / 1000]!, performance.now() - startedMs)
      }
    }
    const longest = rowMs.reduce((most, one) => Math.max(most, one), 0).toFixed(2)
    // Each does the same work, and is long enough to be interrupted twice.
    const sorted = forgetMs.toSorted()
    const [median, most] = [0.5, 0.9].map((part) => sorted[Math.floor(part * sorted.length)]!.toFixed(2))
    console.log(
      `on top of ${rows - measured} ${what}: the longest call for a row ${longest} ms, a call to forget ${median} ms, 9 of 10 at most ${most} ms`,
    )
  }
}

/** An hour of 10,000 transactions a second: rows matter for 20 and for 40 minutes. */
function benchHour(): void {
  const ids = newIds()
  const times = newTimes()
  const seconds = 3600
  let spent = 0
  let [most, mostBytes] = [0, 0]
  for (let second = 0; second < seconds; second++) {
    const from = second * rowsOfSecond
    const texts = Array.from({ length: rowsOfSecond }, (_, index) => idOf(from + index))
    const before = cpuNs()
    ids.mark()
    times.mark()
    for (const [index, text] of texts.entries()) {
      const at = atOf(from + index, 60_000_000)
      ids.repeats(text, at)
      times.count(Math.floor(scattered(from + index, 1e6)), at)
    }
    ids.commit()
    times.commit()
    const watermark = startMicros + second * secondMicros - 600_000_000
    ids.forgetBefore(watermark - idsRange)
    times.forgetBefore(watermark - timesRange)
    spent += cpuNs() - before
    if (second % 60 !== 59) continue
    mostBytes = Math.max(mostBytes, ids.bytes + times.bytes)
    most = Math.max(most, process.memoryUsage().arrayBuffers)
  }
  const megabytes = (bytes: number) => Math.round(bytes / 1e6)
  const nanoseconds = (spent / seconds / rowsOfSecond).toFixed(0)
  console.log(`an hour at ${rowsOfSecond}/s: ${nanoseconds} ns for both; at the end ${ids.rowCount} ids in
    ${megabytes(ids.bytes)} MB, ${times.rowCount} times in ${megabytes(times.bytes)} MB; at most
    ${megabytes(mostBytes)} MB, and ${megabytes(most)} MB of arrays with what was not yet collected`)
}

const schema = { id: 'string', user_id: 'int', at: 'timestamp', offset: 'long' } as const
const past = input('history', { id: 'string', user_id: 'int', at: 'timestamp' })
const marked = deduplicate(input('batch', schema), {
  history: past,
  candidate: () => literal('boolean', true),
  key: 'id',
  eventTime: 'at',
  arrival: ['offset'],
  rangeMicros: literal('long', BigInt(idsRange)),
  as: 'is_repeat',
})
const counted = over(input('batch', schema), {
  history: past,
  key: 'user_id',
  eventTime: 'at',
  arrival: ['offset'],
  rangeMicros: BigInt(timesRange),
  aggregates: { in_time: { function: 'count' } },
})

/** Batches of a second's rows: what they repeat, their counts, and taking them in. */
async function benchDuckdb(): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', {
    preserve_insertion_order: 'false',
    threads: '2',
  })
  const connection = await instance.connect()
  const users = 1_000_000
  const idSql = (row: string) =>
    `format('{:08x}-0000-4000-8000-{:012x}', (${row} * 2654435761) % 4294967296, ${row})`
  const select = (from: number, count: number, id: (row: string) => string) =>
    `SELECT ${id('r')} AS id, (hash(r) % ${users})::INTEGER AS user_id,
      make_timestamp(${startMicros} + r * ${microsBetween} - (hash(r) % 60000000)::BIGINT) AS "at", r AS "offset"
    FROM (SELECT range + ${from} AS r FROM range(${count}))`
  const digest = (row: string) => keyDigestSql(idSql(row))
  await connection.run(`CREATE TABLE history AS SELECT id, user_id, "at" FROM (${select(0, rows, digest)})`)
  const [ids, times] = [newIds(), newTimes()]
  const take = async (from: number, count: number) => {
    const sql = `SELECT id, user_id, epoch_us("at") AS at FROM (${select(from, count, idSql)}) ORDER BY "offset"`
    const columns = (await connection.runAndReadAll(sql)).getColumnsJS()
    return {
      ids: columns[0] as string[],
      users: columns[1] as number[],
      at: (columns[2] as bigint[]).map(Number),
    }
  }
  for (let from = 0; from < rows; from += 500_000) {
    const some = await take(from, Math.min(500_000, rows - from))
    for (const [index, id] of some.ids.entries()) {
      ids.add(id, some.at[index]!)
      times.add(some.users[index]!, some.at[index]!)
    }
  }
  const statements = [
    `SELECT count(*) FILTER (is_repeat) FROM (${compileTable(duckdb, marked.node).sql})`,
    `SELECT sum(in_time) FROM (${compileTable(duckdb, counted.node).sql})`,
  ]
  const spent = [0, 0, 0]
  const batches = 10
  for (let batch = 0; batch < batches; batch++) {
    const from = rows + batch * rowsOfSecond
    // A fifth of the ids stood in the batch before.
    const id = (row: string) =>
      idSql(`(CASE WHEN ${row} % 5 = 0 THEN ${row} - ${rowsOfSecond} ELSE ${row} END)`)
    await connection.run(`CREATE OR REPLACE TABLE batch AS ${select(from, rowsOfSecond, id)}`)
    const columns = (
      await connection.runAndReadAll('SELECT id, user_id, epoch_us("at") FROM batch ORDER BY "offset"')
    ).getColumnsJS() as [string[], number[], bigint[]]
    const at = columns[2].map(Number)
    const results: number[] = []
    for (const [place, sql] of statements.entries()) {
      const before = cpuNs()
      results.push(Number((await connection.runAndReadAll(sql)).getRows()[0]![0]))
      if (batch > 0) spent[place]! += cpuNs() - before
    }
    const before = cpuNs()
    let [repeats, sum] = [0, 0]
    for (const [index, one] of columns[0].entries()) {
      if (ids.repeats(one, at[index]!)) repeats++
      sum += times.count(columns[1][index]!, at[index]!)
    }
    if (batch > 0) spent[2]! += cpuNs() - before
    if (repeats !== results[0] || sum !== results[1])
      throw new Error(`DuckDB has ${results}, the state ${repeats} and ${sum}`)
    await connection.run(`INSERT INTO history SELECT ${keyDigestSql('id')}, user_id, "at" FROM batch`)
  }
  const [duplicates, counts, state] = spent.map((ns) => ns / 1e6 / (batches - 1))
  const both = duplicates! + counts!
  console.log(
    `a batch of ${rowsOfSecond} on top of ${rows}: DuckDB ${duplicates!.toFixed(1)} + ${counts!.toFixed(1)} ms of
    processor time, the state ${state!.toFixed(1)} ms: 1 to ${(both / state!).toFixed(0)}`,
  )
  connection.closeSync()
  instance.closeSync()
}

if (isAsked('ids')) benchIds()
if (isAsked('times')) benchTimes()
if (isAsked('disorder')) benchDisorder()
if (isAsked('batch')) benchBatch()
if (isAsked('longest')) benchLongest()
if (isAsked('hour')) benchHour()
if (isAsked('duckdb')) await benchDuckdb()
