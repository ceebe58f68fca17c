// Honest people who look like fraud: what rules and models must leave alone.
import { type Episode, stepsInOrder, type TimedStep, timesApart, type UpcomingEpisode } from './episodes.ts'
import type { Habits } from './habits.ts'
import { type Random, WeightedIndex } from './random.ts'
import type { User } from './users.ts'
import { cities, citiesOfHighRisk, type Merchant, type Merchants } from './world.ts'

/** What an episode is planned of. */
export type Scene = {
  readonly nowMs: number
  readonly random: Random
  readonly merchants: Merchants
  readonly habits: Habits
  /** Somebody who is awake. */
  readonly user: () => User
}

type Purchase = Pick<TimedStep, 'atMs' | 'amountCents' | 'merchant'> & Partial<TimedStep>

type Planner = {
  /** How many of the unusual episodes are of this kind. */
  readonly weight: number
  readonly rows: number
  readonly plan: (scene: Scene, user: User) => readonly Purchase[]
}

/** Share of the rows that belong to such an episode. */
export const UNUSUAL_SHARE = 0.015

const planners: readonly Planner[] = [
  { weight: 0.3, rows: 6, plan: spree },
  { weight: 0.12, rows: 5, plan: trialThenPurchase },
  { weight: 0.2, rows: 3, plan: roaming },
  { weight: 0.16, rows: 1.5, plan: investment },
  { weight: 0.1, rows: 1.5, plan: luxury },
  { weight: 0.12, rows: 2.5, plan: borrowedDevice },
]
const choice = new WeightedIndex(planners.map(({ weight }) => weight))

export function unusualShopping(sceneAt: (nowMs: number) => Scene, random: Random): UpcomingEpisode {
  const { rows, plan } = planners[choice.pick(random)]!
  return {
    rows,
    begin: (nowMs): Episode => {
      const scene = sceneAt(nowMs)
      const user = scene.user()
      const purchases = plan(scene, user).map((purchase) => honest(scene, user, purchase))
      return { pattern: null, delayMs: 0, steps: stepsInOrder(purchases) }
    },
  }
}

/** With the user's own device, at the place where the user is, unless the purchase says otherwise. */
function honest({ nowMs, habits, random }: Scene, user: User, purchase: Purchase): TimedStep {
  const atMs = nowMs + purchase.atMs
  return {
    user,
    paymentMethod: habits.payment(user, atMs, random),
    city: habits.city(user, atMs),
    deviceId: habits.device(user, atMs, random),
    isFraud: false,
    knownAfterMs: null,
    ...purchase,
  }
}

/** Presents for everybody within half an hour. */
function spree({ random, merchants }: Scene): readonly Purchase[] {
  return timesApart(random.whole(4, 9), [0.5, 4], random).map((atMs) => ({
    atMs,
    amountCents: random.whole(900, 15_000),
    merchant: pickMerchant(merchants, random),
  }))
}

/** Somebody tries a few games or songs, then buys the console. */
function trialThenPurchase({ random, merchants }: Scene): readonly Purchase[] {
  const merchant = random.pick(merchants.digital)
  const times = timesApart(random.whole(4, 6), [2, 12], random)
  return times.map((atMs, index) =>
    index < times.length - 1
      ? { atMs, amountCents: random.whole(99, 999), merchant }
      : { atMs, amountCents: random.whole(50_000, 130_000), merchant: random.pick(merchants.resellable) },
  )
}

/** A phone that goes through the network of another country for a while. */
function roaming({ random, merchants, habits, nowMs }: Scene, user: User): readonly Purchase[] {
  const home = habits.city(user, nowMs)
  const other = random.pick(cities)
  const deviceId = habits.device(user, nowMs, random)
  return timesApart(random.whole(2, 4), [2, 9], random).map((atMs, index) => ({
    atMs,
    amountCents: random.whole(300, 12_000),
    merchant: pickMerchant(merchants, random),
    city: index % 2 === 0 ? home : other,
    deviceId,
  }))
}

/** Savings that go into crypto. */
function investment({ random, merchants }: Scene): readonly Purchase[] {
  return timesApart(random.whole(1, 2), [5, 60], random).map((atMs) => ({
    atMs,
    amountCents: Math.round(200_000 * Math.exp(0.9 * random.normal())) + 10_000,
    merchant: random.pick(merchants.exchanges),
    paymentMethod: random.pick(['crypto', 'bank_transfer'] as const),
  }))
}

/** A watch or a hotel abroad. */
function luxury({ random, merchants }: Scene): readonly Purchase[] {
  const city = random.pick(random.chance(0.3) ? citiesOfHighRisk : cities)
  return timesApart(random.whole(1, 2), [10, 120], random).map((atMs) => ({
    atMs,
    amountCents: Math.round(250_000 * Math.exp(0.7 * random.normal())) + 50_000,
    merchant: random.pick(merchants.resellable),
    city,
  }))
}

/** The telephone of a friend or of the family. */
function borrowedDevice({ random, merchants, habits, nowMs, user }: Scene): readonly Purchase[] {
  const deviceId = habits.device(user(), nowMs, random)
  return timesApart(random.whole(1, 4), [3, 90], random).map((atMs) => ({
    atMs,
    amountCents: random.whole(500, 40_000),
    merchant: pickMerchant(merchants, random),
    deviceId,
  }))
}

function pickMerchant({ all, onWorkingDays }: Merchants, random: Random): Merchant {
  return all[onWorkingDays.pick(random)]!
}
