// What does each aggregate of `over` cost a row: with so many rows of history, of one key and of many, in
// order and in disorder, as a ratio to counting alone, which has a state of its own. Then what the count
// costs DuckDB. Run: npx node --expose-gc bench/over.ts [part ..]; parts are state and duckdb.
import { randomBytes } from 'node:crypto'
import { DuckDBInstance } from '@duckdb/node-api'
import { fraudDetection } from '../src/lakehouse/3-fraud_detection.ts'
import { countsAlone, input, type OverCall, type OverNode, over, type PlanNode } from '../src/plan/index.ts'
import { compileTable, duckdb } from '../src/sql/index.ts'
import { type HashSeed, KeyHash } from '../src/state/key-hash.ts'
import { RecentAggregates } from '../src/state/recent-aggregates.ts'
import { RecentTimes } from '../src/state/recent-times.ts'

const parts = process.argv.slice(2)
const isAsked = (part: string) => parts.length === 0 || parts.includes(part)

const schema = {
  user: 'int',
  amount: 'decimal(18,2)',
  device: 'string',
  at: 'timestamp',
  offset: 'long',
} as const
const rows = input('batch', schema)
const before = input('history', schema)
const rangeMicros = 1_800_000_000
const startMicros = 1_750_000_000_000_000
const measuredRows = 50_000
const rounds = 5

const calls: Readonly<Record<string, readonly OverCall<'amount' | 'device'>[]>> = {
  count: [{ function: 'count' }],
  sum: [{ function: 'sum', of: 'amount' }],
  mean: [{ function: 'mean', of: 'amount' }],
  max: [{ function: 'max', of: 'amount' }],
  distinct: [{ function: 'distinct', of: 'device' }],
  previous: [{ function: 'previous', of: 'device' }],
  sincePrevious: [{ function: 'sincePrevious' }],
  'count, sum, max, distinct': [
    { function: 'count' },
    { function: 'sum', of: 'amount' },
    { function: 'max', of: 'amount' },
    { function: 'distinct', of: 'device' },
  ],
}

function nodeOf(aggregates: readonly OverCall<'amount' | 'device'>[]): OverNode {
  const { node } = over(rows, {
    history: before,
    key: 'user',
    eventTime: 'at',
    arrival: ['offset'],
    rangeMicros: BigInt(rangeMicros),
    aggregates: Object.fromEntries(aggregates.map((one, index) => [`added_${index}`, one])),
  })
  if (node.kind !== 'over') throw new Error('over makes a node of its kind')
  return node
}

/** A whole number from 0 to `below` - 1 that looks random. */
function scattered(row: number, below: number): number {
  const mix = Math.imul(row ^ (row >>> 15), 0x2c1b3c6d)
  return Math.floor(((Math.imul(mix ^ (mix >>> 12), 0x297a2d39) >>> 0) / 4_294_967_296) * below)
}

type Feed = {
  readonly put: (row: number) => void
  readonly bytes: () => number
  readonly rowCount: () => number
}

/** Rows spread over the range, each up to `disorder` microseconds early; `isLoading` asks for no results. */
function feedOf(node: OverNode, users: number, rowsOfRange: number, disorder: number): Feed {
  const seed = [...new Int32Array(randomBytes(16).buffer.slice(0, 16))] as unknown as HashSeed
  const hash = new KeyHash(seed)
  const between = rangeMicros / rowsOfRange
  const timeOf = (row: number) => startMicros + Math.floor(row * between) - scattered(row, disorder)
  if (countsAlone(node)) {
    const state = new RecentTimes({ hash, rangeMicros })
    return {
      put: (row) => void state.count(scattered(row + 1, users), timeOf(row)),
      bytes: () => state.bytes,
      rowCount: () => state.rowCount,
    }
  }
  const state = new RecentAggregates({ hash, node })
  const devices = Array.from({ length: 5000 }, (_, index) => `device-${index}`)
  return {
    put: (row) => {
      for (const [index, column] of state.columns.entries()) {
        state.values[index] =
          column === 'amount' ? scattered(row + 2, 100_000) : devices[scattered(row + 3, 5000)]!
      }
      state.add(scattered(row + 1, users), timeOf(row))
    },
    bytes: () => state.bytes,
    rowCount: () => state.rowCount,
  }
}

