// Payments of many shops, by app, web, till and cash machine: what their records are, and what is made of them.
import {
  and,
  days,
  equals,
  greaterThan,
  hours,
  isOneOf,
  list,
  minutes,
  money,
  not,
  number,
  over,
  text,
  textLiteral,
  transactions,
} from 'assay-lakehouse'
import { cardWindows } from './tables/card_windows.ts'
import { channelWindows } from './tables/channel_windows.ts'

export default transactions({
  topic: 'payments',
  // A record is {"id", "customer": {"id"}, "amt": {"minor"}, "ts", "shop": {"name", "risk"}, ..}: see README.md.
  fields: {
    transaction_id: 'id',
    user_id: { path: 'customer.id', type: 'string' },
    amount: { path: 'amt.minor', as: 'minor_units' },
    timestamp: { path: 'ts', as: 'epoch_ms' },
    merchant: 'shop.name',
    payment_method: 'method',
    location: { city: 'addr.city', country: 'addr.country' },
    device_id: 'device',
    is_fraud: null,
  },
  extra: { channel: text('channel'), card_bin: text('card.bin'), merchant_risk: number('shop.risk') },
  checks: [
    {
      reason: 'channel_unknown',
      when: (row) => not(isOneOf(row.channel, list('app', 'web', 'till', 'atm'))),
      meaning: 'the channel is none of ours, or there is none',
    },
    {
      reason: 'atm_limit',
      when: (row) => and(equals(row.channel, textLiteral('atm')), greaterThan(row.amount, money('2000'))),
      meaning: 'no cash machine pays out more than 2000',
    },
  ],
  features: (rows) => ({
    device_users_24h: over(rows, { key: 'device_id', range: hours(24), distinct: 'user_id' }),
    card_payments_10m: over(rows, { key: 'card_bin', range: minutes(10), count: true }),
    user_amount_1h: over(rows, { key: 'user_id', range: hours(1), sum: 'amount' }),
    user_mean_7d: over(rows, { key: 'user_id', range: days(7), mean: 'amount' }),
    country_before: over(rows, { key: 'user_id', range: days(7), previous: 'country' }),
    micros_since_before: over(rows, { key: 'user_id', range: days(7), sincePrevious: true }),
  }),
  samples: {
    channel: ['app', 'web', 'till'],
    card_bin: ['411111', '520000', '999901'],
    merchant_risk: [0.05, 0.3, 0.9],
  },
  rules: './rules.yaml',
  tables: [channelWindows, cardWindows],
  watermarks: [
    { name: 'channel', default: '10 minutes' },
    { name: 'card', default: '20 minutes' },
  ],
  // A stream may run as a process of its own: `npx assay run cards`.
  streams: ['cards'],
  settings: [
    {
      parameter: 'own_cards',
      kind: 'names',
      variable: 'OWN_CARDS',
      group: 'Fraud rules',
      meaning: 'The cards that the rule burst_of_card leaves out, by their first six digits',
      default: '411111,411112', // As rules.yaml has them.
      example: '411111',
    },
  ],
})
