// What a lakehouse may not be: each contradiction is told in a line that names the table and what to do.
import { expect, test } from 'vitest'
import { LakehouseError } from '../../../src/errors/errors.ts'
import {
  type Aggregate,
  type Columns,
  countDistinct,
  countRows,
  dateOf,
  type Expr,
  greatestDouble,
  leastDouble,
  meanDouble,
  median,
  percentile95,
} from '../../../src/expr/index.ts'
import { silverBatch } from '../../../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import {
  defineLakehouse,
  extend,
  filter,
  input,
  type LakehouseParts,
  over,
  project,
  type Relation,
  sessions,
  type TableDefinition,
  window as windowed,
} from '../../../src/plan/index.ts'

const roleCount = 4
const parts: LakehouseParts = { ...standardLakehouse, tables: standardLakehouse.tables.slice(roleCount) }
const { records, events, refused, tables } = parts
const [window] = tables as [TableDefinition]

function mistakesOf(changed: Partial<LakehouseParts>): readonly string[] {
  try {
    defineLakehouse({ ...parts, ...changed })
  } catch (error) {
    if (error instanceof LakehouseError && error.code === 'LAKEHOUSE_INVALID') {
      return error.message.split('\n  ').slice(1)
    }
    throw error
  }
  return []
}

/** The events with a column of another type, or without one. */
function eventsWith(changed: Readonly<Record<string, string | null>>): TableDefinition {
  const schema = Object.entries({ ...events.rows.schema, ...changed }).filter(([, type]) => type !== null)
  return { ...events, rows: { ...events.rows, schema: Object.fromEntries(schema) as never } }
}

const ofPath = (path: string): TableDefinition => ({ ...window, path })
const oneColumn = { event_time: 'timestamp' } as const
const batchOf = (table: string) => ({ of: 'batch', table }) as const
const closingColumns = { event_time: 'timestamp', merchant: 'string' } as const
const closingWindows = (of: Relation<typeof closingColumns>) =>
  windowed(of, {
    eventTime: 'event_time',
    sizeMicros: 60_000_000n,
    keys: ['merchant'],
    aggregates: () => ({ count: countRows() }),
  })
const behind = project(
  input('later', { event_time: 'timestamp' }, { of: 'batch', table: 'made/later' }),
  (row) => row,
)

const withoutStart: TableDefinition = {
  ...window,
  rows: project(window.rows, ({ window_start: _, ...row }) => row),
}

/** Counts, of the events or some of them, how many a user has in the table. */
function countedIn(
  path: string,
  table: string,
  where: ((row: Columns<typeof silverBatch.schema>) => Expr<'boolean'>) | null = null,
): TableDefinition {
  const rows = where === null ? silverBatch : filter(silverBatch, where)
  return {
    ...ofPath(path),
    watermark: null,
    rows: over(rows, {
      history: input('made_before', { user_id: 'int', event_time: 'timestamp' }, { of: 'history', table }),
      key: 'user_id',
      eventTime: 'event_time',
      arrival: ['topic', 'partition', 'offset'],
      rangeMicros: 60_000_000n,
      aggregates: { count: { function: 'count' } },
    }),
  }
}

test('the lakehouse that ships is one', () => {
  expect(mistakesOf({})).toEqual([])
})

