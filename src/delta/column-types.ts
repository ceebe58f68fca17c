// How Delta has the types of columns.
import { LakehouseError, unreachable } from '../errors/errors.ts'
import type { ColumnType } from '../expr/index.ts'
import type { DeltaField, DeltaType } from './schema.ts'

export function deltaField(name: string, type: DeltaType): DeltaField {
  return { name, type, nullable: true, metadata: {} }
}

export function deltaType(type: ColumnType): DeltaType {
  switch (type) {
    case 'string':
    case 'long':
    case 'double':
    case 'boolean':
    case 'timestamp':
    case 'date':
    case 'binary':
    case 'decimal(18,2)':
    case 'decimal(28,2)':
    case 'decimal(38,2)':
    case 'decimal(38,0)':
      return type
    case 'int':
      return 'integer'
    case 'array<string>':
      return { type: 'array', elementType: 'string', containsNull: true }
    case 'headers': {
      const header: DeltaType = {
        type: 'struct',
        fields: [deltaField('key', 'string'), deltaField('value', 'binary')],
      }
      return { type: 'array', elementType: header, containsNull: true }
    }
    case 'decimal(38,6)':
      throw new LakehouseError('DELTA_SCHEMA_MISMATCH', 'a computed decimal cannot be stored')
    case 'json':
      throw new LakehouseError(
        'DELTA_SCHEMA_MISMATCH',
        'a parsed JSON value cannot be stored: take its fields out',
      )
    default:
      return unreachable(type)
  }
}
