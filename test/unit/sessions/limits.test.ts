// Where memory does not hold the open sessions, or the rows that wait, a batch's sessions are the same, and
// what is kept stays within its limits.
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Rows } from '../../../src/columns/column.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { BatchHistory } from '../../../src/engines/batch-history.ts'
import { closingSessions } from '../../../src/engines/batch-rules.ts'
import { Database } from '../../../src/engines/database.ts'
import { batchRowsSql } from '../../../src/engines/embedded/follow-silver.ts'
import { type SessionLimits, TableSessions } from '../../../src/engines/embedded/open-sessions.ts'
import { mayCloseSessions } from '../../../src/engines/spark/closing-rows.ts'
import { sessionPlan } from '../../../src/javascript/index.ts'
import { userSessions } from '../../../src/lakehouse/3-aggregations/sessions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { tableDirectory } from '../../../src/ops/tables.ts'
import { OpenSessions } from '../../../src/state/open-sessions.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, writeInput } from '../engine/pipeline.ts'
import { rowsOfTable } from '../engine/written-tables.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const names = ['session_id', 'transaction_count', 'unique_merchants', 'unique_devices', 'journey'] as const
const plan = sessionPlan(userSessions)!

let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

/** Many users at once, some of whom never pause. */
function transactions(): Buffer[] {
  let state = seed >>> 0
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  return Array.from({ length: 600 }, (_, index) => {
    const isBusy = random(3) === 0
    const user_id = isBusy ? random(3) : 3 + random(150)
    const timestamp = new Date(Date.UTC(2026, 9, 30) + index * 60_000 - random(300_000)).toISOString()
    const facts = {
      merchant: `m${random(80)}`,
      device_id: `d${user_id}-${random(4)}`,
      location: 'Oslo, Norway',
    }
    return Buffer.from(
      JSON.stringify({ transaction_id: `t${index}`, user_id, amount: 5, timestamp, ...facts }),
    )
  })
}

const shown = (values: readonly unknown[]): string => values.map(String).join(' ')

/** The sessions of all batches again, and after each what is in memory. */
async function closedAgain(limits: SessionLimits | undefined) {
  const { base: deltaBasePath } = lakehouse
  const database = await Database.open({ ...testOptions.duckdb, spillDirectory: `${lakehouse.base}-spill` })
  try {
    const silver = await DeltaTable.open(tableDirectory(deltaBasePath, standardLakehouse.events))
    const connection = database.batch
    const history = new BatchHistory(deltaBasePath, silver, database.load)
    const files = { connection, silver, lakehouse: standardLakehouse, deltaBasePath }
    const sessions = new TableSessions(plan, userSessions, limits)
    sessions.begin()
    const found: string[] = []
    let passedOver = 0
    const kept: { readonly count: number; readonly bytes: number }[] = []
    let before = await history.progressAt(0n)
    for await (const next of history.after(0n)) {
      const { progress } = next
      await sessions.addSelected(connection, await batchRowsSql(silver, next), progress.eventTimeMaxMicros)
      const closing = closingSessions(userSessions, before, progress)
      if (closing !== null) {
        const parameters = { processing_time: progress.timeMicros }
        const times = { timeMicros: progress.timeMicros, timeBeforeMicros: before.timeMicros }
        const foundBefore = found.length
        for await (const rows of sessions.closed(files, { closing, ...times, parameters }))
          found.push(...listed(rows))
        const mayClose = mayCloseSessions(await silver.snapshot(), closing)
        if (!mayClose) passedOver++
        expect(mayClose || found.length === foundBefore, 'a batch that is passed over closes none').toBe(true)
      }
      kept.push({ count: sessions.count, bytes: sessions.bytes })
      before = progress
    }
    return { found: found.toSorted(), kept, passedOver }
  } finally {
    database.close()
  }
}

function listed({ columns, rowCount }: Rows): string[] {
  return Array.from({ length: rowCount }, (_, row) => shown(names.map((name) => columns[name]!.get(row))))
}

test('sessions that memory does not hold are computed some keys after others, and are the same', async () => {
  await writeInput(lakehouse, transactions())
  await runOnce(lakehouse, { recordsPerBatchMax: 150, finalize: true })
  const rows = await rowsOfTable(`${lakehouse.base}/aggregations/sessions`)
  const expected = rows.map((row) => shown(names.map((name) => row[name]))).toSorted()
  expect(expected.length).toBeGreaterThan(60)
  const empty = new OpenSessions(plan.shape).bytes
  const all = await closedAgain(undefined)
  expect(all.found, `repeat with SEED=${seed}`).toEqual(expected)
  expect(all.kept.some(({ count }) => count > 20)).toBe(true)
  const openBytesMax = empty + 25_000
  const inParts = await closedAgain({ waitingBytesMax: 2 ** 20, openBytesMax })
  expect(inParts.found, `repeat with SEED=${seed}`).toEqual(expected)
  // Values of one group of rows may be more before it is looked.
  expect(inParts.kept.filter(({ bytes }) => bytes <= empty).length).toBeGreaterThan(2)
  const fromFiles = await closedAgain({ waitingBytesMax: 100_000, openBytesMax: 2 ** 27 })
  expect(fromFiles.found, `repeat with SEED=${seed}`).toEqual(expected)
}, 120_000)

test('of a batch with which no session can close the bounds of files say so', async () => {
  const values = transactions()
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax: 5, streams: ['kafka-to-delta'] })
  const { found, passedOver } = await closedAgain(undefined)
  expect(found.length, `repeat with SEED=${seed}`).toBeGreaterThan(20)
  expect(passedOver, `repeat with SEED=${seed}`).toBeGreaterThan(3)
}, 120_000)
