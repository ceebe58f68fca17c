// The invented world that transactions happen in: countries and cities, merchants by category, ways to pay,
// and the rhythm of the day. All shares are made up, in proportions that a card processor would find
// plausible.
import { mix32, Random, WeightedIndex, zipfWeights } from './random.ts'

export type City = {
  readonly city: string
  readonly country: string
  /** Hours that local time is ahead of UTC; daylight saving is left out. */
  readonly utcOffsetHours: number
  /** `"City, Country"` as JSON text. */
  readonly locationJson: string
}

export type Merchant = {
  readonly name: string
  readonly nameJson: string
  readonly category: MerchantCategory
  /** The merchant's own price level, on top of its category's. */
  readonly priceFactor: number
}

export type MerchantCategory = {
  readonly name: string
  readonly nouns: readonly string[]
  /** Share of the merchants. */
  readonly weight: number
  /** Amounts are log-normal: half of them lie below the median, sigma is the deviation of the logarithm. */
  readonly medianAmount: number
  readonly sigma: number
  /** How much busier a weekend day is than a working day. */
  readonly weekendFactor: number
}

const categories: readonly MerchantCategory[] = [
  category('groceries', ['Grocery', 'Market', 'Foods'], 0.2, 38, 0.7, 1.2),
  category('restaurants', ['Kitchen', 'Bistro', 'Coffee'], 0.18, 22, 0.6, 1.5),
  category('fashion', ['Outfitters', 'Shoes', 'Fashion'], 0.14, 62, 0.7, 1.4),
  category('electronics', ['Electronics', 'Computers', 'Mobile'], 0.1, 180, 1.0, 1.2),
  category('digital', ['Games', 'Streaming', 'Software'], 0.1, 12, 0.6, 1.3),
  category('home', ['Furniture', 'Garden', 'Hardware'], 0.09, 95, 0.9, 1.5),
  category('travel', ['Airlines', 'Hotels', 'Travel'], 0.06, 320, 0.9, 0.9),
  category('health', ['Pharmacy', 'Fitness', 'Optics'], 0.06, 34, 0.7, 0.8),
  category('utilities', ['Energy', 'Telecom', 'Insurance'], 0.04, 74, 0.5, 0.3),
  category('jewellery', ['Jewellers', 'Watches'], 0.02, 650, 0.9, 1.3),
  category('exchange', ['Exchange', 'Digital Assets'], 0.01, 900, 1.1, 1.0),
]

const merchantPrefixes = [
  ...[
    'Nordwind',
    'Harbour',
    'Blue Ridge',
    'Atlas',
    "O'Brien",
    'Sunrise',
    'Vantage',
    'Müller & Söhne',
    'Kestrel',
  ],
  ...[
    'Lotus',
    'Granite',
    'Silverline',
    'Copper Kettle',
    'Redwood',
    'Baltic',
    'Meridian',
    'Juniper',
    'Summit',
  ],
  ...[
    'Old Town',
    'Pacific',
    'Aurora',
    'Cedar & Sage',
    'Monsoon',
    'Pioneer',
    'Tern',
    'Café Lumière',
    'Northgate',
  ],
  ...['Evergreen', 'Saffron', 'Bluebird', 'Highland', 'Crescent', 'Marigold', 'Anchor', 'Willow', 'Zephyr'],
] as const

export const paymentMethods = [
  'credit_card',
  'debit_card',
  'paypal',
  'bank_transfer',
  'apple_pay',
  'crypto',
] as const
export type PaymentMethod = (typeof paymentMethods)[number]
export const paymentMethodWeights: readonly number[] = [0.44, 0.27, 0.13, 0.07, 0.07, 0.02]

/** Share of the users by country, its offset from UTC, and its cities, the largest first. */
const countries: readonly (readonly [string, number, number, readonly string[]])[] = [
  [
    'United States',
    0.34,
    -6,
    ['New York', 'Los Angeles', 'Chicago', 'Houston', 'Phoenix', 'Seattle', 'Miami'],
  ],
  ['United Kingdom', 0.11, 0, ['London', 'Manchester', 'Birmingham', 'Glasgow']],
  ['Germany', 0.09, 1, ['Berlin', 'Hamburg', 'München', 'Köln']],
  ['India', 0.08, 5.5, ['Mumbai', 'Delhi', 'Bengaluru', 'Chennai']],
  ['France', 0.07, 1, ['Paris', 'Lyon', 'Marseille']],
  ['Brazil', 0.06, -3, ['São Paulo', 'Rio de Janeiro', 'Brasília']],
  ['Canada', 0.05, -5, ['Toronto', 'Montréal', 'Vancouver']],
  ['Japan', 0.04, 9, ['Tokyo', 'Osaka', 'Nagoya']],
  ['Australia', 0.03, 10, ['Sydney', 'Melbourne', 'Perth']],
  ['Spain', 0.03, 1, ['Madrid', 'Barcelona', 'Valencia']],
  ['Poland', 0.02, 1, ['Warszawa', 'Kraków', 'Łódź']],
  ['Netherlands', 0.02, 1, ['Amsterdam', 'Rotterdam']],
  ['Singapore', 0.01, 8, ['Singapore']],
  ['South Africa', 0.01, 2, ['Johannesburg', 'Cape Town']],
  ['China', 0.02, 8, ['Shanghai', 'Beijing', 'Shenzhen']],
  ['Nigeria', 0.01, 1, ['Lagos', 'Abuja']],
  ['Russia', 0.01, 3, ['Moscow', 'Saint Petersburg']],
]

