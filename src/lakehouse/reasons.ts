// Why a record is in quarantine: the names that stand in `reasons`, with what an analyst reads.

export const reasonMeanings = {
  malformed: 'the value is not one JSON object in UTF-8 in which no name stands twice',
  transaction_id_missing: 'transaction_id is absent, empty or no string',
  user_id_invalid: 'user_id is absent or not a whole 32-bit number',
  amount_invalid: 'amount is absent or no number',
  amount_out_of_range: 'amount is 10^12 or more',
  amount_not_positive: 'amount, rounded to cents, is not greater than zero',
  timestamp_invalid: 'timestamp is absent or not a real date and time',
  timestamp_in_future: 'timestamp is more than 1 h ahead of when the record came',
  is_fraud_invalid: 'is_fraud is there and neither true nor false',
  merchant_invalid: 'merchant is there and no string',
  payment_method_invalid: 'payment_method is there and no string',
  location_invalid: 'location is there and no string',
  device_id_invalid: 'device_id is there and no string',
  late: 'its event time was behind the watermark of the batch (WATERMARK_SILVER)',
  duplicate: 'a transaction with this id was accepted before (DEDUP_WINDOW)',
} as const satisfies Readonly<Record<string, string>>

export type Reason = keyof typeof reasonMeanings
