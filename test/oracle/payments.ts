// The tables of examples/payments by the meaning of its config, rules and tables, stated here anew: what a
// record is, its columns, checks, features, rules and windows. None of the code that it judges.
import type { Judged } from '../../src/verify/judge.ts'
import { type NaiveValue, naiveFields } from '../compare/naive-json.ts'
import type { EarlierRows, OracleConfig, OracleShape } from './oracle.ts'
import { measuredColumns } from './quality.ts'
import { type Cell, type Row, tableNames } from './rows.ts'
import type { SilverTransaction } from './silver.ts'
import { day, hour, minute, second } from './time.ts'
import { type WindowTable, windowTables } from './windows.ts'

export const paymentTables = [...tableNames, 'aggregations/channel', 'aggregations/card'] as const

const paths = {
  id: ['id'],
  user: ['customer', 'id'],
  minor: ['amt', 'minor'],
  ts: ['ts'],
  merchant: ['shop', 'name'],
  payment_method: ['method'],
  city: ['addr', 'city'],
  country: ['addr', 'country'],
  device_id: ['device'],
  channel: ['channel'],
  card_bin: ['card', 'bin'],
  merchant_risk: ['shop', 'risk'],
} as const
type Field = keyof typeof paths

const wrong = Symbol('there, and not what it has to be')
const maxLong = 2n ** 63n - 1n

/** Null is as good as absent. */
function textIn(value: NaiveValue | null): string | null | typeof wrong {
  if (value === null || value.text === 'null') return null
  if (!value.text.startsWith('"')) return wrong
  const text: string = JSON.parse(value.text)
  return text.replace(/^[ \t\r\n]+/, '').replace(/[ \t\r\n]+$/, '') || null
}

function wholeIn(value: NaiveValue | null): bigint | null {
  if (value === null || !/^-?\d/.test(value.text)) return null
  if (/^-?\d+$/.test(value.text)) {
    const whole = BigInt(value.text)
    return whole > maxLong || whole < -maxLong - 1n ? null : whole
  }
  const number = Number(value.text)
  return Number.isSafeInteger(number) ? BigInt(number) : null
}

function numberIn(value: NaiveValue | null): number | null | typeof wrong {
  if (value === null || value.text === 'null') return null
  const number = /^-?\d/.test(value.text) ? Number(value.text) : Number.NaN
  if (!Number.isFinite(number)) return wrong
  return number === 0 ? 0 : number
}

function judgePayment(bytes: Uint8Array | null, kafka: bigint | null, time: bigint): Judged {
  const names = Object.keys(paths) as Field[]
  const found = bytes === null ? null : naiveFields(bytes, Object.values(paths))
  if (found === null) return { kind: 'refused', reasons: ['malformed'], mayBeRefused: false }
  const values = new Map(names.map((name, index) => [name, found[index]!]))
  const reasons: string[] = []
  const text = (name: Field): string | null => {
    const value = textIn(values.get(name)!)
    if (value === wrong) reasons.push(`${name}_invalid`)
    return value === wrong ? null : value
  }
  const id = textIn(values.get('id')!)
  if (typeof id !== 'string') reasons.push('transaction_id_missing')
  const user = textIn(values.get('user')!)
  if (typeof user !== 'string') reasons.push('user_id_invalid')
  const minor = wholeIn(values.get('minor')!)
  if (minor === null) reasons.push('amount_invalid')
  else if (minor >= 10n ** 14n) reasons.push('amount_out_of_range')
  else if (minor <= 0n) reasons.push('amount_not_positive')
  const ms = wholeIn(values.get('ts')!)
  const eventTime = ms !== null && ms >= year1 && ms < year10000 ? ms * 1000n : null
  const clock = kafka !== null && kafka < time ? kafka : time
  if (eventTime === null) reasons.push('timestamp_invalid')
  else if (eventTime > clock + hour) reasons.push('timestamp_in_future')
  const merchant = text('merchant')
  const paymentMethod = text('payment_method')
  const city = text('city')
  const country = text('country')
  const deviceId = text('device_id')
  const channel = text('channel')
  const cardBin = text('card_bin')
  const risk = numberIn(values.get('merchant_risk')!)
  if (risk === wrong) reasons.push('merchant_risk_invalid')
  if (!['app', 'web', 'till', 'atm'].includes(channel ?? 'none')) reasons.push('channel_unknown')
  // Money has 18 digits: what they do not hold is no amount that a check could look at.
  if (channel === 'atm' && minor !== null && minor > 2000_00n && minor < 10n ** 18n) reasons.push('atm_limit')
  if (reasons.length > 0) return { kind: 'refused', reasons, mayBeRefused: false }
  const transaction = {
    transactionId: id as string,
    userId: user as string,
    cents: minor!,
    merchant,
    paymentMethod,
    location: [city, country].filter((part) => part !== null).join(', ') || null,
    city,
    country,
    deviceId,
    isFraud: false,
    eventTime: eventTime!,
    extra: { channel, card_bin: cardBin, merchant_risk: risk as number | null },
  }
  return { kind: 'valid', transaction, mayBeRefused: false }
}

