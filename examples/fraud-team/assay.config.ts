// The shop of the seed with what its fraud team asks of each transaction: who used the device before, where the
// user was, what the user spends.
import { days, hours, over, transactions } from 'assay-lakehouse'

export default transactions({
  topic: 'transactions',
  // Records are as the generator makes them, and do not say what is fraud.
  fields: {
    transaction_id: 'transaction_id',
    user_id: { path: 'user_id', type: 'int' },
    amount: 'amount',
    timestamp: 'timestamp',
    merchant: 'merchant',
    payment_method: 'payment_method',
    location: 'location',
    device_id: 'device_id',
    is_fraud: null,
  },
  features: (rows) => ({
    device_payments_30d: over(rows, { key: 'device_id', range: days(30), count: true }),
    device_users_7d: over(rows, { key: 'device_id', range: days(7), distinct: 'user_id' }),
    user_payments_30d: over(rows, { key: 'user_id', range: days(30), count: true }),
    least_amount_1h: over(rows, { key: 'device_id', range: hours(1), min: 'amount' }),
    country_before: over(rows, { key: 'user_id', range: hours(1), previous: 'country' }),
    micros_since_before: over(rows, { key: 'user_id', range: hours(1), sincePrevious: true }),
    device_before: over(rows, { key: 'user_id', range: days(7), previous: 'device_id' }),
  }),
  rules: './rules.yaml',
})
