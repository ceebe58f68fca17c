// A topic of one's own: the project that `assay init` makes, and what is refused in one.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  closingEvents,
  countRows,
  countWhere,
  defineTable,
  type Expr,
  equals,
  filter,
  hourOfDay,
  hours,
  int,
  isNull,
  isOneOf,
  minutes,
  money,
  over,
  parameter,
  percent,
  plusMicros,
  processingTime,
  project,
  text,
  textLiteral,
  transactions,
  when,
  window,
} from '../../../src/project/index.ts'
import { lakehouseFrom } from '../../../src/project/project.ts'
import { testLakehouse } from '../../../src/testing/index.ts'
import template from '../../../template/assay.config.ts'

const directory = join(import.meta.dirname, '../../../template')

const payment = (index: number, more: object = {}): object => ({
  id: `p${index}`,
  customer: { id: `c${index % 3}` },
  amt: { minor: 100 * index + 1, currency: 'EUR' },
  ts: Date.parse('2026-10-01T10:00:00Z') + index * 60_000,
  shop: { name: 'corner', risk: index / 10 },
  method: 'card',
  addr: { city: 'Oslo', country: 'Norway' },
  device: `d${index % 2}`,
  channel: 'app',
  ...more,
})

test('fields, columns, checks, features, rules and tables of a project are in its tables', async () => {
  await using lake = await testLakehouse(template, { directory })
  const sent = Array.from({ length: 10 }, (_, index) => payment(index))
  await lake.at('2026-10-01T10:10:00Z').send([...sent, payment(10, { amt: { minor: 1, currency: 'XXX' } })])
  const rows = await lake.rows('fraud_detection')
  expect(
    rows.map(({ transaction_id, device_users_24h }) => [transaction_id, device_users_24h]).sort(),
  ).toEqual([1, 1, 2, 2, 3, 3, 3, 3, 3, 3].map((users, index) => [`p${index}`, users]))
  expect(rows.find(({ transaction_id }) => transaction_id === 'p9')).toMatchObject({
    ...{ user_id: 'c0', amount: '9.01', channel: 'app', currency: 'EUR', merchant_risk: 0.9 },
    ...{ user_amount_1h: '18.04', reasons: ['risky_shop'], fraud_score: 20, risk_level: 'LOW' },
  })
  expect((await lake.rows('silver/quarantine')).map(({ reasons }) => reasons)).toEqual([['currency_unknown']])
  await lake.at('2026-10-01T11:00:00Z').send([payment(60)])
  const devices = await lake.rows('aggregations/device')
  expect(devices.map(({ device_id, payments, users }) => [device_id, payments, users])).toEqual([
    ['d0', 5, 3],
    ['d1', 5, 3],
  ])
})

test('a feature of each figure looks back over batches, also at the row before', async () => {
  const of = { key: 'user_id', range: minutes(10) } as const
  const config = transactions({
    topic: 't',
    features: (rows) => ({
      tried: over(rows, { ...of, count: true }),
      spent: over(rows, { ...of, sum: 'amount' }),
      usual: over(rows, { ...of, mean: 'amount' }),
      least: over(rows, { ...of, min: 'amount' }),
      most: over(rows, { ...of, max: 'amount' }),
      devices: over(rows, { ...of, distinct: 'device_id' }),
      merchant_before: over(rows, { ...of, previous: 'merchant' }),
      since_before: over(rows, { ...of, sincePrevious: true }),
    }),
  })
  await using lake = await testLakehouse(config, { directory })
  const sent = (id: number, amount: number, device_id: string | null, time: string): object => ({
    ...{ transaction_id: `t${id}`, user_id: 1, amount, device_id, merchant: `m${id}` },
    timestamp: `2026-10-01T${time}Z`,
  })
  const first = [sent(0, 10, 'a', '09:59:00'), sent(1, 20.5, 'b', '09:59:00')]
  await lake.at('2026-10-01T10:00:00Z').send(first)
  await lake.at('2026-10-01T10:00:01Z').send([sent(2, 5, null, '09:59:00'), sent(3, 7, 'a', '09:59:30')])
  const rows = await lake.rows('fraud_detection')
  const figures = rows
    .toSorted((a, b) => (String(a.transaction_id) < String(b.transaction_id) ? -1 : 1))
    .map((row) => [row.tried, row.spent, row.usual, row.least, row.most, row.devices, row.merchant_before])
  expect(figures).toEqual([
    [1, '10.00', 10, '10.00', '10.00', 1, null],
    [2, '30.50', 15.25, '10.00', '20.50', 2, 'm0'],
    [3, '35.50', 35.5 / 3, '5.00', '20.50', 2, 'm1'],
    [4, '42.50', 10.625, '5.00', '20.50', 2, 'm2'],
  ])
  expect(rows.map(({ since_before: since }) => String(since)).sort()).toEqual(['0', '0', '30000000', 'null'])
})

