// The fields of a config, proposed from a sample of records: by what things are called, and by what they are.
// A proposal is for a person to read; what was guessed is said.
import type { JsonPath } from '../plan/index.ts'
import { reservedColumns } from './columns.ts'
import { nameFit } from './field-names.ts'
import type { Fields } from './fields.ts'
import { timeReadings } from './mapping.ts'
import { columnMistakes, plainName, unreadableNameText } from './mapping-of.ts'
import { isReadable } from './readable.ts'
import { type Sample, type SampledPath, writtenPath } from './sample.ts'

export type InferredFields = {
  /** A field without which no record is a transaction is left out where nothing fits. */
  readonly fields: Fields
  /** Those fields. */
  readonly missing: readonly string[]
  /** What a person should look at, one sentence each. */
  readonly notes: readonly string[]
  /** Paths with values that no field takes: columns that a project may add, each with a name that is free. */
  readonly others: readonly OtherColumn[]
}

export type OtherColumn = {
  readonly name: string
  readonly path: JsonPath
  readonly as: 'text' | 'number' | 'boolean'
}

type Choice = { readonly sampled: SampledPath; readonly as: string; readonly isGuess: boolean }

/** Of the values at a path so many have to be readable, and so many records have to have one. */
const readableShareMin = 0.98
const requiredShareMin = 0.9
const optionalShareMin = 0.02
/** Of so many amounts one would have a fraction if any could. */
const wholeAmountsMin = 8
const namesShownMax = 10
/** Years that transactions are of, in seconds. */
const usualSeconds = [946_684_800, 4_102_444_800] as const // 2000 to 2100
const epochUnits = { epoch_s: 1, epoch_ms: 1_000, epoch_us: 1_000_000 } as const

export function inferFields(sample: Sample): InferredFields {
  const taken = new Set<SampledPath>()
  const notes: string[] = []
  const choose = (
    field: string,
    shareMin: number,
    read: (sampled: SampledPath) => string | null,
  ): Choice | null => {
    const choice = bestOf(sample, taken, field, shareMin, read)
    if (choice === null) return null
    taken.add(choice.sampled)
    if (choice.isGuess)
      notes.push(`${field}: guessed from its values, nothing is called so: ${shown(choice.sampled)}`)
    return choice
  }
  const time = choose('timestamp', requiredShareMin, timeReading)
  const id = choose('transaction_id', requiredShareMin, idReading)
  const amount = choose('amount', requiredShareMin, amountReading)
  const user = choose('user_id', requiredShareMin, userReading)
  const optional = (field: string, as: string) =>
    choose(field, optionalShareMin, (sampled) => (isMostly(sampled, as) ? as : null))
  const fraud = optional('is_fraud', 'boolean')
  const merchant = optional('merchant', 'text')
  const method = optional('payment_method', 'text')
  const device = optional('device_id', 'text')
  const location = optional('location', 'text')
  // One text has both.
  const city = location === null ? optional('city', 'text') : null
  const country = location === null ? optional('country', 'text') : null
  if (amount?.as === 'minor_units') {
    notes.push(
      `amount: every ${shown(amount.sampled)} is a whole number, read as cents; if it is not, say as: 'number'`,
    )
  }
  const required = { transaction_id: id, user_id: user, amount, timestamp: time }
  const missing = Object.entries(required).flatMap(([field, choice]) => (choice === null ? [field] : []))
  const fields = {
    ...(id === null ? {} : { transaction_id: written(id, 'as', 'text') }),
    ...(user === null ? {} : { user_id: written(user, 'type', 'int') }),
    ...(amount === null ? {} : { amount: written(amount, 'as', 'number') }),
    ...(time === null ? {} : { timestamp: written(time, 'as', 'iso') }),
    merchant: pathOrNone(merchant),
    payment_method: pathOrNone(method),
    location: placeOf(location, city, country),
    device_id: pathOrNone(device),
    is_fraud: pathOrNone(fraud),
  } as Fields // The readings are those that their fields have.
  const others = othersOf(sample, taken, notes)
  if (sample.unreadable.length > 0) notes.push(unreadableText(sample.unreadable))
  return { fields, missing, notes, others }
}

function unreadableText(names: readonly string[]): string {
  const shownNames = names.slice(0, namesShownMax).map((name) => JSON.stringify(name))
  const more = names.length > shownNames.length ? ` and ${names.length - shownNames.length} more` : ''
  return `no field can read ${shownNames.join(', ')}${more}: ${unreadableNameText}`
}

function bestOf(
  sample: Sample,
  taken: ReadonlySet<SampledPath>,
  field: string,
  shareMin: number,
  read: (sampled: SampledPath) => string | null,
): Choice | null {
  let best: (Choice & { readonly score: number }) | null = null
  for (const sampled of sample.paths) {
    if (taken.has(sampled) || sampled.count < shareMin * sample.records) continue
    const as = read(sampled)
    if (as === null) continue
    const share = sampled.count / sample.records
    const name = nameFit(field, sampled.path)
    const score = name > 0 ? name + 10 * share : guessScore(field, sampled)
    if (score > (best?.score ?? 0)) best = { sampled, as, isGuess: name <= 0, score }
  }
  return best
}

