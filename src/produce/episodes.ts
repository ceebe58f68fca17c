// What happens in several steps: episodes of fraud or of unusual shopping, and the schedule that mixes their
// rows into the stream so that they are an asked share of it.
import type { Random } from './random.ts'
import type { User } from './users.ts'
import type { City, Merchant, PaymentMethod } from './world.ts'

export type FraudPattern =
  | 'card_testing'
  | 'account_takeover'
  | 'high_value_crypto'
  | 'mule_account'
  | 'impossible_travel'
  | 'friendly_fraud'

export type EpisodeStep = {
  /** Time since the episode's step before this one; the first one comes when the episode begins. */
  readonly afterMs: number
  /** Whose account pays. */
  readonly user: User
  readonly amountCents: number
  readonly merchant: Merchant
  readonly paymentMethod: PaymentMethod
  readonly city: City
  readonly deviceId: string
  /** Whether it is reported as fraud some day. */
  readonly isFraud: boolean
  /** How long after the event it is reported; null leaves that to the scenario. */
  readonly knownAfterMs: number | null
}

export type Episode = {
  /** null where nothing of it is fraud. */
  readonly pattern: FraudPattern | null
  /** From the moment it is due to its first step. */
  readonly delayMs: number
  readonly steps: readonly EpisodeStep[]
}

/**
 * An episode that comes next: how many of its rows are expected to count, and how it is planned when it
 * begins.
 */
export type UpcomingEpisode = { readonly rows: number; readonly begin: (nowMs: number) => Episode }

/** Rows that a schedule may be short of the asked share while episodes run at their own pace. */
export type Shortfall = { readonly rowsMin: number; readonly share: number; readonly rowsMax: number }

export type ScheduleOptions = {
  readonly share: number
  readonly shortfall: Shortfall
  readonly random: Random
  readonly upcoming: (nowMs: number) => UpcomingEpisode
  /** Which steps make up the share. */
  readonly counts: (step: EpisodeStep) => boolean
}

export type EpisodeSchedule = {
  /**
   * The episode's row that takes the place of this moment's ordinary one, if any. Once for every row of the
   * stream.
   */
  next(nowMs: number): { readonly pattern: FraudPattern | null; readonly step: EpisodeStep } | null
}

type OpenEpisode = { readonly episode: Episode; readonly step: number; readonly dueMs: number }

/**
 * Starts episodes so that their rows are `share` of all rows, and gives each row when its time has come.
 * Where the stream runs through so little time that episodes cannot keep up (as fast as possible, on the wall
 * clock), their rows come early: the share matters more than the pace.
 */
export function createEpisodeSchedule(options: ScheduleOptions): EpisodeSchedule {
  const { share, shortfall, random, counts } = options
  const open: OpenEpisode[] = [] // The one that is due first is last.
  let rowsSeen = 0
  let rowsPlanned = 0
  let rowsGiven = 0
  let upcoming: UpcomingEpisode | null = null

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
    upcoming ??= options.upcoming(nowMs)
    // Half of the episode may run ahead of the share: so the share is met on average, not approached from
    // below.
    if (rowsSeen * share < rowsPlanned + upcoming.rows / 2) return
    const episode = upcoming.begin(nowMs)
    rowsPlanned += episode.steps.filter(counts).length
    insert({ episode, step: 0, dueMs: nowMs + random.between(0, 1_000) + episode.delayMs })
    upcoming = null
  }

  return {
    next(nowMs) {
      rowsSeen++
      if (share === 0) return null
      startDue(nowMs)
      const first = open.at(-1)
      if (first === undefined) return null
      if (first.dueMs > nowMs && rowsSeen * share - rowsGiven <= shortfallMax(shortfall, rowsSeen * share)) {
        return null
      }
      open.pop()
      const { episode } = first
      const step = episode.steps[first.step]!
      const following = episode.steps[first.step + 1]
      if (following !== undefined) {
        insert({ episode, step: first.step + 1, dueMs: Math.max(first.dueMs, nowMs) + following.afterMs })
      }
      if (counts(step)) rowsGiven++
      return { pattern: episode.pattern, step }
    },
  }
}

function shortfallMax({ rowsMin, share, rowsMax }: Shortfall, rowsAsked: number): number {
  return Math.min(Math.max(rowsMin, rowsAsked * share), rowsMax)
}

export type TimedStep = Omit<EpisodeStep, 'afterMs'> & { readonly atMs: number }

/** Steps at times since the episode's begin, in any order. */
export function stepsInOrder(timed: readonly TimedStep[]): EpisodeStep[] {
  const inOrder = timed.toSorted((a, b) => a.atMs - b.atMs)
  return inOrder.map(({ atMs, ...step }, index) => ({
    ...step,
    afterMs: index === 0 ? 0 : atMs - inOrder[index - 1]!.atMs,
  }))
}

/** The first one at once, each other one so many minutes after the one before it. */
export function timesApart(
  count: number,
  [least, most]: readonly [number, number],
  random: Random,
): number[] {
  let atMs = 0
  return Array.from({ length: count }, (_, index) => {
    if (index > 0) atMs += random.between(least, most) * 60_000
    return atMs
  })
}
