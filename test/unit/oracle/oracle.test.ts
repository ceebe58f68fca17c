import { describe, expect, test } from 'vitest'
import { parseTimestamp } from '../../../src/verify/timestamp.ts'
import {
  highAmount,
  lateNight,
  points,
  reviewScore,
  riskLevel,
  scoreOf,
  velocityMax,
} from '../../oracle/fraud.ts'
import { defaultConfig, type OracleConfig, recompute } from '../../oracle/oracle.ts'
import type { OracleBatch, RawRecord, Row } from '../../oracle/rows.ts'
import { hour, minute, second } from '../../oracle/time.ts'

// Every expectation here is worked out by hand from the contract; 2026-11-02 is a Monday.
const at = (time: string) => parseTimestamp(`2026-11-02T${time}Z`)!
const batchTime = (index: number) => at('20:00:00') + BigInt(index) * second

type Fields = { id?: string; user?: number; amount?: number; time: string; [name: string]: unknown }

/** Each inner list is a batch; null is the batch of --finalize. One partition, offsets in the order given. */
function run(...batches: (Fields[] | null)[]) {
  return runBy(defaultConfig, batches)
}

function runBy(config: OracleConfig, batches: readonly (Fields[] | null)[]) {
  const records: RawRecord[] = []
  const cut = batches.map((batch, index): OracleBatch => {
    const start = BigInt(records.length)
    for (const fields of batch ?? []) records.push(recordOf(fields, records.length))
    const range = { topic: 't', partition: 0, start, end: BigInt(records.length) }
    const finalize = batch === null
    return { batch: BigInt(index), timeMicros: batchTime(index), ranges: finalize ? [] : [range], finalize }
  })
  return recompute({ records, batches: cut, config })
}

function recordOf({ id, user, amount, time, ...others }: Fields, index: number): RawRecord {
  const value = {
    transaction_id: id ?? `id-${index}`,
    user_id: user ?? 1,
    amount: amount ?? 5,
    timestamp: `2026-11-02T${time}Z`,
    ...others,
  }
  return {
    topic: 't',
    partition: 0,
    offset: BigInt(index),
    key: null,
    value: Buffer.from(JSON.stringify(value)),
    headers: null,
    timestampMs: null,
  }
}

const ids = (rows: readonly Row[]) => rows.map((row) => row.transaction_id)
const reasons = (rows: readonly Row[]) => rows.map((row) => [row.offset, row.reasons])

describe('the watermark', () => {
  test('follows the batches before, and is ten minutes behind their greatest event time', () => {
    const { watermarks } = run([{ time: '10:00:00' }], [{ time: '09:55:00' }], [{ time: '10:20:00' }], [])
    expect(watermarks.map(({ start }) => start)).toEqual([
      null,
      at('09:50:00'),
      at('09:50:00'),
      at('10:10:00'),
    ])
    expect(watermarks[0]!.end).toEqual({
      'gold/transactions': at('09:50:00'),
      'aggregations/merchant': at('09:45:00'),
      'aggregations/user': at('09:00:00'),
      'aggregations/country': at('09:30:00'),
      'aggregations/hourly_summary': at('09:00:00'),
      'aggregations/sessions': at('09:30:00'),
    })
  })

  test('makes a row late that is before it, not one that is at it, and never within one batch', () => {
    const { tables } = run(
      [{ time: '10:00:00' }, { time: '08:00:00' }],
      [{ time: '09:50:00' }, { time: '09:49:59.999999' }, { time: '11:00:00' }, { time: '09:51:00' }],
    )
    expect(reasons(tables['silver/quarantine'])).toEqual([[3n, ['late']]])
    expect(tables['silver/transactions']).toHaveLength(5)
  })

  test('is not moved by rows that are refused', () => {
    const { watermarks } = run([{ time: '10:00:00' }, { time: '19:00:00', merchant: 1 }], [])
    expect(watermarks[1]!.start).toBe(at('09:50:00'))
  })
})

