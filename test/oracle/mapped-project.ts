// A random project, records of it, and what silver has to make of each: its cells, or the reasons.
import fc from 'fast-check'
import type { ExtraFields, FieldPath, Fields } from '../../src/transactions/fields.ts'
import { boolField, numberField, textField, timeField, wholeField } from '../../src/transactions/fields.ts'
import { bronzeMicros, type Written, writtenAs, wrong } from './mapped-records.ts'

/** A field of a project, by the column that it becomes. */
type Place = { readonly column: string; readonly path: readonly string[]; readonly as: string }
export type MappedProject = {
  readonly fields: Fields
  readonly extra: ExtraFields
  readonly places: readonly Place[]
}
export type MappedRecord = {
  readonly value: Buffer
  /** Microseconds; null: the record has none. */
  readonly kafkaMicros: bigint | null
  readonly reasons: readonly string[]
  /** Cells by column: decimals are cents, instants microseconds. Meant only where there is no reason. */
  readonly cells: Readonly<Record<string, Written['means']>>
}

/** Objects on the way; no field has one of their names. */
const ways = [[], [], ['data'], ['data', 'attributes'], ['a.b'], ['payload', 'x y', '0'], ['é']] as const
const readings = {
  transaction_id: ['text', 'whole'],
  user_id: ['int', 'long', 'string'],
  amount: ['number', 'decimal_text', 'minor_units'],
  timestamp: ['iso', 'epoch_s', 'epoch_ms', 'epoch_us'],
} as const
const extras = {
  text: textField,
  boolean: boolField,
  number: (path: FieldPath) => numberField(path),
  cents: (path: FieldPath) => numberField(path, { scale: 2 }),
  whole: wholeField,
  iso: (path: FieldPath) => timeField(path),
  epoch_s: (path: FieldPath) => timeField(path, 'epoch_s'),
  epoch_ms: (path: FieldPath) => timeField(path, 'epoch_ms'),
  epoch_us: (path: FieldPath) => timeField(path, 'epoch_us'),
} as const

const pathOf = (column: string): fc.Arbitrary<string[]> =>
  fc
    .tuple(fc.constantFrom(...ways), fc.constantFrom(column, `${column}Id`, `@${column}`, `${column}.v`))
    .map(([way, name]) => [...way, name])

export const mappedProject: fc.Arbitrary<MappedProject> = fc
  .record({
    transaction_id: fc.tuple(pathOf('transaction_id'), fc.constantFrom(...readings.transaction_id)),
    user_id: fc.tuple(pathOf('user_id'), fc.constantFrom(...readings.user_id)),
    amount: fc.tuple(pathOf('amount'), fc.constantFrom(...readings.amount)),
    timestamp: fc.tuple(pathOf('timestamp'), fc.constantFrom(...readings.timestamp)),
    is_fraud: fc.option(pathOf('is_fraud'), { freq: 3 }),
    merchant: fc.option(pathOf('merchant'), { freq: 3 }),
    device_id: fc.option(pathOf('device_id'), { freq: 3 }),
    location: fc.constantFrom('text', 'both', 'city', 'country', 'none'),
    city: pathOf('city'),
    country: pathOf('country'),
    extra: fc.uniqueArray(fc.constantFrom(...(Object.keys(extras) as (keyof typeof extras)[])), {
      maxLength: 5,
    }),
    extraPaths: fc.array(pathOf('own'), { minLength: 5, maxLength: 5 }),
  })
  .map((drawn): MappedProject => {
    const places: Place[] = []
    const place = (column: string, path: readonly string[], as: string): readonly string[] => {
      places.push({ column, path, as })
      return path
    }
    const fields: Fields = {
      transaction_id: { path: place('transaction_id', ...drawn.transaction_id), as: drawn.transaction_id[1] },
      user_id: { path: place('user_id', ...drawn.user_id), type: drawn.user_id[1] },
      amount: {
        path: place(
          'amount',
          drawn.amount[0],
          drawn.amount[1] === 'number' ? 'amount number' : drawn.amount[1],
        ),
        as: drawn.amount[1],
      },
      timestamp: { path: place('timestamp', ...drawn.timestamp), as: drawn.timestamp[1] },
      is_fraud: drawn.is_fraud === null ? null : place('is_fraud', drawn.is_fraud, 'boolean'),
      merchant: drawn.merchant === null ? null : place('merchant', drawn.merchant, 'text'),
      payment_method: null,
      location: locationOf(drawn.location, drawn.city, drawn.country, place),
      device_id: drawn.device_id === null ? null : place('device_id', drawn.device_id, 'text'),
    }
    const extra = Object.fromEntries(
      drawn.extra.map((as, index) => {
        const [name, path] = [`own_${as}`, drawn.extraPaths[index]!]
        return [name, extras[as](place(name, [...path.slice(0, -1), `${path.at(-1)}${index}`], as))]
      }),
    )
    return { fields, extra, places }
  })

function locationOf(
  kind: string,
  city: readonly string[],
  country: readonly string[],
  place: (column: string, path: readonly string[], as: string) => readonly string[],
): NonNullable<Fields['location']> | null {
  if (kind === 'none') return null
  if (kind === 'text') return place('location', city, 'text')
  return {
    ...(kind === 'country' ? {} : { city: place('city', city, 'text') }),
    ...(kind === 'city' ? {} : { country: place('country', country, 'text') }),
  }
}

/** Rarely the objects on the way are none, or have a name twice. */
const accident = fc.oneof(
  { weight: 12, arbitrary: fc.constant('none' as const) },
  { weight: 1, arbitrary: fc.constantFrom('twice', 'no object', 'twice beside the way') },
)

