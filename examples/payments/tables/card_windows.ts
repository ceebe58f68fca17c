// What the cards of each bank do in half an hour, every ten minutes.
import {
  closingEvents,
  countDistinct,
  countRows,
  defineTable,
  minMoney,
  minutes,
  processingTime,
  project,
  ratio,
  sumMoney,
  window,
} from 'assay-lakehouse'

const events = closingEvents({
  event_time: 'timestamp',
  card_bin: 'string',
  country: 'string',
  device_id: 'string',
  merchant: 'string',
  amount: 'decimal(18,2)',
})

const windows = window(events, {
  eventTime: 'event_time',
  sizeMicros: minutes(30),
  slideMicros: minutes(10),
  keys: ['card_bin', 'country'],
  aggregates: (row) => ({
    payments: countRows(),
    devices: countDistinct(row.device_id),
    shops: countDistinct(row.merchant),
    total: sumMoney(row.amount),
    smallest: minMoney(row.amount),
  }),
})

export const cardWindows = defineTable({
  path: 'aggregations/card',
  meaning: 'What the cards of each bank do in half an hour, by country, sliding by ten minutes.',
  stream: 'cards',
  partitionBy: null,
  watermark: 'card',
  rows: project(windows, (row) => ({
    window_start: row.window_start,
    window_end: row.window_end,
    card_bin: row.card_bin,
    country: row.country,
    payments: row.payments,
    devices: row.devices,
    shops: row.shops,
    total: row.total,
    mean: ratio(row.total, row.payments),
    smallest: row.smallest,
    aggregation_time: processingTime,
  })),
})
