// The schema of a Delta table: its types, how the log spells them, what they are called in DuckDB, and how a
// table may grow.
import { LakehouseError } from '../errors/errors.ts'
import { quoteIdentifier } from './sql.ts'

export type DeltaPrimitive =
  | 'string'
  | 'integer'
  | 'long'
  | 'short'
  | 'byte'
  | 'float'
  | 'double'
  | 'boolean'
  | 'binary'
  | 'date'
  | 'timestamp'
  | `decimal(${number},${number})`

export type DeltaArray = {
  readonly type: 'array'
  readonly elementType: DeltaType
  readonly containsNull: boolean
}
export type DeltaStruct = { readonly type: 'struct'; readonly fields: readonly DeltaField[] }
export type DeltaMap = {
  readonly type: 'map'
  readonly keyType: DeltaType
  readonly valueType: DeltaType
  readonly valueContainsNull: boolean
}
export type DeltaType = DeltaPrimitive | DeltaArray | DeltaStruct | DeltaMap

export type DeltaField = {
  readonly name: string
  readonly type: DeltaType
  readonly nullable: boolean
  readonly metadata: Readonly<Record<string, unknown>>
}

export type DeltaTableDefinition = {
  readonly fields: readonly DeltaField[]
  readonly partitionColumns: readonly string[]
  readonly properties?: Readonly<Record<string, string>>
  readonly description?: string
}

const duckdbNames: Readonly<Record<string, string>> = {
  string: 'VARCHAR',
  integer: 'INTEGER',
  long: 'BIGINT',
  short: 'SMALLINT',
  byte: 'TINYINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  binary: 'BLOB',
  date: 'DATE',
  timestamp: 'TIMESTAMPTZ',
}
const decimalPattern = /^decimal\((\d{1,2}),\s*(\d{1,2})\)$/

/**
 * The DuckDB type whose Parquet form is the one the protocol asks for; `instants` is the type of a timestamp.
 */
export function duckdbType(type: DeltaType, instants = 'TIMESTAMPTZ'): string {
  if (type === 'timestamp') return instants
  if (typeof type === 'string') return duckdbNames[type] ?? type.toUpperCase()
  const inner = (part: DeltaType) => duckdbType(part, instants)
  switch (type.type) {
    case 'array':
      return `${inner(type.elementType)}[]`
    case 'map':
      return `MAP(${inner(type.keyType)}, ${inner(type.valueType)})`
    case 'struct':
      return `STRUCT(${type.fields.map((f) => `${quoteIdentifier(f.name)} ${inner(f.type)}`).join(', ')})`
  }
}

/** A type as messages name it. */
export function typeText(type: DeltaType): string {
  if (typeof type === 'string') return type
  switch (type.type) {
    case 'array':
      return `array<${typeText(type.elementType)}>`
    case 'map':
      return `map<${typeText(type.keyType)},${typeText(type.valueType)}>`
    case 'struct':
      return `struct<${type.fields.map((f) => `${f.name}:${typeText(f.type)}`).join(',')}>`
  }
}

export function schemaToJson(fields: readonly DeltaField[]): string {
  return JSON.stringify({ type: 'struct', fields })
}

/** Parses `schemaString`. A type that is not in `DeltaType` is a feature, and refused by its name. */
export function schemaFromJson(json: string, where: string): readonly DeltaField[] {
  const type = parseType(parseJsonText(json, where), where)
  if (typeof type === 'string' || type.type !== 'struct') throw malformed(where, 'the schema is not a struct')
  return type.fields
}

function parseJsonText(json: string, where: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new LakehouseError('DELTA_LOG_CORRUPT', `${where}: the schema is not JSON.`, { cause })
  }
}

function parseType(value: unknown, where: string): DeltaType {
  if (typeof value === 'string') return parsePrimitive(value, where)
  if (!isObject(value)) throw malformed(where, 'a type is neither a name nor an object')
  switch (value.type) {
    case 'struct':
      if (!Array.isArray(value.fields)) throw malformed(where, 'a struct has no fields')
      return { type: 'struct', fields: value.fields.map((field: unknown) => parseField(field, where)) }
    case 'array':
      return {
        type: 'array',
        elementType: parseType(value.elementType, where),
        containsNull: value.containsNull !== false,
      }
    case 'map':
      return {
        type: 'map',
        keyType: parseType(value.keyType, where),
        valueType: parseType(value.valueType, where),
        valueContainsNull: value.valueContainsNull !== false,
      }
    default:
      throw unsupportedType(String(value.type), where)
  }
}

function parsePrimitive(name: string, where: string): DeltaPrimitive {
  const decimal = decimalPattern.exec(name)
  if (decimal) return `decimal(${Number(decimal[1])},${Number(decimal[2])})`
  if (isPlainPrimitive(name)) return name
  throw unsupportedType(name, where)
}

