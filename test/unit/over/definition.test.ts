// What `over` refuses when it is defined, and how old definitions of it are read.
import { expect, test } from 'vitest'
import type { Schema } from '../../../src/expr/index.ts'
import { input, over, storedTable, storedText } from '../../../src/plan/index.ts'

const rows = input('batch', {
  user: 'int',
  score: 'double',
  amount: 'decimal(18,2)',
  at: 'timestamp',
  id: 'long',
})
const looking = { history: rows, eventTime: 'at', arrival: ['id'], rangeMicros: 60n } as const

test('a double is neither summed nor compared nor a key, and the message says what is taken', () => {
  for (const name of ['sum', 'mean', 'min', 'max', 'distinct', 'previous'] as const) {
    const aggregates = { scores: { function: name, of: 'score' } } as const
    expect(() => over(rows, { ...looking, key: 'user', aggregates }), name).toThrow(
      new RegExp(String.raw`scores is ${name}\(score\), and score is a double.*It takes .*int, long`),
    )
  }
  const counted = { count: { function: 'count' } } as const
  expect(() => over(rows, { ...looking, key: 'score' as never, aggregates: counted })).toThrow(
    'the key is score',
  )
})

test('a history without a column that is asked for, or with one of another type, is refused', () => {
  const untyped = over as unknown as (of: typeof rows, options: object) => unknown
  const history = (schema: Schema) => input('history', { user: 'int', at: 'timestamp', ...schema })
  const uses = { ...looking, key: 'user', aggregates: { total: { function: 'sum', of: 'amount' } } }
  const money = { amount: 'decimal(18,2)' } as const
  expect(() => untyped(rows, { ...uses, history: history({}) })).toThrow('has no such column')
  expect(() => untyped(rows, { ...uses, history: history({ amount: 'long' }) })).toThrow(
    'a long of that name',
  )
  untyped(rows, { ...uses, history: history(money) })
  const ordered = { ...uses, aggregates: { last: { function: 'previous', of: 'amount' } } }
  expect(() => untyped(rows, { ...ordered, history: history(money) })).toThrow('the rows have id')
})

test('a velocity that an earlier version stored is a count, and keeps its text', () => {
  const velocity =
    '{"path":"t","rows":{"node":{"history":{"kind":"input","name":"silver_users","schema":{"user":"int","at":"timestamp"}},' +
    '"key":"user","eventTime":"at","arrival":["topic","offset"],"rangeMicros":{"$long":"1800000000"},"as":"count",' +
    '"kind":"velocity","input":{"kind":"input","name":"silver_batch","schema":{"user":"int","at":"timestamp"}}},' +
    '"schema":{"user":"int","at":"timestamp","count":"int"}}}'
  const table = storedTable(velocity)
  expect(table.rows.node).toMatchObject({
    kind: 'over',
    key: 'user',
    rangeMicros: 1_800_000_000n,
    aggregates: { count: { function: 'count', type: 'int' } },
  })
  expect(storedText(table)).toBe(velocity)
  const more = over(rows, {
    ...looking,
    key: 'user',
    aggregates: { count: { function: 'count' }, total: { function: 'sum', of: 'amount' } },
  })
  const stored = storedText({ path: 't', rows: more })
  expect(storedTable(stored)).toEqual({ path: 't', rows: more })
})