/** Milliseconds of 0001-01-01 and 10000-01-01. */
const year1 = BigInt(Date.parse('0001-01-01T00:00:00Z'))
const year10000 = BigInt(Date.parse('9999-12-31T23:59:59.999Z')) + 1n

function money(cents: bigint): string {
  return `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`
}

function timeOf(micros: bigint): Date {
  const down = micros % 1000n < 0n ? 1n : 0n
  return new Date(Number(micros / 1000n - down))
}

function categoryOf(cents: bigint): string {
  if (cents < 10_00n) return 'micro'
  if (cents < 100_00n) return 'small'
  if (cents < 1000_00n) return 'medium'
  return cents < 10_000_00n ? 'large' : 'enterprise'
}

const dateText = (micros: bigint): string => timeOf(micros).toISOString().slice(0, 10)
const weekend = (micros: bigint): boolean => [0, 6].includes(timeOf(micros).getUTCDay())

function placeOf({ record, processingTime }: SilverTransaction): Row {
  const { topic, partition, offset } = record
  return { topic, partition: BigInt(partition), offset, processing_time: processingTime }
}

function ownOf({ extra }: SilverTransaction): Row {
  return { channel: extra.channel!, card_bin: extra.card_bin!, merchant_risk: extra.merchant_risk! }
}

function paymentRow(of: SilverTransaction): Row {
  return {
    transaction_id: of.transactionId,
    user_id: of.userId,
    amount: money(of.cents),
    amount_category: categoryOf(of.cents),
    is_high_value: of.cents > 1000_00n,
    merchant: of.merchant,
    payment_method: of.paymentMethod,
    location: of.location,
    city: of.city,
    country: of.country,
    device_id: of.deviceId,
    is_fraud: false,
    event_time: of.eventTime,
    transaction_date: dateText(of.eventTime),
    transaction_hour: BigInt(timeOf(of.eventTime).getUTCHours()),
    transaction_day_of_week: BigInt(timeOf(of.eventTime).getUTCDay() + 1),
    is_weekend: weekend(of.eventTime),
    ...placeOf(of),
    processing_date: dateText(of.processingTime),
    ...ownOf(of),
  }
}

type Features = {
  readonly device_users_24h: bigint | null
  readonly card_payments_10m: bigint | null
  readonly user_amount_1h: bigint
  readonly user_mean_7d: number
  readonly country_before: string | null
  readonly micros_since_before: bigint | null
}

function featuresOf(of: SilverTransaction, earlier: readonly SilverTransaction[]): Features {
  /** The row itself and those before it, in the order of arrival. */
  const within = (range: bigint, isSame: (other: SilverTransaction) => boolean): SilverTransaction[] => {
    const isNear = ({ eventTime: at }: SilverTransaction) => at <= of.eventTime && at >= of.eventTime - range
    return [...earlier.filter((other) => isNear(other) && isSame(other)), of]
  }
  const sum = (rows: readonly SilverTransaction[]) => rows.reduce((total, { cents }) => total + cents, 0n)
  const device = within(day, ({ deviceId }) => deviceId === of.deviceId)
  const card = within(10n * minute, ({ extra }) => extra.card_bin === of.extra.card_bin)
  const isUser = ({ userId }: SilverTransaction) => userId === of.userId
  const week = within(7n * day, isUser)
  const before = week
    .slice(0, -1)
    .reduce<SilverTransaction | null>(
      (last, row) => (last === null || row.eventTime >= last.eventTime ? row : last),
      null,
    )
  return {
    device_users_24h: of.deviceId === null ? null : BigInt(new Set(device.map(({ userId }) => userId)).size),
    card_payments_10m: of.extra.card_bin === null ? null : BigInt(card.length),
    user_amount_1h: sum(within(hour, isUser)),
    user_mean_7d: Number(money(sum(week))) / week.length,
    country_before: before?.country ?? null,
    micros_since_before: before === null ? null : of.eventTime - before.eventTime,
  }
}

/** Rounded half away from zero at the sixth place; both are positive. */
function dividedMillionths(dividend: bigint, divisor: bigint): bigint {
  return (2_000_000n * dividend + divisor) / (2n * divisor)
}

/** In the order in which reasons are listed. */
function rulesOf(of: SilverTransaction, features: Features, highRiskCountries: readonly string[]) {
  const { card_payments_10m: payments, user_amount_1h: within1h, micros_since_before: since } = features
  const { channel, card_bin: bin, merchant_risk: risk } = of.extra
  const { country, cents } = of
  const amount = Number(money(cents))
  const hourOfDay = timeOf(of.eventTime).getUTCHours()
  // What is divided has at most twelve digits before the point.
  const part = within1h < 10n ** 14n ? dividedMillionths(cents, within1h) : null
  const before = features.country_before
  const isOwnCard = bin === null ? null : ['411111', '411112'].includes(String(bin))
  return {
    high_amount: [30n, cents > 5000_00n],
    high_risk_country: [15n, country !== null && highRiskCountries.includes(country)],
    shared_device: [40n, features.device_users_24h !== null && features.device_users_24h > 3n],
    burst_of_card: [25n, payments !== null && payments >= 4n && isOwnCard === false],
    far_above_mean: [20n, amount > 3 * features.user_mean_7d - 0.5 && since !== null],
    most_of_an_hour: [15n, part !== null && part > 800_000n && within1h - cents >= 100_00n],
    two_countries: [
      35n,
      country !== null && before !== null && country !== before && since !== null && since < 2n * hour,
    ],
    risky_shop: [20n, risk !== null && payments !== null && Number(risk) * 100 + Number(payments) > 81.5],
    night_online: [10n, (channel === 'app' || channel === 'web') && (hourOfDay >= 22 || hourOfDay < 5)],
    known_at_till: [-10n, channel === 'till' && before !== null && of.deviceId === null],
  } as const
}

