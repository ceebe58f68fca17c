// A lakehouse that has nothing of the one that ships: other paths, columns and streams, no scores, rows
// derived from derived rows, a count by device over six hours.
import {
  and,
  atLeast,
  cents,
  coalesce,
  countDistinct,
  countRows,
  dateOf,
  type Expr,
  greaterThan,
  int,
  isEmpty,
  isNull,
  isTrue,
  jsonNumber,
  jsonText,
  lessThan,
  long,
  money,
  not,
  nullOf,
  parameter,
  parseInstant,
  presentNames,
  ratio,
  sumMoney,
  text,
  trimToNull,
  when,
} from '../../../src/expr/index.ts'
import {
  deduplicate,
  defineLakehouse,
  defineTable,
  extend,
  filter,
  input,
  over,
  project,
  quarantineSplit,
  readJson,
  shared,
  window,
} from '../../../src/plan/index.ts'

const now = parameter('processing_time', 'timestamp')
const minutes = (count: number): bigint => BigInt(count) * 60_000_000n
const arrival = ['topic', 'partition', 'offset'] as const

const arriving = input('arriving', {
  topic: 'string',
  partition: 'int',
  offset: 'long',
  kafka_key: 'binary',
  value: 'binary',
  headers: 'headers',
  kafka_timestamp: 'timestamp',
})

const rawOrders = defineTable({
  path: 'raw/orders',
  meaning: 'Every record.',
  stream: 'take',
  partitionBy: null,
  watermark: null,
  rows: extend(arriving, () => ({ processing_time: now, processing_date: dateOf(now) })),
})

const batch = <P extends string>(table: P) => ({ of: 'batch', table }) as const
const raw = input('taken', rawOrders.rows.schema, batch(rawOrders.path))

const read = extend(
  readJson(raw, {
    from: 'value',
    fields: {
      j_no: ['no'],
      j_card: ['card'],
      j_device: ['dev'],
      j_paid: ['paid'],
      j_shop: ['shop'],
      j_at: ['at'],
    },
    as: 'is_json',
  }),
  (record) => ({
    order_no: trimToNull(jsonText(record.j_no)),
    card: trimToNull(jsonText(record.j_card)),
    device: coalesce(trimToNull(jsonText(record.j_device)), text('unknown')),
    paid: cents(jsonNumber(record.j_paid)),
    shop: trimToNull(jsonText(record.j_shop)),
    event_time: parseInstant(jsonText(record.j_at)),
  }),
)

const wrong = (name: string, condition: Expr<'boolean'>): Expr<'string'> =>
  when([[condition, text(name)]], nullOf('string'))

const judgedAlone = shared(
  'orders_read',
  extend(
    project(read, (record) => ({
      order_no: record.order_no,
      card: record.card,
      device: record.device,
      paid: record.paid,
      shop: record.shop,
      event_time: record.event_time,
      topic: record.topic,
      partition: record.partition,
      offset: record.offset,
      kafka_key: record.kafka_key,
      value: record.value,
      invalid: when(
        [[not(record.is_json), presentNames(text('no_json'))]],
        presentNames(
          wrong('no_number', isNull(record.order_no)),
          wrong('no_price', isNull(record.paid)),
          wrong('no_time', isNull(record.event_time)),
        ),
      ),
      came_late: isTrue(lessThan(record.event_time, parameter('watermark', 'timestamp'))),
    })),
    (record) => ({ may_stay: and(isEmpty(record.invalid), not(record.came_late)) }),
  ),
)

const path = 'orders'
const known = input(
  'orders_known',
  { order_no: 'string', event_time: 'timestamp' },
  { of: 'history', table: path },
)

const judged = extend(
  deduplicate(judgedAlone, {
    history: known,
    candidate: (record) => record.may_stay,
    key: 'order_no',
    eventTime: 'event_time',
    arrival,
    rangeMicros: parameter('repeat_micros', 'long'),
    as: 'is_again',
  }),
  (record) => ({
    reasons: when(
      [
        [not(isEmpty(record.invalid)), record.invalid],
        [record.came_late, presentNames(text('too_late'))],
        [record.is_again, presentNames(text('again'))],
      ],
      presentNames(nullOf('string')),
    ),
  }),
)

