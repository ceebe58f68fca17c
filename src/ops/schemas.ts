// ops/schemas: the schemas by which values of records were read, with all that they use. A replay, the proof
// and another engine need no registry: a batch knows those that stand here since its own time, or before.
import type { DeltaTableDefinition } from '../delta/index.ts'
import { type SchemaText, type SchemaType, schemaTypes } from '../formats/known-schemas.ts'
import type { SchemaKey } from '../formats/wire-format.ts'
import { duckdb } from '../sql/index.ts'

export const schemasPath = 'ops/schemas'

export type KeptSchema = SchemaText & {
  readonly key: SchemaKey
  /** The time of the first batch that knows it. */
  readonly knownSinceMicros: bigint
}

export const schemasDefinition = {
  description: 'The schemas that records name by their id: what a batch reads its values by.',
  partitionColumns: [],
  fields: [
    { name: 'schema_id', type: 'string', nullable: true, metadata: {} },
    { name: 'schema_type', type: 'string', nullable: true, metadata: {} },
    { name: 'schema', type: 'string', nullable: true, metadata: {} },
    { name: 'references', type: 'string', nullable: true, metadata: {} },
    { name: 'known_since', type: 'timestamp', nullable: true, metadata: {} },
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>

/** No record names it: that a batch knows it says that a registry was set, whatever that has. */
export const registryKey: SchemaKey = 'registry'

/** The row that says so from a batch on. */
export function registryKnown(knownSinceMicros: bigint): KeptSchema {
  return { key: registryKey, type: 'JSON', schema: '{}', references: [], knownSinceMicros }
}

/** A SELECT of the rows, in the columns of the table. */
export function schemaRowsSql(schemas: readonly KeptSchema[]): string {
  const rows = schemas.map(({ key, type, schema, references, knownSinceMicros }) => {
    const texts = [key, type, schema, JSON.stringify(references)].map(duckdb.text).join(', ')
    return `(${texts}, make_timestamp(${knownSinceMicros}))`
  })
  const names = 'schema_id, schema_type, schema, "references", known_since'
  return `SELECT * FROM (VALUES ${rows.join(',\n')}) AS schemas(${names})`
}

/** The columns of `keptSchemaOf`, of a SELECT of the table. */
export function schemaColumnsSql(rows: string): string {
  return `SELECT schema_id, schema_type, schema, "references", epoch_us(known_since) AS since FROM (${rows})`
}

export function keptSchemaOf(row: Readonly<Record<string, unknown>>): KeptSchema {
  const type = schemaTypes.find((one) => one === row.schema_type) ?? ('AVRO' satisfies SchemaType)
  const references: unknown = JSON.parse(String(row.references))
  return {
    key: String(row.schema_id),
    type,
    schema: String(row.schema),
    references: Array.isArray(references) ? references.map(String) : [],
    knownSinceMicros: BigInt(String(row.since)),
  }
}
