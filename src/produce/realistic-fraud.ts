// Fraud as a payment provider meets it: patterns that take from minutes to weeks, whose mix moves over the
// months, and that become known sooner or later, or never.
import {
  type Episode,
  type FraudPattern,
  stepsInOrder,
  type TimedStep,
  timesApart,
  type UpcomingEpisode,
} from './episodes.ts'
import { daysOfDrift, wave } from './habits.ts'
import { type Random, WeightedIndex } from './random.ts'
import type { Scene } from './unusual-shopping.ts'
import { inventDevice, type User } from './users.ts'
import { type City, cities, citiesOfHighRisk, DAY_MS, type Merchant } from './world.ts'

/** Whoever bought something just now, and where. */
export type RecentBuyer = { readonly user: User; readonly city: City }

export type FraudScene = Scene & {
  /** Any user, whether awake or not. */
  readonly anybody: () => User
  /** null before the first purchase. */
  readonly recent: () => RecentBuyer | null
}

/** When it is reported: half of it within `median` days after the payment, or after the whole episode. */
type Reports = {
  readonly share: number
  readonly median: number
  readonly sigma: number
  readonly least: number
  readonly most: number
  readonly isTogether: boolean
}

type Payment = Omit<TimedStep, 'isFraud' | 'knownAfterMs'>
type Plan = { readonly delayMs: number; readonly payments: readonly Payment[] }

type Pattern = {
  /** Its part of the rows that are fraud, on a day of the drift. */
  readonly part: (day: number) => number
  readonly rows: number
  readonly reports: Reports
  readonly plan: (scene: FraudScene) => Plan
}

const reported = (
  share: number,
  median: number,
  least: number,
  most: number,
  isTogether = false,
): Reports => ({
  ...{ share, median, least, most, isTogether },
  sigma: 0.6,
})

/** Patterns come and go: each in a wave of its own around its part, from a third of it to three times. */
const patterns: Readonly<Record<FraudPattern, Pattern>> = {
  card_testing: {
    part: (day) => 0.22 * Math.exp(0.5 * wave(day, 290, 60)),
    rows: 15,
    reports: reported(0.85, 4, 0.5, 30),
    plan: cardTesting,
  },
  account_takeover: {
    part: (day) => 0.22 * Math.exp(0.7 * wave(day, 380, 200)),
    rows: 6,
    reports: reported(0.96, 3, 0.3, 25),
    plan: takeover,
  },
  high_value_crypto: {
    part: (day) => 0.12 * Math.exp(1.1 * wave(day, 420, 0)),
    rows: 2,
    reports: reported(0.95, 5, 0.5, 40),
    plan: emptiedIntoCrypto,
  },
  mule_account: {
    part: (day) => 0.14 * Math.exp(1.1 * wave(day, 400, 190)),
    rows: 21,
    reports: reported(0.9, 14, 4, 60, true),
    plan: muleRing,
  },
  impossible_travel: {
    part: (day) => 0.14 * Math.exp(0.5 * wave(day, 330, 130)),
    rows: 3,
    reports: reported(0.95, 9, 1, 45),
    plan: clonedCard,
  },
  friendly_fraud: {
    part: (day) => 0.16 * Math.exp(0.4 * wave(day, 365.25, 20)),
    rows: 1.5,
    reports: reported(1, 50, 20, 110),
    plan: deniedPurchases,
  },
}

export function realisticFraud(
  sceneAt: (nowMs: number) => FraudScene,
  random: Random,
  nowMs: number,
): UpcomingEpisode {
  const pattern = drawPattern(daysOfDrift(nowMs), random)
  const { rows, plan, reports } = patterns[pattern]
  return {
    rows: rows * reports.share,
    begin: (beginMs): Episode => {
      const { delayMs, payments } = plan(sceneAt(beginMs))
      const endMs = Math.max(...payments.map(({ atMs }) => atMs))
      const days = reports.isTogether ? reportDays(reports, random) : null
      const steps = payments.map((payment): TimedStep => {
        const isFraud = random.chance(reports.share)
        const after =
          days === null ? reportDays(reports, random) * DAY_MS : endMs - payment.atMs + days * DAY_MS
        return { ...payment, isFraud, knownAfterMs: isFraud ? after : null }
      })
      return { pattern, delayMs, steps: stepsInOrder(steps) }
    },
  }
}

