// Builds the operator that cuts the rows of a key into sessions; its meaning stands at `SessionsNode`.
import { LakehouseError } from '../errors/errors.ts'
import type { Columns, ColumnType, Schema } from '../expr/index.ts'
import { aggregateNamed, columnsOf } from '../expr/index.ts'
import type { InputNode, Relation, SessionsNode } from './relation.ts'
import { argumentsOf, type SessionAggregate } from './session-aggregate.ts'

type NamesOf<S extends Schema, T extends ColumnType> = {
  [K in keyof S]: S[K] extends T ? K : never
}[keyof S] &
  string

/** Refuses, when it is called, what is no column, no length of time or no aggregate. */
export function sessions<
  S extends Schema,
  const K extends readonly (keyof S & string)[],
  const A extends Readonly<Record<string, SessionAggregate>>,
>(
  of: Relation<S>,
  options: {
    readonly eventTime: NamesOf<S, 'timestamp'>
    readonly arrival: readonly (keyof S & string)[]
    readonly keys: K
    readonly gapMicros: bigint
    readonly lengthMaxMicros: bigint
    /** The path of the table that the sessions are of. */
    readonly table: string
    readonly aggregates: (row: Columns<S>) => A
  },
): Relation<
  Pick<S, K[number]> & { readonly session_start: 'timestamp'; readonly session_end: 'timestamp' } & {
    readonly [N in keyof A]: A[N]['type']
  }
> {
  const { eventTime, arrival, keys, gapMicros, lengthMaxMicros } = options
  const aggregates = options.aggregates(columnsOf(of.schema))
  check(of.schema, [eventTime, ...arrival, ...keys], { gapMicros, lengthMaxMicros }, aggregates)
  const ofKeys = Object.fromEntries(keys.map((key) => [key, of.schema[key]!]))
  const types = Object.entries(aggregates).map(([name, { type }]) => [name, type])
  const written: InputNode = {
    kind: 'input',
    name: `written_${options.table.replaceAll('/', '_')}`,
    schema: { ...ofKeys, session_end: 'timestamp' },
    reads: { of: 'history', table: options.table },
  }
  const node: SessionsNode = {
    kind: 'sessions',
    input: of.node,
    written,
    eventTime,
    arrival,
    keys,
    gapMicros,
    lengthMaxMicros,
    aggregates,
    closedAfter: 'closed_after',
    closedUpTo: 'closed_up_to',
  }
  const schema = {
    ...ofKeys,
    session_start: 'timestamp',
    session_end: 'timestamp',
    ...Object.fromEntries(types),
  }
  return { node, schema: schema as never } // fromEntries forgets the names; they are those of the type.
}

function check(
  schema: Schema,
  names: readonly string[],
  lengths: Readonly<Record<string, unknown>>,
  aggregates: Readonly<Record<string, SessionAggregate>>,
): void {
  const refuse = (what: string): never => {
    throw new LakehouseError('LAKEHOUSE_INVALID', `sessions: ${what}`)
  }
  for (const name of names) {
    if (schema[name] === undefined)
      refuse(`there is no column ${name}; there is ${Object.keys(schema).join(', ')}`)
  }
  for (const [name, micros] of Object.entries(lengths)) {
    if (typeof micros !== 'bigint' || micros <= 0n)
      refuse(`${name} is microseconds, as minutes(30) gives them, and greater than 0`)
  }
  for (const [name, one] of Object.entries(aggregates)) {
    const kind: unknown = one?.kind
    if (kind !== 'aggregate' && kind !== 'ordered')
      refuse(`${name} must be an aggregate, such as countRows(): what follows from it stands behind`)
    if (argumentsOf(one).some((arg) => arg?.type === undefined)) refuse(`${name}: it needs expressions`)
    if (one.kind === 'aggregate' && aggregateNamed(one.function).javascript.kind === 'values')
      refuse(`${name} is ${one.function}, which needs all values of a session: only windows have it`)
  }
}
