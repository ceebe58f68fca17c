// The journeys of a person, as the person page asks for them.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/config.ts'
import type { Dashboard } from '../../../src/dashboard/server.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { type Lakehouse, newLakehouse, runOnce, writeInput } from '../engine/pipeline.ts'
import { Client, serve } from './served.ts'

let lakehouse: Lakehouse
let dashboard: Dashboard
let client: Client
beforeAll(async () => {
  lakehouse = await newLakehouse()
  dashboard = await serve(
    loadConfig(standardLakehouse, { DELTA_BASE_PATH: lakehouse.base }, `${lakehouse.base}/.env`),
  )
  client = new Client(dashboard.url)
  await client.session()
})
afterAll(async () => {
  await dashboard?.close()
  await lakehouse?.remove()
})

const bought = (minute: number, merchant: string | null, user = 7): Buffer =>
  Buffer.from(
    JSON.stringify({
      ...{ transaction_id: `${user}-${minute}`, user_id: user, amount: 12.5, merchant },
      timestamp: new Date(Date.UTC(2026, 9, 1, 10, minute)).toISOString(),
    }),
  )

test('a person has the journeys that are over, the newest first, and nobody else has them', async () => {
  const values = [bought(0, 'A <b>'), bought(20, null), bought(25, 'C'), bought(90, 'D'), bought(30, 'E', 8)]
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax: 100, once: true })
  const asked = async () => JSON.parse((await client.get('/api/person?id=7')).body) as { journeys: never }
  await runOnce(lakehouse, { recordsPerBatchMax: 100, once: true, finalize: true })
  const { columns, rows } = (await asked()).journeys as {
    columns: { name: string }[]
    rows: (string | null)[][]
  }
  const column = (name: string) => columns.findIndex((one) => one.name === name)
  expect(rows.map((row) => [row[column('journey')], row[column('transaction_count')]])).toEqual([
    ['D', '1'],
    ['A <b> → ? → C', '3'],
  ])
})