function drawPattern(day: number, random: Random): FraudPattern {
  const names = Object.keys(patterns) as FraudPattern[]
  // As many episodes of each as give its part of the rows.
  const episodes = names.map((name) => patterns[name].part(day) / patterns[name].rows)
  return names[new WeightedIndex(episodes).pick(random)]!
}

function reportDays({ median, sigma, least, most }: Reports, random: Random): number {
  return Math.min(Math.max(median * Math.exp(sigma * random.normal()), least), most)
}

const minutes = (count: number): number => count * 60_000
const hours = (count: number): number => count * 3_600_000

/** One machine tries the cards of several people at one shop, then buys dear things with those that work. */
function cardTesting({ anybody, random, merchants }: FraudScene): Plan {
  const deviceId = inventDevice(random)
  const city = random.pick(cities)
  const merchant = random.pick(merchants.digital)
  let atMs = 0
  const payments = Array.from({ length: random.whole(2, 4) }, (): Payment[] => {
    const by = { user: anybody(), paymentMethod: 'credit_card', city, deviceId } as const
    const trials = Array.from({ length: random.whole(3, 6) }, (): Payment => {
      atMs += random.between(5_000, 50_000)
      return { ...by, atMs, amountCents: random.whole(50, 499), merchant }
    })
    if (random.chance(0.4)) return trials
    const dear = { merchant: random.pick(merchants.resellable), amountCents: random.whole(50_000, 160_000) }
    return [...trials, { ...by, ...dear, atMs: atMs + minutes(random.between(3, 20)) }]
  })
  return { delayMs: 0, payments: payments.flat() }
}

/**
 * Somebody else is in the account: a look whether it pays, hours later goods that can be sold again, each
 * dearer than the last, then what is left as a transfer. Ever more of them hide behind a proxy in the victim's
 * own city.
 */
function takeover({ anybody, random, merchants, nowMs }: FraudScene): Plan {
  const user = anybody()
  const isHidden = random.chance(0.4 + 0.3 * wave(daysOfDrift(nowMs), 400, 200))
  const city = isHidden ? user.home : strangeCityTo(user.home, random)
  const by = { user, city, deviceId: inventDevice(random) } as const
  const looks = timesApart(random.whole(1, 2), [3, 40], random).map(
    (atMs): Payment => ({
      ...{ ...by, atMs, amountCents: random.whole(100, 1_500) },
      ...{ merchant: random.pick(merchants.digital), paymentMethod: user.paymentMethod },
    }),
  )
  const shoppingMs = looks.at(-1)!.atMs + hours(random.between(2, 30))
  let amountCents = random.whole(12_000, 35_000)
  const goods = timesApart(random.whole(2, 5), [4, 40], random).map((atMs): Payment => {
    amountCents = Math.ceil(amountCents * random.between(1.15, 1.6))
    const merchant = random.pick(merchants.resellable)
    return { ...by, atMs: shoppingMs + atMs, amountCents, merchant, paymentMethod: user.paymentMethod }
  })
  if (random.chance(0.4)) return { delayMs: 0, payments: [...looks, ...goods] }
  const rest: Payment = {
    ...{ ...by, atMs: goods.at(-1)!.atMs + hours(random.between(0.5, 12)) },
    ...{ amountCents: random.whole(100_000, 480_000), merchant: random.pick(merchants.exchanges) },
    paymentMethod: random.pick(['bank_transfer', 'crypto'] as const),
  }
  return { delayMs: 0, payments: [...looks, ...goods, rest] }
}