describe('duplicates', () => {
  test('are judged against the rows kept: C repeats B, but B is not in silver', () => {
    const { tables } = run([
      { id: 'x', time: '10:00:00' },
      { id: 'x', time: '10:08:00' },
      { id: 'x', time: '10:16:00' },
    ])
    expect(reasons(tables['silver/quarantine'])).toEqual([[1n, ['duplicate']]])
  })

  test('are at most ten minutes away on either side, whatever else differs', () => {
    const { tables } = run(
      [{ id: 'x', time: '10:10:00' }],
      [
        { id: 'x', time: '10:00:00', user: 2, amount: 9 },
        { id: 'x', time: '10:20:00' },
        { id: 'x', time: '10:20:00.000001' },
      ],
    )
    expect(reasons(tables['silver/quarantine'])).toEqual([
      [1n, ['duplicate']],
      [2n, ['duplicate']],
    ])
  })

  test('are late when they are both', () => {
    const { tables } = run(
      [
        { id: 'x', time: '10:00:00' },
        { id: 'y', time: '11:00:00' },
      ],
      [{ id: 'x', time: '10:01:00' }],
    )
    expect(reasons(tables['silver/quarantine'])).toEqual([[2n, ['late']]])
  })

  test('the first by arrival stays: the smaller topic, then partition, then offset', () => {
    const value = (user: number) => recordOf({ id: 'x', user, time: '10:00:00' }, 0).value
    const place = (topic: string, partition: number, offset: bigint) => ({
      ...recordOf({ time: '10:00:00' }, 0),
      ...{ topic, partition, offset, value: value(Number(offset)) },
    })
    const inUtf8Order = [place('\uff5e', 2, 11n), place('\u{1f600}', 1, 12n)]
    const inPartitionOrder = [place('a', 10, 13n), place('a', 9, 14n)]
    for (const [records, kept] of [
      [inUtf8Order, 11n],
      [inPartitionOrder, 14n],
    ] as const) {
      const ranges = records.map(({ topic, partition }) => ({ topic, partition, start: 0n, end: 99n }))
      const batches = [{ batch: 1n, timeMicros: batchTime(0), ranges, finalize: false }]
      const { tables } = recompute({ records, batches, config: defaultConfig })
      expect(tables['silver/transactions'].map((row) => row.user_id)).toEqual([kept])
      expect(tables['silver/quarantine']).toHaveLength(1)
    }
  })
})

