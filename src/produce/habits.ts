// How people live beside what they buy: where they are, which device and payment they use, how much they
// spend. In the plain world that stays as it is; in the varied one some travel for days, spend much more than
// others and buy new devices, and prices and payment methods move over the months.
import { mix32, type Random } from './random.ts'
import { hex4 } from './transaction.ts'
import { paymentOf, type User, whereabouts } from './users.ts'
import { type City, cities, DAY_MS, type PaymentMethod } from './world.ts'

export type Habits = {
  /** A few users buy often, most rarely: the exponent of the Zipf law. */
  readonly userExponent: number
  /** The factor on the price that the user pays for what the merchant sells. */
  readonly spending: (user: User, timeMs: number) => number
  readonly payment: (user: User, timeMs: number, random: Random) => PaymentMethod
  readonly city: (user: User, timeMs: number) => City
  readonly device: (user: User, timeMs: number, random: Random) => string
}

export const plainHabits: Habits = {
  userExponent: 0.8,
  spending: ({ spendFactor }) => spendFactor,
  payment: (user, _, random) => paymentOf(user, random),
  city: whereabouts,
  device: ({ devices }, _, random) => devices[deviceIndex(devices, random)]!,
}

/** The drift of the varied world begins here; a day before it is negative. */
const driftOriginMs = Date.UTC(2026, 0, 1)

export const daysOfDrift = (timeMs: number): number => (timeMs - driftOriginMs) / DAY_MS

/** From -1 to 1 and back in `periodDays`; 1 on the day `peakDay` of the drift. */
export const wave = (day: number, periodDays: number, peakDay: number): number =>
  Math.cos((2 * Math.PI * (day - peakDay)) / periodDays)

const yearDays = 365.25
const inflationAYear = 0.06
/** December is the dearest month. */
const christmasDay = 349
const seasonStrength = 0.12
const bigSpenderShare = 0.015
const bigSpenderFactor = 7
const frequentTravellerShare = 0.06
/** How likely a week has a trip. */
const tripChances = { frequent: 0.35, other: 0.03 }

export const variedHabits: Habits = {
  userExponent: 0.4,
  spending: (user, timeMs) =>
    user.spendFactor * priceLevel(timeMs) * (isBigSpender(user) ? bigSpenderFactor : 1),
  payment: (user, timeMs, random) => {
    const method = paymentOf(user, random)
    // Wallets replace cards over the months.
    const isMoved = method.endsWith('_card') && random.chance(walletShare(timeMs))
    return isMoved ? 'apple_pay' : method
  },
  city: tripCity,
  device: (user, timeMs, random) => deviceAt(user, deviceIndex(user.devices, random), timeMs),
}

function deviceIndex(devices: readonly string[], random: Random): number {
  return random.chance(0.75) ? 0 : random.whole(0, devices.length - 1)
}

/** What a whole day of the drift has, computed once: most rows ask for the day of the row before them. */
function byDay(compute: (day: number) => number): (timeMs: number) => number {
  let known = Number.NaN
  let value = 0
  return (timeMs) => {
    const day = Math.floor(daysOfDrift(timeMs))
    if (day !== known) {
      known = day
      value = compute(day)
    }
    return value
  }
}

const priceLevel = byDay((day) => {
  const season = 1 + seasonStrength * wave(day, yearDays, christmasDay)
  return (1 + inflationAYear) ** (day / yearDays) * season
})

const walletShare = byDay((day) => Math.min(Math.max(0.08 + day * 0.0008, 0), 0.6))

/** A number of the user's own for each question, from 0 up to 1. */
function trait({ travelSeed }: User, question: number): number {
  return mix32(travelSeed ^ question) / 2 ** 32
}

function isBigSpender(user: User): boolean {
  return trait(user, 0x5bd1e995) < bigSpenderShare
}

/** At home, or on a trip of two to six days; a frequent traveller has one every third week. */
function tripCity(user: User, timeMs: number): City {
  const day = Math.floor(timeMs / DAY_MS) + (user.travelSeed % 7)
  const week = Math.floor(day / 7)
  const draw = mix32(user.travelSeed + Math.imul(week, 0x9e3779b1))
  const { frequent, other } = tripChances
  const chance = trait(user, 0x27d4eb2f) < frequentTravellerShare ? frequent : other
  if (draw >= chance * 2 ** 32) return user.home
  const of = mix32(draw)
  const first = of % 3
  const days = 2 + ((of >>> 8) % 5)
  const dayOfWeek = day - week * 7
  if (dayOfWeek < first || dayOfWeek >= first + days) return user.home
  return cities[(of >>> 16) % cities.length]!
}

const deviceLifeDays = { least: 400, spread: 500 }

/** A device is replaced by another of its kind after a year or two. */
function deviceAt(user: User, index: number, timeMs: number): string {
  const bits = mix32(user.travelSeed ^ Math.imul(index + 1, 0x85ebca6b))
  const lifeDays = deviceLifeDays.least + (bits % deviceLifeDays.spread)
  const generation = Math.floor((timeMs / DAY_MS + (bits >>> 16)) / lifeDays)
  const first = user.devices[index]!
  const kind = first.slice(0, first.indexOf('-'))
  const high = mix32(bits + generation)
  return `${kind}-${hex4(high >>> 16)}${hex4(high)}${hex4(mix32(high ^ user.userId))}`
}