function benchState(): void {
  for (const history of [1e4, 1e6]) {
    for (const users of [1, 100_000]) {
      for (const minutes of [0, 5]) {
        const disorder = minutes * 60_000_000
        const feeds = Object.entries(calls).map(([name, of]) => {
          const feed = feedOf(nodeOf(of), users, history, disorder)
          for (let row = 0; row < history; row++) feed.put(row)
          return { name, feed, leastNs: Number.POSITIVE_INFINITY }
        })
        // Rounds take turns, so that what else the machine does falls on all; the least is the row's own.
        for (let round = 0; round < rounds; round++) {
          for (const one of feeds) {
            const first = history + round * measuredRows
            const { user, system } = process.cpuUsage()
            for (let row = first; row < first + measuredRows; row++) one.feed.put(row)
            const now = process.cpuUsage()
            const ns = ((now.user + now.system - user - system) * 1000) / measuredRows
            one.leastNs = Math.min(one.leastNs, ns)
          }
        }
        const counted = feeds[0]!.leastNs
        const order = minutes === 0 ? 'in order' : `in ${minutes} min of disorder`
        console.log(`${history} rows of ${users === 1 ? 'one key' : `${users} keys`} ${order}`)
        for (const { name, feed, leastNs } of feeds) {
          const bytes = (feed.bytes() / feed.rowCount()).toFixed(0)
          const ratio = (leastNs / counted).toFixed(1)
          console.log(
            `  ${name.padEnd(26)} ${leastNs.toFixed(0).padStart(6)} ns  ${ratio.padStart(5)} times  ${bytes} bytes a row`,
          )
        }
      }
    }
  }
}

const [batchRows, memoryRows, rowsAtOnce, microsBetween] = [2_500, 12_000_000, 200_000, 200]
const user = '(1 + 10000 * pow(random(), 5))::INTEGER'

function overOf(node: PlanNode): OverNode {
  if (node.kind === 'over') return node
  if ('input' in node) return overOf(node.input)
  throw new Error('fraud_detection counts no velocity')
}

/** A batch on top of 5,000 rows a second; a few users have most of them. */
async function benchDuckdb(): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: '1GiB',
    preserve_insertion_order: 'false',
  })
  const connection = await instance.connect()
  await connection.run('SELECT setseed(0.5)')
  await connection.run('CREATE TABLE silver_users (user_id INTEGER, event_time TIMESTAMP)')
  for (let from = 0; from < memoryRows; from += rowsAtOnce) {
    const time = `make_timestamp((${from} + range) * ${microsBetween})`
    await connection.run(`INSERT INTO silver_users SELECT ${user}, ${time} FROM range(${rowsAtOnce})`)
  }
  await connection.run(
    `CREATE TABLE silver_batch AS SELECT 'topic' AS topic, 0 AS "partition", range AS "offset", ${user} AS user_id,
      make_timestamp((${memoryRows} + range) * ${microsBetween}) AS event_time FROM range(${batchRows})`,
  )
  const { history, ...counted } = overOf(fraudDetection.rows.node)
  const narrow = input('silver_batch', {
    topic: 'string',
    partition: 'int',
    offset: 'long',
    user_id: 'int',
    event_time: 'timestamp',
  })
  const { sql } = compileTable(duckdb, { ...counted, history, input: narrow.node })
  const times: number[] = []
  for (let run = 0; run < rounds; run++) {
    const startedMs = performance.now()
    await connection.runAndReadAll(`SELECT sum(tx_count_30min) FROM (${sql})`)
    times.push(performance.now() - startedMs)
  }
  const medianMs = times.toSorted((a, b) => a - b)[rounds >> 1]!
  console.log(
    `${batchRows} rows on top of ${memoryRows}: ${Math.round(medianMs)} ms, the median of ${rounds}`,
  )
  connection.closeSync()
  instance.closeSync()
}

if (isAsked('state')) benchState()
if (isAsked('duckdb')) await benchDuckdb()
