// The realistic scenario, judged by what its records and labels say: nothing here asks the generator what it
// meant.
import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  createGenerator,
  type FraudLabel,
  type GeneratedRecord,
  type GeneratorOptions,
} from '../../../src/produce/generator.ts'
import { spreadOverPeriod } from '../../../src/produce/schedule.ts'

const seed = 7
const [fromMs, toMs] = [Date.UTC(2026, 0, 1), Date.UTC(2026, 6, 1)]
const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000]

type Row = {
  readonly id: string
  readonly user: number
  readonly amount: number
  readonly merchant: string
  readonly method: string
  readonly country: string
  readonly device: string
  readonly atMs: number
  readonly isFraud: boolean
}
type Labelled = Row & { readonly pattern: string; readonly knownAtMs: number }

function generate(count: number, options: Partial<GeneratorOptions> = {}): GeneratedRecord[] {
  const period = { startMs: fromMs, endMs: toMs }
  const generator = createGenerator({ seed, scenario: 'realistic', ...period, ...options })
  const timeOf = spreadOverPeriod({ fromMs, toMs }, count)
  return Array.from({ length: count }, (_, index) => generator.next(timeOf(index)))
}

function rowOf({ value }: GeneratedRecord): Row {
  const record = JSON.parse(Buffer.from(value).toString('utf8'))
  return {
    ...{ id: record.transaction_id, user: record.user_id, amount: record.amount, merchant: record.merchant },
    ...{ method: record.payment_method, country: record.location.split(', ')[1], device: record.device_id },
    ...{ atMs: Date.parse(record.timestamp), isFraud: record.is_fraud },
  }
}

const count = 300_000
let rows: readonly Row[] = []
/** Those that a file of labels has. */
let frauds: readonly Labelled[] = []
let honest: readonly Row[] = []
let byUser: ReadonlyMap<number, readonly Row[]> = new Map()

beforeAll(() => {
  const labels = new Map<string, FraudLabel & { readonly pattern: string }>()
  rows = generate(count).map((record) => {
    if (record.label !== null)
      labels.set(record.label.transactionId, { ...record.label, pattern: record.pattern! })
    return rowOf(record)
  })
  frauds = rows.flatMap((row) => {
    const label = labels.get(row.id)
    return label === undefined ? [] : [{ ...row, pattern: label.pattern, knownAtMs: label.knownAtMs }]
  })
  // Rows of an episode that nobody reported are on devices of those that were: they are not honest.
  const devices = new Set(
    frauds.filter(({ pattern }) => pattern !== 'friendly_fraud').map(({ device }) => device),
  )
  honest = rows.filter(({ isFraud, device }) => !isFraud && !devices.has(device))
  byUser = Map.groupBy(rows, ({ user }) => user)
}, 120_000)

const of = (pattern: string): readonly Labelled[] => frauds.filter((row) => row.pattern === pattern)

/** The rows of each device: a thief's device is used for one episode. */
function episodes(pattern: string): readonly (readonly Labelled[])[] {
  return [...Map.groupBy(of(pattern), ({ device }) => device).values()]
}

const spanMs = (of: readonly Row[]): number => of.at(-1)!.atMs - of[0]!.atMs
const shareOf = <T>(all: readonly T[], is: (one: T) => boolean): number => all.filter(is).length / all.length
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
const daysToKnow = (pattern: string): number[] =>
  of(pattern).map(({ atMs, knownAtMs }) => (knownAtMs - atMs) / dayMs)

