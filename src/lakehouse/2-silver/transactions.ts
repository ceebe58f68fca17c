// Valid, on time and not repeated: the transactions that everything after counts. The rest is in quarantine.
import {
  afterLastComma,
  and,
  atLeast,
  beforeLastComma,
  bool,
  cents,
  coalesce,
  dateOf,
  dayOfWeek,
  type Expr,
  equals,
  greaterThan,
  hourOfDay,
  int,
  isEmpty,
  isNull,
  isTrue,
  jsonBoolean,
  jsonIsAbsent,
  jsonNumber,
  jsonText,
  least,
  lessThan,
  literal,
  long,
  money,
  not,
  nullOf,
  or,
  parseInstant,
  plusMicros,
  presentNames,
  text,
  trimToNull,
  when,
  wholeInt,
} from '../../expr/index.ts'
import {
  deduplicate,
  defineTable,
  extend,
  input,
  project,
  quarantineSplit,
  readJson,
  shared,
} from '../../plan/index.ts'
import { bronzeBatch } from '../1-bronze/transactions.ts'
import { dedupMicros, minutes, processingTime, watermark } from '../batch.ts'
import type { Reason } from '../reasons.ts'

/** A clock may be wrong by so much before its rows are refused: a wrong one must never move the watermark. */
const futureMicros = minutes(60)
const amountLimit = money('1000000000000')

const parsed = readJson(bronzeBatch, {
  from: 'value',
  fields: {
    json_id: ['transaction_id'],
    json_user: ['user_id'],
    json_amount: ['amount'],
    json_merchant: ['merchant'],
    json_method: ['payment_method'],
    json_location: ['location'],
    json_device: ['device_id'],
    json_time: ['timestamp'],
    json_fraud: ['is_fraud'],
  },
  as: 'is_document',
})

// Stage by stage, so that SQL that uses a value twice names it and does not compute it again.
const texts = extend(parsed, (record) => ({
  text_id: trimToNull(jsonText(record.json_id)),
  number_user: jsonNumber(record.json_user),
  number_amount: jsonNumber(record.json_amount),
  text_merchant: jsonText(record.json_merchant),
  text_method: jsonText(record.json_method),
  text_location: jsonText(record.json_location),
  text_device: jsonText(record.json_device),
  text_time: jsonText(record.json_time),
}))

const typed = extend(texts, (record) => ({
  transaction_id: record.text_id,
  user_id: wholeInt(record.number_user),
  amount: cents(record.number_amount),
  merchant: trimToNull(record.text_merchant),
  payment_method: trimToNull(record.text_method),
  location: trimToNull(record.text_location),
  device_id: trimToNull(record.text_device),
  event_time: parseInstant(record.text_time),
  is_fraud: jsonBoolean(record.json_fraud),
}))

const named = (reason: Reason): Expr<'string'> => text(reason)

/** The reason as an array element, or null. */
const reason = (name: Reason, condition: Expr<'boolean'>): Expr<'string'> =>
  when([[condition, named(name)]], nullOf('string'))

/** True for a value that is there and was not understood. */
const isWrong = (value: Expr, json: Expr<'json'>): Expr<'boolean'> =>
  and(isNull(value), not(jsonIsAbsent(json)))

const judgedFields = extend(typed, (record) => ({
  wrong_id: reason('transaction_id_missing', isNull(record.transaction_id)),
  wrong_user: reason('user_id_invalid', isNull(record.user_id)),
  wrong_amount: when(
    [
      [isNull(record.number_amount), named('amount_invalid')],
      [
        and(
          greaterThan(record.number_amount, literal('double', 0)),
          or(isNull(record.amount), atLeast(record.amount, amountLimit)),
        ),
        named('amount_out_of_range'),
      ],
      [or(isNull(record.amount), not(greaterThan(record.amount, money('0')))), named('amount_not_positive')],
    ],
    nullOf('string'),
  ),
  wrong_time: when(
    [
      [isNull(record.event_time), named('timestamp_invalid')],
      [
        greaterThan(
          record.event_time,
          plusMicros(least(record.kafka_timestamp, record.processing_time), long(futureMicros)),
        ),
        named('timestamp_in_future'),
      ],
    ],
    nullOf('string'),
  ),
  wrong_fraud: reason('is_fraud_invalid', isWrong(record.is_fraud, record.json_fraud)),
  wrong_merchant: reason('merchant_invalid', isWrong(record.text_merchant, record.json_merchant)),
  wrong_method: reason('payment_method_invalid', isWrong(record.text_method, record.json_method)),
  wrong_location: reason('location_invalid', isWrong(record.text_location, record.json_location)),
  wrong_device: reason('device_id_invalid', isWrong(record.text_device, record.json_device)),
}))

