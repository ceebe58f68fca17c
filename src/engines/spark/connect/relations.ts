// Relations as data: SQL over named inputs, a source to read, what the server holds.
import { create } from '@bufbuild/protobuf'
import { type Relation, RelationSchema } from './gen/spark/connect/spark_connect_pb.ts'

export type { Relation } from './gen/spark/connect/spark_connect_pb.ts'

/**
 * Relations that a statement reads by name; they exist for this statement only. Streams may be among them.
 */
export type Inputs = Readonly<Record<string, Relation>>

/**
 * Values stand in the SQL as typed literals (`boundSpark`, `literalSql`): the parser that Delta puts before
 * Spark's drops the values of named parameters.
 */
export function sqlRelation(query: string, inputs: Inputs = {}): Relation {
  const root = create(RelationSchema, { relType: { case: 'sql', value: { query } } })
  const names = Object.keys(inputs)
  if (names.length === 0) return root
  const references = names.map((alias) =>
    create(RelationSchema, { relType: { case: 'subqueryAlias', value: { alias, input: inputs[alias]! } } }),
  )
  return create(RelationSchema, { relType: { case: 'withRelations', value: { root, references } } })
}

export type ReadOptions = {
  /** `delta`, `kafka`, `parquet`, ... */
  readonly format: string
  readonly options?: Readonly<Record<string, string>>
  readonly path?: string
  readonly schema?: string
}

/** What is there when the plan runs. */
export function read(options: ReadOptions): Relation {
  return readRelation(options, false)
}

/** What is there and what comes, for a streaming query. */
export function readStream(options: ReadOptions): Relation {
  return readRelation(options, true)
}

function readRelation({ format, options = {}, path, schema }: ReadOptions, isStreaming: boolean): Relation {
  const paths = path === undefined ? [] : [path]
  const dataSource = { format, options: { ...options }, paths, ...(schema === undefined ? {} : { schema }) }
  return create(RelationSchema, {
    relType: {
      case: 'read',
      value: { isStreaming, readType: { case: 'dataSource', value: dataSource } },
    },
  })
}

/** A relation that the server holds: the result of a checkpoint. */
export function heldRelation(relationId: string): Relation {
  return create(RelationSchema, { relType: { case: 'cachedRemoteRelation', value: { relationId } } })
}