const { accepted, refused } = quarantineSplit('orders_judged', judged, (record) => isEmpty(record.reasons))

const orders = defineTable({
  path,
  meaning: 'Every order, once.',
  stream: 'take',
  partitionBy: 'order_day',
  watermark: null,
  rows: project(accepted, (row) => ({
    order_no: row.order_no,
    card: row.card,
    device: row.device,
    paid: row.paid,
    is_large: greaterThan(row.paid, money('100')),
    shop: row.shop,
    event_time: row.event_time,
    order_day: dateOf(row.event_time),
    topic: row.topic,
    partition: row.partition,
    offset: row.offset,
    processing_time: now,
  })),
})

const refusedOrders = defineTable({
  path: 'refused_orders',
  meaning: 'Every record that is no order.',
  stream: 'take',
  partitionBy: null,
  watermark: null,
  rows: project(refused, (row) => ({
    topic: row.topic,
    partition: row.partition,
    offset: row.offset,
    kafka_key: row.kafka_key,
    value: row.value,
    reasons: row.reasons,
    processing_time: now,
  })),
})

const ordersBatch = input('orders_new', orders.rows.schema, batch(path))
const ofDevices = input(
  'orders_of_devices',
  { device: 'string', event_time: 'timestamp' },
  { of: 'history', table: path },
)

const counted = over(ordersBatch, {
  history: ofDevices,
  key: 'device',
  eventTime: 'event_time',
  arrival,
  rangeMicros: minutes(360),
  aggregates: { orders_in_6h: { function: 'count' } },
})

const ofCards = input(
  'orders_of_cards',
  {
    card: 'string',
    paid: 'decimal(18,2)',
    shop: 'string',
    event_time: 'timestamp',
    processing_time: 'timestamp',
    topic: 'string',
    partition: 'int',
    offset: 'long',
  },
  { of: 'history', table: path },
)

const cardFeatures = over(counted, {
  history: ofCards,
  key: 'card',
  eventTime: 'event_time',
  arrival: ['processing_time', ...arrival],
  rangeMicros: minutes(90),
  aggregates: {
    spent: { function: 'sum', of: 'paid' },
    mean_paid: { function: 'mean', of: 'paid' },
    least_paid: { function: 'min', of: 'paid' },
    most_paid: { function: 'max', of: 'paid' },
    shops: { function: 'distinct', of: 'shop' },
    shop_before: { function: 'previous', of: 'shop' },
    micros_before: { function: 'sincePrevious' },
  },
})

const features = defineTable({
  path: 'checked/features',
  meaning: 'What went before each order.',
  stream: 'check',
  partitionBy: null,
  watermark: null,
  rows: project(cardFeatures, ({ is_large: _, device: __, ...row }) => row),
})

const tenthOrders = defineTable({
  path: 'checked/tenth',
  meaning:
    'Whether a large order is the tenth of its device, or a later one, in six hours; how many there were is not kept.',
  stream: 'check',
  partitionBy: null,
  watermark: null,
  rows: project(
    filter(counted, (row) => row.is_large),
    (row) => ({
      is_tenth: atLeast(row.orders_in_6h, int(10)),
      topic: row.topic,
      partition: row.partition,
      offset: row.offset,
      seen_at: row.processing_time,
    }),
  ),
})

const largeOrders = defineTable({
  path: 'checked/large',
  meaning: 'Large orders, with how many their device made in six hours.',
  stream: 'check',
  partitionBy: null,
  watermark: null,
  rows: project(
    filter(counted, (row) => row.is_large),
    (row) => ({
      order_no: row.order_no,
      device: row.device,
      paid: row.paid,
      orders_in_6h: row.orders_in_6h,
      event_time: row.event_time,
      topic: row.topic,
      partition: row.partition,
      offset: row.offset,
      seen_at: row.processing_time,
    }),
  ),
})

