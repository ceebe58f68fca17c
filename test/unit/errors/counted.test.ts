import { expect, test } from 'vitest'
import { counted, unitOf } from '../../../src/errors/counted.ts'

test('one is singular, none and many are plural', () => {
  expect([0, 1, 2].map((count) => counted(count, 'file'))).toEqual(['0 files', '1 file', '2 files'])
  expect([0n, 1n, 2n].map((count) => counted(count, 'batch', 'batches'))).toEqual([
    '0 batches',
    '1 batch',
    '2 batches',
  ])
  expect(unitOf(1_000, 'record')).toBe('records')
})
