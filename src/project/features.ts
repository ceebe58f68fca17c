// Features: figures of the rows with the same key in the time before a row, the row itself included. Rules
// and tables may use them; each is a column of the scored table.
import { LakehouseError } from '../errors/errors.ts'
import type { Schema } from '../expr/index.ts'
import { minutes } from '../lakehouse/batch.ts'
import { checkKey, input, type OverCall, over, overAggregate, type Relation } from '../plan/index.ts'

/** The columns of the events, as features name them. */
export type FeatureRows<S extends Schema> = { readonly schema: S }

type ColumnName<S extends Schema> = keyof S & string

/** How many rows, or a figure of one of their columns. */
type FeatureFigure<S extends Schema> =
  | { readonly count: true }
  | { readonly sum: ColumnName<S> }
  | { readonly mean: ColumnName<S> }
  | { readonly min: ColumnName<S> }
  | { readonly max: ColumnName<S> }
  | { readonly distinct: ColumnName<S> }
  /** The value in the row with the greatest (event_time, arrival) before this one. */
  | { readonly previous: ColumnName<S> }
  /** Microseconds since that row. */
  | { readonly sincePrevious: true }

export type Feature = { readonly key: string; readonly rangeMicros: bigint; readonly call: OverCall }

export type Features = Readonly<Record<string, Feature>>

/**
 * A figure of the rows with the row's key in [its event time - range, its event time] that arrived no later.
 * A null key gives null. The range is in microseconds: `hours(24)`.
 */
export function featureOver<S extends Schema>(
  { schema }: FeatureRows<S>,
  of: FeatureFigure<S> & { readonly key: ColumnName<S>; readonly range: bigint },
): Feature {
  const { key, range: rangeMicros, ...figure } = of
  if (typeof rangeMicros !== 'bigint' || rangeMicros < 0n) {
    throw refused('the range is microseconds, as hours(24) or minutes(10) give them')
  }
  checkKey(schema, key)
  const call = callOf(figure)
  overAggregate(schema, 'the figure', call)
  return { key, rangeMicros, call }
}

const figures: Readonly<Record<OverCall['function'], 'a column' | 'true'>> = {
  count: 'true',
  sum: 'a column',
  mean: 'a column',
  min: 'a column',
  max: 'a column',
  distinct: 'a column',
  previous: 'a column',
  sincePrevious: 'true',
}

/** Of what a config says: not everybody compiles first. */
function callOf(figure: Readonly<Record<string, unknown>>): OverCall {
  const [first, ...more] = Object.entries(figure)
  const [name, given] = first ?? []
  const known = Object.entries(figures)
  const wanted = known.find(([one]) => one === name)?.[1]
  if (name === undefined || more.length > 0 || wanted === undefined) {
    const found = first === undefined ? 'none' : Object.keys(figure).join(' and ')
    const offered = known.map(([one, of]) => `${one}: ${of}`).join(', ')
    throw refused(`it has one figure, and here is ${found}; there is ${offered}`)
  }
  const isColumn = typeof given === 'string'
  if (isColumn !== (wanted === 'a column') || (!isColumn && given !== true))
    throw refused(`${name} takes ${wanted}: ${name}: ${isColumn ? 'true' : "'amount'"}`)
  return (isColumn ? { function: name, of: given } : { function: name }) as OverCall // As it was judged.
}

function refused(what: string): LakehouseError {
  return new LakehouseError('LAKEHOUSE_INVALID', `over: ${what}`)
}

export const hours = (count: number): bigint => minutes(count * 60)
export const days = (count: number): bigint => hours(count * 24)

/** The order in which events arrived, over all batches. */
const arrival = ['processing_time', 'topic', 'partition', 'offset']

/** The rows of a batch of events with the features as further columns. */
export function withFeatures(rows: Relation, features: Features, eventsPath: string): Relation {
  const groups = Map.groupBy(
    Object.entries(features),
    ([, { key, rangeMicros }]) => `events_by_${key}_${rangeMicros}`,
  )
  return [...groups].reduce((of: Relation, [name, group]) => {
    const { key, rangeMicros } = group[0]![1]
    const columns = group.flatMap(([, { call }]) => ('of' in call ? [call.of] : []))
    const isOrdered = group.some(([, { call }]) => call.function === 'previous')
    const names = [key, 'event_time', ...columns, ...(isOrdered ? arrival : [])]
    const schema = Object.fromEntries(names.map((one) => [one, rows.schema[one]!]))
    return over(of, {
      history: input(name, schema, { of: 'history', table: eventsPath }),
      key,
      eventTime: 'event_time',
      arrival,
      rangeMicros,
      aggregates: Object.fromEntries(group.map(([feature, { call }]) => [feature, call])),
    } as never) as Relation // Which columns there are is the project's affair: the plan checks them.
  }, rows)
}