const anyClock = fc.option(fc.bigInt({ min: bronzeMicros - 10_000_000n, max: bronzeMicros + 10_000_000n }))

/** `kafkaMicros` are the times that records are stamped with. */
export function mappedRecord(
  { places }: MappedProject,
  kafkaMicros: fc.Arbitrary<bigint | null> = anyClock,
): fc.Arbitrary<MappedRecord> {
  const written = fc.tuple(...places.map(({ as }) => likely(writtenAs(as))))
  return fc
    .tuple(written, kafkaMicros, accident, fc.boolean())
    .map(([values, kafka, happened, isReversed]) => {
      const root = new Node()
      let isMalformed = false
      const means: Record<string, Written['means']> = {}
      for (const [index, { column, path }] of places.entries()) {
        const { json, means: meant } = values[index]!
        means[column] = meant
        if (json !== null) root.set(path, json)
      }
      const ways = [...root.ways()]
      if (happened !== 'none' && ways.length > 0) {
        const [names, node] = ways[ways.length - 1]!
        if (happened === 'twice') {
          node.noise.push('"twice": 1', '"tw\\u0069ce": 2')
          isMalformed = true
        } else if (happened === 'no object') {
          node.instead = '["no object"]'
          for (const { column, path } of places) {
            if (names.every((name, at) => path[at] === name)) means[column] = null
          }
        } else root.noise.push('"beside": {"a": 1, "a": [{"b": 1, "b": 2}]}')
      }
      const judged = judgedOf(places, means, kafka)
      return {
        value: Buffer.from(root.text(isReversed)),
        kafkaMicros: kafka,
        reasons: isMalformed ? ['malformed'] : judged.reasons,
        cells: judged.cells,
      }
    })
}

/** Mostly what it should be: of ten fields one wrong one is a record refused. */
function likely(values: fc.Arbitrary<Written>): fc.Arbitrary<Written> {
  const right = values.filter(({ means }) => means !== wrong && means !== null)
  return fc.oneof({ weight: 6, arbitrary: right }, { weight: 1, arbitrary: values })
}

function judgedOf(
  places: readonly Place[],
  means: Readonly<Record<string, Written['means']>>,
  kafkaMicros: bigint | null,
): Pick<MappedRecord, 'reasons' | 'cells'> {
  const reasons: string[] = []
  const cell = (column: string): Written['means'] => {
    const meant = means[column] ?? null
    return meant === wrong ? null : meant
  }
  if (cell('transaction_id') === null) reasons.push('transaction_id_missing')
  if (cell('user_id') === null) reasons.push('user_id_invalid')
  const amount = cell('amount')
  if (typeof amount !== 'bigint') reasons.push('amount_invalid')
  else if (amount >= 10n ** 14n) reasons.push('amount_out_of_range')
  else if (amount <= 0n) reasons.push('amount_not_positive')
  const time = cell('timestamp')
  const clock = kafkaMicros !== null && kafkaMicros < bronzeMicros ? kafkaMicros : bronzeMicros
  if (typeof time !== 'bigint') reasons.push('timestamp_invalid')
  else if (time > clock + 3_600_000_000n) reasons.push('timestamp_in_future')
  const optional = ['is_fraud', 'merchant', 'payment_method', 'location', 'city', 'country', 'device_id']
  const own = places.map(({ column }) => column).filter((column) => column.startsWith('own_'))
  for (const column of [...optional, ...own]) if (means[column] === wrong) reasons.push(`${column}_invalid`)
  const id = cell('transaction_id')
  return {
    reasons,
    cells: {
      transaction_id: typeof id === 'bigint' ? String(id) : id,
      user_id: cell('user_id'),
      amount,
      merchant: cell('merchant'),
      payment_method: null,
      ...placeCells(
        places.some(({ column }) => column === 'location'),
        cell,
      ),
      device_id: cell('device_id'),
      is_fraud: cell('is_fraud') ?? false,
      event_time: time,
      ...Object.fromEntries(own.map((column) => [column, cell(column)])),
    },
  }
}

function placeCells(isSplit: boolean, cell: (column: string) => Written['means']) {
  if (!isSplit) {
    const [city, country] = [cell('city'), cell('country')]
    const parts = [city, country].filter((part) => part !== null)
    return { location: parts.length === 0 ? null : parts.join(', '), city, country }
  }
  const location = cell('location')
  const parts = String(location ?? '').split(', ')
  if (location === null || parts.length === 1) return { location, city: location, country: null }
  const part = (text: string): string | null => text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '') || null
  return { location, city: part(parts.slice(0, -1).join(', ')), country: part(parts.at(-1)!) }
}

/** An object of a document while it is written. */
class Node {
  readonly #members = new Map<string, Node | string>()
  readonly noise: string[] = []
  instead: string | null = null

  set([name, ...inner]: readonly string[], json: string): void {
    const known = this.#members.get(name!)
    if (inner.length === 0) this.#members.set(name!, json)
    else {
      const node = known instanceof Node ? known : new Node()
      this.#members.set(name!, node)
      node.set(inner, json)
    }
  }

  /** The objects below this one, each behind those around it. */
  *ways(before: readonly string[] = []): Generator<readonly [readonly string[], Node]> {
    for (const [name, member] of this.#members) {
      if (typeof member === 'string') continue
      yield [[...before, name], member]
      yield* member.ways([...before, name])
    }
  }

  text(isReversed: boolean): string {
    if (this.instead !== null) return this.instead
    const members = [...this.#members].map(([name, member]) => {
      return `${JSON.stringify(name)}: ${typeof member === 'string' ? member : member.text(isReversed)}`
    })
    const all = [...members, ...this.noise, '"unknown": [{"x": null}]']
    return `{${(isReversed ? all.reverse() : all).join(', ')}}`
  }
}
