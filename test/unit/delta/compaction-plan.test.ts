// Which files a compaction takes that is repeated as a table grows.
import { expect, test } from 'vitest'
import type { AddFile } from '../../../src/delta/index.ts'
import { planCompaction } from '../../../src/delta/optimize.ts'
import type { DeltaSnapshot } from '../../../src/delta/state.ts'

const smallFileBytes = 1000

function fileOf(path: string, size: number, p = 'a'): AddFile {
  return { path, size: BigInt(size), modificationTime: 0, partitionValues: { p } } as unknown as AddFile
}

function planned(files: readonly AddFile[], sparesLarge: boolean) {
  const snapshot = {
    metadata: { partitionColumns: ['p'] },
    files: new Map(files.map((one) => [one.path, one])),
  }
  return planCompaction(snapshot as unknown as DeltaSnapshot, { smallFileBytes, sparesLarge })
}

/** Each round ten files of one byte come; gives the bytes written anew, and the files at the end. */
function grown(rounds: number, sparesLarge: boolean) {
  let files: AddFile[] = []
  let written = 0
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < 10; index++) files.push(fileOf(`${round}-${index}`, 1))
    for (const { files: taken } of planned(files, sparesLarge)) {
      const size = taken.reduce((sum, one) => sum + Number(one.size), 0)
      written += size
      files = [...files.filter((one) => !taken.includes(one)), fileOf(`${round}`, size)]
    }
  }
  return { written, count: files.length }
}

test('a row is written anew a few times, and few files stay', () => {
  const rows = 640
  expect(grown(rows / 10, true).written).toBeLessThanOrEqual(rows * Math.log2(rows / 10) + rows)
  expect(grown(rows / 10 - 1, true).count).toBeLessThanOrEqual(1 + Math.log2(rows / 10))
  expect(grown(rows / 10, false).written).toBeGreaterThan(20 * rows)
})

test.each([
  { sizes: [1, 1, 1], taken: [3] },
  { sizes: [5, 1, 5, 5], taken: [4] },
  { sizes: [40, 1, 1, 1], taken: [3] },
  { sizes: [3, 1, 1, 1], taken: [4] },
  { sizes: [40, 8, 1, 1], taken: [2] },
  { sizes: [40, 1], taken: [] },
  { sizes: [2000, 1, 1], taken: [2] },
  { sizes: [], taken: [] },
])('of files of $sizes bytes it takes $taken', ({ sizes, taken }) => {
  const files = sizes.map((size, index) => fileOf(`${index}`, size))
  expect(planned(files, true).map((group) => group.files.length)).toEqual(taken)
})

test('what is large is so among the files of its partition', () => {
  const files = [
    fileOf('1', 40),
    fileOf('2', 1, 'b'),
    fileOf('3', 1, 'b'),
    fileOf('4', 39),
    fileOf('5', 41, 'b'),
  ]
  expect(planned(files, true).map((group) => group.files.map(({ path }) => path))).toEqual([['2', '3']])
})
