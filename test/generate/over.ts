// Random uses of `over` and rows for them: every aggregate of every type, nulls, rows of one time, disorder,
// keys with one row and with many, numbers that no double holds, times around the epoch and far from it.
import fc from 'fast-check'
import { whole } from '../../src/columns/whole.ts'
import type { ColumnType, LiteralValue, Value } from '../../src/expr/index.ts'
import { input, type OverCall, type OverNode, over } from '../../src/plan/index.ts'
import type { OracleOver, OracleRow, OracleValue } from '../oracle/over.ts'

/** Columns that have values. */
const valueTypes = {
  small: 'int',
  wide: 'long',
  money: 'decimal(18,2)',
  much: 'decimal(28,2)',
  name: 'string',
  flag: 'boolean',
  day: 'date',
} as const satisfies Readonly<Record<string, ColumnType>>
type ValueName = keyof typeof valueTypes
const names = Object.keys(valueTypes) as ValueName[]
const numbers: readonly ValueName[] = ['small', 'wide', 'money', 'much']

export const overSchema = {
  ...valueTypes,
  at: 'timestamp',
  batch: 'long',
  topic: 'string',
  offset: 'long',
} as const
const rowsNow = input('batch', overSchema)
const rowsBefore = input('history', overSchema)

export type OverCase = {
  readonly node: OverNode
  readonly oracle: OracleOver
  /** Batches one after another, each in the order of arrival. */
  readonly batches: readonly (readonly OracleRow[])[]
}

/** So many more columns than the aggregates have. */
const extremes: Readonly<Record<ValueName, readonly OracleValue[]>> = {
  small: [-(2n ** 31n), 2n ** 31n - 1n, 0n, 1n, 2n],
  wide: [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n, 2n ** 53n - 1n, 1n, -1n],
  money: [10n ** 18n - 1n, -(10n ** 18n) + 1n, 1n, 250n, -5n],
  much: [10n ** 28n - 1n, -(10n ** 28n) + 1n, 2n ** 70n, 1n, 250n],
  name: ['a', 'b', 'é', '', "o'x"],
  flag: [true, false],
  day: [0n, 19_000n, -719_162n, 1n],
}

/** Most values are few and small; in some cases they are the greatest that there are. */
function anyOf(name: ValueName, isExtreme: boolean, isDense: boolean): fc.Arbitrary<OracleValue> {
  const few = extremes[name]
  const usual = name === 'day' ? few.slice(0, 2) : numbers.includes(name) ? [1n, 2n, 3n, -4n, 700n] : few
  return fc.option(fc.constantFrom(...(isExtreme ? few : usual).slice(0, isDense ? 1 : few.length)), {
    freq: 6,
  })
}

const calls: readonly OverCall<ValueName>[] = [
  { function: 'count' },
  { function: 'sincePrevious' },
  ...numbers.flatMap((of) =>
    (['sum', 'mean', 'min', 'max'] as const).map((name) => ({ function: name, of })),
  ),
  ...names.flatMap((of) => (['distinct', 'previous'] as const).map((name) => ({ function: name, of }))),
]

const ranges = fc.constantFrom(0n, 1n, 7n, 60n, 180n, 1_000_000n)
/** Year 1, long before numbers end that a double holds, the epoch, where they end, and the year 9999. */
const starts = fc.constantFrom(
  -62_135_596_800_000_000n,
  -50n,
  9_007_199_254_740_900n,
  253_402_300_000_000_000n,
)

export const overCases: fc.Arbitrary<OverCase> = fc
  .record({
    key: fc.constantFrom(...names),
    of: fc.uniqueArray(fc.constantFrom(...calls), { minLength: 1, maxLength: 5 }),
    range: ranges,
    start: fc.oneof({ weight: 3, arbitrary: fc.constant(-50n) }, starts),
    isExtreme: fc.boolean(),
    /** All rows have one key and one value, or null, and are half a range apart or a whole one. */
    isDense: fc.boolean(),
    /** How far batches move on; the rows of one are spread over 150. */
    pace: fc.constantFrom(0, 40, 200),
    rowsMax: fc.constantFrom(1, 6, 40),
  })
  .chain((drawn) => {
    const { key, of, range, start, isExtreme, isDense, pace, rowsMax } = drawn
    // Rows are often as far apart as the range is long, to the microsecond.
    const steps = fc.integer({ min: 0, max: 5 }).map((halves) => Math.min(150, (halves * Number(range)) / 2))
    const anywhere = fc.oneof(fc.integer({ min: 0, max: 150 }), steps.map(Math.floor))
    const time = fc.option(isDense ? steps.map(Math.floor) : anywhere, { freq: 20 })
    const row = fc.record({
      ...(Object.fromEntries(names.map((name) => [name, anyOf(name, isExtreme, isDense)])) as Record<
        ValueName,
        fc.Arbitrary<OracleValue>
      >),
      at: time,
      topic: fc.constantFrom('t', 'u'),
    })
    const batches = fc.array(fc.array(row, { maxLength: rowsMax }), { minLength: 1, maxLength: 4 })
    return batches.map((all): OverCase => {
      let offset = 0n
      return {
        ...nodeOf(key, of, range),
        batches: all.map((rows, batch) =>
          rows
            .toSorted((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0))
            .map(({ at, ...one }) => ({
              ...one,
              at: at === null ? null : start + BigInt(at + batch * pace),
              batch: BigInt(batch),
              offset: offset++,
            })),
        ),
      }
    })
  })

function nodeOf(key: ValueName, calls: readonly OverCall<ValueName>[], range: bigint) {
  const aggregates = Object.fromEntries(calls.map((call, index) => [`added_${index}`, call]))
  const arrival = ['batch', 'topic', 'offset'] as const
  const { node } = over(rowsNow, {
    history: rowsBefore,
    key,
    eventTime: 'at',
    arrival,
    rangeMicros: range,
    aggregates,
  })
  if (node.kind !== 'over') throw new Error('over makes a node of its kind')
  const oracle: OracleOver = {
    key,
    eventTime: 'at',
    range,
    aggregates: Object.fromEntries(
      Object.entries(aggregates).map(([name, call]) => [
        name,
        'of' in call ? { ...call, places: valueTypes[call.of].startsWith('decimal') ? 2 : 0 } : call,
      ]),
    ),
  }
  return { node, oracle }
}

/** A value of a column as the row path has it. */
export function pathValue(value: OracleValue): Value {
  return typeof value === 'bigint' ? whole(value) : value
}

/** A value of a column as a literal has it. */
export function literalValue(type: ColumnType, value: OracleValue): LiteralValue {
  if (typeof value !== 'bigint') return value
  switch (type) {
    case 'int':
      return Number(value)
    case 'date':
      return new Date(Number(value) * 86_400_000).toISOString().slice(0, 10)
    case 'long':
      return value
    default: {
      const digits = String(value < 0n ? -value : value).padStart(3, '0')
      return `${value < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
    }
  }
}
