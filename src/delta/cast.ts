// Casting the columns of a query to the types of a table. What a plain CAST gets wrong is the time zone: it
// reads a TIMESTAMP in the session's zone, while here a TIMESTAMP without a zone means UTC, whatever the
// session says.
import {
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  type DuckDBType,
  DuckDBTypeId,
} from '@duckdb/node-api'
import { fieldOf, mapOf, structOf } from './instants.ts'
import { type DeltaType, duckdbType } from './schema.ts'

const zonelessTypes: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TIMESTAMP,
  DuckDBTypeId.TIMESTAMP_S,
  DuckDBTypeId.TIMESTAMP_MS,
  DuckDBTypeId.TIMESTAMP_NS,
  DuckDBTypeId.DATE,
])

/** `expression`, which is of DuckDB's type `from` (null: the NULL literal), as the table's type `to`. */
export function castColumn(expression: string, from: DuckDBType | null, to: DeltaType): string {
  const cast = `CAST(${expression} AS ${duckdbType(to)})`
  if (from === null || !losesZone(from, to)) return cast
  if (typeof to === 'string') return `timezone('UTC', CAST(${expression} AS TIMESTAMP))`
  return nested(expression, from, to, 0)
}

/** True where a zone-less time anywhere in `from` becomes an instant in `to`. */
function losesZone(from: DuckDBType, to: DeltaType): boolean {
  if (typeof to === 'string') return to === 'timestamp' && zonelessTypes.has(from.typeId)
  switch (to.type) {
    case 'array':
      return from instanceof DuckDBListType && losesZone(from.valueType, to.elementType)
    case 'map':
      return (
        from instanceof DuckDBMapType &&
        (losesZone(from.keyType, to.keyType) || losesZone(from.valueType, to.valueType))
      )
    case 'struct':
      return to.fields.some((field) => {
        const type = fieldType(from, field.name)
        return type !== null && losesZone(type, field.type)
      })
  }
}

function fieldType(from: DuckDBType, name: string): DuckDBType | null {
  if (!(from instanceof DuckDBStructType)) return null
  const index = from.entryNames.findIndex((entry) => entry.toLowerCase() === name.toLowerCase())
  return from.entryTypes[index] ?? null
}

/** Rebuilds a list, struct or map with its times cast one by one; `depth` keeps the lambda's names apart. */
function nested(expression: string, from: DuckDBType, to: DeltaType, depth: number): string {
  const element = `x${depth}`
  const inner = (part: string, type: DuckDBType | null, target: DeltaType) => {
    if (type !== null && typeof target !== 'string' && losesZone(type, target)) {
      return nested(part, type, target, depth + 1)
    }
    return castColumn(part, type, target)
  }
  if (typeof to === 'object' && to.type === 'array' && from instanceof DuckDBListType) {
    const item = inner(element, from.valueType, to.elementType)
    return `list_transform(${expression}, lambda ${element}: ${item})`
  }
  if (typeof to === 'object' && to.type === 'map' && from instanceof DuckDBMapType) {
    const key = inner(`${element}.key`, from.keyType, to.keyType)
    return mapOf(expression, element, key, inner(`${element}.value`, from.valueType, to.valueType))
  }
  if (typeof to === 'object' && to.type === 'struct' && from instanceof DuckDBStructType) {
    const fields = to.fields.map((field): [string, string] => {
      const type = fieldType(from, field.name)
      return [field.name, inner(type === null ? 'NULL' : fieldOf(expression, field.name), type, field.type)]
    })
    return structOf(expression, fields)
  }
  return castColumn(expression, from, to)
}