test.each([
  ['a path with a capital', { tables: [ofPath('Gold/x')] }, /^table "Gold\/x": a path is lower-case names/],
  ['a path upwards', { tables: [ofPath('../x')] }, /^table "\.\.\/x": a path is/],
  ['a path of Assay itself', { tables: [ofPath('ops/mine')] }, /^table ops\/mine: the folder ops is kept/],
  ['a checkpoint folder', { tables: [ofPath('_checkpoints')] }, /a path is lower-case names/],
  ['two tables of one path', { tables: [window, window] }, /^two tables are called gold\/transactions$/],
  ['one table inside another', { tables: [ofPath('fraud_detection/x')] }, /lies inside of fraud_detection$/],
  [
    'no such stream',
    { tables: [{ ...window, stream: 'x' }] },
    /no stream x; there is kafka-to-delta, fraud-/,
  ],
  ['no such watermark', { tables: [{ ...window, watermark: 'x' }] }, /no watermark x; there is silver, gold/],
  ['no stream at all', { streams: [] }, /^there is no stream$/],
  ['no watermark at all', { watermarks: [] }, /^there is no watermark$/],
  ['an odd name', { streams: [...parts.streams, 'a b'] }, /^"a b" is no name of a stream or watermark/],
  [
    'events without an event time',
    { events: eventsWith({ event_time: null }) },
    /as the table of events it needs the column event_time of type timestamp; it has none/,
  ],
  [
    'events with a place of another type',
    { events: eventsWith({ offset: 'int' }) },
    /the column offset of type long; it is int$/,
  ],
  [
    'events by another day',
    { events: { ...events, partitionBy: 'processing_date' } },
    /the table of events is partitioned by dateOf\(event_time\), or by nothing$/,
  ],
  [
    'refused records without reasons',
    { refused: { ...records, path: refused.path } },
    /as the table of refused it needs the column reasons of type array<string>/,
  ],
  [
    'a table that reads one behind it',
    { tables: [{ ...ofPath('made/first'), rows: behind }, ofPath('made/later')] },
    /^table made\/first reads made\/later, which stands behind it$/,
  ],
  [
    'windows without their start',
    { tables: [withoutStart] },
    /^table gold\/transactions: as a table of windows it needs their window_start as it is$/,
  ],
  [
    'windows that nothing closes',
    { tables: [{ ...window, watermark: null }] },
    /^table gold\/transactions: no watermark says when its windows close$/,
  ],
  [
    'a look back at rows of another table',
    { tables: [countedIn('made/counted', 'made/counted')] },
    /^table made\/counted: only rows of silver\/transactions can be looked back at$/,
  ],
  [
    'a count among some rows of the batch, which later batches count among all',
    { tables: [countedIn('made/counted', events.path, (row) => row.is_weekend)] },
    /^table made\/counted: over\(..\) by user_id is to have every row of silver\/.* filter behind it$/,
  ],
  [
    'a table that reads one of nobody',
    { tables: [{ ...ofPath('made/first'), rows: behind }] },
    /^table made\/first reads made\/later, which is no table of the lakehouse$/,
  ],
] satisfies readonly (readonly [string, Partial<LakehouseParts>, RegExp])[])('%s', (_, changed, told) => {
  expect(mistakesOf(changed).join('\n')).toMatch(new RegExp(told.source, 'm'))
})

test('all mistakes are told at once', () => {
  const changed = {
    tables: [ofPath('Gold/x'), { ...window, stream: 'x' }],
    events: eventsWith({ offset: 'int' }),
  }
  expect(mistakesOf(changed).length).toBeGreaterThanOrEqual(3)
})

test('a table may read what another one before it brings', () => {
  const schema = { event_time: 'timestamp' } as const
  const first = {
    ...ofPath('made/first'),
    rows: project(input('silver_batch', schema, { of: 'batch', table: events.path }), (row) => row),
  }
  const later = {
    ...ofPath('made/later'),
    rows: extend(input('made_first', schema, { of: 'batch', table: 'made/first' }), (row) => ({
      day: dateOf(row.event_time),
    })),
  }
  expect(mistakesOf({ tables: [first, later] })).toEqual([])
})

test.each([
  [
    'windows over other rows than those of the events',
    {
      tables: [
        {
          ...window,
          rows: project(
            closingWindows(input('merchants', closingColumns, { of: 'closing', table: 'fraud_detection' })),
            (row) => row,
          ),
        },
      ],
    },
    /windows are of the rows of silver\/transactions that close, and of no others$/,
  ],
  [
    'one name of two inputs',
    {
      tables: [
        {
          ...ofPath('made/one'),
          rows: project(input('rows', oneColumn, batchOf(events.path)), (row) => row),
        },
        { ...ofPath('made/two'), rows: project(input('rows', oneColumn, batchOf('made/one')), (row) => row) },
      ],
    },
    /the input rows reads the batch of made\/one, and elsewhere the batch of silver\/transactions$/,
  ],
  [
    'two names of one batch',
    { tables: [{ ...ofPath('made/one'), rows: input('my_rows', oneColumn, batchOf(events.path)) }] },
    /the batch of silver\/transactions is the input silver_batch elsewhere, and my_rows here$/,
  ],
] satisfies readonly (readonly [string, Partial<LakehouseParts>, RegExp])[])(
  '%s: refused',
  (_, changed, told) => {
    expect(mistakesOf(changed).join('\n')).toMatch(new RegExp(told.source, 'm'))
  },
)

test('sessions have no figure that needs all of their values, as quantiles do', () => {
  const columns = { user_id: 'int', event_time: 'timestamp', score: 'double' } as const
  const of = input('scores', columns, batchOf('made/scores'))
  const cut = (aggregate: (value: Expr<'double'>) => Aggregate) =>
    sessions(of, {
      table: 'made/sessions',
      eventTime: 'event_time',
      arrival: [],
      keys: ['user_id'],
      gapMicros: 1n,
      lengthMaxMicros: 2n,
      aggregates: (row) => ({ figure: aggregate(row.score) }),
    })
  for (const aggregate of [median, percentile95, meanDouble, leastDouble, greatestDouble])
    expect(() => cut(aggregate)).toThrow(/figure is \w+, which needs all values of a session/)
  expect(cut(countDistinct).schema.figure).toBe('long')
})
