// Random uses of `over` and rows for them: every aggregate of every type, nulls, rows of one time, disorder,
// keys with one row and with many, numbers that no double holds, times around the epoch and far from it.
import fc from 'fast-check'
import { whole } from '../../src/columns/whole.ts'
import type { ColumnType, LiteralValue, Value } from '../../src/expr/index.ts'
import { input, type OverCall, type OverNode, over, type Relation } from '../../src/plan/index.ts'
import { type OracleOver, type OracleRow, type OracleValue, overByMeaning } from '../oracle/over.ts'

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
/** What the lowest operator of a chain adds, as the history of one that looks at it has it. */
const countSchema = { ...overSchema, counted: 'int' } as const
const rowsCounted = input('history_counted', countSchema)

export type OverCase = {
  readonly node: OverNode
  readonly oracle: OracleOver
  /** Batches one after another, each in the order of arrival. */
  readonly batches: readonly (readonly OracleRow[])[]
}

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

export type OverChain = {
  /** The uppermost of the operators, and each of them with its meaning from the lowest on. */
  readonly node: OverNode
  readonly chain: readonly { readonly node: OverNode; readonly oracle: OracleOver }[]
  readonly batches: OverCase['batches']
}

/** Operators above one another: the lowest counts, and perhaps the uppermost looks at its counts. */
export const overChains: fc.Arbitrary<OverChain> = overCases.chain(({ batches, oracle: { range } }) =>
  fc
    .record({
      key: fc.constantFrom(...names),
      others: fc.array(
        fc.record({
          key: fc.constantFrom(...names),
          of: fc.uniqueArray(fc.constantFrom(...calls), { minLength: 1, maxLength: 2 }),
          range: fc.oneof(fc.constant(range), ranges),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      looksAtCount: fc.boolean(),
    })
    .map(({ key, others, looksAtCount }) => {
      const count = added(rowsNow, rowsBefore, key, range, { counted: { function: 'count' } })
      const chain = [count]
      for (const [place, other] of others.entries()) {
        const aggregates = Object.fromEntries(
          other.of.map((call, index) => [`added_${place}_${index}`, call]),
        )
        chain.push(added(chain.at(-1)!.rows, rowsBefore, other.key, other.range, aggregates))
      }
      if (looksAtCount) {
        const aggregates = { of_counts: { function: 'sum', of: 'counted' } } as const
        chain.push(added(chain.at(-1)!.rows, rowsCounted, key, range, aggregates))
      }
      return { node: chain.at(-1)!.node, chain, batches }
    }),
)

/** What the meaning of a chain adds to the rows of the last batch, and the rows before it as its history. */
export function chainByMeaning({ chain, batches }: OverChain): {
  readonly wanted: readonly Readonly<Record<string, OracleValue | number>>[]
  readonly counted: readonly OracleRow[]
} {
  const rows = batches.flat()
  const before = rows.length - batches.at(-1)!.length
  let all: readonly OracleRow[] = rows
  for (const { oracle } of chain) {
    const found = overByMeaning(oracle, [], all)
    all = all.map((row, index) => ({ ...row, ...(found[index] as OracleRow) }))
  }
  return {
    wanted: all.slice(before),
    counted: all.slice(0, before).map((row) => pick(row, Object.keys(countSchema))),
  }
}

function pick(row: OracleRow, columns: readonly string[]): OracleRow {
  return Object.fromEntries(columns.map((name) => [name, row[name]!]))
}

function nodeOf(key: ValueName, of: readonly OverCall<ValueName>[], range: bigint) {
  const aggregates = Object.fromEntries(of.map((call, index) => [`added_${index}`, call]))
  return added(rowsNow, rowsBefore, key, range, aggregates)
}

function added(
  rows: Relation,
  history: Relation,
  key: ValueName,
  range: bigint,
  aggregates: Readonly<Record<string, OverCall>>,
) {
  const arrival = ['batch', 'topic', 'offset']
  const options = { history, key, eventTime: 'at', arrival, rangeMicros: range, aggregates }
  // The types of columns are known where they are drawn.
  const relation = over(rows, options as never) as Relation
  const { node } = relation
  if (node.kind !== 'over') throw new Error('over makes a node of its kind')
  const oracle: OracleOver = {
    key,
    eventTime: 'at',
    range,
    aggregates: Object.fromEntries(
      Object.entries(aggregates).map(([name, call]) => [
        name,
        'of' in call ? { ...call, places: rows.schema[call.of]!.startsWith('decimal') ? 2 : 0 } : call,
      ]),
    ),
  }
  return { rows: relation, node, oracle }
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
