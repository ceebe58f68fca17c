// The card of drift shows the newest day, the score first, and how often each feature drifted before; metrics
// have the same day, and nothing of a day that is over.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/config.ts'
import type { QualityAnswer } from '../../../src/dashboard/api.ts'
import type { Dashboard } from '../../../src/dashboard/server.ts'
import { withSmallDatabase } from '../../../src/engines/database.ts'
import { RunMetrics } from '../../../src/engines/run-metrics.ts'
import { RunWatch } from '../../../src/engines/run-watch.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { type DriftRow, driftDefinition, driftPath, driftRowsSql } from '../../../src/ops/drift.ts'
import { openOpsTable } from '../../../src/ops/tables.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, writeInput } from '../engine/pipeline.ts'
import { Client, serve } from './served.ts'

let lakehouse: Lakehouse
let dashboard: Dashboard
beforeAll(async () => {
  lakehouse = await newLakehouse()
  await writeInput(lakehouse, [Buffer.from('{}')])
  await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  dashboard = await serve(loadConfig(standardLakehouse, { DELTA_BASE_PATH: lakehouse.base }))
})
afterAll(async () => {
  await dashboard?.close()
  await lakehouse?.remove()
})

async function quality(): Promise<QualityAnswer> {
  const client = new Client(dashboard.url)
  await client.session()
  return JSON.parse((await client.get('/api/quality')).body) as QualityAnswer
}

const row = (day: string, feature: string | null, psi: number): DriftRow => ({
  ...{ day, model: "model-o'neill.txt", rulesVersion: 3, feature, rows: 120, psi, ks: 1e-7 },
  kind: feature === null ? 'score' : 'number',
  level: psi > 0.25 ? 'drifted' : 'stable',
})

test('the newest day is shown, and before a day was measured there is no card', async () => {
  expect((await quality()).drift).toBeNull()
  const rows = [
    ...[row('2026-06-01', 'amount', 0.5), row('2026-06-29', 'amount', 0.9), row('2026-06-29', null, 0.01)],
    ...[row('2026-07-01', 'amount', 0.4), row('2026-07-01', 'hour', 0.02), row('2026-07-01', null, 0.3)],
  ]
  const table = await openOpsTable(lakehouse.base, driftPath, { ...driftDefinition, properties: {} })
  await withSmallDatabase(async (connection) => {
    await table.commit(await table.stage(connection, driftRowsSql(rows)), { operation: 'DRIFT' })
  })
  const { drift } = await quality()
  const model = "model-o'neill.txt"
  expect(drift!.rows).toEqual([
    ['2026-07-01', model, null, '120', '0.3', '1e-7', 'drifted', '1'],
    ['2026-07-01', model, 'amount', '120', '0.4', '1e-7', 'drifted', '2'],
    ['2026-07-01', model, 'hour', '120', '0.02', '1e-7', 'stable', '0'],
  ])
})

test('metrics have the figures of the last complete day alone', async () => {
  const run = { ...testOptions, deltaBasePath: lakehouse.base, engine: 'embedded', version: '1' }
  const watch = new RunWatch()
  const metrics = new RunMetrics(run, watch)
  const told = async (): Promise<string> => {
    const found = (await metrics.collect()).filter(({ name }) => name.startsWith('assay_drift'))
    return JSON.stringify(found)
  }
  metrics.onEvent({
    ...{ kind: 'drift', day: '2026-07-01' },
    figures: [{ feature: 'amount', psi: 0.5, ks: 0.2, level: 'drifted' }],
  })
  expect(await told()).toContain('amount')
  metrics.onEvent({ kind: 'drift', day: '2026-07-02', figures: [] })
  expect(await told()).not.toContain('amount')
  await watch.stop()
})