const invalid = extend(judgedFields, (record) => ({
  invalid: when(
    [[not(record.is_document), presentNames(named('malformed'))]],
    presentNames(
      record.wrong_id,
      record.wrong_user,
      record.wrong_amount,
      record.wrong_time,
      record.wrong_fraud,
      record.wrong_merchant,
      record.wrong_method,
      record.wrong_location,
      record.wrong_device,
    ),
  ),
}))

/** Read by deduplication twice: computed once. */
const timed = shared(
  'parsed_batch',
  extend(
    project(invalid, (record) => ({
      transaction_id: record.transaction_id,
      user_id: record.user_id,
      amount: record.amount,
      merchant: record.merchant,
      payment_method: record.payment_method,
      location: record.location,
      device_id: record.device_id,
      is_fraud: coalesce(record.is_fraud, bool(false)),
      event_time: record.event_time,
      topic: record.topic,
      partition: record.partition,
      offset: record.offset,
      kafka_key: record.kafka_key,
      value: record.value,
      // The batch's: where bronze was written ahead of it, its own time is an earlier one.
      processing_time: processingTime,
      processing_date: dateOf(processingTime),
      invalid: record.invalid,
      is_late: isTrue(lessThan(record.event_time, watermark)),
    })),
    (record) => ({ is_candidate: and(isEmpty(record.invalid), not(record.is_late)) }),
  ),
)

const path = 'silver/transactions'
const history = { of: 'history', table: path } as const

/** Silver's rows before this batch, as far back as one of it can be their repeat. */
export const silverIds = input('silver_ids', { transaction_id: 'string', event_time: 'timestamp' }, history)

/** Silver's rows before this batch, as far back as they count for a user's velocity. */
export const silverUsers = input('silver_users', { user_id: 'int', event_time: 'timestamp' }, history)

const judged = extend(
  deduplicate(timed, {
    history: silverIds,
    candidate: (record) => record.is_candidate,
    key: 'transaction_id',
    eventTime: 'event_time',
    arrival: ['topic', 'partition', 'offset'],
    rangeMicros: dedupMicros,
    as: 'is_duplicate',
  }),
  (record) => ({
    reasons: when(
      [
        [not(isEmpty(record.invalid)), record.invalid],
        [record.is_late, presentNames(named('late'))],
        [record.is_duplicate, presentNames(named('duplicate'))],
      ],
      presentNames(nullOf('string')),
    ),
  }),
)

export const { accepted, refused } = quarantineSplit('judged_batch', judged, (record) =>
  isEmpty(record.reasons),
)

export const silverTransactions = defineTable({
  path,
  meaning: 'Every transaction that is valid, on time and not repeated, with its derived columns.',
  stream: 'kafka-to-delta',
  partitionBy: 'transaction_date',
  watermark: null,
  rows: project(accepted, (row) => ({
    transaction_id: row.transaction_id,
    user_id: row.user_id,
    amount: row.amount,
    amount_category: when(
      [
        [lessThan(row.amount, money('10')), text('micro')],
        [lessThan(row.amount, money('100')), text('small')],
        [lessThan(row.amount, money('1000')), text('medium')],
        [lessThan(row.amount, money('10000')), text('large')],
      ],
      text('enterprise'),
    ),
    is_high_value: greaterThan(row.amount, money('1000')),
    merchant: row.merchant,
    payment_method: row.payment_method,
    location: row.location,
    city: beforeLastComma(row.location),
    country: afterLastComma(row.location),
    device_id: row.device_id,
    is_fraud: row.is_fraud,
    event_time: row.event_time,
    transaction_date: dateOf(row.event_time),
    transaction_hour: hourOfDay(row.event_time),
    transaction_day_of_week: dayOfWeek(row.event_time),
    is_weekend: or(equals(dayOfWeek(row.event_time), int(1)), equals(dayOfWeek(row.event_time), int(7))),
    topic: row.topic,
    partition: row.partition,
    offset: row.offset,
    processing_time: row.processing_time,
    processing_date: row.processing_date,
  })),
})

/** The rows that this batch brings to silver. */
export const silverBatch = input('silver_batch', silverTransactions.rows.schema, {
  of: 'batch',
  table: path,
})

const { schema } = silverTransactions.rows

const recentColumns = {
  user_id: schema.user_id,
  amount: schema.amount,
  amount_category: schema.amount_category,
  is_high_value: schema.is_high_value,
  merchant: schema.merchant,
  payment_method: schema.payment_method,
  city: schema.city,
  country: schema.country,
  device_id: schema.device_id,
  is_fraud: schema.is_fraud,
  is_weekend: schema.is_weekend,
  event_time: schema.event_time,
}

/** Silver's rows in windows that close, this batch's included. */
export const silverRecent = input('silver_recent', recentColumns, { of: 'closing', table: path })
