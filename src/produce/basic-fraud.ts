// What fraud looks like in the basic scenario: episodes of three recognisable kinds that last minutes.
import type { Episode, EpisodeStep } from './episodes.ts'
import type { Random } from './random.ts'
import { inventDevice, type User } from './users.ts'
import { type City, cities, citiesOfHighRisk, type Merchants } from './world.ts'

/** Share of an episode's rows that were reported as fraud; the rest went unnoticed. */
export const REPORTED_SHARE = 0.92

/** Plans one episode against the victim, whole. */
export function planBasicFraud(victim: User, merchants: Merchants, random: Random): Episode {
  const draw = random.float()
  const pattern = draw < 0.2 ? 'card_testing' : draw < 0.55 ? 'account_takeover' : 'high_value_crypto'
  const steps = planners[pattern](victim, merchants, random)
  return { pattern, delayMs: 0, steps: steps.map((step) => ({ ...step, user: victim, knownAfterMs: null })) }
}

type BasicStep = Omit<EpisodeStep, 'user' | 'knownAfterMs'>

const planners = {
  card_testing: cardTesting,
  account_takeover: (_: User, merchants: Merchants, random: Random) => takeover(merchants, random),
  high_value_crypto: highValueCrypto,
}

/** A thief tries stolen cards: many small payments within minutes from one unknown device. */
function cardTesting(victim: User, merchants: Merchants, random: Random): BasicStep[] {
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
function takeover(merchants: Merchants, random: Random): BasicStep[] {
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
function highValueCrypto(victim: User, merchants: Merchants, random: Random): BasicStep[] {
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
