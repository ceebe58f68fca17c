// The operator `over` by its meaning, one row after another, apart from the code that it judges.

/** Whole numbers as bigint, decimals too, of their last place; null is null. */
export type OracleValue = bigint | string | boolean | null
export type OracleRow = Readonly<Record<string, OracleValue>>

export type OracleAggregate = { readonly function: string; readonly of?: string; readonly places?: number }

export type OracleOver = {
  readonly key: string
  readonly eventTime: string
  readonly range: bigint
  readonly aggregates: Readonly<Record<string, OracleAggregate>>
}

/** For each row, in the order of arrival, what is added to it; `history` is in that order too. */
export function overByMeaning(
  { key, eventTime, range, aggregates }: OracleOver,
  history: readonly OracleRow[],
  rows: readonly OracleRow[],
): Readonly<Record<string, OracleValue | number>>[] {
  const all = [...history, ...rows]
  return rows.map((row, index) => {
    const at = row[eventTime]
    if (row[key] === null || typeof at !== 'bigint') {
      return Object.fromEntries(Object.keys(aggregates).map((name) => [name, null]))
    }
    const before: OracleRow[] = []
    for (const other of all.slice(0, history.length + index)) {
      const time = other[eventTime]
      if (other[key] === row[key] && typeof time === 'bigint' && time <= at && time >= at - range) {
        before.push(other)
      }
    }
    return Object.fromEntries(
      Object.entries(aggregates).map(([name, one]) => [name, aggregated(one, eventTime, row, before)]),
    )
  })
}

function aggregated(
  one: OracleAggregate,
  eventTime: string,
  row: OracleRow,
  before: readonly OracleRow[],
): OracleValue | number {
  const { of = '', places = 0 } = one
  const values = [...before, row].map((other) => other[of]!).filter((value) => value !== null)
  const numbers = values as bigint[]
  switch (one.function) {
    case 'count':
      return BigInt(before.length + 1)
    case 'distinct':
      return BigInt(new Set(values).size)
    case 'sum':
      return numbers.length === 0 ? null : total(numbers)
    case 'mean':
      return numbers.length === 0 ? null : Number(decimal(total(numbers), places)) / numbers.length
    case 'min':
      return numbers.length === 0 ? null : numbers.reduce((a, b) => (b < a ? b : a))
    case 'max':
      return numbers.length === 0 ? null : numbers.reduce((a, b) => (b > a ? b : a))
  }
  // They are in the order of arrival: of those with the greatest time the last one.
  let last: OracleRow | null = null
  for (const other of before) {
    if (last === null || (other[eventTime] as bigint) >= (last[eventTime] as bigint)) last = other
  }
  if (last === null) return null
  return one.function === 'previous' ? last[of]! : (row[eventTime] as bigint) - (last[eventTime] as bigint)
}

function total(numbers: readonly bigint[]): bigint {
  return numbers.reduce((a, b) => a + b, 0n)
}

function decimal(value: bigint, places: number): string {
  if (places === 0) return String(value)
  const digits = String(value < 0n ? -value : value).padStart(places + 1, '0')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`
}
