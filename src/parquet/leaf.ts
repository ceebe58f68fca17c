// The leaf columns of each type of column: what a Parquet file stores, and how deep a value may be missing.
import type { Column } from '../columns/column.ts'
import type { ColumnType } from '../expr/index.ts'

/** The types whose values a leaf holds. */
export type LeafType = Exclude<ColumnType, 'json' | 'decimal(38,6)' | 'array<string>' | 'headers'>

export type Leaf = {
  readonly path: readonly string[]
  readonly type: LeafType
  /** The definition level of a value that is there; below it stands what is null. */
  readonly definitionMax: number
  /** 1 where a row may have several values. */
  readonly repetitionMax: 0 | 1
}

/** Parquet's types, of which that of a fixed length has one for each length here. */
export type NumberType = 'INT32' | 'INT64' | 'DOUBLE' | 'FIXED_12_BYTES' | 'FIXED_16_BYTES'
export type PhysicalType = NumberType | 'BOOLEAN' | 'BYTE_ARRAY'

export const physicalTypes = {
  boolean: 'BOOLEAN',
  int: 'INT32',
  date: 'INT32',
  long: 'INT64',
  timestamp: 'INT64',
  'decimal(18,2)': 'INT64',
  'decimal(28,2)': 'FIXED_12_BYTES',
  'decimal(38,2)': 'FIXED_16_BYTES',
  'decimal(38,0)': 'FIXED_16_BYTES',
  double: 'DOUBLE',
  string: 'BYTE_ARRAY',
  binary: 'BYTE_ARRAY',
} as const satisfies Readonly<Record<LeafType, PhysicalType>>

export function leavesOf(name: string, type: Column['type']): readonly Leaf[] {
  switch (type) {
    case 'array<string>':
      return [{ path: [name, 'list', 'element'], type: 'string', definitionMax: 3, repetitionMax: 1 }]
    case 'headers':
      return [
        { path: [name, 'list', 'element', 'key'], type: 'string', definitionMax: 4, repetitionMax: 1 },
        { path: [name, 'list', 'element', 'value'], type: 'binary', definitionMax: 4, repetitionMax: 1 },
      ]
    case 'decimal(38,6)':
      throw new Error('a computed decimal is never stored')
    default:
      return [{ path: [name], type, definitionMax: 1, repetitionMax: 0 }]
  }
}
