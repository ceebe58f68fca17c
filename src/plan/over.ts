// Builds the operator that looks back over the rows of a key; its meaning stands at `OverNode`.
import { assert, LakehouseError } from '../errors/errors.ts'
import type { ColumnType, Schema } from '../expr/index.ts'
import {
  checkKey,
  type KeyType,
  type OverAggregate,
  type OverCall,
  type OverCallType,
  overAggregate,
} from './over-aggregate.ts'
import type { OverNode, Relation } from './relation.ts'

type ColumnOf<S extends Schema, T extends ColumnType> = {
  [K in keyof S]: S[K] extends T ? K : never
}[keyof S] &
  string

/** Refuses, when it is called, a key or a column of another type than the aggregate takes. */
export function over<
  S extends Schema,
  H extends Schema,
  const A extends Readonly<Record<string, OverCall<keyof S & keyof H & string>>>,
>(
  of: Relation<S>,
  options: {
    readonly history: Relation<H>
    readonly key: ColumnOf<S, KeyType> & keyof H & string
    readonly eventTime: ColumnOf<S, 'timestamp'> & ColumnOf<H, 'timestamp'>
    readonly arrival: readonly (keyof S & string)[]
    readonly rangeMicros: bigint
    readonly aggregates: A
  },
): Relation<S & { readonly [K in keyof A]: OverCallType<S, A[K]> }> {
  const { history, key, eventTime, arrival, rangeMicros } = options
  checkKey(of.schema, key)
  assert(rangeMicros >= 0n, 'a range is not negative')
  const aggregates: Record<string, OverAggregate> = {}
  for (const [name, call] of Object.entries(options.aggregates)) {
    aggregates[name] = overAggregate(of.schema, name, call)
  }
  const node: OverNode = {
    kind: 'over',
    input: of.node,
    history: history.node,
    key,
    eventTime,
    arrival,
    rangeMicros,
    aggregates,
  }
  checkHistory(of.schema, history.schema, node)
  const types = Object.entries(aggregates).map(([name, { type }]) => [name, type])
  // fromEntries forgets the names; they are those of the aggregates.
  return { node, schema: { ...of.schema, ...Object.fromEntries(types) } as never }
}

/** The columns that the operator asks of its history. */
export function historyColumns(node: OverNode): readonly string[] {
  const aggregates = Object.values(node.aggregates)
  const isOrdered = aggregates.some(({ function: of }) => of === 'previous')
  return [...new Set([node.key, node.eventTime, ...overColumns(node), ...(isOrdered ? node.arrival : [])])]
}

/** The columns whose values it looks at, each once. */
export function overColumns(node: OverNode): readonly string[] {
  return [...new Set(Object.values(node.aggregates).flatMap((one) => ('of' in one ? [one.of] : [])))]
}

/** Whether it does nothing but count rows: every engine has a faster way for that. */
export function countsAlone(node: OverNode): boolean {
  return Object.values(node.aggregates).every(({ function: of }) => of === 'count')
}

function checkHistory(rows: Schema, history: Schema, node: OverNode): void {
  for (const column of historyColumns(node)) {
    if (history[column] === rows[column]) continue
    const found = history[column] === undefined ? 'no such column' : `a ${history[column]} of that name`
    const message = `over: the rows have ${column}, a ${rows[column]}, and their history has ${found}`
    throw new LakehouseError('LAKEHOUSE_INVALID', message)
  }
}
