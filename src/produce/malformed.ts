// Records that the lakehouse must refuse: one entry is one way to be wrong, with the reasons that quarantine
// gives.
import type { Random } from './random.ts'
import { renderTransaction, type SyntheticTransaction } from './transaction.ts'

export type Defect = {
  readonly name: string
  /** The reasons that the row has in silver/quarantine. */
  readonly reasons: readonly string[]
  /** The record's value. It never holds LF: a file's line would become two. */
  readonly spoil: (transaction: SyntheticTransaction, random: Random) => string | Uint8Array
}

export const defects: readonly Defect[] = [
  {
    name: 'truncated_json',
    reasons: ['malformed'],
    spoil: (transaction, random) => {
      const text = renderTransaction(transaction)
      return text.slice(0, random.whole(1, text.length - 1))
    },
  },
  {
    name: 'not_json',
    reasons: ['malformed'],
    spoil: (_, random) => `ERROR gateway-${random.whole(1, 9)} timeout after 30000 ms`,
  },
  { name: 'xml', reasons: ['malformed'], spoil: (of) => `<transaction id="${of.transactionId}"/>` },
  {
    name: 'binary',
    reasons: ['malformed'],
    // 0xff is in no UTF-8 text, and 0x80 to 0xfe hold no LF.
    spoil: (_, random) =>
      Uint8Array.from({ length: 64 }, (_, index) => (index === 0 ? 0xff : random.whole(0x80, 0xfe))),
  },
  { name: 'empty', reasons: ['malformed'], spoil: () => '' },
  { name: 'array', reasons: ['malformed'], spoil: (of) => `[${renderTransaction(of)}]` },
  { name: 'two_objects', reasons: ['malformed'], spoil: (of) => renderTransaction(of).repeat(2) },
  {
    name: 'trailing_comma',
    reasons: ['malformed'],
    spoil: (of) => `${renderTransaction(of).slice(0, -1)},}`,
  },
  {
    name: 'repeated_name',
    reasons: ['malformed'],
    spoil: (of) => `${renderTransaction(of).slice(0, -1)},"amount":0.01}`,
  },
  {
    name: 'amount_not_a_number',
    reasons: ['malformed'],
    spoil: (of) => renderTransaction(of).replace(/"amount":[0-9.]+/, '"amount":NaN'),
  },
  withFields('transaction_id_absent', ['transaction_id_missing'], () => ({ transaction_id: undefined })),
  withFields('transaction_id_blank', ['transaction_id_missing'], () => ({ transaction_id: '  ' })),
  withFields('user_id_as_text', ['user_id_invalid'], (of) => ({ user_id: String(of.userId) })),
  withFields('user_id_absent', ['user_id_invalid'], () => ({ user_id: undefined })),
  withFields('user_id_too_large', ['user_id_invalid'], (of) => ({ user_id: of.userId + 2 ** 40 })),
  withFields('amount_as_text', ['amount_invalid'], (of) => ({ amount: `${of.amountCents / 100} EUR` })),
  withFields('amount_negative', ['amount_not_positive'], (of) => ({ amount: -of.amountCents / 100 })),
  withFields('amount_zero', ['amount_not_positive'], () => ({ amount: 0 })),
  withFields('amount_too_large', ['amount_out_of_range'], () => ({ amount: 1e15 })),
  withFields('timestamp_absent', ['timestamp_invalid'], () => ({ timestamp: undefined })),
  withFields('timestamp_as_number', ['timestamp_invalid'], (of) => ({
    timestamp: of.eventTimeMicros / 1000,
  })),
  withFields('timestamp_no_such_day', ['timestamp_invalid'], () => ({ timestamp: '2026-02-30T12:00:00Z' })),
  withFields('timestamp_no_such_hour', ['timestamp_invalid'], () => ({ timestamp: '2026-03-01T25:61:00Z' })),
  withFields('timestamp_other_order', ['timestamp_invalid'], () => ({ timestamp: '01/03/2026 12:00' })),
  withFields('timestamp_in_future', ['timestamp_in_future'], () => ({ timestamp: '9998-12-31T23:59:59Z' })),
  withFields('is_fraud_as_text', ['is_fraud_invalid'], (of) => ({ is_fraud: String(of.isFraud) })),
  withFields('merchant_as_number', ['merchant_invalid'], () => ({ merchant: 5411 })),
  withFields('location_as_object', ['location_invalid'], (of) => ({ location: { city: of.city.city } })),
  withFields('several_fields', ['user_id_invalid', 'amount_invalid', 'timestamp_invalid'], () => ({
    user_id: null,
    amount: true,
    timestamp: 'yesterday',
  })),
]

/** A defect of single fields: `undefined` takes the field away. */
function withFields(
  name: string,
  reasons: readonly string[],
  wrong: (transaction: SyntheticTransaction) => Record<string, unknown>,
): Defect {
  return {
    name,
    reasons,
    spoil: (transaction) =>
      JSON.stringify({ ...JSON.parse(renderTransaction(transaction)), ...wrong(transaction) }),
  }
}
