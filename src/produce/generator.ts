// Synthetic transactions: a pure function of the seed, the options and the times it is asked for. Nothing
// here reads a clock or the machine's randomness, so the same call sequence gives the same bytes everywhere.
import { LakehouseError } from '../errors/errors.ts'
import { createEpisodeSchedule, type FraudPattern } from './episodes.ts'
import { type Defect, defects } from './malformed.ts'
import { Random, ShareSampler, shuffledIndexes, WeightedIndex, zipfWeights } from './random.ts'
import type { FraudScene, RecentBuyer } from './realistic-fraud.ts'
import { type Scenario, type ScenarioName, scenarios } from './scenarios.ts'
import { inventUuid, renderTransaction, type SyntheticTransaction } from './transaction.ts'
import { createUserLookup, type User } from './users.ts'
import { activityAt, DAY_MS, inventMerchants, isWeekendAt, type Merchants } from './world.ts'

export type GeneratorOptions = {
  readonly seed: number
  readonly scenario: ScenarioName
  /**
   * When a stream began, so that each start makes other transactions of the same users and merchants; null
   * for data that depend on the seed alone.
   */
  readonly startMs: number | null
  /** When a period ends that begins at `startMs`; null where the stream goes on. */
  readonly endMs: number | null
  readonly users: number
  readonly merchants: number
  /**
   * Share of the rows that are fraud, most of them in episodes of a known pattern; null is the scenario's own.
   */
  readonly fraudShare: number | null
  /** Share of the records that are an earlier one again, within minutes; some with other content. */
  readonly duplicateShare: number
  /** Share of the records whose event time lies up to `disorderMaxMs` before they arrive. */
  readonly disorderShare: number
  readonly disorderMaxMs: number
  /** Share of the records whose event time lies `lateByMs` to 1.5 times that before they arrive. */
  readonly lateShare: number
  readonly lateByMs: number
  /** Share of the records that must end in quarantine. */
  readonly malformedShare: number
  /** Whether the records themselves say what is fraud, which real ones do not. */
  readonly isLabelled: boolean
}

export const generatorDefaults: GeneratorOptions = {
  seed: 1,
  scenario: 'basic',
  startMs: null,
  endMs: null,
  users: 10_000,
  merchants: 1_000,
  fraudShare: null,
  duplicateShare: 0,
  disorderShare: 0,
  disorderMaxMs: 60_000,
  lateShare: 0,
  lateByMs: 30 * 60_000,
  malformedShare: 0,
  isLabelled: true,
}

/** What whoever starts a run may choose. */
export type WorldOptions = Omit<GeneratorOptions, 'startMs' | 'endMs'>

export const USERS_MAX = 10_000_000
export const MERCHANTS_MAX = 100_000

/** What a record was made as; a reader finds out for itself. */
export type RecordKind = 'ordinary' | 'disordered' | 'late' | 'duplicate' | 'malformed'

export type GeneratedRecord = {
  readonly kind: RecordKind
  /** user_id as text. */
  readonly key: Uint8Array
  readonly value: Uint8Array
  /** The record timestamp: when it arrived, in whole milliseconds. */
  readonly timestampMs: number
  readonly pattern: FraudPattern | null
  /** What becomes known of it; null where nothing does, and of repeats and malformed ones. */
  readonly label: FraudLabel | null
  readonly defect: Defect | null
}

/** A fraud that is reported, such as by a chargeback. */
export type FraudLabel = { readonly transactionId: string; readonly knownAtMs: number }

export type TransactionGenerator = {
  /** The next record, arriving at `arrivalMs` (milliseconds since the epoch, perhaps with a fraction). */
  next(arrivalMs: number): GeneratedRecord
}

const USER_TRIES_MAX = 12
const AMOUNT_CENTS_MAX = 99_999_999