/** The account is emptied into crypto: more than 5,000 at a time. */
function emptiedIntoCrypto({ anybody, random, merchants }: FraudScene): Plan {
  const user = anybody()
  const deviceId = random.chance(0.7) ? inventDevice(random) : random.pick(user.devices)
  const city = random.chance(0.6) ? strangeCityTo(user.home, random) : user.home
  const payments = timesApart(random.whole(1, 3), [1, 30], random).map(
    (atMs): Payment => ({
      ...{ user, city, deviceId, atMs, paymentMethod: 'crypto' },
      amountCents: 500_001 + Math.floor(300_000 * Math.exp(0.8 * random.normal())),
      merchant: random.pick(merchants.exchanges),
    }),
  )
  return { delayMs: 0, payments }
}

/**
 * Accounts that were lent or sold pass stolen money on, for days, from one device: a little below what has to
 * be reported.
 */
function muleRing({ anybody, random, merchants }: FraudScene): Plan {
  const deviceId = inventDevice(random)
  const merchant = random.pick(merchants.exchanges)
  const accounts = Array.from({ length: random.whole(2, 4) }, (): Payment[] => {
    const user = anybody()
    const beginMs = random.between(0, 2) * DAY_MS
    const days = random.between(3, 9)
    return Array.from({ length: random.whole(5, 9) }, (): Payment => {
      const atMs = beginMs + random.between(0, days) * DAY_MS
      const amountCents = random.whole(80_000, 99_900)
      return { user, city: user.home, deviceId, merchant, paymentMethod: 'bank_transfer', atMs, amountCents }
    })
  })
  return { delayMs: 0, payments: accounts.flat() }
}

/** The copy of a card pays in another country while its owner has just paid at home. */
function clonedCard({ recent, anybody, random, merchants }: FraudScene): Plan {
  const someone = anybody()
  const { user, city: ownCity } = recent() ?? { user: someone, city: someone.home }
  const city = pickOther(ownCity, cities, random)
  const by = { user, city, deviceId: inventDevice(random) } as const
  const payments = timesApart(random.whole(2, 4), [8, 45], random).map(
    (atMs): Payment => ({
      ...{ ...by, atMs, amountCents: random.whole(6_000, 110_000) },
      merchant: ordinaryOrDear(merchants.all, merchants.resellable, random),
      paymentMethod: random.pick(['credit_card', 'debit_card'] as const),
    }),
  )
  return { delayMs: minutes(random.between(1, 8)), payments }
}

/** The customer bought it, and says later that it was somebody else: nothing about it is strange. */
function deniedPurchases({ user: pickUser, random, merchants, habits, nowMs }: FraudScene): Plan {
  const user = pickUser()
  const count = random.chance(0.7) ? 1 : random.whole(2, 3)
  const payments = Array.from({ length: count }, (_, index): Payment => {
    const atMs = index * random.between(1, 12) * DAY_MS
    const [city, deviceId] = [habits.city(user, nowMs + atMs), habits.device(user, nowMs + atMs, random)]
    const merchant = ordinaryOrDear(merchants.all, merchants.resellable, random)
    const amountCents = Math.round(11_000 * Math.exp(0.7 * random.normal())) + 2_000
    return {
      user,
      city,
      deviceId,
      atMs,
      amountCents,
      merchant,
      paymentMethod: habits.payment(user, nowMs, random),
    }
  })
  return { delayMs: 0, payments }
}

function ordinaryOrDear(all: readonly Merchant[], dear: readonly Merchant[], random: Random): Merchant {
  return random.pick(random.chance(0.5) ? dear : all)
}

/** Where somebody is who is not the user. */
function strangeCityTo(home: City, random: Random): City {
  return pickOther(home, random.chance(0.3) ? citiesOfHighRisk : cities, random)
}

/** A city of another country. */
function pickOther({ country }: City, from: readonly City[], random: Random): City {
  const others = from.filter((city) => city.country !== country)
  return random.pick(others)
}
