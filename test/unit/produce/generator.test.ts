import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { LakehouseError } from '../../../src/errors/errors.ts'
import {
  createGenerator,
  type GeneratedRecord,
  type GeneratorOptions,
} from '../../../src/produce/generator.ts'
import { defects } from '../../../src/produce/malformed.ts'

const seed = 7
const fromMs = Date.UTC(2026, 9, 1)

type Row = {
  transaction_id: string
  user_id: number
  amount: number
  merchant: string
  payment_method: string
  location: string
  device_id: string
  timestamp: string
  is_fraud: boolean
}

function generate(count: number, options: Partial<GeneratorOptions> = {}, stepMs = 100): GeneratedRecord[] {
  const generator = createGenerator({ seed, ...options })
  return Array.from({ length: count }, (_, index) => generator.next(fromMs + index * stepMs))
}

function parse(record: GeneratedRecord): Row {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(record.value))
}

function digest(records: readonly GeneratedRecord[]): string {
  const hash = createHash('sha256')
  for (const { key, value, timestampMs } of records)
    hash.update(key).update(value).update(String(timestampMs))
  return hash.digest('hex')
}

describe('a generator', () => {
  test('gives the same bytes for the same seed, and others for another', () => {
    const dirty = { duplicateShare: 0.02, disorderShare: 0.1, lateShare: 0.02, malformedShare: 0.02 }
    expect(digest(generate(20_000, dirty))).toBe(digest(generate(20_000, dirty)))
    expect(digest(generate(1_000, { seed: 8 }))).not.toBe(digest(generate(1_000)))
  })

  test('gives bytes that do not change from one release to the next', () => {
    // A data set is named by its seed: whoever changes this digest changes everybody's data, and says so.
    expect(digest(generate(1_000, { malformedShare: 0.01, lateShare: 0.01 }))).toMatchInlineSnapshot(
      `"ab1a52245f892b70184ab1a9b35885e20b723c1a1963a3ff9a5c175cfb8ba4a9"`,
    )
  })

  test('makes other transactions of the same users and merchants after another start', () => {
    const [first, second] = [1, 2].map((startMs) => generate(2_000, { startMs }).map(parse))
    const inBoth = (name: 'transaction_id' | 'merchant') => {
      const names = new Set(first!.map((row) => row[name]))
      return second!.filter((row) => names.has(row[name])).length
    }
    expect(inBoth('transaction_id')).toBe(0)
    expect(inBoth('merchant')).toBeGreaterThan(1_000)
  })

  test('makes transactions with exactly the fields of silver, typed, and keyed by the user', () => {
    for (const record of generate(1_000)) {
      const row = parse(record)
      expect(Object.keys(row)).toEqual([
        ...['transaction_id', 'user_id', 'amount', 'merchant', 'payment_method', 'location', 'device_id'],
        ...['timestamp', 'is_fraud'],
      ])
      expect(row.transaction_id).toMatch(
        /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      )
      expect(Number.isInteger(row.user_id) && row.user_id >= 1 && row.user_id <= 10_000).toBe(true)
      expect(row.amount).toBeGreaterThan(0)
      expect(row.location).toMatch(/^[^,]+, [^,]+$/)
      expect(row.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
      expect(typeof row.is_fraud).toBe('boolean')
      expect(new TextDecoder().decode(record.key)).toBe(String(row.user_id))
    }
  })

  test('writes amounts with two decimals and records of about 272 bytes', () => {
    const records = generate(5_000)
    const bytes = records.reduce((sum, { value }) => sum + value.length, 0)
    expect(bytes / records.length).toBeGreaterThan(255)
    expect(bytes / records.length).toBeLessThan(290)
    for (const { value } of records) {
      expect(new TextDecoder().decode(value)).toMatch(/"amount":\d+\.\d\d,/)
    }
  })

  test('never repeats a transaction_id where no duplicates are asked for', () => {
    const ids = new Set(generate(50_000).map((record) => parse(record).transaction_id))
    expect(ids.size).toBe(50_000)
  })

  test('takes the record timestamp and, in order, the event time from the given clock', () => {
    const generator = createGenerator({ seed })
    const record = generator.next(fromMs + 1234.567)
    expect(record.timestampMs).toBe(fromMs + 1234)
    expect(parse(record).timestamp).toBe('2026-10-01T00:00:01.234567Z')
  })

  test('spreads rows over users and merchants by Zipf: few have many, most have few', () => {
    const rows = generate(50_000).map(parse)
    const ofUsers = shares(rows.map(({ user_id }) => user_id))
    const ofMerchants = shares(rows.map(({ merchant }) => merchant))
    expect(ofUsers[0]).toBeGreaterThan(0.015)
    expect(ofUsers[0]).toBeLessThan(0.08)
    expect(sum(ofUsers.slice(0, 100))).toBeGreaterThan(0.15)
    expect(ofUsers.length).toBeGreaterThan(5_000)
    expect(ofMerchants[0]).toBeGreaterThan(0.08)
    expect(ofMerchants[0]).toBeLessThan(0.25)
    expect(ofMerchants.length).toBeGreaterThan(900)
  })

  test('lets people sleep: far fewer rows at night than in the evening of a country', () => {
    const rows = generate(60_000, {}, 86_400_000 / 60_000).map(parse)
    const inGermany = rows.filter(({ location }) => location.endsWith(', Germany'))
    const atHour = (utcHour: number) =>
      inGermany.filter(({ timestamp }) => Number(timestamp.slice(11, 13)) === utcHour).length
    expect(atHour(17)).toBeGreaterThan(4 * atHour(2)) // 18:00 and 03:00 at home.
  })

  test('has small, but some, business in the countries of high risk', () => {
    const rows = generate(30_000).map(parse)
    for (const country of ['Nigeria', 'Russia', 'China']) {
      const share = rows.filter(({ location }) => location.endsWith(`, ${country}`)).length / rows.length
      expect(share, country).toBeGreaterThan(0.002)
      expect(share, country).toBeLessThan(0.08)
    }
  })

  test('shows most users with one to three devices of their own', () => {
    const devices = new Map<number, Set<string>>()
    for (const { user_id, device_id } of generate(30_000, { users: 100, fraudShare: 0 }).map(parse)) {
      devices.set(user_id, (devices.get(user_id) ?? new Set()).add(device_id))
    }
    for (const [user, seen] of devices) expect(seen.size, `user ${user}`).toBeLessThanOrEqual(3)
  })

  test.each([
    ['-1 users', { users: -1 }],
    ['no merchant', { merchants: 0 }],
    ['half a seed', { seed: 0.5 }],
    ['a share above one', { fraudShare: 2 }],
    ['shares above one together', { malformedShare: 0.6, lateShare: 0.6 }],
    ['a negative delay', { lateByMs: -1 }],
  ])('refuses %s', (_, options) => {
    expect(() => createGenerator(options)).toThrowError(LakehouseError)
  })
})

describe('fraud', () => {
  test.each([1, 100, 5_000])('is about the asked share of the rows, with %d ms between two', (stepMs) => {
    for (const fraudShare of [0, 0.02, 0.1]) {
      const rows = generate(30_000, { fraudShare }, stepMs).map(parse)
      const share = rows.filter(({ is_fraud }) => is_fraud).length / rows.length
      expect(Math.abs(share - fraudShare), `asked for ${fraudShare}`).toBeLessThanOrEqual(fraudShare * 0.12)
    }
  })

  test('is about the asked share even where no time passes at all', () => {
    const rows = generate(50_000, {}, 0).map(parse)
    const share = rows.filter(({ is_fraud }) => is_fraud).length / rows.length
    expect(share).toBeGreaterThan(0.016)
    expect(share).toBeLessThan(0.022)
  })

  test('comes in patterns, and most of their rows are reported', () => {
    const records = generate(100_000).filter(({ pattern }) => pattern !== null)
    const reported = records.filter((record) => parse(record).is_fraud).length
    expect(reported / records.length).toBeGreaterThan(0.88)
    expect(reported / records.length).toBeLessThan(0.96)
    expect(new Set(records.map(({ pattern }) => pattern))).toEqual(
      new Set(['card_testing', 'account_takeover', 'high_value_crypto']),
    )
  })

  test('tests cards with many small payments from one device within minutes', () => {
    const bursts = byDevice(generate(100_000).filter(({ pattern }) => pattern === 'card_testing'))
    const whole = bursts.filter((rows) => rows.length >= 8)
    expect(whole.length).toBeGreaterThan(20)
    for (const rows of whole) {
      expect(new Set(rows.map(({ user_id }) => user_id)).size).toBe(1)
      expect(Math.max(...rows.map(({ amount }) => amount))).toBeLessThan(5)
      const times = rows.map(({ timestamp }) => Date.parse(timestamp))
      expect(times.at(-1)! - times[0]!).toBeLessThan(10 * 60_000)
    }
  })

  test('takes accounts over from a new device with rising amounts', () => {
    const takeovers = byDevice(generate(100_000).filter(({ pattern }) => pattern === 'account_takeover'))
    expect(takeovers.length).toBeGreaterThan(20)
    for (const rows of takeovers) {
      const amounts = rows.map(({ amount }) => amount)
      expect(amounts).toEqual(amounts.toSorted((a, b) => a - b))
      expect(new Set(rows.map(({ location }) => location)).size).toBe(1)
    }
  })

  test('moves more than 5,000 at a time in crypto', () => {
    const rows = generate(50_000)
      .filter(({ pattern }) => pattern === 'high_value_crypto')
      .map(parse)
    expect(rows.length).toBeGreaterThan(50)
    for (const { amount, payment_method } of rows) {
      expect(amount).toBeGreaterThan(5000)
      expect(payment_method).toBe('crypto')
    }
  })
})

describe('dirt', () => {
  test('is exactly the asked share of the records, whatever else is asked for', () => {
    const count = 20_000
    const records = generate(count, {
      ...{ duplicateShare: 0.03, disorderShare: 0.1, lateShare: 0.02, malformedShare: 0.013 },
    })
    const of = (kind: string) => records.filter((record) => record.kind === kind).length
    expect(Math.abs(of('malformed') - count * 0.013)).toBeLessThanOrEqual(1)
    expect(Math.abs(of('duplicate') - count * 0.03)).toBeLessThanOrEqual(2)
    expect(Math.abs(of('late') - count * 0.02)).toBeLessThanOrEqual(2)
    expect(Math.abs(of('disordered') - count * 0.1)).toBeLessThanOrEqual(3)
  })

  test('may be everything', () => {
    expect(generate(500, { malformedShare: 1 }).every(({ kind }) => kind === 'malformed')).toBe(true)
    expect(generate(500, { lateShare: 1 }).every(({ kind }) => kind === 'late')).toBe(true)
  })

  test('leaves the clean rows as they are without it', () => {
    const clean = generate(2_000).map(({ value }) => Buffer.from(value).toString())
    const spoilt = generate(2_000, { malformedShare: 0.1 })
    for (const [index, { kind, value }] of spoilt.entries()) {
      if (kind === 'ordinary') expect(Buffer.from(value).toString()).toBe(clean[index])
    }
  })

  test('delays disordered and late rows by as much as asked, and never lets one come from the future', () => {
    const records = generate(20_000, {
      ...{ disorderShare: 0.1, disorderMaxMs: 5_000, lateShare: 0.05, lateByMs: 1_200_000 },
    })
    for (const record of records) {
      const delayMs = record.timestampMs - Date.parse(parse(record).timestamp)
      expect(delayMs).toBeGreaterThanOrEqual(0)
      if (record.kind === 'ordinary') expect(delayMs).toBe(0)
      if (record.kind === 'disordered') expect(delayMs).toBeLessThanOrEqual(5_000)
      if (record.kind === 'late') expect(delayMs).toBeGreaterThanOrEqual(1_200_000)
      if (record.kind === 'late') expect(delayMs).toBeLessThanOrEqual(1_800_000)
    }
  })

  test('repeats transactions within minutes, with the same key, some with another amount', () => {
    const records = generate(20_000, { duplicateShare: 0.05 })
    const first = new Map<string, { row: Row; timestampMs: number }>()
    let changed = 0
    let repeats = 0
    for (const record of records) {
      const row = parse(record)
      const before = first.get(row.transaction_id)
      if (record.kind !== 'duplicate') {
        expect(before).toBeUndefined()
        first.set(row.transaction_id, { row, timestampMs: record.timestampMs })
        continue
      }
      repeats++
      expect(row.user_id).toBe(before!.row.user_id)
      expect(row.timestamp).toBe(before!.row.timestamp)
      expect(record.timestampMs - before!.timestampMs).toBeLessThan(5 * 60_000)
      if (row.amount !== before!.row.amount) changed++
    }
    expect(changed / repeats).toBeGreaterThan(0.1)
    expect(changed / repeats).toBeLessThan(0.3)
  })

  test('knows every kind of malformed record, and none holds a line feed', () => {
    const records = generate(20_000, { malformedShare: 0.5 })
    const seen = new Set(records.flatMap(({ defect }) => defect?.name ?? []))
    expect(seen).toEqual(new Set(defects.map(({ name }) => name)))
    expect(records.every(({ value }) => !value.includes(10))).toBe(true)
  })

  test('is refused by JSON or by the types where its defect says so', () => {
    for (const { defect, value } of generate(5_000, { malformedShare: 1 })) {
      if (!defect!.reasons.includes('malformed'))
        expect(() => JSON.parse(Buffer.from(value).toString())).not.toThrow()
      else if (!['array', 'repeated_name'].includes(defect!.name)) {
        expect(
          () => JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value)),
          defect!.name,
        ).toThrow()
      }
    }
  })
})

function byDevice(records: readonly GeneratedRecord[]): Row[][] {
  const rows = Map.groupBy(records.map(parse), ({ device_id }) => device_id)
  return [...rows.values()]
}

function shares(values: readonly unknown[]): number[] {
  const groups = Map.groupBy(values, (value) => value)
  return [...groups.values()].map(({ length }) => length / values.length).sort((a, b) => b - a)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
