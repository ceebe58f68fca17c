// What keeps the tables small while they are written: every table gets its turn, and short runs do it too.
import { mkdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { setClock } from '../../../src/delta/disk.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { newLakehouse, runOnce, writeInput } from './pipeline.ts'

const filesBeforeCompaction = 4
const compacting = { smallFileBytes: 2 ** 20, filesBeforeCompaction, recordsPerBatchMax: 1 }
const busyTables = ['bronze/transactions', 'silver/transactions', 'fraud_detection']
/** What short runs write as often. */
const tablesOfRuns = [...busyTables, 'ops/batches']

let lakehouse: Awaited<ReturnType<typeof newLakehouse>>
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(async () => {
  setStepHook(null)
  setClock(Date.now)
  await lakehouse.remove()
})

const values = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) =>
    Buffer.from(
      JSON.stringify({
        ...{ transaction_id: `t${index}`, user_id: index, amount: 5 },
        timestamp: `2026-10-01T00:00:${String(index).padStart(2, '0')}`,
      }),
    ),
  )

async function opened(path: string): Promise<DeltaTable> {
  return DeltaTable.open(join(lakehouse.base, path))
}

async function compactionsOf(path: string): Promise<number> {
  const history = await (await opened(path)).history()
  return history.filter(({ operation }) => operation === 'OPTIMIZE').length
}

test('no table starves, however long a compaction lasts', async () => {
  await writeInput(lakehouse, values(50))
  let batches = 0
  let next = Promise.withResolvers<void>()
  setStepHook(async (name) => {
    if (name !== 'compaction written') return
    // Meanwhile every busy table gets enough files for another one.
    const until = batches + filesBeforeCompaction + 1
    while (batches < until && batches < 50) await next.promise
  })
  await runOnce(lakehouse, {
    ...compacting,
    onBatch: () => {
      batches += 1
      next.resolve()
      next = Promise.withResolvers<void>()
    },
  })
  for (const path of busyTables) expect(await compactionsOf(path), path).toBeGreaterThan(1)
})

test('runs of one batch each compact what the runs before them left, and delete it when it is old', async () => {
  let nowMs = Date.now()
  setClock(() => nowMs)
  const all = values(18)
  const tableProperties = { 'delta.deletedFileRetentionDuration': 'interval 1 hours' }
  for (let count = 1; count <= all.length; count++) {
    await writeInput(lakehouse, all.slice(0, count))
    nowMs += 600_000
    await runOnce(lakehouse, { ...compacting, tableProperties })
  }
  for (const path of tablesOfRuns) {
    const table = await opened(path)
    expect((await table.snapshot()).files.size, path).toBeLessThanOrEqual(filesBeforeCompaction + 1)
    expect(await compactionsOf(path), path).toBeGreaterThan(2)
    const names = await readdir(table.directory, { recursive: true })
    const data = names.filter((name) => name.endsWith('.parquet') && !name.includes('_delta_log'))
    // Those of the last hour, which is six runs, and those that are live.
    expect(data.length, path).toBeLessThanOrEqual(2 * (filesBeforeCompaction + 1) + 6)
  }
})

test('a stop does not wait for what is due', async () => {
  await writeInput(lakehouse, values(8))
  const stop = new AbortController()
  await runOnce(lakehouse, {
    ...compacting,
    filesBeforeCompaction: 8,
    signal: stop.signal,
    onBatch: ({ batch }) => (batch === 8n ? stop.abort() : undefined),
  })
  // One may have begun with the last batch.
  const compactions = await Promise.all(busyTables.map(compactionsOf))
  expect(compactions.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(1)
})

test('a checkpoint that cannot be written is told once, and the run goes on', async () => {
  await writeInput(lakehouse, values(12))
  const told: string[] = []
  let made = false
  await runOnce(lakehouse, {
    recordsPerBatchMax: 1,
    tableProperties: { 'delta.checkpointInterval': '4' },
    onBatch: () => {
      if (made) return
      made = true
      const log = join(lakehouse.base, 'silver/transactions/_delta_log')
      for (let version = 0; version < 40; version++) {
        // A directory is in the way of every checkpoint's name.
        mkdirSync(join(log, `${String(version).padStart(20, '0')}.checkpoint.parquet`))
      }
    },
    onNotice: ({ code, details }) => void told.push(`${code} ${details.table}`),
  })
  expect(told.filter((notice) => notice.startsWith('CHECKPOINT_FAILED'))).toEqual([
    'CHECKPOINT_FAILED silver/transactions',
  ])
})
