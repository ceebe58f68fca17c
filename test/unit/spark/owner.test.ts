// Whose Spark session it is: of one lakehouse and its streams, wherever else the same path is in use.
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { ownerOf } from '../../../src/engines/spark/run.ts'
import { type StreamName, streamNames } from '../../../src/plan/index.ts'
import { newLakehouse } from '../engine/pipeline.ts'

test('a lakehouse is found again, and is no other of the same path', async () => {
  const lakehouse = await newLakehouse()
  const of = (streams: readonly StreamName[]) =>
    ownerOf({ deltaBasePath: lakehouse.base, streams, tableProperties: {} })
  try {
    const [owner, again] = [await of(streamNames), await of(streamNames)]
    expect(again).toBe(owner)
    expect(await of(['fraud-detection'])).not.toBe(owner)
    await rm(lakehouse.base, { recursive: true })
    expect(await of(streamNames)).not.toBe(owner)
  } finally {
    await lakehouse.remove()
  }
})
