// What each channel takes in ten minutes.
import {
  closingEvents,
  countDistinct,
  countRows,
  countWhere,
  defineTable,
  maxMoney,
  minutes,
  percent,
  processingTime,
  project,
  sumMoney,
  window,
} from 'assay-lakehouse'

const events = closingEvents({
  event_time: 'timestamp',
  channel: 'string',
  user_id: 'string',
  amount: 'decimal(18,2)',
  is_high_value: 'boolean',
})

const windows = window(events, {
  eventTime: 'event_time',
  sizeMicros: minutes(10),
  keys: ['channel'],
  aggregates: (row) => ({
    payments: countRows(),
    customers: countDistinct(row.user_id),
    total: sumMoney(row.amount),
    largest: maxMoney(row.amount),
    high_value: countWhere(row.is_high_value),
  }),
})

export const channelWindows = defineTable({
  path: 'aggregations/channel',
  meaning: 'What each channel takes in ten minutes.',
  stream: 'aggregations',
  partitionBy: null,
  watermark: 'channel',
  rows: project(windows, (row) => ({
    window_start: row.window_start,
    window_end: row.window_end,
    channel: row.channel,
    payments: row.payments,
    customers: row.customers,
    total: row.total,
    largest: row.largest,
    high_value_rate: percent(row.high_value, row.payments),
    aggregation_time: processingTime,
  })),
})
