// Instants, days and windows. Everything is UTC with microseconds; windows are aligned to the epoch.
import { addWhole, floorDivide, floorToMultiple, subtractWhole, whole } from '../../columns/whole.ts'
import { assert } from '../../errors/errors.ts'
import { defineFunction } from '../function.ts'
import { instantOf } from '../instants.ts'

const dayMicros = 86_400_000_000
const hourMicros = 3_600_000_000
/** The instants that every engine has: those of 64 bits, less DuckDB's infinite ones and its first day. */
const instantFirst = -9_223_372_022_400_000_000n
const instantLast = 9_223_372_036_854_775_806n
/** The years 1 to 9999. */
const yearsFirst = -62_135_596_800_000_000n
const yearsLast = 253_402_300_799_999_999n

function modulo(value: number, size: number): number {
  const rest = value % size
  return rest < 0 ? rest + size : rest + 0
}

const instant = `'[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?'`
/** The usual form, in UTC and with a year from 1 on: a cast reads it as it is. */
const plainInstant = `'([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?Z?'`
const yearFirst = `TIMESTAMP '0001-01-01 00:00:00'`
const yearLast = `TIMESTAMP '9999-12-31 23:59:59.999999'`

export const parseInstant = defineFunction({
  name: 'parseInstant',
  args: ['string'],
  returns: 'timestamp',
  nulls: 'null in, null out',
  meaning:
    'The instant of `YYYY-MM-DD`, `T` or one space, `HH:MM:SS`, perhaps a fraction of 1 to 9 digits (cut to microseconds), ' +
    'perhaps `Z` or an offset to 14:59; UTC without a zone; null for anything else, for days that do not exist, and where the year as written or the instant lies outside of the years 1 to 9999.',
  // Casts alone accept dates without time, 24:00, zone names and more: the pattern is judged first.
  duckdb: (a) => {
    const local = `TRY_CAST(left(${a}, 19) || regexp_extract(substr(${a}, 20, 7), '^\\.[0-9]+') AS TIMESTAMP)`
    const minutes = `(CAST(right(${a}, 5)[1:2] AS INTEGER) * 60 + CAST(right(${a}, 2) AS INTEGER))`
    const offset = `CASE right(${a}, 6)[1] WHEN '+' THEN ${minutes} WHEN '-' THEN -${minutes} ELSE 0 END`
    // A time without an offset may have a minus six places from its end, but then it is a date of no time at
    // all.
    const shifted = `CASE WHEN right(${a}, 3)[1] = ':' AND length(${a}) > 19 THEN ${local} - to_minutes(${offset}) ELSE ${local} END`
    return (
      `CASE WHEN regexp_full_match(${a}, ${plainInstant}) THEN TRY_CAST(${a} AS TIMESTAMP) ` +
      `WHEN regexp_full_match(${a}, ${instant}) AND ${a}[1:4] <> '0000' ` +
      `AND ${shifted} BETWEEN ${yearFirst} AND ${yearLast} THEN ${shifted} END`
    )
  },
  // What stands in a lambda is interpreted: the general way is rare, and long enough to slow down the
  // compiled code of every row.
  spark: (a) => {
    const pattern = (source: string) => `'\\\\A${source.slice(1, -1).replaceAll('\\.', '[.]')}\\\\z'`
    const zone = `'(Z|[+-][0-9]{2}:[0-9]{2})\\\\z'`
    const parsed =
      `try_cast(concat(regexp_replace(regexp_extract(given, '^(.{19}([.][0-9]{1,6})?)', 1), 'T', ' '), ` +
      `CASE WHEN given RLIKE ${zone} AND length(given) > 19 THEN regexp_extract(given, ${zone}, 1) ELSE 'Z' END) AS TIMESTAMP)`
    const general =
      `CASE WHEN given RLIKE ${pattern(instant)} AND left(given, 4) <> '0000' ` +
      `AND ${parsed} BETWEEN ${yearFirst} AND ${yearLast} THEN ${parsed} END`
    return (
      `CASE WHEN ${a} RLIKE ${pattern(plainInstant)} THEN try_cast(${a} AS TIMESTAMP) ` +
      `ELSE element_at(transform(array(${a}), given -> ${general}), 1) END`
    )
  },
  javascript: (a) => (a === null ? null : instantOf(a)),
  examples: [
    { in: ['2026-10-31T10:00:00Z'], out: '2026-10-31 10:00:00' },
    { in: ['2026-10-31 10:00:00'], out: '2026-10-31 10:00:00' },
    { in: ['2026-10-31T10:00:00.123456789Z'], out: '2026-10-31 10:00:00.123456' },
    { in: ['2026-10-31T10:00:00.1+02:00'], out: '2026-10-31 08:00:00.1' },
    { in: ['2026-11-01T00:45:00+14:45'], out: '2026-10-31 10:00:00' },
    { in: ['2026-10-31T10:00:00-00:30'], out: '2026-10-31 10:30:00' },
    { in: ['1969-12-31T23:59:59.999999Z'], out: '1969-12-31 23:59:59.999999' },
    { in: ['0001-01-01T00:00:00Z'], out: '0001-01-01 00:00:00' },
    { in: ['0001-01-01T00:00:00+00:01'], out: null },
    { in: ['9999-12-31T23:59:59-00:01'], out: null },
    { in: ['0000-10-31T10:00:00Z'], out: null },
    { in: ['0000-12-31T16:52:00-14:59'], out: null },
    { in: ['9999-12-31T23:59:59+00:01'], out: '9999-12-31 23:58:59' },
    { in: ['2024-02-29T10:00:00'], out: '2024-02-29 10:00:00' },
    { in: ['2026-02-29T10:00:00Z'], out: null },
    { in: ['2026-10-31'], out: null },
    { in: ['2026-10-31T24:00:00Z'], out: null },
    { in: ['2026-10-31T10:00:00+15:00'], out: null },
    { in: ['2026-10-31T10:00:00.1234567890Z'], out: null },
    { in: ['2026-10-31T10:00:00Z\n'], out: null },
    { in: [' 2026-10-31T10:00:00Z'], out: null },
    { in: ['infinity'], out: null },
    { in: [null], out: null },
  ],
})

