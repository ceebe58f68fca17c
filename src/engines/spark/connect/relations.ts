// Relations as data: SQL over named inputs, a source to read, what the server holds.
import { create } from '@bufbuild/protobuf'
import { assert } from '../../../errors/errors.ts'
import { type Relation, RelationSchema } from './gen/spark/connect/spark_connect_pb.ts'

export type { Relation } from './gen/spark/connect/spark_connect_pb.ts'

/** Relations that a statement reads by name. Streams may be among them. */
export type Inputs = Readonly<Record<string, Relation>>

/**
 * A SELECT over named inputs. Those that are SQL themselves become a part of it. For any other the server
 * makes a view of the session while it reads the statement, so the name of that is of this one statement: the
 * next to it may read another relation by the same name at the same time.
 *
 * Values stand in the SQL as typed literals (`boundSpark`, `literalSql`): the parser that Delta puts before
 * Spark's drops the values of named parameters.
 */
export function sqlRelation(query: string, inputs: Inputs = {}): Relation {
  const parts = Object.entries(inputs).map(([name, input]) => ({ name, ...selectOf(input) }))
  const named = parts.map(({ name, select }) => `${name} AS (\n${select}\n)`).join(',\n')
  const whole = parts.length === 0 ? query : `WITH ${named}\nSELECT * FROM (\n${query}\n)`
  const root = create(RelationSchema, { relType: { case: 'sql', value: { query: whole } } })
  const references = parts.flatMap((part) => part.references)
  if (references.length === 0) return root
  return create(RelationSchema, { relType: { case: 'withRelations', value: { root, references } } })
}

let viewCount = 0

function selectOf(input: Relation): { readonly select: string; readonly references: readonly Relation[] } {
  const { relType } = input
  if (relType.case === 'sql') return { select: relType.value.query, references: [] }
  if (relType.case === 'withRelations' && relType.value.root?.relType.case === 'sql') {
    return { select: relType.value.root.relType.value.query, references: relType.value.references }
  }
  viewCount += 1
  const alias = `input_${viewCount}`
  const view = create(RelationSchema, { relType: { case: 'subqueryAlias', value: { alias, input } } })
  return { select: `SELECT * FROM ${alias}`, references: [view] }
}

/** Those of the relations that a statement reads, by their names. */
export function inputsNamed(names: readonly string[], relations: Inputs): Inputs {
  return Object.fromEntries(
    names.map((name) => {
      const relation = relations[name]
      assert(relation !== undefined, `there is a relation ${name}`)
      return [name, relation]
    }),
  )
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