describe('the realistic scenario', () => {
  test('is the same bytes for the same options, in this release and the next', () => {
    const digest = () => {
      const hash = createHash('sha256')
      for (const { value, label } of generate(5_000)) hash.update(value).update(JSON.stringify(label))
      return hash.digest('hex')
    }
    const first = digest()
    expect(digest()).toBe(first)
    // A data set is named by its seed: whoever changes this digest changes everybody's data, and says so.
    expect(first).toMatchInlineSnapshot(`"57cf6179b3d4b764daddc5533230f2277431785f29365ec608e3a2f8e47376fd"`)
  })

  test('has three frauds in a thousand, or as many as are asked for', () => {
    expect(shareOf(rows, ({ isFraud }) => isFraud) / 0.003).toBeGreaterThan(0.92)
    expect(shareOf(rows, ({ isFraud }) => isFraud) / 0.003).toBeLessThan(1.08)
    for (const fraudShare of [0, 0.005]) {
      const share = shareOf(generate(60_000, { fraudShare }).map(rowOf), ({ isFraud }) => isFraud)
      expect(Math.abs(share - fraudShare), `asked for ${fraudShare}`).toBeLessThanOrEqual(fraudShare * 0.2)
    }
  })

  test('keeps its share where months are run through in no time', () => {
    const generator = createGenerator({ seed, scenario: 'realistic', fraudShare: 0.02 })
    const stream = Array.from({ length: 60_000 }, (_, index) => rowOf(generator.next(fromMs + index)))
    expect(shareOf(stream, ({ isFraud }) => isFraud)).toBeGreaterThan(0.012)
  })

  test('labels what is fraud and nothing else, with its pattern, after it happened', () => {
    expect(frauds.length).toBe(rows.filter(({ isFraud }) => isFraud).length)
    expect([...new Set(frauds.map(({ pattern }) => pattern))].sort()).toEqual([
      ...['account_takeover', 'card_testing', 'friendly_fraud', 'high_value_crypto', 'impossible_travel'],
      'mule_account',
    ])
    for (const { atMs, knownAtMs } of frauds) expect(knownAtMs).toBeGreaterThan(atMs)
  })

  test('makes the same records without is_fraud', () => {
    const without = generate(3_000, { isLabelled: false }).map(({ value }) => Buffer.from(value).toString())
    const withIt = generate(3_000).map(({ value }) => Buffer.from(value).toString())
    expect(withIt.map((text) => text.replace(/,"is_fraud":(true|false)/, ''))).toEqual(without)
    expect(without.some((text) => text.includes('is_fraud'))).toBe(false)
  })

  test('never repeats a transaction_id', () => {
    expect(new Set(rows.map(({ id }) => id)).size).toBe(count)
  })
})

