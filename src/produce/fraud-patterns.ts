// What fraud looks like in the synthetic data: episodes of a few recognisable kinds, and the schedule that
// mixes their rows into the stream so that the asked share of all rows is fraud.
import type { Random } from './random.ts'
import { inventDevice, type User } from './users.ts'
import {
  type City,
  cities,
  citiesOfHighRisk,
  type Merchant,
  type Merchants,
  type PaymentMethod,
} from './world.ts'

export const fraudPatterns = ['card_testing', 'account_takeover', 'high_value_crypto'] as const
export type FraudPattern = (typeof fraudPatterns)[number]

export type FraudStep = {
  /** Time since the episode's step before this one. */
  readonly afterMs: number
  readonly amountCents: number
  readonly merchant: Merchant
  readonly paymentMethod: PaymentMethod
  readonly city: City
  readonly deviceId: string
  readonly isFraud: boolean
}

export type FraudEpisode = {
  readonly pattern: FraudPattern
  readonly victim: User
  readonly steps: readonly FraudStep[]
}

/** Share of an episode's rows that were reported as fraud; the rest went unnoticed. */
export const REPORTED_SHARE = 0.92

/** Plans one episode against the victim, whole. */
export function planEpisode(victim: User, merchants: Merchants, random: Random): FraudEpisode {
  const draw = random.float()
  if (draw < 0.2) return { pattern: 'card_testing', victim, steps: cardTesting(victim, merchants, random) }
  if (draw < 0.55) return { pattern: 'account_takeover', victim, steps: takeover(merchants, random) }
  return { pattern: 'high_value_crypto', victim, steps: highValueCrypto(victim, merchants, random) }
}

/** A thief tries stolen cards: many small payments within minutes from one unknown device. */
function cardTesting(victim: User, merchants: Merchants, random: Random): FraudStep[] {
  const deviceId = inventDevice(random)
  const city = random.chance(0.5) ? victim.home : random.pick(cities)
  return Array.from({ length: random.whole(8, 20) }, () => ({
    afterMs: random.between(2_000, 15_000),
    amountCents: random.whole(50, 499),
    merchant: random.pick(merchants.digital),
    paymentMethod: 'credit_card',
    city,
    deviceId,
    isFraud: random.chance(REPORTED_SHARE),
  }))
}

/** Somebody else is in the account: a new device, another country, and every payment larger than the last. */
function takeover(merchants: Merchants, random: Random): FraudStep[] {
  const deviceId = inventDevice(random)
  const city = strangeCity(random)
  const growth = random.between(1.5, 2.2)
  let amountCents = random.whole(2_000, 9_000)
  return Array.from({ length: random.whole(4, 8) }, () => {
    amountCents = Math.ceil(amountCents * growth * random.between(1, 1.2))
    return {
      afterMs: random.between(20_000, 150_000),
      amountCents,
      merchant: random.pick(merchants.resellable),
      paymentMethod: random.pick(['credit_card', 'debit_card', 'paypal'] as const),
      city,
      deviceId,
      isFraud: random.chance(REPORTED_SHARE),
    }
  })
}

/** The account is emptied into crypto: more than 5,000 at a time. */
function highValueCrypto(victim: User, merchants: Merchants, random: Random): FraudStep[] {
  const deviceId = random.chance(0.7) ? inventDevice(random) : random.pick(victim.devices)
  const city = random.chance(0.6) ? strangeCity(random) : victim.home
  return Array.from({ length: random.whole(1, 3) }, () => ({
    afterMs: random.between(30_000, 240_000),
    amountCents: 500_001 + Math.floor(300_000 * Math.exp(0.8 * random.normal())),
    merchant: random.pick(merchants.exchanges),
    paymentMethod: 'crypto',
    city,
    deviceId,
    isFraud: random.chance(REPORTED_SHARE),
  }))
}

function strangeCity(random: Random): City {
  return random.pick(random.chance(0.5) ? citiesOfHighRisk : cities)
}

type OpenEpisode = { readonly episode: FraudEpisode; step: number; dueMs: number }

/** Rows that the schedule may be short of the asked share while episodes run at their own pace. */
const SHORTFALL_ROWS_MIN = 32
const SHORTFALL_SHARE_MAX = 0.05

export type FraudSchedule = {
  /**
   * The fraud row that takes the place of this moment's ordinary one, if any. Once for every row of the
   * stream.
   */
  next(
    nowMs: number,
  ): { readonly victim: User; readonly pattern: FraudPattern; readonly step: FraudStep } | null
}

/**
 * Starts episodes so that their rows are `share` of all rows, and gives each row when its time has come.
 * Where the stream runs through so little time that episodes cannot keep up (as fast as possible, on the wall
 * clock), their rows come early: the share matters more than the pace.
 */
export function createFraudSchedule(share: number, random: Random, plan: () => FraudEpisode): FraudSchedule {
  const open: OpenEpisode[] = [] // The one that is due first is last.
  let rowsSeen = 0
  let rowsPlanned = 0
  let rowsGiven = 0
  let upcoming: FraudEpisode | null = null

  const insert = (of: OpenEpisode): void => {
    let low = 0
    let high = open.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (open[middle]!.dueMs > of.dueMs) low = middle + 1
      else high = middle
    }
    open.splice(low, 0, of)
  }

  const startDue = (nowMs: number): void => {
    upcoming ??= plan()
    // Half of the episode may run ahead of the share: so the share is met on average, not approached from
    // below.
    if (rowsSeen * share < rowsPlanned + upcoming.steps.length / 2) return
    rowsPlanned += upcoming.steps.length
    insert({ episode: upcoming, step: 0, dueMs: nowMs + random.between(0, 1_000) })
    upcoming = null
  }

  return {
    next(nowMs) {
      rowsSeen++
      if (share === 0) return null
      startDue(nowMs)
      const first = open.at(-1)
      if (first === undefined) return null
      const shortfall = rowsSeen * share - rowsGiven
      const shortfallMax = Math.max(SHORTFALL_ROWS_MIN, rowsSeen * share * SHORTFALL_SHARE_MAX)
      if (first.dueMs > nowMs && shortfall <= shortfallMax) return null
      open.pop()
      rowsGiven++
      const { episode } = first
      const step = episode.steps[first.step]!
      const following = episode.steps[first.step + 1]
      if (following !== undefined) {
        insert({ episode, step: first.step + 1, dueMs: Math.max(first.dueMs, nowMs) + following.afterMs })
      }
      return { victim: episode.victim, pattern: episode.pattern, step }
    },
  }
}
