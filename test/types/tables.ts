// biome-ignore-all format: an expected error stands on the line before its statement.
// What must not compile: a wrong column or type in a table definition. Checked by `npm run typecheck`; a line
// whose error is gone fails there.
import {
  column,
  columnsOf,
  equals,
  greaterThan,
  hourOfDay,
  int,
  money,
  sumMoney,
  text,
  trimToNull,
} from '../../src/expr/index.ts'
import {
  deduplicate,
  defineTable,
  extend,
  filter,
  input,
  over,
  project,
  readJson,
  window,
} from '../../src/plan/index.ts'

const rows = input('rows', {
  id: 'string',
  user: 'int',
  amount: 'decimal(18,2)',
  at: 'timestamp',
  bytes: 'binary',
  reasons: 'array<string>',
})

const columns = columnsOf(rows.schema)

project(rows, (row) => ({ hour: hourOfDay(row.at) }))
// @ts-expect-error there is no such column
project(rows, (row) => ({ hour: hourOfDay(row.att) }))
// @ts-expect-error an hour of a text
project(rows, (row) => ({ hour: hourOfDay(row.id) }))
// @ts-expect-error money and whole numbers are not compared
filter(rows, (row) => greaterThan(row.amount, int(5)))
filter(rows, (row) => greaterThan(row.amount, money('5')))
// @ts-expect-error a filter's condition is a boolean
filter(rows, (row) => trimToNull(row.id))

// @ts-expect-error the column has been renamed away
extend(project(rows, (row) => ({ name: row.id })), (row) => ({ id: row.id }))
// A column that is put in place of another has the new type.
extend(
  extend(rows, () => ({ id: int(1) })),
  (row) => ({ same: equals(row.id, int(1)) }),
)

// @ts-expect-error a document is read from bytes
readJson(rows, { from: 'id', fields: { a: ['a'] }, as: 'is_document' })
readJson(rows, { from: 'bytes', fields: { a: ['a'] }, as: 'is_document' })

const sum = { sizeMicros: 1n, aggregates: (row: typeof columns) => ({ sum: sumMoney(row.amount) }) }
window(rows, { ...sum, eventTime: 'at', keys: ['user'] })
// @ts-expect-error the event time is a timestamp
window(rows, { ...sum, eventTime: 'id', keys: [] })
// @ts-expect-error no such key
window(rows, { ...sum, eventTime: 'at', keys: ['usr'] })
// @ts-expect-error an aggregate of money
sumMoney(columns.user)
// @ts-expect-error an aggregate stands only in a window
project(rows, (row) => ({ sum: sumMoney(row.amount) }))

const looking = { history: rows, eventTime: 'at', arrival: ['id'], rangeMicros: 1n } as const
const count = { count: { function: 'count' } } as const
over(rows, { ...looking, key: 'user', aggregates: count }).schema.count satisfies 'int'
// @ts-expect-error no such key
over(rows, { ...looking, key: 'usr', aggregates: count })
// @ts-expect-error no such column
over(rows, { ...looking, key: 'user', aggregates: { sum: { function: 'sum', of: 'amt' } } })
over(rows, { ...looking, key: 'user', aggregates: { sum: { function: 'sum', of: 'amount' } } }).schema
  .sum satisfies 'decimal(28,2)'
deduplicate(rows, {
  history: rows,
  candidate: (row) => equals(row.id, text('a')),
  // @ts-expect-error the key is a text
  key: 'user',
  eventTime: 'at',
  arrival: ['id'],
  rangeMicros: column('range', 'long'),
  as: 'repeated',
})

// @ts-expect-error the partition column is one of the table's
defineTable({ path: 'a', meaning: '', stream: 'aggregations', partitionBy: 'day', watermark: null, rows })