describe('fraud of the realistic scenario', () => {
  test('tests the cards of several people at one shop, and buys with those that work', () => {
    const whole = episodes('card_testing').filter((rows) => rows.length >= 6)
    expect(whole.length).toBeGreaterThan(5)
    for (const rows of whole) {
      const small = rows.filter(({ amount }) => amount < 5)
      expect(new Set(small.map(({ merchant }) => merchant)).size).toBe(1)
      expect(rows.every(({ amount }) => amount < 5 || amount >= 500)).toBe(true)
    }
    expect(shareOf(whole, (rows) => new Set(rows.map(({ user }) => user)).size >= 2)).toBeGreaterThan(0.9)
    const dear = of('card_testing').filter(({ amount }) => amount >= 500)
    const isPreceded = ({ user, device, atMs }: Row) =>
      byUser
        .get(user)!
        .filter(
          (row) =>
            row.device === device && row.amount < 10 && row.atMs < atMs && atMs - row.atMs < 4 * hourMs,
        ).length >= 3
    expect(dear.length).toBeGreaterThan(5)
    expect(shareOf(dear, isPreceded)).toBeGreaterThan(0.95)
  })

  test('takes accounts over in steps: a look, goods hours later that get dearer, then a transfer', () => {
    const whole = episodes('account_takeover').filter((rows) => rows.length >= 4)
    expect(whole.length).toBeGreaterThan(10)
    for (const rows of whole) {
      expect(new Set(rows.map(({ user }) => user)).size).toBe(1)
      expect(new Set(rows.map(({ country }) => country)).size).toBe(1)
      const goods = rows.filter(
        ({ amount, method }) => amount >= 120 && method !== 'crypto' && method !== 'bank_transfer',
      )
      const amounts = goods.map(({ amount }) => amount)
      expect(amounts).toEqual(amounts.toSorted((a, b) => a - b))
    }
    expect(shareOf(whole, (rows) => rows[0]!.amount <= 15 && spanMs(rows) > 2 * hourMs)).toBeGreaterThan(0.8)
    expect(Math.max(...of('account_takeover').map(({ amount }) => amount))).toBeLessThan(5_000)
    expect(of('account_takeover').some(({ method }) => method === 'bank_transfer')).toBe(true)
  })

  test('passes money on for days through accounts that share a device, below what is reported', () => {
    const rings = episodes('mule_account').filter((rows) => rows.length >= 8)
    expect(rings.length).toBeGreaterThan(3)
    for (const rows of rings) {
      expect(new Set(rows.map(({ user }) => user)).size).toBeGreaterThanOrEqual(2)
      expect(
        rows.every(({ amount, method }) => amount >= 800 && amount < 1000 && method === 'bank_transfer'),
      ).toBe(true)
      expect(spanMs(rows)).toBeGreaterThan(2 * dayMs)
      // A ring is found whole.
      const known = rows.map(({ knownAtMs }) => knownAtMs)
      expect(Math.max(...known) - Math.min(...known)).toBeLessThan(dayMs)
    }
  })

  test('pays with a copied card in another country minutes after its owner paid', () => {
    const firsts = episodes('impossible_travel').map(([first]) => first!)
    expect(firsts.length).toBeGreaterThan(20)
    const isImpossible = ({ user, atMs, country }: Row) =>
      byUser
        .get(user)!
        .some((row) => row.atMs < atMs && atMs - row.atMs < 10 * minuteMs && row.country !== country)
    expect(shareOf(firsts, isImpossible)).toBeGreaterThan(0.8)
  })

  test('denies purchases that look like any other: an own device, and a report after months', () => {
    const denied = of('friendly_fraud')
    expect(denied.length).toBeGreaterThan(40)
    const isOwnDevice = ({ user, device }: Row) =>
      byUser.get(user)!.some((row) => row.device === device && !row.isFraud)
    expect(shareOf(denied, isOwnDevice)).toBeGreaterThan(0.7)
    const days = daysToKnow('friendly_fraud')
    expect(shareOf(days, (of) => of > 30)).toBeGreaterThan(0.6)
    expect(Math.min(...days)).toBeGreaterThanOrEqual(19.9)
    expect(Math.max(...days)).toBeLessThanOrEqual(110.1)
  })

  test('empties accounts into crypto, more than 5,000 at a time', () => {
    const emptied = of('high_value_crypto')
    expect(emptied.length).toBeGreaterThan(40)
    expect(emptied.every(({ amount, method }) => amount > 5_000 && method === 'crypto')).toBe(true)
  })

  test('becomes known sooner or later: takeovers in days, statements in weeks, rings and denials later', () => {
    const order = ['account_takeover', 'impossible_travel', 'mule_account', 'friendly_fraud']
    const medians = order.map((pattern) => median(daysToKnow(pattern)))
    expect(medians).toEqual(medians.toSorted((a, b) => a - b))
    expect(medians[0]).toBeLessThan(5)
  })
})

