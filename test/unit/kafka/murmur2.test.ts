import { expect, test } from 'vitest'
import { murmur2, partitionOfKey } from '../../../src/kafka/murmur2.ts'

// From the tests of Apache Kafka's own implementation.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('the hash of %s is that of the Java producer', (key, hash) => {
  expect(murmur2(Buffer.from(key))).toBe(hash)
})

test('a negative hash gives a partition by its lower 31 bits', () => {
  expect(partitionOfKey(Buffer.from('21'), 4)).toBe((-973932308 & 0x7fffffff) % 4)
})