/** Fails with GENERATOR_OPTIONS_INVALID where the options contradict each other. */
export function createGenerator(given: Partial<GeneratorOptions> = {}): TransactionGenerator {
  const options = { ...generatorDefaults, ...given }
  checkOptions(options)
  const scenario = scenarios[options.scenario]
  const fraudShare = options.fraudShare ?? scenario.fraudShare
  const ordinary = createOrdinary(options, scenario, fraudShare)
  const episodes = createEpisodes(options, scenario, fraudShare, ordinary)
  const dirt = createDirt(options)
  const reports = createReports(options)
  const seen = (of: SyntheticTransaction): SyntheticTransaction =>
    options.isLabelled ? of : { ...of, isFraud: null }
  let index = -1

  return {
    next(arrivalMs) {
      index++
      const timestampMs = Math.floor(arrivalMs)
      const malformed = dirt.malformed.take(index)
      const repeated = malformed || !dirt.duplicates.take(index) ? null : dirt.repeats.take()
      if (repeated !== null) {
        return record('duplicate', timestampMs, repeated, encoder.encode(renderTransaction(seen(repeated))))
      }
      const step = episodes.next(arrivalMs)
      const made = step ?? { pattern: null, knownAfterMs: null, transaction: ordinary.next(arrivalMs) }
      if (malformed) {
        const defect = dirt.random.pick(defects)
        const spoilt = defect.spoil(seen(made.transaction), dirt.random)
        const value = typeof spoilt === 'string' ? encoder.encode(spoilt) : spoilt
        return { ...record('malformed', timestampMs, made.transaction, value), defect }
      }
      const { kind, delayMs } = dirt.delay(index)
      const eventTimeMicros = Math.floor((arrivalMs - delayMs) * 1000)
      const transaction = delayMs === 0 ? made.transaction : { ...made.transaction, eventTimeMicros }
      if (kind === 'ordinary') dirt.repeats.remember(transaction, arrivalMs)
      const value = encoder.encode(renderTransaction(seen(transaction)))
      const label = reports.of(transaction, made.knownAfterMs)
      return { kind, key: transaction.key, value, timestampMs, pattern: made.pattern, label, defect: null }
    },
  }
}

/**
 * Buffer.from takes its bytes from a pool, which is several times faster than an array of its own for each.
 */
const encoder = { encode: (text: string): Uint8Array => Buffer.from(text, 'utf8') }

function record(
  kind: RecordKind,
  timestampMs: number,
  of: SyntheticTransaction,
  value: Uint8Array,
): GeneratedRecord {
  return { kind, key: of.key, value, timestampMs, pattern: null, label: null, defect: null }
}

/** Other draws for each stream and for each period, so that what one makes is not made again by another. */
function drawsOf({ startMs, endMs }: GeneratorOptions, what: string): string {
  const from = startMs === null ? '' : ` from ${startMs}`
  return `${what}${from}${endMs === null ? '' : ` to ${endMs}`}`
}

type Ordinary = {
  next(arrivalMs: number): SyntheticTransaction
  /** Who bought last; null before the first. */
  latest(): RecentBuyer | null
  readonly merchants: Merchants
  readonly userOf: (userId: number) => User
  /** Somebody who is awake. */
  readonly pickUser: (timeMs: number, random: Random) => User
}