describe('the months', () => {
  const month = ({ atMs }: Row): number => new Date(atMs).getUTCMonth()
  const partOf = (pattern: string, months: readonly number[]): number =>
    shareOf(
      frauds.filter((row) => months.includes(month(row))),
      (row) => row.pattern === pattern,
    )

  test('move the mix of fraud: crypto fades, takeovers and mules come', () => {
    expect(partOf('high_value_crypto', [0, 1])).toBeGreaterThan(2 * partOf('high_value_crypto', [4, 5]))
    for (const pattern of ['account_takeover', 'mule_account']) {
      expect(partOf(pattern, [4, 5]), pattern).toBeGreaterThan(1.5 * partOf(pattern, [0, 1]))
    }
  })

  test('have the asked share of fraud each', () => {
    for (const [at, of] of Map.groupBy(rows, month)) {
      const share = shareOf(of, ({ isFraud }) => isFraud)
      expect(share, `month ${at + 1}`).toBeGreaterThan(0.0022)
      expect(share, `month ${at + 1}`).toBeLessThan(0.0038)
    }
  })

  test('move honest people too: wallets in place of cards, prices by the season', () => {
    const [january, june] = [0, 5].map((at) => honest.filter((row) => month(row) === at))
    const wallets = (of: readonly Row[]) => shareOf(of, ({ method }) => method === 'apple_pay')
    expect(wallets(june!) - wallets(january!)).toBeGreaterThan(0.05)
    const typical = (of: readonly Row[]) => median(of.map(({ amount }) => amount))
    expect(typical(january!) / typical(june!)).toBeGreaterThan(1.05)
  })
})

describe('honest people who look strange', () => {
  test('spend more than 5,000, most of them on no crypto', () => {
    const large = honest.filter(({ amount }) => amount > 5_000)
    expect(large.length).toBeGreaterThan(of('high_value_crypto').length)
    expect(large.some(({ method }) => method === 'crypto')).toBe(true)
  })

  test('buy often within half an hour', () => {
    const isBurst = (row: Row, index: number, all: readonly Row[]) =>
      index >= 5 && row.atMs - all[index - 5]!.atMs <= 30 * minuteMs && !row.isFraud
    const bursts = [...byUser.values()].flatMap((rows) => rows.filter(isBurst))
    expect(bursts.length).toBeGreaterThan(100)
  })

  test('are in two countries within ten minutes, on one device', () => {
    const roams = [...Map.groupBy(honest, ({ user, device }) => `${user} ${device}`).values()].flatMap(
      (rows) =>
        rows.filter(
          ({ atMs, country }, index) =>
            index > 0 &&
            rows[index - 1]!.country !== country &&
            atMs - rows[index - 1]!.atMs <= 10 * minuteMs,
        ),
    )
    expect(roams.length).toBeGreaterThan(episodes('impossible_travel').length)
  })

  test('travel for days, some of them often', () => {
    const homeOf = (rows: readonly Row[]) =>
      [...Map.groupBy(rows, ({ country }) => country)].toSorted(([, a], [, b]) => b.length - a.length)[0]![0]
    const busy = [...Map.groupBy(honest, ({ user }) => user).values()].filter((rows) => rows.length >= 40)
    const away = busy.map((rows) => {
      const home = homeOf(rows)
      return shareOf(rows, ({ country }) => country !== home)
    })
    expect(shareOf(away, (share) => share > 0.1)).toBeGreaterThan(0.02)
    expect(median(away)).toBeLessThan(0.05)
  })

  test('get new devices, which the old ones do not come back behind', () => {
    const busy = [...Map.groupBy(honest, ({ user }) => user).values()].filter((rows) => rows.length >= 60)
    const late = busy.filter((rows) => {
      const before = new Set(
        rows.filter(({ atMs }) => atMs < fromMs + 60 * dayMs).map(({ device }) => device),
      )
      return rows.some(({ atMs, device }) => atMs > fromMs + 90 * dayMs && !before.has(device))
    })
    expect(late.length / busy.length).toBeGreaterThan(0.1)
  })

  test('pay small sums before a large one, as whoever tests a card does', () => {
    const isTrial = (row: Row, index: number, all: readonly Row[]) =>
      row.amount >= 500 &&
      all
        .slice(Math.max(0, index - 6), index)
        .filter((one) => one.amount < 10 && row.atMs - one.atMs < hourMs).length >= 3
    const trials = [...Map.groupBy(honest, ({ user }) => user).values()].flatMap((rows) =>
      rows.filter(isTrial),
    )
    expect(trials.length).toBeGreaterThan(20)
  })
})
