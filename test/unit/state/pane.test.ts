import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { Accumulator } from '../../../src/expr/index.ts'
import { Pane } from '../../../src/state/pane.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function usedBytes(): number {
  collect()
  collect() // Buffers that the first one found are given back by now.
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const count: Extract<Accumulator, { kind: 'fold' }> = {
  kind: 'fold',
  empty: 0,
  add: (counted) => Number(counted) + 1,
  combine: (a, b) => Number(a) + Number(b),
}

test.each([
  [1, 1],
  [2, 200],
])('panes of %i keys and %i groups take about what they say', (keyCount, groupCount) => {
  const shape = { keyCount, folds: Array.from({ length: 8 }, () => count), distinctCount: 5, valuesCount: 0 }
  const paneCount = Math.ceil(20_000 / groupCount)
  const rows = Array.from({ length: groupCount }, (_, row) => row)
  const ids = Int32Array.from(rows, (row) => row + 1)
  const made = (): Pane => {
    const pane = new Pane(shape, 0)
    pane.add(rows, {
      keys: Array.from({ length: keyCount }, () => ids),
      folds: shape.folds.map(() => null),
      distinct: Array.from({ length: shape.distinctCount }, () => ids),
      values: [],
    })
    return pane
  }
  made()
  const before = usedBytes()
  const panes = Array.from({ length: paneCount }, made)
  const took = usedBytes() - before
  const said = panes.reduce((sum, { bytes }) => sum + bytes, 0)
  expect(said / took).toBeGreaterThan(0.4)
  expect(said / took).toBeLessThan(2)
})