const largeBatch = input('large_new', largeOrders.rows.schema, batch(largeOrders.path))

/** Its rows say neither where their record stood nor how many there were. */
const busyDevices = defineTable({
  path: 'checked/busy',
  meaning: 'Devices with several orders in six hours, once for each large order.',
  stream: 'check',
  partitionBy: null,
  watermark: null,
  rows: project(
    filter(largeBatch, (row) => atLeast(row.orders_in_6h, int(4))),
    (row) => ({ device: row.device, is_huge: greaterThan(row.paid, money('200')), told_at: row.seen_at }),
  ),
})

/** It does not say which batch a row is of. */
const plainDevices = defineTable({
  path: 'checked/plain',
  meaning: 'The devices of all orders.',
  stream: 'check',
  partitionBy: null,
  watermark: null,
  rows: project(ordersBatch, (row) => ({ device: row.device, shop: row.shop })),
})

const closing = input(
  'orders_closing',
  { shop: 'string', device: 'string', paid: 'decimal(18,2)', event_time: 'timestamp' },
  { of: 'closing', table: path },
)

const shops = defineTable({
  path: 'sums/shops',
  meaning: 'Hours of shops.',
  stream: 'sum',
  partitionBy: null,
  watermark: 'sums',
  rows: project(
    window(closing, {
      eventTime: 'event_time',
      sizeMicros: minutes(60),
      keys: ['shop'],
      aggregates: (row) => ({ orders: countRows(), total: sumMoney(row.paid) }),
    }),
    (row) => ({
      window_start: row.window_start,
      window_end: row.window_end,
      shop: row.shop,
      orders: row.orders,
      mean_paid: ratio(row.total, row.orders),
      written_at: now,
    }),
  ),
})

/** Windows of large orders that slide; only those with several of them; without the time of their batch. */
const devices = defineTable({
  path: 'sums/devices',
  meaning: 'Half hours of devices, every ten minutes.',
  stream: 'sum',
  partitionBy: null,
  watermark: 'sums',
  rows: project(
    window(closing, {
      eventTime: 'event_time',
      sizeMicros: minutes(30),
      slideMicros: minutes(10),
      keys: ['device'],
      aggregates: (row) => ({ orders: countRows(), shops: countDistinct(row.shop) }),
    }),
    (row) => ({
      window_start: row.window_start,
      window_end: row.window_end,
      device: row.device,
      orders: row.orders,
      shops: row.shops,
    }),
  ),
})

/** Nothing tells the devices of a window apart. */
const crowds = defineTable({
  path: 'sums/crowds',
  meaning: 'How many orders each device had in an hour, of those with more than one.',
  stream: 'sum',
  partitionBy: null,
  watermark: 'sums',
  rows: project(
    filter(
      window(
        filter(closing, (row) => greaterThan(row.paid, money('10'))),
        {
          eventTime: 'event_time',
          sizeMicros: minutes(60),
          keys: ['device'],
          aggregates: () => ({ orders: countRows() }),
        },
      ),
      (row) => greaterThan(row.orders, long(1n)),
    ),
    (row) => ({ window_start: row.window_start, window_end: row.window_end, orders: row.orders, at: now }),
  ),
})

export const ordersLakehouse = defineLakehouse({
  topic: 'orders',
  records: rawOrders,
  events: orders,
  refused: refusedOrders,
  scored: null,
  tables: [largeOrders, features, tenthOrders, busyDevices, plainDevices, shops, devices, crowds],
  streams: ['take', 'check', 'sum'],
  watermarks: [
    { name: 'orders', default: '10 minutes' },
    { name: 'sums', default: '20 minutes' },
  ],
  settings: [
    {
      parameter: 'repeat_micros',
      kind: 'duration',
      variable: 'REPEAT_WINDOW',
      group: 'Time',
      meaning: 'How far apart two orders of one number are the same',
      default: '5 minutes',
      example: '1 hour',
    },
  ],
  rules: [],
  names: { event: { column: 'order_no', path: ['no'] }, person: { column: 'card', path: ['card'] } },
  reasons: {},
})
