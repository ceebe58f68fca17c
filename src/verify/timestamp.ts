// The timestamps of records, and their days and hours, by nothing but a pattern and the calendar.

const second = 1_000_000n
const minute = 60n * second
const hour = 60n * minute
const day = 24n * hour

const pattern =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):(\d{2}))?$/
const firstInstant = -62_135_596_800n * second // 0001-01-01T00:00:00Z
const instantAfterLast = 253_402_300_800n * second // 10000-01-01T00:00:00Z

/** The instant that a timestamp of the topic names, or null where it names none. */
export function parseTimestamp(text: string): bigint | null {
  const found = pattern.exec(text)
  if (found === null) return null
  const [year, month, dayOfMonth, hours, minutes, seconds] = found.slice(1, 7).map(Number)
  // The calendar begins with the year 1, also where an offset would lead from the year 0 into it.
  if (year === 0) return null
  const midnight = new Date(0)
  midnight.setUTCFullYear(year!, month! - 1, dayOfMonth!)
  if (midnight.getUTCMonth() !== month! - 1 || midnight.getUTCDate() !== dayOfMonth) return null
  if (hours! > 23 || minutes! > 59 || seconds! > 59) return null
  const micros = BigInt((found[7] ?? '').slice(0, 6).padEnd(6, '0'))
  const offset = offsetMicros(found[8], found[9], found[10])
  if (offset === null) return null
  const timeOfDay = BigInt(hours!) * hour + BigInt(minutes!) * minute + BigInt(seconds!) * second + micros
  const instant = BigInt(midnight.getTime()) * 1000n + timeOfDay - offset
  return instant >= firstInstant && instant < instantAfterLast ? instant : null
}

const unitMicros = { epoch_s: second, epoch_ms: 1_000n, epoch_us: 1n } as const

/** The instant so many units after the epoch; null outside of the years 1 to 9999. */
export function instantOfUnits(count: bigint, unit: keyof typeof unitMicros): bigint | null {
  const instant = count * unitMicros[unit]
  return instant >= firstInstant && instant < instantAfterLast ? instant : null
}

function offsetMicros(sign: string | undefined, hours: string | undefined, minutes: string | undefined) {
  if (sign === undefined) return 0n
  if (Number(hours) > 14 || Number(minutes) > 59) return null
  const size = BigInt(hours!) * hour + BigInt(minutes!) * minute
  return sign === '-' ? -size : size
}

function midnightBefore(micros: bigint): bigint {
  return micros - (((micros % day) + day) % day)
}

/** YYYY-MM-DD of an instant in UTC. */
export function utcDate(micros: bigint): string {
  return new Date(Number(midnightBefore(micros) / 1000n)).toISOString().slice(0, 10)
}

export function utcHour(micros: bigint): bigint {
  return (micros - midnightBefore(micros)) / hour
}

/** 1 = Sunday .. 7 = Saturday. */
export function utcDayOfWeek(micros: bigint): bigint {
  return BigInt(new Date(Number(midnightBefore(micros) / 1000n)).getUTCDay() + 1)
}