function levelOf(score: bigint): string {
  if (score >= 75n) return 'CRITICAL'
  if (score >= 50n) return 'HIGH'
  if (score >= 25n) return 'MEDIUM'
  return score >= 10n ? 'LOW' : 'MINIMAL'
}

function scoredPayment(of: SilverTransaction, { rows }: EarlierRows, config: OracleConfig): Row {
  const features = featuresOf(of, rows)
  const fired = Object.entries(rulesOf(of, features, config.highRiskCountries)).filter(
    ([, [, fires]]) => fires,
  )
  const score = fired.reduce((sum, [, [points]]) => sum + points, 0n)
  const ofUser = rows.filter(({ userId, eventTime: at }) => {
    return userId === of.userId && at <= of.eventTime && at >= of.eventTime - 30n * minute
  })
  return {
    transaction_id: of.transactionId,
    user_id: of.userId,
    amount: money(of.cents),
    merchant: of.merchant,
    payment_method: of.paymentMethod,
    location: of.location,
    country: of.country,
    device_id: of.deviceId,
    event_time: of.eventTime,
    transaction_date: dateText(of.eventTime),
    transaction_hour: BigInt(timeOf(of.eventTime).getUTCHours()),
    is_weekend: weekend(of.eventTime),
    is_fraud: false,
    fraud_score: score,
    risk_level: levelOf(score),
    requires_review: score >= 50n,
    is_high_velocity: ofUser.length + 1 > 5,
    tx_count_30min: BigInt(ofUser.length + 1),
    reasons: fired.map(([name]) => name),
    ...placeOf(of),
    rules_version: 1n,
    variant: null,
    model_score: null,
    ...ownOf(of),
    ...features,
    user_amount_1h: money(features.user_amount_1h),
  }
}

type Rows = readonly SilverTransaction[]

const total = (rows: Rows): bigint => rows.reduce((sum, { cents }) => sum + cents, 0n)
const different = (cells: readonly Cell[]): bigint =>
  BigInt(new Set(cells.filter((cell) => cell !== null)).size)
const amounts = (rows: Rows): bigint[] => rows.map(({ cents }) => cents).sort((a, b) => (a < b ? -1 : 1))

const ownWindows: Readonly<Record<string, WindowTable>> = {
  'aggregations/channel': {
    size: 10n * minute,
    slide: 10n * minute,
    group: ({ extra }) => ({ channel: extra.channel! }),
    columns: (rows) => ({
      payments: BigInt(rows.length),
      customers: different(rows.map(({ userId }) => userId)),
      total: money(total(rows)),
      largest: money(amounts(rows).at(-1)!),
      high_value_rate: (100 * rows.filter(({ cents }) => cents > 1000_00n).length) / rows.length,
    }),
  },
  'aggregations/card': {
    size: 30n * minute,
    slide: 10n * minute,
    group: ({ extra, country }) => ({ card_bin: extra.card_bin!, country }),
    columns: (rows) => ({
      payments: BigInt(rows.length),
      devices: different(rows.map(({ deviceId }) => deviceId)),
      shops: different(rows.map(({ merchant }) => merchant)),
      total: money(total(rows)),
      mean: Number(money(total(rows))) / rows.length,
      smallest: money(amounts(rows)[0]!),
    }),
  },
}

export const paymentsShape: OracleShape = {
  judge: judgePayment,
  silverRow: paymentRow,
  scoredRow: scoredPayment,
  windows: { ...windowTables, ...ownWindows },
  measured: [
    ...measuredColumns,
    { name: 'channel', value: ({ extra }) => extra.channel as string | null, kind: 'text' },
    { name: 'card_bin', value: ({ extra }) => extra.card_bin as string | null, kind: 'text' },
    { name: 'merchant_risk', value: ({ extra }) => extra.merchant_risk as number | null, kind: 'double' },
  ],
}

export const paymentsConfig: OracleConfig = {
  watermarks: {
    'silver/transactions': 10n * minute,
    'gold/transactions': 10n * minute,
    'aggregations/merchant': 15n * minute,
    'aggregations/user': hour,
    'aggregations/country': 30n * minute,
    'aggregations/hourly_summary': hour,
    'aggregations/sessions': 30n * minute,
    'aggregations/channel': 10n * minute,
    'aggregations/card': 20n * minute,
  },
  dedupWindow: 600n * second,
  highRiskCountries: ['Nigeria', 'Russia', 'China'],
}
