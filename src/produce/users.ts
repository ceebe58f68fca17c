// The people who buy: a user is a pure function of (seed, user_id), so that any number of them costs no
// memory.
import { mix32, Random, WeightedIndex } from './random.ts'
import {
  type City,
  cities,
  cityChoice,
  DAY_MS,
  type PaymentMethod,
  paymentMethods,
  paymentMethodWeights,
} from './world.ts'

export type User = {
  readonly userId: number
  /** The record key: user_id as text, so that all of a user's records are in one partition, in order. */
  readonly key: Uint8Array
  readonly home: City
  readonly devices: readonly string[]
  readonly paymentMethod: PaymentMethod
  /** How much the user spends compared with others. */
  readonly spendFactor: number
  readonly travelSeed: number
}

const PROFILES_CACHED = 2 ** 17
const TRAVEL_SHARE = 0.02
const deviceKinds = ['android', 'ios', 'web'] as const
const methodChoice = new WeightedIndex(paymentMethodWeights)

/** Looks a user up; those asked for lately are remembered. */
export function createUserLookup(seed: number): (userId: number) => User {
  const cache: (User | undefined)[] = new Array(PROFILES_CACHED)
  return (userId) => {
    const slot = userId % PROFILES_CACHED
    const cached = cache[slot]
    if (cached !== undefined && cached.userId === userId) return cached
    const user = inventUser(seed, userId)
    cache[slot] = user
    return user
  }
}

function inventUser(seed: number, userId: number): User {
  const random = new Random(seed, `user ${userId}`)
  return {
    userId,
    key: new TextEncoder().encode(String(userId)),
    home: cities[cityChoice.pick(random)]!,
    devices: Array.from({ length: random.pick([1, 1, 1, 2, 2, 3]) }, () => inventDevice(random)),
    paymentMethod: paymentMethods[methodChoice.pick(random)]!,
    spendFactor: Math.exp(0.3 * random.normal()),
    travelSeed: random.uint32(),
  }
}

export function inventDevice(random: Random): string {
  const hex = random.uint32().toString(16).padStart(8, '0') + random.uint32().toString(16).padStart(8, '0')
  return `${random.pick(deviceKinds)}-${hex.slice(0, 12)}`
}

/** Where the user is: at home, or for a few whole days of the year in another city. */
export function whereabouts(user: User, timeMs: number): City {
  const day = Math.floor(timeMs / DAY_MS)
  const draw = mix32(user.travelSeed + Math.imul(day, 0x9e3779b1))
  if (draw >= TRAVEL_SHARE * 2 ** 32) return user.home
  return cities[mix32(draw) % cities.length]!
}

/** The preferred way to pay most of the time, else any. */
export function paymentOf(user: User, random: Random): PaymentMethod {
  return random.chance(0.8) ? user.paymentMethod : paymentMethods[methodChoice.pick(random)]!
}
