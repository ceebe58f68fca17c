// Values that hold instants, however deep: rebuilding them with each instant replaced by an expression.
import type { DeltaType } from './schema.ts'
import { quoteIdentifier, quoteText } from './sql.ts'

export function hasInstants(type: DeltaType): boolean {
  if (typeof type === 'string') return type === 'timestamp'
  switch (type.type) {
    case 'array':
      return hasInstants(type.elementType)
    case 'map':
      return hasInstants(type.keyType) || hasInstants(type.valueType)
    case 'struct':
      return type.fields.some((field) => hasInstants(field.type))
  }
}

/** `value` with `replace` applied to every instant in it; `depth` keeps the names of nested lambdas apart. */
export function mapInstants(
  value: string,
  type: DeltaType,
  replace: (instant: string) => string,
  depth = 0,
): string {
  if (!hasInstants(type)) return value
  if (typeof type === 'string') return replace(value)
  const element = `x${depth}`
  const inner = (part: string, of: DeltaType) => mapInstants(part, of, replace, depth + 1)
  switch (type.type) {
    case 'array':
      return `list_transform(${value}, lambda ${element}: ${inner(element, type.elementType)})`
    case 'map':
      return mapOf(
        value,
        element,
        inner(`${element}.key`, type.keyType),
        inner(`${element}.value`, type.valueType),
      )
    case 'struct':
      return structOf(
        value,
        type.fields.map((field) => [field.name, inner(fieldOf(value, field.name), field.type)]),
      )
  }
}

export function fieldOf(struct: string, name: string): string {
  return `struct_extract(${struct}, ${quoteText(name)})`
}

/** A struct of the expressions; null where `value` is. */
export function structOf(
  value: string,
  fields: readonly (readonly [name: string, expression: string])[],
): string {
  const list = fields.map(([name, expression]) => `${quoteIdentifier(name)} := ${expression}`)
  return `CASE WHEN ${value} IS NOT NULL THEN struct_pack(${list.join(', ')}) END`
}

/** The map `value` with its keys and values rebuilt; null where `value` is. */
export function mapOf(value: string, element: string, key: string, item: string): string {
  const pair = `{'key': ${key}, 'value': ${item}}`
  const entries = `list_transform(map_entries(${value}), lambda ${element}: ${pair})`
  return `CASE WHEN ${value} IS NOT NULL THEN map_from_entries(${entries}) END`
}