function isPlainPrimitive(name: string): name is Exclude<DeltaPrimitive, `decimal(${number},${number})`> {
  return Object.hasOwn(duckdbNames, name)
}

function parseField(value: unknown, where: string): DeltaField {
  if (!isObject(value) || typeof value.name !== 'string') throw malformed(where, 'a field has no name')
  return {
    name: value.name,
    type: parseType(value.type, `${where}, column ${value.name}`),
    nullable: value.nullable !== false,
    metadata: isObject(value.metadata) ? value.metadata : {},
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(where: string, what: string): LakehouseError {
  return new LakehouseError('DELTA_LOG_CORRUPT', `${where}: ${what}. Another program wrote a broken schema.`)
}

function unsupportedType(name: string, where: string): LakehouseError {
  const message = `${where}: the type ${name} is not supported. Read this table with a program that knows it.`
  return new LakehouseError('DELTA_FEATURE_UNSUPPORTED', message, { details: { feature: name } })
}

/**
 * The fields that `wanted` has and the table lacks: new nullable columns. Columns that only the table has are
 * left alone when they may be null (a newer program or a person added them). Anything else throws
 * DELTA_SCHEMA_MISMATCH.
 */
export function missingFields(
  table: Pick<DeltaTableDefinition, 'fields' | 'partitionColumns'>,
  wanted: DeltaTableDefinition,
  where: string,
): readonly DeltaField[] {
  if (table.partitionColumns.join('\n') !== wanted.partitionColumns.join('\n')) {
    const [has, wants] = [table.partitionColumns, wanted.partitionColumns].map(
      (c) => c.join(', ') || 'nothing',
    )
    throw mismatch(where, `the table is partitioned by ${has}, the definition by ${wants}`)
  }
  const existing = new Map(table.fields.map((field) => [field.name.toLowerCase(), field]))
  const added: DeltaField[] = []
  for (const field of wanted.fields) {
    const found = existing.get(field.name.toLowerCase())
    existing.delete(field.name.toLowerCase())
    if (found) checkSameField(found, field, where)
    else if (field.nullable) added.push(field)
    else throw mismatch(where, `the new column ${field.name} (${typeText(field.type)}) must be nullable`)
  }
  for (const field of existing.values()) {
    if (field.nullable) continue
    throw mismatch(where, `the table's column ${field.name} may not be null and the definition lacks it`)
  }
  return added
}

function checkSameField(table: DeltaField, wanted: DeltaField, where: string): void {
  if (table.name !== wanted.name) {
    throw mismatch(where, `the table has a column ${table.name}, the definition ${wanted.name}: case differs`)
  }
  const [has, wants] = [typeText(table.type), typeText(wanted.type)]
  if (has !== wants)
    throw mismatch(where, `column ${table.name} is ${has} in the table, ${wants} in the definition`)
  if (table.nullable !== wanted.nullable) {
    const [tableSays, definitionSays] = [table, wanted].map((f) => (f.nullable ? 'nullable' : 'not nullable'))
    const both = `${tableSays} in the table, ${definitionSays} in the definition`
    throw mismatch(where, `column ${table.name} (${has}) is ${both}`)
  }
}

export function mismatch(where: string, what: string): LakehouseError {
  const advice = 'Give the table the same schema, or use another directory.'
  return new LakehouseError('DELTA_SCHEMA_MISMATCH', `${where}: ${what}. ${advice}`)
}

/** Refuses a definition that no Delta table may have. */
export function checkDefinition(definition: DeltaTableDefinition, where: string): void {
  const names = new Set<string>()
  for (const field of definition.fields) {
    // Column mapping would be needed for these characters; Spark refuses such tables.
    if (/[ ,;{}()\n\t=]/.test(field.name) || field.name === '') {
      throw mismatch(
        where,
        `the column name ${JSON.stringify(field.name)} is empty or holds one of " ,;{}()\\n\\t="`,
      )
    }
    if (names.has(field.name.toLowerCase())) throw mismatch(where, `the column ${field.name} occurs twice`)
    names.add(field.name.toLowerCase())
  }
  for (const column of definition.partitionColumns) {
    const field = definition.fields.find((f) => f.name === column)
    if (!field) throw mismatch(where, `the partition column ${column} is not a column`)
    if (typeof field.type !== 'string' || field.type === 'binary') {
      throw mismatch(where, `column ${column} (${typeText(field.type)}) cannot be partitioned by`)
    }
  }
  if (definition.partitionColumns.length >= definition.fields.length) {
    throw mismatch(where, 'a table needs at least one column that is not partitioned by')
  }
}
