// Records whose names no column can have as they are: points, spaces, other alphabets, words of SQL and of
// TypeScript, names of columns that are there, and names that differ in their case alone.
import type { JsonPath } from '../../src/plan/index.ts'

export const oddRecords = Array.from({ length: 20 }, (_, index) => ({
  'fare.cents': 100 + index,
  'trip id': `t-${index}`,
  'trip.user': { 'user id': `u${index % 4}` },
  'at.ms': 1_790_000_000_000 + index * 1000,
  Amount: index + 0.5,
  amount: 'ten',
  AMOUNT: 'TEN',
  order: 'first',
  select: 'x',
  class: 'y',
  in: 'z',
  '7eleven': 'shop',
  'caf\u00e9 name': 'bar',
  '\u540d\u524d': 'one',
  '\u4f4f\u6240': 'two',
  "it's": 1,
  'a\u2028b': true,
  a: { code: 'first' },
  b: { code: 'second' },
  constructor: 'c',
  tags: ['a'],
  ' lead': 1,
  'what?': 1,
  '': 1,
}))

/** What is proposed for them, besides the fields. */
export const oddColumns: Readonly<Record<string, JsonPath>> = {
  fare_cents: ['fare.cents'],
  record_amount: ['amount'],
  record_amount_2: ['AMOUNT'],
  order: ['order'],
  select: ['select'],
  class: ['class'],
  in: ['in'],
  eleven: ['7eleven'],
  cafe_name: ['caf\u00e9 name'],
  column_1: ['\u540d\u524d'],
  column_2: ['\u4f4f\u6240'],
  a_b: ['a\u2028b'],
  code: ['a', 'code'],
  b_code: ['b', 'code'],
  record_constructor: ['constructor'],
}
