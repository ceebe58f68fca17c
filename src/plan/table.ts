// A table of the lakehouse: what it is called, how it is laid out, and the relation that says which rows it
// has.
import type { Schema } from '../expr/index.ts'
import type { Relation } from './relation.ts'

export type TableDefinition<S extends Schema = Schema> = {
  /** The directory below DELTA_BASE_PATH; with `/` as `.`, the name in SQL. */
  readonly path: string
  /** One sentence for the reference page. */
  readonly meaning: string
  /** The name of the stream that writes it. */
  readonly stream: string
  readonly partitionBy: string | null
  /** The name of the watermark that closes its windows; null for tables whose rows are emitted at once. */
  readonly watermark: string | null
  readonly rows: Relation<S>
}

/**
 * Checks at compile time what the type of all tables cannot say: the partition column is one of the table's.
 */
export function defineTable<const S extends Schema>(
  table: TableDefinition<S> & { readonly partitionBy: (keyof S & string) | null },
): TableDefinition<S> {
  return table
}
