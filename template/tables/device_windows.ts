// What each device does in ten minutes. One file is one table; the config lists it.
import {
  closingEvents,
  countDistinct,
  countRows,
  defineTable,
  minutes,
  processingTime,
  project,
  sumMoney,
  window,
} from 'assay-lakehouse'

const events = closingEvents({
  event_time: 'timestamp',
  device_id: 'string',
  user_id: 'string',
  channel: 'string',
  amount: 'decimal(18,2)',
})

const windows = window(events, {
  eventTime: 'event_time',
  sizeMicros: minutes(10),
  keys: ['device_id', 'channel'],
  aggregates: (row) => ({
    payments: countRows(),
    users: countDistinct(row.user_id),
    total: sumMoney(row.amount),
  }),
})

export const deviceWindows = defineTable({
  path: 'aggregations/device',
  meaning: 'What each device pays in ten minutes, by channel.',
  stream: 'aggregations',
  partitionBy: null,
  watermark: 'device',
  rows: project(windows, (row) => ({
    window_start: row.window_start,
    window_end: row.window_end,
    device_id: row.device_id,
    channel: row.channel,
    payments: row.payments,
    users: row.users,
    total: row.total,
    aggregation_time: processingTime,
  })),
})