/** Where nothing has the name: what a value alone can tell, always less than a name does. */
function guessScore(field: string, sampled: SampledPath): number {
  const depth = sampled.path.length
  const distinct = new Set(sampled.values).size
  switch (field) {
    case 'timestamp':
      return 10 / depth
    case 'transaction_id':
      // Amounts may be texts too.
      if (isMostly(sampled, 'decimal_text') && !isDigits(sampled)) return 0
      return distinct === sampled.values.length && distinct > 2 ? 10 / depth : 0
    case 'user_id':
      return isIdLike(sampled) && distinct > 1 ? 10 / depth : 0
    case 'amount':
      return sampled.values.some((value) => /[.]/.test(String(value))) ? 10 / depth : 0
    default:
      return 0
  }
}

const isMostly = ({ values }: SampledPath, as: string): boolean =>
  values.length > 0 &&
  values.filter((value) => isReadable(value, as)).length >= readableShareMin * values.length

function timeReading(sampled: SampledPath): string | null {
  return timeReadings.find((as) => isMostly(sampled, as) && (as === 'iso' || isUsual(sampled, as))) ?? null
}

/** A count of seconds read as milliseconds is a day of 1970. */
function isUsual({ values }: SampledPath, as: keyof typeof epochUnits): boolean {
  const [first, last] = usualSeconds.map((second) => second * epochUnits[as])
  return (
    values.filter((value) => Number(value) >= first! && Number(value) <= last!).length >= 0.9 * values.length
  )
}

/** Ids of transactions hardly repeat. */
function idReading(sampled: SampledPath): string | null {
  const distinct = new Set(sampled.values).size
  if (distinct < 0.8 * sampled.values.length) return null
  if (isMostly(sampled, 'text')) return timeReading(sampled) === null ? 'text' : null
  return isMostly(sampled, 'whole') && timeReading(sampled) === null ? 'whole' : null
}

const isDigits = ({ values }: SampledPath): boolean => values.every((value) => /^[0-9]+$/.test(String(value)))

function userReading(sampled: SampledPath): string | null {
  if (isMostly(sampled, 'text')) return timeReading(sampled) === null ? 'string' : null
  if (!isMostly(sampled, 'long')) return null
  return isMostly(sampled, 'int') && sampled.values.every((value) => Math.abs(Number(value)) < 2 ** 30)
    ? 'int'
    : 'long'
}

function amountReading(sampled: SampledPath): string | null {
  if (isMostly(sampled, 'decimal_text')) return 'decimal_text'
  if (!isMostly(sampled, 'number')) return null
  const isWhole = isMostly(sampled, 'minor_units') && sampled.values.every((value) => Number.isInteger(value))
  return isWhole && (sampled.values.length >= wholeAmountsMin || isNamedMinor(sampled))
    ? 'minor_units'
    : 'number'
}

const isNamedMinor = ({ path }: SampledPath): boolean => /cents?|minor|pence|subunit/i.test(path.join('.'))

/** UUIDs, and words with digits in them. */
function isIdLike({ values }: SampledPath): boolean {
  return values.every(
    (value) => /^[\w.:-]*[0-9][\w.:-]*$/.test(String(value)) && !/^[0-9]+[.][0-9]+$/.test(String(value)),
  )
}

function written({ sampled, as }: Choice, option: 'as' | 'type', usual: string): unknown {
  const path = writtenPath(sampled.path)
  return as === usual ? path : { path, [option]: as }
}

const pathOrNone = (choice: Choice | null): string | readonly string[] | null =>
  choice === null ? null : writtenPath(choice.sampled.path)

function placeOf(location: Choice | null, city: Choice | null, country: Choice | null): unknown {
  if (location !== null) return pathOrNone(location)
  if (city === null && country === null) return null
  return {
    ...(city === null ? {} : { city: pathOrNone(city) }),
    ...(country === null ? {} : { country: pathOrNone(country) }),
  }
}

const shown = ({ path }: SampledPath): string => path.join('.')

function othersOf(sample: Sample, taken: ReadonlySet<SampledPath>, notes: string[]): OtherColumn[] {
  const names = new Set<string>()
  return sample.paths.flatMap((sampled) => {
    if (taken.has(sampled)) return []
    const as = (['text', 'boolean', 'number'] as const).find((one) => isMostly(sampled, one))
    if (as === undefined) {
      notes.push(`${shown(sampled)}: no column takes it, its values are lists or of several kinds`)
      return []
    }
    const name = freeName(sampled.path, names)
    names.add(name)
    return [{ name, path: sampled.path, as }]
  })
}

/** The last name of the path, with those before it where another column has it, else with a number. */
function freeName(path: JsonPath, names: ReadonlySet<string>): string {
  const candidates = path.map((_, index) => plainName(path.slice(-1 - index).join('_')))
  const usual = candidates.map((name) => (reservedColumns.has(name) ? `record_${name}` : name))
  const isFree = (name: string): boolean =>
    name !== '' && columnMistakes(name).length === 0 && !names.has(name)
  const found = usual.find(isFree)
  if (found !== undefined) return found
  const base = usual[0] === '' ? 'column' : usual[0]!.slice(0, 50)
  for (let count = usual[0] === '' ? 1 : 2; ; count++)
    if (isFree(`${base}_${count}`)) return `${base}_${count}`
}
