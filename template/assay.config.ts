// What the records of your topic are, and what is made of them. `npx assay check` says what a run would make
// of real records, `npx assay plan` what a change would change.
import { hours, isOneOf, list, minutes, not, number, over, text, transactions } from 'assay-lakehouse'
import { deviceWindows } from './tables/device_windows.ts'

export default transactions({
  topic: 'payments',
  // Where the columns of silver come from. `npx assay infer` writes these from records that are there.
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
  // Columns of your own; null where a record has no such value.
  extra: { channel: text('channel'), currency: text('amt.currency'), merchant_risk: number('shop.risk') },
  // A record for which a check is true is refused with its reason.
  checks: [
    {
      reason: 'currency_unknown',
      when: (row) => not(isOneOf(row.currency, list('EUR', 'USD', 'GBP'))),
      meaning: 'the currency is none that we settle in',
    },
  ],
  // Figures of the rows with the same key in the time before a row, for rules and tables.
  features: (rows) => ({
    device_users_24h: over(rows, { key: 'device_id', range: hours(24), distinct: 'user_id' }),
    user_amount_1h: over(rows, { key: 'user_id', range: minutes(60), sum: 'amount' }),
  }),
  // What `npx assay demo` makes up for them.
  samples: {
    channel: ['app', 'web', 'pos'],
    currency: ['EUR', 'USD', 'GBP'],
    merchant_risk: [0.1, 0.3, 0.9],
  },
  rules: './rules.yaml',
  tables: [deviceWindows],
  watermarks: [{ name: 'device', default: '10 minutes' }],
})
