// Whose Spark session it is: of one lakehouse and its streams, wherever else the same path is in use.
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { ownerOf } from '../../../src/engines/spark/run.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { newLakehouse } from '../engine/pipeline.ts'

test('a lakehouse is found again, and is no other of the same path', async () => {
  const lakehouse = await newLakehouse()
  const of = (streams: readonly string[]) =>
    ownerOf({
      lakehouse: standardLakehouse,
      deltaBasePath: lakehouse.base,
      streams,
      tableProperties: {},
    })
  try {
    const [owner, again] = [await of(standardLakehouse.streams), await of(standardLakehouse.streams)]
    expect(again).toBe(owner)
    expect(await of(['fraud-detection'])).not.toBe(owner)
    await rm(lakehouse.base, { recursive: true })
    expect(await of(standardLakehouse.streams)).not.toBe(owner)
  } finally {
    await lakehouse.remove()
  }
})