const microsFirst = -62_135_596_800_000_000n // 0001-01-01 00:00:00
const microsLast = 253_402_300_799_999_999n // 9999-12-31 23:59:59.999999

export const instantOfEpoch = defineFunction({
  name: 'instantOfEpoch',
  args: ['long', 'long'],
  returns: 'timestamp',
  nulls: 'null if either is null',
  meaning:
    'The instant so many units after 1970-01-01T00:00:00Z, each of so many microseconds (1, 1000, 1000000); before it where they ' +
    'are negative; null outside of the years 1 to 9999.',
  // Bounds in units: a product that 64 bits do not hold is never computed.
  duckdb: (count, unit) =>
    `CASE WHEN ${count} BETWEEN ${microsFirst} // ${unit} AND ${microsLast} // ${unit} THEN make_timestamp(${count} * ${unit}) END`,
  spark: (count, unit) =>
    `CASE WHEN ${count} BETWEEN ${microsFirst} div ${unit} AND ${microsLast} div ${unit} THEN timestamp_micros(${count} * ${unit}) END`,
  javascript: (count, unit) => {
    if (count === null || unit === null) return null
    const micros = Number(count) * Number(unit)
    if (Number.isSafeInteger(micros)) return micros + 0 // A sum with 0 is never -0.
    const exact = BigInt(count) * BigInt(unit)
    return exact >= microsFirst && exact <= microsLast ? whole(exact) : null
  },
  examples: [
    { in: [1793440800n, 1000000n], out: '2026-10-31 10:00:00' },
    { in: [1793440800123n, 1000n], out: '2026-10-31 10:00:00.123' },
    { in: [1793440800123456n, 1n], out: '2026-10-31 10:00:00.123456' },
    { in: [0n, 1000n], out: '1970-01-01 00:00:00' },
    { in: [-1n, 1n], out: '1969-12-31 23:59:59.999999' },
    { in: [-62135596800n, 1000000n], out: '0001-01-01 00:00:00' },
    { in: [-62135596801n, 1000000n], out: null },
    { in: [253402300799n, 1000000n], out: '9999-12-31 23:59:59' },
    { in: [253402300800n, 1000000n], out: null },
    { in: [253402300799999n, 1000n], out: '9999-12-31 23:59:59.999' },
    { in: [253402300800000n, 1000n], out: null },
    { in: [-62135596800000n, 1000n], out: '0001-01-01 00:00:00' },
    { in: [-62135596800001n, 1000n], out: null },
    { in: [253402300799999999n, 1n], out: '9999-12-31 23:59:59.999999' },
    { in: [253402300800000000n, 1n], out: null },
    { in: [-62135596800000001n, 1n], out: null },
    { in: [9223372036854775807n, 1000000n], out: null },
    { in: [null, 1n], out: null },
  ],
})