test('a project has streams, settings and a key of its own', async () => {
  const limit = parameter('dear_names', 'array<string>')
  const quiet = parameter('quiet_micros', 'long')
  const events = closingEvents({ event_time: 'timestamp', merchant: 'string' })
  const windows = window(
    filter(events, (row) => isOneOf(row.merchant, limit)),
    {
      ...{ eventTime: 'event_time', sizeMicros: minutes(5), keys: ['merchant'] },
      aggregates: () => ({ payments: countRows() }),
    },
  )
  const table = defineTable({
    ...{ path: 'made/dear', meaning: 'x', stream: 'dear', partitionBy: null, watermark: 'user' },
    rows: project(windows, (row) => ({
      ...row,
      quiet_from: plusMicros(row.window_end, quiet),
      aggregation_time: processingTime,
    })),
  })
  const duration = {
    parameter: 'quiet_micros',
    kind: 'duration',
    variable: 'QUIET_TIME',
    group: 'Time',
  } as const
  const names = {
    parameter: 'dear_names',
    kind: 'names',
    variable: 'DEAR_NAMES',
    group: 'Fraud rules',
  } as const
  const config = transactions({
    topic: 't',
    key: 'device_id',
    tables: [table],
    streams: ['dear'],
    settings: [
      { ...duration, meaning: 'How long it is quiet', default: '1 minute', example: '2 minutes' },
      { ...names, meaning: 'Merchants that are dear', default: 'a,b', example: 'a' },
    ],
  })
  const lakehouse = lakehouseFrom(config, directory)
  expect(lakehouse.names.key).toEqual({ column: 'device_id', path: ['device_id'] })
  await using lake = await testLakehouse(config, { directory })
  const sent = (id: number, merchant: string, time: string): object => ({
    ...{ transaction_id: `t${id}`, user_id: 1, amount: 1, merchant, timestamp: `2026-10-01T${time}Z` },
  })
  await lake.at('2026-10-01T10:00:00Z').send([sent(1, 'a', '09:59:00'), sent(2, 'c', '09:59:00')])
  await lake.at('2026-10-01T12:00:00Z').send([sent(3, 'a', '12:00:00')])
  expect(await lake.rows('made/dear')).toMatchObject([
    { merchant: 'a', payments: 1, window_end: expect.anything() },
  ])
})