/** How busy people are in each hour of their local day, as a share of the busiest hour. */
const activityByHour: readonly number[] = [
  ...[0.28, 0.16, 0.1, 0.08, 0.08, 0.12, 0.26, 0.46, 0.64, 0.78, 0.86, 0.92],
  ...[1.0, 0.94, 0.88, 0.88, 0.9, 0.94, 1.0, 1.0, 0.96, 0.86, 0.66, 0.44],
]

export const cities: readonly City[] = countries.flatMap(([country, , utcOffsetHours, names]) =>
  names.map((city) => ({
    city,
    country,
    utcOffsetHours,
    locationJson: JSON.stringify(`${city}, ${country}`),
  })),
)

/**
 * Picks a home: the country by its share, within it the first city twice as often as the second, and so on.
 */
export const cityChoice = new WeightedIndex(
  countries.flatMap(([, share, , names]) => {
    const weights = zipfWeights(names.length, 1)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return Array.from(weights, (weight) => (share * weight) / total)
  }),
)

export const citiesOfHighRisk: readonly City[] = cities.filter(({ country }) =>
  ['Nigeria', 'Russia', 'China'].includes(country),
)

export const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** How likely a person whose home is `offsetHours` ahead of UTC is awake and buying; greatest 1. */
export function activityAt(timeMs: number, offsetHours: number): number {
  const hour = Math.floor((timeMs + offsetHours * HOUR_MS) / HOUR_MS) % 24
  return activityByHour[hour < 0 ? hour + 24 : hour]!
}

/** Saturday and Sunday in the given local time. The epoch began on a Thursday. */
export function isWeekendAt(timeMs: number, offsetHours: number): boolean {
  const day = (Math.floor((timeMs + offsetHours * HOUR_MS) / DAY_MS) + 4) % 7
  return day === 0 || day === 6
}

/** How busy the whole world is at a moment, as a share of everybody at their busiest. */
export function worldActivityAt(timeMs: number): number {
  return countries.reduce((sum, [, share, offset]) => sum + share * activityAt(timeMs, offset), 0)
}

export type Merchants = {
  readonly all: readonly Merchant[]
  readonly digital: readonly Merchant[]
  readonly exchanges: readonly Merchant[]
  readonly resellable: readonly Merchant[]
  readonly onWorkingDays: WeightedIndex
  readonly onWeekends: WeightedIndex
}

/** The merchants by popularity (Zipf), the most popular first. The first ones cover every category. */
export function inventMerchants(seed: number, count: number): Merchants {
  const random = new Random(seed, 'merchants')
  const choice = new WeightedIndex(categories.map(({ weight }) => weight))
  const start = mix32(seed)
  const nameCounts = new Map<string, number>()
  const all = Array.from({ length: count }, (_, index): Merchant => {
    const of = categories[index < categories.length ? index : choice.pick(random)]!
    const prefix = merchantPrefixes[(start + index) % merchantPrefixes.length]!
    const base = `${prefix} ${random.pick(of.nouns)}`
    const branch = (nameCounts.get(base) ?? 0) + 1
    nameCounts.set(base, branch)
    const name = branch === 1 ? base : `${base} ${branch}`
    return {
      name,
      nameJson: JSON.stringify(name),
      category: of,
      priceFactor: Math.exp(0.35 * random.normal()),
    }
  })
  const popularity = zipfWeights(count, 1)
  const inCategory = (...names: string[]): Merchant[] => {
    const found = all.filter(({ category }) => names.includes(category.name))
    return found.length > 0 ? found : [all[0]!]
  }
  return {
    all,
    digital: inCategory('digital'),
    exchanges: inCategory('exchange'),
    resellable: inCategory('electronics', 'jewellery', 'travel'),
    onWorkingDays: new WeightedIndex(popularity),
    onWeekends: new WeightedIndex(
      popularity.map((weight, index) => weight * all[index]!.category.weekendFactor),
    ),
  }
}

function category(
  name: string,
  nouns: readonly string[],
  weight: number,
  medianAmount: number,
  sigma: number,
  weekendFactor: number,
): MerchantCategory {
  return { name, nouns, weight, medianAmount, sigma, weekendFactor }
}
