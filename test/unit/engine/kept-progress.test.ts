// A writer that records progress as text alone (Spark): a table that it wrote can be opened for ever, also
// when the commits with that text are long gone.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { batchAppId, batchJson, noProgress, type Progress } from '../../../src/batches/progress.ts'
import { OpenTable } from '../../../src/engines/tables.ts'
import { silverTransactions } from '../../../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { cleanLog } from './written-tables.ts'

function progressAt(batch: bigint): Progress {
  const at = { topic: 't', partition: 0, offset: batch * 100n, topicId: 'id' }
  return { ...noProgress, batch, timeMicros: batch * 1_000_000n, offsets: new Map([['t\n0', at]]) }
}

const textAt = (batch: bigint): string => batchJson({ plan: null, progress: progressAt(batch), counts: null })

test('progress that stands in the text of a commit survives the clean-up of the log', async () => {
  const base = await mkdtemp(join(tmpdir(), 'assay-progress-'))
  onTestFinished(() => rm(base, { recursive: true }))
  const open = () => OpenTable.open(standardLakehouse, base, silverTransactions, {})
  const { delta } = await open()
  const write = (batch: bigint) =>
    delta.commit(null, { appId: batchAppId, version: batch, userMetadata: textAt(batch) })
  await write(1n)
  await write(2n)
  const reopened = await open()
  expect(reopened.progress).toMatchObject({ batch: 2n, timeMicros: 2_000_000n })
  expect([...reopened.progress.offsets.values()]).toMatchObject([{ offset: 200n, topicId: 'id' }])

  await cleanLog(reopened.delta)
  expect((await open()).progress).toEqual(reopened.progress)

  // The text of a later commit counts, however many starts without a batch come after it.
  await write(3n)
  for (let start = 0; start < 3; start++) expect((await open()).progress.batch).toBe(3n)
})