describe('windows', () => {
  test('are written once, by the batch at whose end they are closed', () => {
    const { tables } = run([{ time: '10:00:00' }, { time: '10:19:59.999999' }], [{ time: '10:20:00' }], [])
    expect(tables['gold/transactions']).toHaveLength(1)
    expect(tables['gold/transactions'][0]).toMatchObject({
      window_start: at('10:00:00'),
      window_end: at('10:10:00'),
      aggregation_time: batchTime(1),
    })
    expect(tables['aggregations/hourly_summary']).toEqual([])
  })

  test('are closed by finalize, and the rows behind it are late from then on', () => {
    const { tables, watermarks } = run(
      [{ time: '10:00:00' }],
      null,
      [{ time: '10:59:59' }, { time: '11:00:00' }],
      null,
    )
    expect(watermarks.map(({ start }) => start)).toEqual([
      null,
      at('09:50:00'),
      at('11:00:00'),
      at('11:00:00'),
    ])
    expect(reasons(tables['silver/quarantine'])).toEqual([[1n, ['late']]])
    const closed = (name: 'gold/transactions' | 'aggregations/merchant') =>
      tables[name].map((row) => [row.window_start, row.aggregation_time])
    expect(closed('gold/transactions')).toEqual([
      [at('10:00:00'), batchTime(1)],
      [at('11:00:00'), batchTime(3)],
    ])
    // Three sliding windows hold 10:00:00.
    expect(closed('aggregations/merchant').slice(0, 3)).toEqual([
      [at('10:00:00'), batchTime(1)],
      [at('09:55:00'), batchTime(1)],
      [at('09:50:00'), batchTime(1)],
    ])
  })

  test('finalize goes to the end of the sliding window where that is the last one', () => {
    // Sessions that end after a minute are over before that.
    const config = { ...defaultConfig, sessionLengths: { gap: 1n, max: 60_000_000n } }
    const { watermarks } = run([{ time: '10:56:00' }], null, [])
    const short = runBy(config, [[{ time: '10:56:00' }], null, []])
    expect(short.watermarks[2]!.start).toBe(at('11:10:00'))
    expect(watermarks[2]!.start).toBe(at('11:26:00.000001'))
    expect(run([], null, []).watermarks[2]!.start).toBeNull()
  })

  test('gold: null is a group, distinct counts leave nulls out, rates are percent', () => {
    const shop = { merchant: 'Shop', payment_method: 'crypto', location: 'Paris, France' }
    const { tables } = run(
      [
        { time: '10:00:00', amount: 0.1, ...shop, device_id: 'd', user: 1 },
        { time: '10:01:00', amount: 0.2, ...shop, device_id: null, user: 2, is_fraud: true },
        { time: '10:09:59', amount: 1000.01, ...shop, device_id: 'd', user: 2 },
        { time: '10:05:00', amount: 7 },
        { time: '10:05:00', amount: 8 },
      ],
      null,
    )
    const ends = { window_start: at('10:00:00'), window_end: at('10:10:00'), aggregation_time: batchTime(1) }
    expect(tables['gold/transactions']).toEqual([
      {
        ...ends,
        ...{ merchant: 'Shop', payment_method: 'crypto', country: 'France' },
        ...{ transaction_count: 3n, total_amount: '1000.31', avg_amount: 1000.31 / 3 },
        ...{ max_amount: '1000.01', min_amount: '0.10', fraud_count: 1n, high_value_count: 1n },
        ...{ unique_users: 2n, unique_devices: 1n, fraud_rate: 100 / 3 },
      },
      {
        ...ends,
        ...{ merchant: null, payment_method: null, country: null },
        ...{ transaction_count: 2n, total_amount: '15.00', avg_amount: 7.5 },
        ...{ max_amount: '8.00', min_amount: '7.00', fraud_count: 0n, high_value_count: 0n },
        ...{ unique_users: 1n, unique_devices: 0n, fraud_rate: 0 },
      },
    ])
  })

  test('the aggregations of one hour', () => {
    const place = { location: 'Paris, France', merchant: 'Shop' }
    const { tables } = run(
      [
        {
          time: '10:00:00',
          amount: 20_000,
          user: 1,
          device_id: 'a',
          payment_method: 'credit_card',
          ...place,
        },
        { time: '10:01:00', amount: 1, user: 1, device_id: 'b', payment_method: 'paypal', ...place },
        { time: '10:02:00', amount: 2, user: 2, ...place },
      ],
      null,
    )
    expect(tables['aggregations/merchant']).toHaveLength(3)
    expect(tables['aggregations/merchant'][0]).toMatchObject({
      ...{ merchant: 'Shop', total_transactions: 3n, total_revenue: '20003.00', unique_customers: 2n },
      ...{ unique_devices: 2n, high_value_count: 1n, high_value_rate: 100 / 3, avg_devices_per_user: 1 },
    })
    expect(tables['aggregations/user']).toMatchObject([
      {
        ...{ user_id: 1n, country: 'France', transaction_count: 2n, total_spent: '20001.00' },
        ...{ unique_merchants: 1n, unique_payment_methods: 2n, unique_devices_used: 2n },
        ...{ largest_transaction: '20000.00', is_suspicious: false, weekend_ratio: 0 },
      },
      { user_id: 2n, unique_payment_methods: 0n, unique_devices_used: 0n },
    ])
    expect(tables['aggregations/country']).toMatchObject([
      {
        ...{
          country: 'France',
          city: 'Paris',
          transaction_volume: 3n,
          active_users: 2n,
          active_merchants: 1n,
        },
        ...{ enterprise_transactions: 1n, enterprise_percentage: 100 / 3, avg_value_per_user: 10001.5 },
      },
    ])
    expect(tables['aggregations/hourly_summary']).toMatchObject([
      {
        ...{ total_transactions: 3n, total_devices: 2n, countries_active: 1n, high_value_transactions: 1n },
        ...{ credit_card_tx: 1n, debit_card_tx: 0n, crypto_tx: 0n, bank_transfer_tx: 0n, other_tx: 2n },
        ...{ avg_transactions_per_user: 1.5, credit_card_percentage: 100 / 3 },
      },
    ])
  })

  test('a user is suspicious with more than 3 devices, any fraud or more than 20 rows', () => {
    const rows = (count: number, fields: (index: number) => object) =>
      run(
        Array.from({ length: count }, (_, index) => ({ time: '10:00:00', ...fields(index) })),
        null,
      ).tables['aggregations/user'].map((row) => row.is_suspicious)
    expect(rows(20, (index) => ({ device_id: `d${index % 3}` }))).toEqual([false])
    expect(rows(21, () => ({}))).toEqual([true])
    expect(rows(4, (index) => ({ device_id: `d${index}` }))).toEqual([true])
    expect(rows(1, () => ({ is_fraud: true }))).toEqual([true])
  })
})