export const plusMicros = defineFunction({
  name: 'plusMicros',
  args: ['timestamp', 'long'],
  returns: 'timestamp',
  nulls: 'null if either is null',
  meaning:
    'The instant so many microseconds later; earlier where they are negative. One that 64 bits do not hold is an error.',
  duckdb: (a, micros) => `(${a} + to_microseconds(${micros}))`,
  spark: (a, micros) => `timestampadd(MICROSECOND, ${micros}, ${a})`,
  javascript: (a, micros) => {
    if (a === null || micros === null) return null
    const sum = addWhole(a, micros)
    assert(sum >= instantFirst && sum <= instantLast, 'no instant is that early or late')
    return sum
  },
  examples: [
    { in: ['2024-03-10 00:00:00', 1n], out: '2024-03-10 00:00:00.000001' },
    { in: ['2024-03-10 00:00:00', -600000000n], out: '2024-03-09 23:50:00' },
    { in: [null, 1n], out: null },
  ],
})

export const laterBy = defineFunction({
  name: 'laterBy',
  args: ['timestamp', 'long'],
  returns: 'timestamp',
  nulls: 'null if either is null',
  meaning:
    'The instant so many microseconds later, earlier where they are negative; null outside of the years 1 to 9999.',
  duckdb: (a, micros) =>
    `make_timestamp(TRY_CAST(${ofYears(`CAST(epoch_us(${a}) AS HUGEINT) + ${micros}`)} AS BIGINT))`,
  spark: (a, micros) => `timestamp_micros(${ofYears(`try_add(unix_micros(${a}), ${micros})`)})`,
  javascript: (a, micros) => {
    if (a === null || micros === null) return null
    const sum = addWhole(a, micros)
    return sum >= yearsFirst && sum <= yearsLast ? sum : null
  },
  examples: [
    { in: ['2024-03-10 00:00:00', 1n], out: '2024-03-10 00:00:00.000001' },
    { in: ['2024-03-10 00:00:00', -600000000n], out: '2024-03-09 23:50:00' },
    { in: ['9999-12-31 23:59:59.999999', 1n], out: null },
    { in: ['0001-01-01 00:00:00', -1n], out: null },
    { in: ['0001-01-01 00:00:00', 315537897599999999n], out: '9999-12-31 23:59:59.999999' },
    { in: ['2024-03-10 00:00:00', 9223372036854775807n], out: null },
    { in: [null, 1n], out: null },
  ],
})

/** The microseconds where they are an instant of the years 1 to 9999; they stand once. */
function ofYears(micros: string): string {
  const [before, behind] = [yearsFirst - 1n, yearsLast + 1n]
  return `nullif(nullif(greatest(${before}, least(${behind}, ${micros})), ${before}), ${behind})`
}

export const microsBetween = defineFunction({
  name: 'microsBetween',
  args: ['timestamp', 'timestamp'],
  returns: 'long',
  nulls: 'null if either is null',
  meaning:
    'The microseconds from the first instant to the second, negative where it is earlier; null where 64 bits do not hold them.',
  duckdb: (from, to) => `CAST(TRY(epoch_us(${to}) - epoch_us(${from})) AS BIGINT)`,
  spark: (from, to) => `try_subtract(unix_micros(${to}), unix_micros(${from}))`,
  javascript: (from, to) => {
    if (from === null || to === null) return null
    const between = subtractWhole(to, from)
    if (typeof between === 'number') return between
    return between >= -(2n ** 63n) && between < 2n ** 63n ? between : null
  },
  examples: [
    { in: ['2024-03-10 00:00:00', '2024-03-10 00:00:01.5'], out: 1500000n },
    { in: ['2024-03-10 00:00:00', '2024-03-09 00:00:00'], out: -86400000000n },
    { in: ['0001-01-01 00:00:00', '9999-12-31 23:59:59.999999'], out: 315537897599999999n },
    { in: ['2024-03-10 00:00:00', null], out: null },
  ],
})