/** People going about their business: who is awake buys, from whom they like, about what it costs there. */
function createOrdinary(
  options: GeneratorOptions,
  { habits, reportedOrdinaryShare }: Scenario,
  fraudShare: number,
): Ordinary {
  const random = new Random(options.seed, drawsOf(options, 'ordinary'))
  const merchants = inventMerchants(options.seed, options.merchants)
  const userOf = createUserLookup(options.seed)
  const userRank = new WeightedIndex(zipfWeights(options.users, habits.userExponent))
  const userIdByRank = shuffledIndexes(options.users, new Random(options.seed, 'user ranks'))
  // Together with the reported ones of the patterns they are the share.
  const reportedShare = (fraudShare * reportedOrdinaryShare) / Math.max(1 - fraudShare, 0.01)
  let buyer: User | null = null
  let at: SyntheticTransaction | null = null

  const pickUser = (timeMs: number, by: Random): User => {
    let user = userOf(1 + userIdByRank[userRank.pick(by)]!)
    for (let tries = 1; tries < USER_TRIES_MAX; tries++) {
      if (by.float() < activityAt(timeMs, user.home.utcOffsetHours)) break
      user = userOf(1 + userIdByRank[userRank.pick(by)]!)
    }
    return user
  }

  const next = (arrivalMs: number): SyntheticTransaction => {
    const user = pickUser(arrivalMs, random)
    const weekend = isWeekendAt(arrivalMs, user.home.utcOffsetHours)
    const merchant = merchants.all[(weekend ? merchants.onWeekends : merchants.onWorkingDays).pick(random)]!
    const { medianAmount, sigma } = merchant.category
    const price = medianAmount * merchant.priceFactor * habits.spending(user, arrivalMs)
    const amount = price * Math.exp(sigma * random.normal())
    buyer = user
    at = {
      transactionId: inventUuid(random),
      userId: user.userId,
      key: user.key,
      amountCents: Math.min(Math.max(Math.round(amount * 100), 1), AMOUNT_CENTS_MAX),
      merchant,
      paymentMethod: habits.payment(user, arrivalMs, random),
      city: habits.city(user, arrivalMs),
      deviceId: habits.device(user, arrivalMs, random),
      eventTimeMicros: Math.floor(arrivalMs * 1000),
      isFraud: random.chance(reportedShare),
    }
    return at
  }
  const latest = () => (buyer === null || at === null ? null : { user: buyer, city: at.city })
  return { next, latest, merchants, userOf, pickUser }
}

function createEpisodes(
  options: GeneratorOptions,
  { habits, episodes }: Scenario,
  fraudShare: number,
  { merchants, userOf, pickUser, latest }: Ordinary,
) {
  const randomOf = (what: string) => new Random(options.seed, drawsOf(options, what))
  const scene = (nowMs: number, random: Random): FraudScene => {
    const anybody = () => userOf(random.whole(1, options.users))
    return { nowMs, random, merchants, habits, anybody, user: () => pickUser(nowMs, random), recent: latest }
  }
  const streams = episodes({ fraudShare, scene, randomOf }).map((of) => ({
    random: of.random,
    schedule: createEpisodeSchedule(of),
  }))
  return {
    next(arrivalMs: number) {
      for (const { random, schedule } of streams) {
        const due = schedule.next(arrivalMs)
        if (due === null) continue
        const { afterMs: _, user, knownAfterMs, ...step } = due.step
        const { userId, key } = user
        const eventTimeMicros = Math.floor(arrivalMs * 1000)
        const transaction = { ...step, transactionId: inventUuid(random), userId, key, eventTimeMicros }
        return { pattern: due.pattern, knownAfterMs, transaction }
      }
      return null
    },
  }
}

/**
 * Everything that is wrong with real data, each from randomness of its own: dirt leaves the clean rows as
 * they are.
 */
function createDirt(options: GeneratorOptions) {
  const random = new Random(options.seed, 'dirt')
  const late = new ShareSampler(options.lateShare, new Random(options.seed, 'late'))
  const disorder = new ShareSampler(options.disorderShare, new Random(options.seed, 'disorder'))
  return {
    random,
    malformed: new ShareSampler(options.malformedShare, new Random(options.seed, 'malformed')),
    duplicates: new ShareSampler(options.duplicateShare, new Random(options.seed, 'duplicates')),
    repeats: createRepeats(new Random(options.seed, 'repeats')),
    delay(index: number): { kind: RecordKind; delayMs: number } {
      if (late.take(index)) return { kind: 'late', delayMs: options.lateByMs * random.between(1, 1.5) }
      if (!disorder.take(index)) return ordinaryDelay
      return { kind: 'disordered', delayMs: options.disorderMaxMs * (1 - random.float()) }
    },
  }
}

/** Half of the reports come within so many days; few before the first, none after the last. */
const reportDays = { median: 12, sigma: 0.7, least: 1, most: 60 } as const