describe('fraud_detection', () => {
  test('counts the rows of the user that arrived before and lie in the 30 minutes up to the event', () => {
    const { tables } = run(
      [
        { time: '10:00:00' },
        { time: '10:30:00' },
        { time: '10:30:00.000001' },
        { time: '10:30:00', user: 2 },
      ],
      [{ time: '10:30:00' }, { time: '10:25:00' }],
    )
    expect(tables.fraud_detection.map((row) => row.tx_count_30min)).toEqual([1n, 2n, 2n, 1n, 3n, 2n])
  })

  test('every rule at its limit, in order, with its points', () => {
    const score = (fields: Fields) => {
      const [row] = run([fields]).tables.fraud_detection
      return [row!.reasons, row!.fraud_score, row!.risk_level, row!.requires_review]
    }
    const of = (...names: string[]) => {
      const fired = Object.keys(points).filter((name) => names.includes(name))
      const sum = scoreOf(fired)
      return [fired, BigInt(sum), riskLevel(sum), sum >= reviewScore]
    }
    const clock = (clockHour: number) => `${String(clockHour).padStart(2, '0')}:00:00`
    const justBefore = (clockHour: number) => `${String(clockHour - 1).padStart(2, '0')}:59:59.999999`
    const amount = Number(highAmount)
    expect(score({ time: '10:00:00', amount })).toEqual(of())
    expect(score({ time: '10:00:00', amount: amount + 0.01 })).toEqual(of('high_amount'))
    expect(score({ time: clock(lateNight.toHour) })).toEqual(of())
    expect(score({ time: justBefore(lateNight.toHour) })).toEqual(of('late_night'))
    const friday = (time: string) => ({ time, timestamp: `2026-10-30T${time}Z` }) // Behind no batch's time.
    expect(score(friday(justBefore(lateNight.fromHour)))).toEqual(of())
    expect(score(friday(clock(lateNight.fromHour)))).toEqual(of('late_night'))
    expect(score({ time: '00:00:00', is_fraud: true })).toEqual(of('known_fraud', 'late_night'))
    const [country] = defaultConfig.highRiskCountries
    const worst = { is_fraud: true, amount: amount + 1, payment_method: 'crypto', location: `X, ${country}` }
    const fired = [
      'known_fraud',
      'high_amount',
      'crypto_payment',
      'high_risk_country',
      'late_night',
      'weekend',
    ]
    const sunday = `2026-11-01T${clock(lateNight.fromHour)}Z`
    expect(score({ time: '10:00:00', ...worst, timestamp: sunday })).toEqual(of(...fired))
  })

  test('one row more in half an hour than is allowed is high velocity', () => {
    const { tables } = run(Array.from({ length: velocityMax + 1 }, () => ({ time: '10:00:00' })))
    const flags = tables.fraud_detection.map((row) => row.is_high_velocity)
    expect(flags).toEqual([...new Array(velocityMax).fill(false), true])
    expect(tables.fraud_detection.at(-1)).toMatchObject({ reasons: ['high_velocity'] })
  })
})