export const windowStart = defineFunction({
  name: 'windowStart',
  args: ['timestamp', 'long'],
  returns: 'timestamp',
  nulls: 'null in, null out',
  meaning:
    'The start of the tumbling window of so many microseconds that holds the instant; windows are aligned to the epoch.',
  // Both remainders truncate towards zero: the second step puts instants before 1970 into the window below.
  duckdb: (a, micros) =>
    `make_timestamp(epoch_us(${a}) - ((epoch_us(${a}) % ${micros}) + ${micros}) % ${micros})`,
  spark: (a, micros) => `timestamp_micros(unix_micros(${a}) - pmod(unix_micros(${a}), ${micros}))`,
  javascript: (a, micros) => (a === null || micros === null ? null : floorToMultiple(a, micros)),
  examples: [
    { in: ['2024-03-10 00:09:59.999999', 600000000n], out: '2024-03-10 00:00:00' },
    { in: ['2024-03-10 00:10:00', 600000000n], out: '2024-03-10 00:10:00' },
    { in: ['1969-12-31 23:59:59.999999', 3600000000n], out: '1969-12-31 23:00:00' },
    { in: ['1969-12-31 23:00:00', 3600000000n], out: '1969-12-31 23:00:00' },
    { in: ['0001-01-01 00:00:00', 3600000000n], out: '0001-01-01 00:00:00' },
    { in: [null, 600000000n], out: null },
  ],
})

export const dateOf = defineFunction({
  name: 'dateOf',
  args: ['timestamp'],
  returns: 'date',
  nulls: 'null in, null out',
  meaning: 'The day of the instant, in UTC.',
  duckdb: (a) => `CAST(${a} AS DATE)`,
  spark: (a) => `CAST(${a} AS DATE)`,
  javascript: (a) => (a === null ? null : floorDivide(a, dayMicros)),
  examples: [
    { in: ['2024-03-10 23:59:59.999999'], out: '2024-03-10' },
    { in: ['1969-12-31 23:59:59'], out: '1969-12-31' },
    { in: [null], out: null },
  ],
})

export const hourOfDay = defineFunction({
  name: 'hourOfDay',
  args: ['timestamp'],
  returns: 'int',
  nulls: 'null in, null out',
  meaning: 'The hour of the day, 0 to 23, in UTC.',
  duckdb: (a) => `CAST(hour(${a}) AS INTEGER)`, // DuckDB's hour() is BIGINT, Spark's is INT.
  spark: (a) => `hour(${a})`,
  javascript: (a) => (a === null ? null : modulo(floorDivide(a, hourMicros), 24)),
  examples: [
    { in: ['2024-03-10 23:59:59'], out: 23 },
    { in: ['2024-03-10 00:00:00'], out: 0 },
    { in: [null], out: null },
  ],
})

export const dayOfWeek = defineFunction({
  name: 'dayOfWeek',
  args: ['timestamp'],
  returns: 'int',
  nulls: 'null in, null out',
  meaning: '1 = Sunday to 7 = Saturday, in UTC.',
  duckdb: (a) => `CAST(dayofweek(${a}) + 1 AS INTEGER)`, // DuckDB counts Sunday as 0.
  spark: (a) => `dayofweek(${a})`,
  javascript: (a) =>
    // The epoch was a Thursday.
    a === null ? null : modulo(floorDivide(a, dayMicros) + 4, 7) + 1,
  examples: [
    { in: ['2024-03-10 12:00:00'], out: 1 },
    { in: ['2024-03-09 12:00:00'], out: 7 },
    { in: ['1969-12-31 12:00:00'], out: 4 },
    { in: [null], out: null },
  ],
})
