// The mapping that a project asks for, or what is wrong with it.
import { LakehouseError } from '../errors/errors.ts'
import { isJsonName, type JsonPath } from '../plan/index.ts'
import { reservedColumns } from './columns.ts'
import type { ExtraFields, FieldPath, Fields } from './fields.ts'
import { type Mapping, minorDigits, type Source, timeReadings } from './mapping.ts'
import { builtInReasons } from './reasons.ts'

const names = {
  transaction_id: ['text', 'whole'],
  user_id: ['int', 'long', 'string'],
  amount: ['number', 'decimal_text', 'minor_units'],
  timestamp: timeReadings,
  is_fraud: ['boolean'],
  merchant: ['text'],
  payment_method: ['text'],
  location: ['text'],
  device_id: ['text'],
} as const
const required: readonly string[] = ['transaction_id', 'user_id', 'amount', 'timestamp']
const extraReadings: readonly string[] = ['text', 'boolean', 'number', 'whole', 'cents', ...timeReadings]

/** The mapping; fails with LAKEHOUSE_INVALID, with one line for each mistake. */
export function mappingOf(fields: Fields = {}, extra: ExtraFields = {}): Mapping {
  const mistakes: string[] = []
  const given: Readonly<Record<string, unknown>> = fields
  for (const name of Object.keys(given)) {
    if (name in names) continue
    mistakes.push(`fields.${name}: there is ${Object.keys(names).join(', ')}; other columns stand in extra`)
  }
  const mapping = Object.fromEntries(
    Object.entries(names).map(([name, readings]) => {
      const field = given[name] === undefined ? name : given[name]
      if (field === null && required.includes(name))
        mistakes.push(`fields.${name}: every record must have one`)
      if (field === null) return [name, null]
      return [
        name,
        isPlace(name, field) ? placeOf(field, mistakes) : sourceOf(name, field, readings, mistakes),
      ]
    }),
  )
  const further = Object.entries(extra).map(([column, { path, as }]) => {
    mistakes.push(...columnMistakes(column))
    if (!extraReadings.includes(as))
      mistakes.push(`extra.${column}: ${as} is not offered; a decimal has 2 places`)
    return [column, { path: pathOf(`extra.${column}`, path, mistakes), as }]
  })
  refuse(mistakes)
  // As the names say; what is no reading of a name is a mistake.
  return { ...mapping, extra: Object.fromEntries(further) } as Mapping
}

/** A column's name has to be free, and one that every reader of tables takes without quotes. */
export function columnMistakes(column: string): string[] {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(column)) {
    const plain = plainName(column)
    const advice = plain === '' ? '' : `, such as ${plain}`
    return [`extra.${JSON.stringify(column)}: a column is called in small letters, digits and _${advice}`]
  }
  if (!reservedColumns.has(column)) return []
  return [
    `extra.${column}: Assay has a column of this name; call it record_${column} or what it means to you`,
  ]
}

/** What a column of this name can be called; empty where nothing of it can stay. */
export function plainName(name: string): string {
  const parted = name
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
  const plain = parted.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')
  return plain
    .replaceAll(/^[_0-9]+/g, '')
    .slice(0, 63)
    .replaceAll(/_+$/g, '')
}

/** Reasons of checks: each stands for one thing. */
export function reasonMistakes(mapping: Mapping, reasons: readonly string[]): string[] {
  const builtIn = builtInReasons(mapping)
  return reasons.flatMap((reason, index) => {
    if (!/^[a-z][a-z0-9_]{0,62}$/.test(reason)) {
      return [
        `checks: the reason ${JSON.stringify(reason)} is no name: small letters, digits and _, such as currency_unknown`,
      ]
    }
    if (builtIn.includes(reason))
      return [`checks: ${reason} is a reason of Assay's own; give yours another name`]
    return reasons.indexOf(reason) === index ? [] : [`checks: two of them have the reason ${reason}`]
  })
}

export function refuse(mistakes: readonly string[]): void {
  if (mistakes.length === 0) return
  throw new LakehouseError('LAKEHOUSE_INVALID', ['the lakehouse is not valid:', ...mistakes].join('\n  '), {
    details: { mistakes },
  })
}

function isPlace(name: string, field: unknown): field is { city?: FieldPath; country?: FieldPath } {
  return (
    name === 'location' &&
    typeof field === 'object' &&
    field !== null &&
    !Array.isArray(field) &&
    !('path' in field)
  )
}

function placeOf(field: { city?: FieldPath; country?: FieldPath }, mistakes: string[]): Mapping['location'] {
  const { city, country, ...others } = field
  for (const name of Object.keys(others)) mistakes.push(`fields.location.${name}: there is city and country`)
  if (city === undefined && country === undefined) {
    mistakes.push(
      'fields.location: give the path of city, of country or of both, or null where there is none',
    )
  }
  const source = (name: string, path: FieldPath | undefined): Source<'text'> | null =>
    path === undefined ? null : { path: pathOf(`fields.location.${name}`, path, mistakes), as: 'text' }
  return { city: source('city', city), country: source('country', country) }
}

function sourceOf(name: string, field: unknown, readings: readonly string[], mistakes: string[]): Source {
  const at = `fields.${name}`
  if (typeof field !== 'object' || field === null || Array.isArray(field)) {
    return { path: pathOf(at, field, mistakes), as: readings[0]! }
  }
  const option = name === 'user_id' ? 'type' : 'as'
  const { path, [option]: as = readings[0], digits, ...others } = field as Readonly<Record<string, unknown>>
  for (const other of Object.keys(others)) mistakes.push(`${at}.${other}: there is path and ${option}`)
  const places = minorDigits.find((one) => one === digits)
  if (digits !== undefined && as !== 'minor_units')
    mistakes.push(`${at}.digits: minor_units alone have digits, 2 where none are said`)
  else if (digits !== undefined && places === undefined)
    mistakes.push(`${at}.digits: there is ${minorDigits.join(', ')}, not ${String(digits)}`)
  const reading = readings.find((one) => one === as)
  if (reading === undefined)
    mistakes.push(`${at}.${option}: there is ${readings.join(', ')}, not ${String(as)}`)
  const source = { path: pathOf(at, path, mistakes), as: reading ?? readings[0]! }
  return places === undefined || places === 2 ? source : ({ ...source, digits: places } as Source)
}

/** Of a name that is none for `isJsonName`. */
export const unreadableNameText =
  'it has a quote, a backslash, a question mark or a control character, begins with a space, or is *'

const noPath: JsonPath = ['unknown']

function pathOf(at: string, path: unknown, mistakes: string[]): JsonPath {
  const list: unknown = typeof path === 'string' ? path.split('.') : path
  const isList = Array.isArray(list) && list.every((name) => typeof name === 'string')
  const [first, ...inner]: readonly (string | undefined)[] = isList ? list : []
  const odd = isList ? list.find((name) => !isJsonName(name)) : undefined
  if (first !== undefined && odd === undefined) return [first, ...(inner as string[])]
  const said = JSON.stringify(path) ?? 'nothing'
  mistakes.push(
    odd === undefined || odd === ''
      ? `${at}: ${said} is no path; write names with a point between them, 'customer.id', or a list of names, ['customer.id'], where a name has a point itself`
      : `${at}: the name ${JSON.stringify(odd)} cannot be read: ${unreadableNameText}`,
  )
  return noPath
}