describe('what a project may not say is told', () => {
  const refused: Readonly<Record<string, readonly [make: () => unknown, told: string]>> = {
    'a feature of no column': [
      () =>
        transactions({
          topic: 't',
          features: (rows) => ({
            x: over(rows, { key: 'devise_id' as 'device_id', range: hours(1), count: true }),
          }),
        }),
      'devise_id',
    ],
    'a feature that has the name of a column': [
      () =>
        transactions({
          topic: 't',
          features: (rows) => ({ amount: over(rows, { key: 'user_id', range: hours(1), count: true }) }),
        }),
      'features.amount: Assay has a column of this name',
    ],
    'a table of a column that is none': [
      () => {
        const events = closingEvents({ event_time: 'timestamp', chanel: 'string' })
        const windows = window(events, {
          ...{ eventTime: 'event_time', sizeMicros: hours(1), keys: ['chanel'] },
          aggregates: () => ({ rows: countRows() }),
        })
        const table = defineTable({
          ...{ path: 'aggregations/channel', meaning: 'x', stream: 'aggregations', partitionBy: null },
          watermark: 'user',
          rows: project(windows, (row) => ({ ...row, aggregation_time: processingTime })),
        })
        const config = transactions({ topic: 't', extra: { channel: text('channel') }, tables: [table] })
        return lakehouseFrom(config, directory)
      },
      'table aggregations/channel reads the column chanel of type string from silver/transactions, which has no such column',
    ],
    'a feature without a figure': [
      () => badFeature({ key: 'user_id', range: hours(1) }),
      'over: it has one figure, and here is none; there is count: true, sum: a column',
    ],
    'a feature of two figures': [
      () => badFeature({ key: 'user_id', range: hours(1), count: true, sum: 'amount' }),
      'here is count and sum',
    ],
    'a feature of a figure that is none': [
      () => badFeature({ key: 'user_id', range: hours(1), average: 'amount' }),
      'here is average',
    ],
    'a figure without its column': [
      () => badFeature({ key: 'user_id', range: hours(1), sum: true }),
      "sum takes a column: sum: 'amount'",
    ],
    'a figure of a column of another type': [
      () => badFeature({ key: 'user_id', range: hours(1), sum: 'merchant' }),
      'over: the figure is sum(merchant), and merchant is a string. It takes int, long, decimal(18,2)',
    ],
    'a range that is a number': [
      () => badFeature({ key: 'user_id', range: 3600, count: true }),
      'over: the range is microseconds, as hours(24)',
    ],
    'a feature that is none': [
      () => transactions({ topic: 't', features: () => ({ x: 5 }) as never }),
      'features.x: it is no figure of over(rows, { .. })',
    ],
    'a check of no condition': [
      () => transactions({ topic: 't', checks: [{ reason: 'odd', when: (row) => row.amount as never }] }),
      'checks: what odd is refused by must be of type boolean, not decimal(18,2), which amount is',
    ],
    'a check of a column that is none': [
      () =>
        transactions({
          topic: 't',
          checks: [{ reason: 'odd', when: (row) => isNull((row as unknown as { x: Expr }).x) }],
        }),
      'there is no column x',
    ],
    'a stream that there is already': [
      () => lakehouseFrom(transactions({ topic: 't', streams: ['aggregations'] }), directory),
      'there are two of the name aggregations',
    ],
    'a key that is none': [
      () => lakehouseFrom(transactions({ topic: 't', key: 'card' as 'device_id' }), directory),
      'key: records have no card; there is transaction_id, user_id',
    ],
    'a setting that there is already': [
      () => transactions({ topic: 't', settings: [{ ...setting, variable: 'KAFKA_TOPIC' }] }),
      'settings.KAFKA_TOPIC: Assay has a variable of this name',
    ],
    'a setting that is no duration': [
      () => transactions({ topic: 't', settings: [{ ...setting, default: 'soon' }] }),
      'settings.QUIET_TIME: "soon" is no duration, such as 10 minutes',
    ],
    'a watermark that is no duration': [
      () => transactions({ topic: 't', watermarks: [{ name: 'device', default: '10' }] }),
      'watermarks.device: "10" is no duration',
    ],
    'a parameter that no batch brings': [
      () => {
        const windows = window(some(), {
          ...{ eventTime: 'event_time', sizeMicros: minutes(5), keys: [] },
          aggregates: () => ({
            n: countRows(),
            of: countWhere(isOneOf(textLiteral('a'), parameter('dear', 'array<string>'))),
          }),
        })
        const table = defineTable({
          ...{ path: 'made/x', meaning: 'x', stream: 'aggregations', partitionBy: null, watermark: 'user' },
          rows: project(windows, (row) => row),
        })
        return lakehouseFrom(transactions({ topic: 't', tables: [table] }), directory)
      },
      'table made/x, aggregate of: no batch brings a parameter dear of type array<string>; there is processing_time (timestamp)',
    ],
    'a table that is none': [
      () => transactions({ topic: 't', tables: [undefined as never] }),
      'tables: element 1 is no table of defineTable(..)',
    ],
    'windows by a column that is none': [
      () => badWindow({ keys: ['chanel'] }),
      'window: there is no column chanel; there is event_time, amount',
    ],
    'windows by a time that is none': [
      () => badWindow({ eventTime: 'amount' }),
      'window: eventTime must be a column of type timestamp, not decimal(18,2), which amount is',
    ],
    'windows of a size that is a number': [() => badWindow({ sizeMicros: 5 }), 'as minutes(10) gives them'],
    'windows of no whole number of slides': [
      () => badWindow({ slideMicros: minutes(4) }),
      'window: sizeMicros must be a whole number of slides',
    ],
    'an aggregate that is an expression': [
      () => badWindow({ aggregates: (row: { amount: unknown }) => ({ x: row.amount }) }),
      'window: x must be an aggregate',
    ],
    'a function of an aggregate': [
      () => badWindow({ aggregates: () => ({ x: percent(countRows() as never, countRows() as never) }) }),
      'percent: argument 1 must be of type double, not an aggregate',
    ],
    'a function of a text': [
      () => badColumn(() => ({ x: hourOfDay('event_time' as never) })),
      'hourOfDay: argument 1 must be of type timestamp, not the text "event_time" (a column is row.name',
    ],
    'a function of too many arguments': [
      () => badColumn((row) => ({ x: (isNull as (...all: unknown[]) => never)(row.amount, row.amount) })),
      'isNull takes 1 argument, not 2',
    ],
    'a comparison of two types': [
      () => badColumn((row) => ({ x: equals(row.amount as never, int(1)) })),
      'equals: argument 2 must be of type decimal(18,2), not int',
    ],
    'a branch of another type': [
      () => badColumn((row) => ({ x: when([[isNull(row.amount), int(1)]], row.amount as never) })),
      'when: what branch 1 gives must be of type decimal(18,2), not int',
    ],
    'a condition that is none': [
      () => badColumn((row) => ({ x: when([[row.amount as never, int(1)]], int(2)) })),
      'when: the condition of branch 1 must be of type boolean',
    ],
    'a column that is no expression': [
      () => badColumn(() => ({ x: 5 as never })),
      'column x must be an expression, not 5',
    ],
    'money that is none': [() => money('5,000'), '"5,000" is no decimal(18,2)'],
    'money of three places': [() => money('5.001'), '"5.001" is no decimal(18,2)'],
    'rules that are not there': [
      () => lakehouseFrom(transactions({ topic: 't', rules: 'no.yaml' }), directory),
      'the rules cannot be read',
    ],
    'rules of a feature that is none': [
      () => {
        writeFileSync(
          join(made, 'rules.yaml'),
          'rules:\n  - { name: a, when: device_users > 3, points: 1 }\n',
        )
        return lakehouseFrom(transactions({ topic: 't', rules: 'rules.yaml' }), made)
      },
      'rules.yaml:2:',
    ],
  }
  const setting = {
    ...({ parameter: 'quiet_micros', kind: 'duration', variable: 'QUIET_TIME', group: 'Time' } as const),
    ...{ meaning: 'x', default: '1 minute', example: '2 minutes' },
  } as const
  const badFeature = (of: object) => {
    return transactions({ topic: 't', features: (rows) => ({ x: over(rows, of as never) }) })
  }
  const some = () => closingEvents({ event_time: 'timestamp', amount: 'decimal(18,2)' })
  const badWindow = (of: object) => {
    const rest = {
      eventTime: 'event_time',
      sizeMicros: minutes(5),
      keys: [],
      aggregates: () => ({ n: countRows() }),
    }
    return window(some(), { ...rest, ...of } as never)
  }
  const badColumn = (
    columns: (row: { readonly amount: Expr<'decimal(18,2)'> }) => Readonly<Record<string, Expr>>,
  ) => {
    return project(some(), columns)
  }
  let made = ''
  beforeAll(() => {
    made = mkdtempSync(join(tmpdir(), 'assay-rules-'))
  })
  afterAll(() => rmSync(made, { recursive: true, force: true }))

  test.each(Object.entries(refused))('%s', (_, [make, told]) => {
    expect(make).toThrow(told)
  })
})
