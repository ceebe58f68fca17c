import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Judged, judge } from '../../../src/verify/judge.ts'
import { centsOfDouble, decimalText, doubleOf } from '../../../src/verify/money.ts'
import { parseTimestamp, utcDate, utcDayOfWeek, utcHour } from '../../../src/verify/timestamp.ts'
import { silverRow } from '../../oracle/silver.ts'
import { hour } from '../../oracle/time.ts'

const noon = parseTimestamp('2026-11-01T12:00:00Z')!
const transaction = { transaction_id: 't', user_id: 1, amount: 5, timestamp: '2026-11-01T10:00:00Z' }

function judgeJson(fields: object, kafkaTimestamp: bigint | null = null): Judged {
  return judge(Buffer.from(JSON.stringify({ ...transaction, ...fields })), kafkaTimestamp, noon)
}

type BadInput = {
  name: string
  value_base64: string | null
  outcome: 'silver' | 'quarantine' | 'any'
  reasons?: string[]
  silver?: Record<string, unknown>
}
const cases = readFileSync(new URL('../../data/bad-input.ndjson', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line): BadInput => JSON.parse(line))

describe('the judge of one value', () => {
  test.each(cases.map((one) => [one.name, one] as const))('knows what becomes of %s', (_, one) => {
    const value = one.value_base64 === null ? null : Buffer.from(one.value_base64, 'base64')
    const judged = judge(value, null, noon)
    expect(judged.mayBeRefused).toBe(one.outcome === 'any')
    if (one.outcome === 'quarantine') expect(judged).toMatchObject({ kind: 'refused', reasons: one.reasons })
    if (one.outcome !== 'silver') return
    if (judged.kind !== 'valid') throw new Error(`refused: ${judged.reasons}`)
    const record = {
      topic: 't',
      partition: 0,
      offset: 0n,
      key: null,
      value,
      headers: null,
      timestampMs: null,
    }
    const row = silverRow({ ...judged.transaction, record, processingTime: noon })
    for (const [name, expected] of Object.entries(one.silver ?? {})) {
      if (name === 'merchant_length') expect(row.merchant).toHaveLength(Number(expected))
      else if (name === 'event_time') expect(row.event_time).toBe(parseTimestamp(String(expected)))
      else if (name === 'user_id') expect(row.user_id).toBe(BigInt(Number(expected)))
      else expect(row[name]).toEqual(expected)
    }
  })

  test('a timestamp is in the future when it is more than one hour after the earlier clock', () => {
    const atLimit = { timestamp: '2026-11-01T13:00:00Z' }
    const behindLimit = { timestamp: '2026-11-01T13:00:00.000001Z' }
    const future = { kind: 'refused', reasons: ['timestamp_in_future'] }
    expect(judgeJson(atLimit)).toMatchObject({ kind: 'valid' })
    expect(judgeJson(behindLimit)).toMatchObject(future)
    expect(judgeJson(behindLimit, noon + hour)).toMatchObject(future)
    expect(judgeJson(atLimit, noon - 1n)).toMatchObject(future)
  })

  test('an empty city or country is null', () => {
    expect(judgeJson({ location: ', France' })).toMatchObject({
      transaction: { city: null, country: 'France' },
    })
    expect(judgeJson({ location: 'Paris,  \t, France' })).toMatchObject({
      transaction: { city: 'Paris,', country: 'France' },
    })
  })

  test('lists every reason, in the order of the contract', () => {
    const value = Buffer.from(
      '{"device_id":1,"location":1,"payment_method":1,"merchant":1,"is_fraud":1,"timestamp":1,"amount":1e12}',
    )
    expect(judge(value, null, noon)).toMatchObject({
      reasons: [
        'transaction_id_missing',
        'user_id_invalid',
        'amount_out_of_range',
        'timestamp_invalid',
        'is_fraud_invalid',
        'merchant_invalid',
        'payment_method_invalid',
        'location_invalid',
        'device_id_invalid',
      ],
    })
  })
})

describe('money', () => {
  test.each([
    [1.005, 101n],
    [2.675, 268n],
    [0.005, 1n],
    [0.004999, 0n],
    [-0.01, -1n],
    [1e-7, 0n],
    [5e-324, 0n],
    [1e21, 10n ** 23n],
    [123456789.125, 12345678913n],
    [999999999999.99, 99999999999999n],
  ])('%d is %d cents', (value, cents) => {
    expect(centsOfDouble(value)).toBe(cents)
  })

  test('has two decimals as text, and the nearest double', () => {
    expect([0n, 5n, -5n, 100n, 123456n].map(decimalText)).toEqual([
      '0.00',
      '0.05',
      '-0.05',
      '1.00',
      '1234.56',
    ])
    expect(doubleOf(110n)).toBe(1.1)
  })
})

describe('instants', () => {
  test.each([
    ['1970-01-01T00:00:00Z', 0n],
    ['1969-12-31 23:59:59.999999', -1n],
    ['1970-01-01T00:00:00.1234569', 123_456n],
    ['1970-01-01T02:30:00+02:30', 0n],
    ['1969-12-31T09:01:00-14:59', 0n],
    ['0001-01-01T00:00:00Z', -62_135_596_800_000_000n],
    ['9999-12-31T23:59:59.999999999Z', 253_402_300_799_999_999n],
  ])('%s is %d', (text, micros) => {
    expect(parseTimestamp(text)).toBe(micros)
  })

  test.each([
    '2023-02-29T00:00:00Z',
    '2026-01-01T00:00:60Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:00:00.Z',
    '2026-01-01T00:00:00+14:60',
    '2026-01-01T00:00:00Z\n',
    '2026-01-01T00:00:00 Z',
    '2026-01-01  00:00:00',
    '2026-00-10T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '٢٠٢٦-01-01T00:00:00Z',
  ])('%j names no instant', (text) => {
    expect(parseTimestamp(text)).toBeNull()
  })

  test('a day before 1970 has its date, hour and weekday', () => {
    const instant = parseTimestamp('1969-12-31T23:59:59.999999Z')!
    expect([utcDate(instant), utcHour(instant), utcDayOfWeek(instant)]).toEqual(['1969-12-31', 23n, 4n])
    expect(utcDayOfWeek(parseTimestamp('2026-11-01T00:00:00Z')!)).toBe(1n)
    expect(utcDate(parseTimestamp('0001-01-01T00:00:00Z')!)).toBe('0001-01-01')
  })
})
