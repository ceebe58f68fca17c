// Which world the generator makes: how people live, what fraud there is, and who only looks like it.
import { planBasicFraud, REPORTED_SHARE } from './basic-fraud.ts'
import type { ScheduleOptions, Shortfall } from './episodes.ts'
import { type Habits, plainHabits, variedHabits } from './habits.ts'
import type { Random } from './random.ts'
import { type FraudScene, realisticFraud } from './realistic-fraud.ts'
import { UNUSUAL_SHARE, unusualShopping } from './unusual-shopping.ts'

export const scenarioNames = ['basic', 'realistic'] as const
export type ScenarioName = (typeof scenarioNames)[number]

/** What episodes are made of, and the share of fraud that is asked for. */
export type Cast = {
  readonly fraudShare: number
  readonly scene: (nowMs: number, random: Random) => FraudScene
  readonly randomOf: (what: string) => Random
}

export type Scenario = {
  readonly habits: Habits
  /** Where none is asked for. */
  readonly fraudShare: number
  /** Share of the reports that are of ordinary rows. */
  readonly reportedOrdinaryShare: number
  /** How episodes are scheduled; of several the first that has a row gives it. */
  readonly episodes: (cast: Cast) => readonly ScheduleOptions[]
}

/** Episodes of minutes hardly ever wait. */
const shortEpisodes: Shortfall = { rowsMin: 32, share: 0.05, rowsMax: Number.POSITIVE_INFINITY }
/** Those of days do; how many rows may wait in memory has a limit. */
const longEpisodes: Shortfall = { rowsMin: 400, share: 0.25, rowsMax: 100_000 }

export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  basic: {
    habits: plainHabits,
    fraudShare: 0.02,
    reportedOrdinaryShare: 1 - REPORTED_SHARE,
    episodes: ({ fraudShare, scene, randomOf }) => {
      const random = randomOf('fraud')
      const upcoming = (nowMs: number) => {
        const { anybody, merchants } = scene(nowMs, random)
        const episode = planBasicFraud(anybody(), merchants, random)
        return { rows: episode.steps.length, begin: () => episode }
      }
      const counts = () => true
      return [{ share: fraudShare, shortfall: shortEpisodes, random, upcoming, counts }]
    },
  },
  realistic: {
    habits: variedHabits,
    fraudShare: 0.003,
    reportedOrdinaryShare: 0,
    episodes: ({ fraudShare, scene, randomOf }) => {
      const [random, unusual] = [randomOf('fraud'), randomOf('unusual')]
      return [
        {
          ...{ share: fraudShare, shortfall: longEpisodes, random },
          upcoming: (nowMs) => realisticFraud((beginMs) => scene(beginMs, random), random, nowMs),
          counts: ({ isFraud }) => isFraud,
        },
        {
          ...{ share: UNUSUAL_SHARE, shortfall: longEpisodes, random: unusual },
          upcoming: () => unusualShopping((beginMs) => scene(beginMs, unusual), unusual),
          counts: () => true,
        },
      ]
    },
  },
}