describe('the rows', () => {
  test('silver, quarantine and bronze have every column of the contract', () => {
    const headers = [{ key: 'h', value: null }]
    const good = { ...recordOf({ id: ' a ', time: '00:00:00', location: 'A, B, C' }, 0), headers }
    const bad = { ...recordOf({ time: '' }, 1), key: Buffer.from([255]), value: null, timestampMs: 1_500 }
    const { tables } = recompute({
      records: [bad, good],
      batches: [
        {
          batch: 1n,
          timeMicros: at('00:00:00') + hour,
          ranges: [{ topic: 't', partition: 0, start: 0n, end: 2n }],
          finalize: false,
        },
      ],
      config: defaultConfig,
    })
    const times = { processing_time: at('01:00:00'), processing_date: '2026-11-02' }
    expect(tables['silver/transactions']).toEqual([
      {
        ...{
          transaction_id: 'a',
          user_id: 1n,
          amount: '5.00',
          amount_category: 'micro',
          is_high_value: false,
        },
        ...{ merchant: null, payment_method: null, location: 'A, B, C', city: 'A, B', country: 'C' },
        ...{ device_id: null, is_fraud: false, event_time: at('00:00:00'), transaction_date: '2026-11-02' },
        ...{ transaction_hour: 0n, transaction_day_of_week: 2n, is_weekend: false },
        ...{ topic: 't', partition: 0n, offset: 0n, ...times },
      },
    ])
    expect(tables['silver/quarantine']).toEqual([
      {
        ...{ topic: 't', partition: 0n, offset: 1n, kafka_key: '/w==', value: null },
        ...{ reasons: ['malformed'], ...times },
      },
    ])
    expect(tables['bronze/transactions']).toMatchObject([
      { offset: 0n, kafka_key: null, headers, kafka_timestamp: null, ...times },
      { offset: 1n, kafka_key: '/w==', value: null, headers: null, kafka_timestamp: 1_500_000n, ...times },
    ])
    expect(ids(tables.fraud_detection)).toEqual(['a'])
  })

  test.each([
    [9.994, 'micro', false],
    [9.995, 'small', false],
    [99.99, 'small', false],
    [100, 'medium', false],
    [1000, 'large', false],
    [1000.01, 'large', true],
    [10_000, 'enterprise', true],
  ])('an amount of %d is %s', (amount, category, isHighValue) => {
    const { tables } = run([{ time: '10:00:00', amount }])
    expect(tables['silver/transactions'][0]).toMatchObject({
      amount_category: category,
      is_high_value: isHighValue,
    })
  })

  test('where the contract leaves open whether a value is malformed, the engine decides', () => {
    const value = Buffer.from(
      '{"transaction_id":"t","user_id":1,"amount":5,"timestamp":"2026-11-02T10:00:00Z","x":{"a":1,"a":2}}',
    )
    const record = { ...recordOf({ time: '' }, 0), value }
    const batches = [
      {
        batch: 1n,
        timeMicros: batchTime(0),
        ranges: [{ topic: 't', partition: 0, start: 0n, end: 1n }],
        finalize: false,
      },
    ]
    for (const malformed of [true, false]) {
      const wasMalformed = () => malformed
      const { tables } = recompute({ records: [record], batches, config: defaultConfig, wasMalformed })
      expect(tables['silver/quarantine']).toHaveLength(malformed ? 1 : 0)
      expect(tables['silver/transactions']).toHaveLength(malformed ? 0 : 1)
    }
  })

  test('a later batch may not have an earlier time', () => {
    const batch = { batch: 1n, timeMicros: 5n * minute, ranges: [], finalize: false }
    expect(() => recompute({ records: [], batches: [batch, batch], config: defaultConfig })).toThrow(
      'goes back',
    )
  })
})

describe('sessions', () => {
  test('are closed by the first batch whose watermark lets nothing join them, and cut at their greatest length', () => {
    const { tables } = run(
      [{ time: '10:00:00', merchant: 'a', location: 'Oslo, Norway' }],
      [{ time: '10:30:00', location: 'Paris, France' }],
      // 30 minutes behind is 10:30, after which a row may still come.
      [{ time: '11:00:00', user: 2 }],
      [{ time: '11:30:00.000001', user: 2 }],
      [{ time: '11:30:00.000002', user: 2, amount: 500 }],
    )
    const { 'aggregations/sessions': sessions } = tables
    expect(sessions).toMatchObject([
      {
        user_id: 1n,
        session_start: at('10:00:00'),
        session_end: at('10:30:00'),
        duration_seconds: 1800,
        transaction_count: 2n,
        journey: ['a', '?'],
        country_changes: 1n,
        is_impossible_travel: false,
        session_date: '2026-11-02',
        aggregation_time: batchTime(3),
      },
    ])
    // printf '1|1793613600000000' | sha256sum
    expect(sessions[0]!.session_id).toBe('2e3881814979eda94df6886a624a2087')
  })
})
