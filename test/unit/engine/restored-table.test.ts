// Another program changes a table while a run writes it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import { differences } from '../../compare/differences.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { newLakehouse, runOnce, writeInput } from './pipeline.ts'

const values = Array.from({ length: 6 }, (_, index) =>
  Buffer.from(
    JSON.stringify({
      transaction_id: `t${index}`,
      user_id: index,
      amount: 5,
      timestamp: `2026-10-01T00:00:0${index}`,
    }),
  ),
)

let lakehouse: Awaited<ReturnType<typeof newLakehouse>>
beforeEach(async () => {
  lakehouse = await newLakehouse()
  await writeInput(lakehouse, values)
})
afterEach(() => lakehouse.remove())

/** A commit of another program behind the newest one of silver: it removes so many files that silver has. */
function commitToSilver(operation: string, count: number): void {
  const log = join(lakehouse.base, 'silver/transactions/_delta_log')
  const commits = readdirSync(log).filter((name) => name.endsWith('.json'))
  const added = commits.sort().flatMap((name) => {
    const actions = readFileSync(join(log, name), 'utf8').split('\n').filter(Boolean)
    return actions.map((action) => JSON.parse(action).add?.path).filter((path) => path !== undefined)
  })
  const actions = [
    { commitInfo: { timestamp: 1, operation, engineInfo: 'Apache-Spark/4.1.1' } },
    ...added.slice(0, count).map((path) => ({ remove: { path, deletionTimestamp: 1, dataChange: true } })),
  ]
  const text = actions.map((action) => JSON.stringify(action)).join('\n')
  for (let version = commits.length; ; version++) {
    try {
      writeFileSync(join(log, `${String(version).padStart(20, '0')}.json`), text, { flag: 'wx' })
      return
    } catch (error) {
      // The run writes meanwhile: who is second takes the next version.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

test('a run stops where silver was restored, and says which version and what to do', async () => {
  const restored = runOnce(lakehouse, {
    recordsPerBatchMax: 1,
    onBatch: ({ batch }) => (batch === 2n ? commitToSilver('RESTORE', 1) : undefined),
  })
  await expect(restored).rejects.toMatchObject({
    code: 'TABLE_RESTORED',
    message: expect.stringMatching(/silver\/transactions: .*RESTORE, version \d+.*start it again/),
  })
})

test('a batch that Spark wrote onto a restored silver unawares is taken out of it and carried again', async () => {
  await runOnce(lakehouse, { recordsPerBatchMax: 2 })
  const before = await readTables(lakehouse.base)
  const log = join(lakehouse.base, 'silver/transactions/_delta_log')
  const versions = (await readdir(log)).filter((name) => name.endsWith('.json')).sort()
  const [second, third] = versions.slice(-2).map((name) => join(log, name))
  const actions = (await readFile(second!, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const restore = [
    {
      ...{ timestamp: 1, operation: 'RESTORE', engineInfo: 'Apache-Spark/4.1.1' },
      operationParameters: { version: String(versions.length - 3), timestamp: null },
    },
  ].map((commitInfo) => ({ commitInfo }))
  const removes = actions.flatMap(({ add }) =>
    add === undefined ? [] : [{ remove: { path: add.path, deletionTimestamp: 1, dataChange: true } }],
  )
  expect(removes).not.toEqual([])
  // The writer of the third batch had read the log before the RESTORE, and says so.
  const name = `${String(versions.length).padStart(20, '0')}.json`
  await rename(third!, join(log, name))
  await writeFile(third!, [...restore, ...removes].map((action) => JSON.stringify(action)).join('\n'))
  expect(await readFile(join(log, name), 'utf8')).toContain(`"readVersion":${versions.length - 2}`)
  await runOnce(lakehouse, { recordsPerBatchMax: 2 })
  expect(differences(await readTables(lakehouse.base), before)).toEqual([])
  await runOnce(lakehouse, { recordsPerBatchMax: 2 })
  expect(differences(await readTables(lakehouse.base), before)).toEqual([])
})

test('a run goes on where rows of silver were deleted, and says so once', async () => {
  const notices: SourceNotice[] = []
  await runOnce(lakehouse, {
    recordsPerBatchMax: 1,
    onBatch: ({ batch }) => (batch === 2n ? commitToSilver('DELETE', 1) : undefined),
    onNotice: (notice) => void notices.push(notice),
  })
  expect(notices.filter(({ code }) => code === 'TABLE_ROWS_REMOVED')).toMatchObject([
    { details: { table: 'silver/transactions', operation: 'DELETE' } },
  ])
})

test('windows that close after rows of silver were deleted do not have them', async () => {
  await runOnce(lakehouse, {
    recordsPerBatchMax: 1,
    finalize: true,
    onBatch: ({ batch }) => (batch === 2n ? commitToSilver('DELETE', 1) : undefined),
  })
  const { 'aggregations/hourly_summary': hours } = await readTables(lakehouse.base)
  expect(hours.map((hour) => String(hour.total_transactions))).toEqual(['5'])
})