/** When somebody finds out: customers read their statements some time later. */
function createReports({ seed }: GeneratorOptions) {
  const random = new Random(seed, 'reports')
  return {
    of(
      { isFraud, transactionId, eventTimeMicros }: SyntheticTransaction,
      knownAfterMs: number | null,
    ): FraudLabel | null {
      if (isFraud !== true) return null
      const { median, sigma, least, most } = reportDays
      const afterMs =
        knownAfterMs ?? Math.min(Math.max(median * Math.exp(sigma * random.normal()), least), most) * DAY_MS
      return { transactionId, knownAtMs: Math.floor(eventTimeMicros / 1000 + afterMs) }
    },
  }
}

const ordinaryDelay = { kind: 'ordinary', delayMs: 0 } as const

const REPEATS_MAX = 1024
/** Well within the deduplication window: a repeat is a repeat, not a late row. */
const REPEAT_AGE_MAX_MS = 4 * 60_000
const REMEMBER_EVERY_MS = 100
const CHANGED_REPEAT_SHARE = 0.2

/** A bounded choice of recent transactions to send again. */
function createRepeats(random: Random) {
  const recent: { readonly transaction: SyntheticTransaction; readonly arrivalMs: number }[] = []
  let rememberedMs = Number.NEGATIVE_INFINITY
  let nowMs = Number.NEGATIVE_INFINITY
  return {
    remember(transaction: SyntheticTransaction, arrivalMs: number): void {
      nowMs = arrivalMs
      const full = recent.length >= REPEATS_MAX
      if (full && arrivalMs < rememberedMs + REMEMBER_EVERY_MS) return
      rememberedMs = arrivalMs
      if (full) recent[random.whole(0, REPEATS_MAX - 1)] = { transaction, arrivalMs }
      else recent.push({ transaction, arrivalMs })
    },
    /** Null where nothing recent is known. What was taken is forgotten: most repeats are sent once. */
    take(): SyntheticTransaction | null {
      while (recent.length > 0) {
        const index = random.whole(0, recent.length - 1)
        const chosen = recent[index]!
        const last = recent.pop()!
        if (index < recent.length) recent[index] = last
        if (nowMs - chosen.arrivalMs > REPEAT_AGE_MAX_MS) continue
        if (!random.chance(CHANGED_REPEAT_SHARE)) return chosen.transaction
        return { ...chosen.transaction, amountCents: chosen.transaction.amountCents + random.whole(1, 5_000) }
      }
      return null
    },
  }
}

function checkOptions(options: GeneratorOptions): void {
  const fail = (what: string): never => {
    throw new LakehouseError('GENERATOR_OPTIONS_INVALID', what)
  }
  if (!Number.isSafeInteger(options.seed)) fail(`The seed must be a whole number, not ${options.seed}.`)
  for (const [name, max] of [
    ['users', USERS_MAX],
    ['merchants', MERCHANTS_MAX],
  ] as const) {
    const value = options[name]
    if (!Number.isSafeInteger(value) || value < 1 || value > max) {
      fail(`The number of ${name} must be a whole number from 1 to ${max}, not ${value}.`)
    }
  }
  const { fraudShare } = options
  if (fraudShare !== null && !(fraudShare >= 0 && fraudShare <= 1)) {
    fail(`fraudShare must be a share between 0 and 1, not ${fraudShare}.`)
  }
  for (const name of ['duplicateShare', 'disorderShare', 'lateShare', 'malformedShare'] as const) {
    const value = options[name]
    if (!(value >= 0 && value <= 1)) fail(`${name} must be a share between 0 and 1, not ${value}.`)
  }
  for (const name of ['disorderMaxMs', 'lateByMs'] as const) {
    if (!(options[name] >= 0)) fail(`${name} must be zero or more milliseconds, not ${options[name]}.`)
  }
  const { duplicateShare, disorderShare, lateShare, malformedShare } = options
  const together = duplicateShare + disorderShare + lateShare + malformedShare
  if (together > 1) {
    fail(
      `The shares of duplicates, disorder, late and malformed rows add up to ${together.toFixed(3)}; ` +
        'a record is only one of them, so they must add up to at most 1.',
    )
  }
}
