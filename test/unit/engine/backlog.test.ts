// The embedded engine behind a streaming query that has written bronze: as when a lakehouse was Spark's.

import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import { partitionKey } from '../../../src/batches/offsets.ts'
import { Backlog } from '../../../src/engines/backlog.ts'
import { checkpointsDirectory } from '../../../src/engines/bronze-writers.ts'
import { Database } from '../../../src/engines/database.ts'
import { bronzeTransactions } from '../../../src/lakehouse/1-bronze/transactions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { openTable } from '../../../src/ops/tables.ts'
import { batchesOfLog } from '../../compare/batches-of-log.ts'
import { judgeStreamedLakehouse } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { lines } from '../../generate/lines.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce, writeInput } from './pipeline.ts'

/** As Spark's streaming query commits: rows, and a txn with the query's id and the number of its batch. */
async function stream(
  lakehouse: Lakehouse,
  query: string,
  batch: bigint,
  records: readonly RawRecord[],
): Promise<void> {
  const bronze = await openTable(lakehouse.base, bronzeTransactions)
  const rows = records.map(({ topic, partition, offset, value, timestampMs }) => ({
    topic,
    partition,
    offset,
    kafka_key: null,
    value: value === null ? null : Buffer.from(value),
    headers: null,
    kafka_timestamp: timestampMs === null ? null : new Date(timestampMs),
    processing_time: new Date(Date.UTC(2026, 10, 2, 0, 0, Number(batch))),
    processing_date: '2026-11-02',
  }))
  const outcome = await bronze.appendRows(rows, { appId: query, version: batch })
  expect(outcome.kind).toBe('committed')
}

test('rows that a streaming query left in bronze are carried on, once, whatever the batches', async () => {
  await fc.assert(
    fc.asyncProperty(lines(90), fc.integer({ min: 12, max: 50 }), async (values, size) => {
      const lakehouse = await newLakehouse()
      try {
        const [first, second, third] = [0.2, 0.5, 0.7].map((share) => Math.floor(values.length * share))
        const streamed = values.slice(first, third).map((value, index) => ({
          ...recordsOf([value])[0]!,
          topic: 'transactions',
          partition: index % 2,
          offset: BigInt(Math.floor(index / 2)),
        }))
        const fromFile = [...values.slice(0, first), ...values.slice(third)]
        await writeInput(lakehouse, fromFile.slice(0, first))
        await runOnce(lakehouse, { recordsPerBatchMax: size })
        const query = randomUUID()
        await stream(lakehouse, query, 0n, streamed.slice(0, second! - first!))
        await stream(lakehouse, query, 1n, streamed.slice(second! - first!))
        await writeInput(lakehouse, fromFile)
        await runOnce(lakehouse, { recordsPerBatchMax: size })
        await runOnce(lakehouse, { recordsPerBatchMax: size, finalize: true })
        const records = [...recordsOf(fromFile), ...streamed]
        const batches = await batchesOfLog(lakehouse.base)
        expect(judgeStreamedLakehouse(records, await readTables(lakehouse.base), batches)).toEqual([])
      } finally {
        await lakehouse.remove()
      }
    }),
    { numRuns: 3, endOnFailure: true },
  )
})

test('windows that close behind the batches take no rows from those that are read from bronze', async () => {
  const lakehouse = await newLakehouse()
  try {
    const count = 15_000
    const records = Array.from({ length: count }, (_, index): RawRecord => {
      // A second each: windows of every kind close with every batch.
      const timestamp = new Date(Date.UTC(2024, 2, 10) + index * 1000).toISOString()
      const value = { transaction_id: `t${index}`, user_id: index % 50, amount: 12.5, timestamp }
      const content = recordsOf([Buffer.from(JSON.stringify(value))])[0]!
      return { ...content, topic: 'transactions', offset: BigInt(index) }
    })
    await writeInput(lakehouse, [])
    await runOnce(lakehouse, { recordsPerBatchMax: 1 })
    await stream(lakehouse, randomUUID(), 0n, records)
    const notices: SourceNotice[] = []
    const onNotice = (notice: SourceNotice) => void notices.push(notice)
    const reports = await runOnce(lakehouse, { recordsPerBatchMax: 3000, onNotice, finalize: true })
    expect(notices).toEqual([])
    expect(reports.map(({ silverRows }) => silverRows)).toEqual([3000, 3000, 3000, 3000, 3000, 0])
    const { 'silver/transactions': silver, 'silver/quarantine': quarantine } = await readTables(
      lakehouse.base,
    )
    expect([silver.length, quarantine.length]).toEqual([count, 0])
  } finally {
    await lakehouse.remove()
  }
})

test('a query that still runs can write nothing more once the embedded engine has started', async () => {
  const lakehouse = await newLakehouse()
  try {
    await writeInput(lakehouse, [Buffer.from('{}')])
    await runOnce(lakehouse, { recordsPerBatchMax: 10 })
    const [writing, begun] = [randomUUID(), randomUUID()]
    await stream(lakehouse, writing, 0n, [])
    const checkpoint = join(
      checkpointsDirectory({ lakehouse: standardLakehouse, deltaBasePath: lakehouse.base }),
      '1',
    )
    await mkdir(checkpoint, { recursive: true })
    await writeFile(join(checkpoint, 'metadata'), JSON.stringify({ id: begun }))
    await runOnce(lakehouse, { recordsPerBatchMax: 10 })
    const bronze = await openTable(lakehouse.base, bronzeTransactions)
    for (const query of [writing, begun]) {
      const outcome = await bronze.appendRows([], { appId: query, version: 1_000_000n })
      expect(outcome.kind).toBe('skipped')
    }
  } finally {
    await lakehouse.remove()
  }
})

