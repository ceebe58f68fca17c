// Which columns a viewer does not see: those whose name says that they hold an id, however it is written.
import { expect, test } from 'vitest'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { isMaskedColumn } from '../../../src/query/masking.ts'

const isMasked = (column: string) => isMaskedColumn(standardLakehouse, column)

test.each([
  ...['user_id', 'device_id', 'card_number', 'cardNumber', 'cardnumber', 'ip_address', 'email_address'],
  ...['phone_number', 'phone_2', 'account_number', 'customer_no', 'email_hash', 'card_token', 'user_ids'],
  ...['billing_address', 'addresses', 'device_hash', 'unique_id'],
])('%s is masked', (column) => {
  expect(isMasked(column)).toBe(true)
})

test.each([
  ...['transaction_id', 'merchant', 'partition', 'status', 'reasons', 'order_number', 'amount_no'],
  ...[
    'card_country',
    'card_type',
    'phone_verified',
    'is_mobile',
    'distinct_cards',
    'user_count',
    'device_count',
  ],
])('%s is shown', (column) => {
  expect(isMasked(column)).toBe(false)
})
