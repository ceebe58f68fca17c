// A rule that overflows or divides by zero does not fire, and is counted: by the batch, and in ops/batches.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { DeltaTable, scanSql } from '../../../src/delta/index.ts'
import { batchReport } from '../../../src/engines/report.ts'
import type { Lakehouse as LakehouseValue } from '../../../src/plan/index.ts'
import { hours, over, text, transactions } from '../../../src/project/index.ts'
import { lakehouseFrom } from '../../../src/project/project.ts'
import { type Lakehouse, newLakehouse, runOnce, testParameters, writeInput } from './pipeline.ts'
import { rowsOfTable } from './written-tables.ts'

let lakehouse: Lakehouse
let of: LakehouseValue
const directory = mkdtempSync(join(tmpdir(), 'assay-overflows-'))
beforeEach(async () => {
  lakehouse = await newLakehouse()
  writeFileSync(
    join(directory, 'rules.yaml'),
    `levels: { HIGH: 50 }
review_from: 50
rules:
  - { name: plain, when: amount > 5, points: 10, says: x }
  - { name: divides, when: 'amount / (tx_count_30min - 1) > 3', points: 10, says: x }
  - { name: of_silver, when: 'size(city) * 9223372036854775807 > 1', points: 10, says: x }
  - { name: of_feature, when: 'amount / (city_users - 2) > 3', points: 10, says: x }
`,
  )
  of = lakehouseFrom(
    transactions({
      topic: 't',
      rules: 'rules.yaml',
      extra: { channel: text('channel') },
      features: (rows) => ({ city_users: over(rows, { key: 'city', range: hours(1), distinct: 'user_id' }) }),
    }),
    directory,
  )
})
afterEach(() => lakehouse.remove())
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const sent = (id: number, user_id: number, location: string | null): Buffer =>
  Buffer.from(
    JSON.stringify({
      ...{ transaction_id: `t${id}`, user_id, amount: 7, timestamp: '2026-10-01T10:00:00Z', location },
    }),
  )
// The first of each user divides by zero; a city of more than one letter overflows; of two users as well.
const records = [sent(1, 1, 'Oslo, Norway'), sent(2, 1, null), sent(3, 2, 'X, Y'), sent(4, 2, 'Oslo, Norway')]
const expected = { divides: 2, of_silver: 2, of_feature: 1 }

test.each([25_000_000, 0])('with %d rows kept', async (stateRowsMax) => {
  await writeInput(lakehouse, records)
  const [report] = await runOnce(lakehouse, { recordsPerBatchMax: 10, lakehouse: of, stateRowsMax })
  expect(report!.overflows).toEqual(expected)
  expect(report!.firings).toEqual({ plain: 4, divides: 2, of_silver: 1 })
  const noted = await rowsOfTable(
    join(lakehouse.base, 'ops/batches'),
    'map_entries(rule_overflows)::JSON AS counted',
  )
  expect(JSON.parse(String(noted[0]!.counted))).toEqual(
    Object.entries(expected).map(([key, value]) => ({ key, value })),
  )
})

test('told from the files of a batch, as of Spark', async () => {
  await writeInput(lakehouse, records)
  const [report] = await runOnce(lakehouse, { recordsPerBatchMax: 10, lakehouse: of })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  for (const [name, path] of [
    ['records_batch', 'bronze/transactions'],
    ['events_batch', 'silver/transactions'],
    ['scored_batch', 'fraud_detection'],
  ] as const) {
    const table = await DeltaTable.open(join(lakehouse.base, path))
    const select = scanSql(await table.snapshot(), table.directory, { naiveTimestamps: true })
    await connection.run(`CREATE TEMP VIEW ${name} AS ${select}`)
  }
  const executed = { progress: { watermarks: {} } as never, rowsByTable: report!.rowsByTable }
  const facts = { records: 4, input: null, startedMs: 0, finishedMs: 1, alertsMax: 0, hasRecords: true }
  const ofFiles = await batchReport(connection, of, executed, {
    ...{ ...facts, hasScores: true, hasShadows: false, parameters: testParameters },
  })
  expect(ofFiles.overflows).toEqual(expected)
  instance.closeSync()
})