test('what waits is of the topic that was read before: the id goes along', async () => {
  const lakehouse = await newLakehouse()
  const database = await Database.open({ spillDirectory: lakehouse.base, memoryLimitBytes: null, threads: 1 })
  try {
    await stream(lakehouse, randomUUID(), 0n, recordsOf(['{}', '{}', '{}'].map((text) => Buffer.from(text))))
    const backlog = new Backlog(database.load, await openTable(lakehouse.base, bronzeTransactions))
    const partition = { topic: 'input.ndjson', partition: 0, topicId: 'the first of that name' }
    const next = new Map([[partitionKey(partition), { ...partition, offset: 3n }]])
    expect([...(await backlog.ends(next)).values()]).toEqual([{ ...partition, offset: 7n }])
    expect((await backlog.cut(next, 10)).ranges).toEqual([{ ...partition, start: 3n, end: 7n }])
  } finally {
    database.close()
    await lakehouse.remove()
  }
})

async function withBacklog(
  records: readonly RawRecord[],
  use: (backlog: Backlog) => Promise<void>,
): Promise<void> {
  const lakehouse = await newLakehouse()
  const database = await Database.open({ spillDirectory: lakehouse.base, memoryLimitBytes: null, threads: 1 })
  try {
    await stream(lakehouse, randomUUID(), 0n, records)
    await use(new Backlog(database.load, await openTable(lakehouse.base, bronzeTransactions)))
  } finally {
    database.close()
    await lakehouse.remove()
  }
}

/** So many records of a partition, one millisecond after another. */
function recordsOfPartition(partition: number, count: number, fromMs: number): RawRecord[] {
  const [one] = recordsOf([Buffer.from('{}')])
  return Array.from({ length: count }, (_, index) => ({
    ...one!,
    topic: 'transactions',
    partition,
    offset: BigInt(index),
    timestampMs: fromMs + index,
  }))
}

const at = (partition: number, offset: bigint) => ({ topic: 'transactions', partition, offset })
const offsetsOf = (...all: ReturnType<typeof at>[]) => new Map(all.map((one) => [partitionKey(one), one]))

test('partitions of which Kafka or bronze has more than the batch takes wait', async () => {
  const records = [...recordsOfPartition(0, 10, 0), ...recordsOfPartition(1, 10, 0)]
  await withBacklog(records, async (backlog) => {
    const asked: unknown[] = []
    const inputEnds = async (here: ReadonlyMap<string, ReturnType<typeof at>>) => {
      asked.push([...here.values()])
      return offsetsOf(at(1, 12n), at(2, 3n))
    }
    const all = await backlog.cut(new Map(), 100, { inputEnds })
    expect(asked).toEqual([[at(0, 10n), at(1, 10n)]])
    expect(all.ranges.map(({ end }) => end)).toEqual([10n, 10n])
    expect(all.waiting).toEqual([
      { topic: 'transactions', partition: 1 },
      { topic: 'transactions', partition: 2 },
    ])
    const some = await backlog.cut(new Map(), 8, { inputEnds: async () => new Map() })
    expect(some.ranges.map(({ end }) => end)).toEqual([4n, 4n])
    expect(some.waiting.map(({ partition }) => partition).sort()).toEqual([0, 1])
  })
})

test('a partition that holds the watermark, and begins ahead of the others, gets half of a batch', async () => {
  const records = [
    ...recordsOfPartition(0, 30, 0),
    ...recordsOfPartition(1, 30, 3_000_000),
    ...recordsOfPartition(2, 3, 3_000_000),
  ]
  await withBacklog(records, async (backlog) => {
    const next = offsetsOf(at(0, 0n), at(1, 0n), at(2, 0n))
    const plain = await backlog.cut(next, 20)
    expect(plain.ranges.map(({ partition, end }) => [partition, end])).toEqual([[0, 20n]])
    const cut = await backlog.cut(next, 20, { preferred: [at(2, 0n), at(1, 0n), at(0, 0n)] })
    expect(cut.ranges.map(({ partition, end }) => [partition, end])).toEqual([
      [0, 10n],
      [1, 7n],
      [2, 3n],
    ])
    // Behind the first that is served none is preferred.
    const served = await backlog.cut(next, 20, { preferred: [at(0, 0n), at(1, 0n)] })
    expect(served.ranges).toEqual(plain.ranges)
    const single = await backlog.cut(next, 1, { preferred: [at(1, 0n)] })
    expect(single.ranges.map(({ partition, end }) => [partition, end])).toEqual([[1, 1n]])
  })
})

test('of more records than a batch takes with one time, each partition gives its share, as from Kafka', async () => {
  const records = [0, 1, 2].flatMap((partition) =>
    recordsOfPartition(partition, 30, 0).map((record) => ({ ...record, timestampMs: 0 })),
  )
  await withBacklog(records, async (backlog) => {
    const cut = await backlog.cut(offsetsOf(at(0, 0n), at(1, 0n), at(2, 0n)), 20)
    expect(cut.ranges.map(({ partition, end }) => [partition, end])).toEqual([
      [0, 7n],
      [1, 7n],
      [2, 6n],
    ])
  })
})
