// The fields of records as columns, and what is wrong with each: the first part of silver, by the mapping.
import {
  and,
  atLeast,
  cents,
  centsOfTenThousandths,
  centsOfText,
  centsOfThousandths,
  centsOfUnits,
  centsOfWholes,
  column,
  commaJoined,
  decimalSign,
  type Expr,
  finiteNumber,
  greaterThan,
  instantOfEpoch,
  int,
  isNull,
  jsonBoolean,
  jsonIsAbsent,
  jsonNumber,
  jsonText,
  jsonWhole,
  least,
  literal,
  long,
  money,
  namedColumns,
  not,
  nullOf,
  or,
  parseInstant,
  plusMicros,
  presentNames,
  text,
  trimToNull,
  when,
  wholeInt,
  wholeText,
} from '../expr/index.ts'
import { checkExpression, decode, extend, type JsonPath, type Relation, readJson } from '../plan/index.ts'
import type { Check } from './fields.ts'
import {
  type ExtraReading,
  extraTypes,
  isPlaceApart,
  type Mapping,
  type Source,
  type TimeReading,
} from './mapping.ts'

/** A clock may be wrong by so much before its rows are refused: a wrong one must never move the watermark. */
const futureMicros = 3_600_000_000n
const amountLimit = money('1000000000000')

/**
 * Stage by stage, so that SQL that uses a value twice names it and does not compute it again: the JSON, what
 * it is as text or number, the column, the reason why it is none.
 */
type FieldReader = {
  readonly json: Readonly<Record<string, JsonPath>>
  readonly raw: Readonly<Record<string, Expr>>
  readonly values: Readonly<Record<string, Expr>>
  /** Null where nothing can be wrong. */
  readonly wrong: Expr<'string'> | null
}

const named = (reason: string): Expr<'string'> => text(reason)

/** The reason as an array element, or null. */
const reasonWhere = (reason: string, condition: Expr<'boolean'>): Expr<'string'> =>
  when([[condition, named(reason)]], nullOf('string'))

/** True for a value that is there and was not understood. */
const isWrong = (value: Expr, json: Expr<'json'>): Expr<'boolean'> =>
  and(isNull(value), not(jsonIsAbsent(json)))

type ReadRecord = {
  readonly value: 'binary'
  readonly headers: 'headers'
  readonly kafka_timestamp: 'timestamp'
  readonly processing_time: 'timestamp'
}

/** The bronze columns, `is_document`, a column for each field, and `invalid`: all that is wrong, in order. */
export function readFields<S extends ReadRecord>(
  bronze: Relation<S>,
  mapping: Mapping,
  checks: readonly Check<never, never>[],
  checkRow: Readonly<Record<string, Expr>>,
): Relation<S & { readonly is_document: 'boolean'; readonly invalid: 'array<string>' }> {
  const id = idReader(mapping.transaction_id)
  const user = userReader(mapping.user_id)
  const amount = amountReader(mapping.amount)
  const merchant = textReader('merchant', 'merchant', mapping.merchant)
  const method = textReader('method', 'payment_method', mapping.payment_method)
  const places = placeReaders(mapping.location)
  const device = textReader('device', 'device_id', mapping.device_id)
  const time = timeReader(mapping.timestamp)
  const fraud = fraudReader(mapping.is_fraud)
  const extra = Object.entries(mapping.extra).map(([name, source]) => extraReader(name, source))
  const read = [id, user, amount, merchant, method, ...Object.values(places), device, time, fraud, ...extra]
  const records: Relation<ReadRecord> = bronze
  const decoded = decode(records, { from: 'value', headers: 'headers', as: 'document', failure: 'undecoded' })
  const parsed = readJson(decoded, {
    from: 'document',
    fields: merged(read.map(({ json }) => json)),
    as: 'is_document',
  })
  const raw = extend(parsed, () => merged(read.map((field) => field.raw)))
  const typed = extend(raw, () => merged(read.map(({ values }) => values)))
  // In the order in which a row lists its reasons.
  const judged = { id, user, amount, time, fraud, merchant, method, ...places, device }
  const wrong = {
    ...wrongColumns(judged),
    ...wrongColumns(
      Object.fromEntries(Object.keys(mapping.extra).map((name, index) => [`extra_${name}`, extra[index]!])),
    ),
    ...checkColumns(checks, checkRow),
  }
  const reasons = Object.keys(wrong).map((name) => column(name, 'string'))
  const judgedFields = extend(typed, () => wrong)
  const invalid = when(
    [
      [not(isNull(column('undecoded', 'string'))), presentNames(column('undecoded', 'string'))],
      [not(column('is_document', 'boolean')), presentNames(named('malformed'))],
    ],
    presentNames(...reasons),
  )
  // The types of columns whose names are data are lost; those that are promised have been added.
  return extend(judgedFields, () => ({ invalid })) as Relation<never>
}

function wrongColumns(readers: Readonly<Record<string, FieldReader>>): Record<string, Expr<'string'>> {
  const wrong: Record<string, Expr<'string'>> = {}
  for (const [name, reader] of Object.entries(readers)) {
    if (reader.wrong !== null) wrong[`wrong_${name}`] = reader.wrong
  }
  return wrong
}

function checkColumns(checks: readonly Check<never, never>[], row: Readonly<Record<string, Expr>>) {
  const wrong: Record<string, Expr<'string'>> = {}
  for (const [index, { reason, when: isRefused }] of checks.entries()) {
    // The type of a check's row is its project's, which a list of any checks does not know.
    const condition = isRefused(namedColumns(row) as never)
    checkExpression(`checks: what ${reason} is refused by`, condition, 'boolean')
    wrong[`wrong_check_${index}`] = reasonWhere(reason, condition)
  }
  return wrong
}

function merged<T>(columns: readonly Readonly<Record<string, T>>[]): Readonly<Record<string, T>> {
  return Object.assign({}, ...columns)
}

const jsonColumn = (name: string): Expr<'json'> => column(`json_${name}`, 'json')

function idReader({ path, as }: Source<'text' | 'whole'>): FieldReader {
  const json = jsonColumn('id')
  return {
    json: { json_id: path },
    raw: { text_id: as === 'text' ? trimToNull(jsonText(json)) : wholeText(jsonWhole(json)) },
    values: { transaction_id: column('text_id', 'string') },
    wrong: reasonWhere('transaction_id_missing', isNull(column('transaction_id', 'string'))),
  }
}

function userReader({ path, as }: Mapping['user_id']): FieldReader {
  const json = jsonColumn('user')
  const readings = {
    int: {
      raw: { number_user: jsonNumber(json) },
      user_id: wholeInt(column('number_user', 'double')),
    },
    long: { raw: {}, user_id: jsonWhole(json) },
    string: { raw: { text_user: jsonText(json) }, user_id: trimToNull(column('text_user', 'string')) },
  } as const
  const { raw, user_id } = readings[as]
  return {
    json: { json_user: path },
    raw,
    values: { user_id },
    wrong: reasonWhere('user_id_invalid', isNull(column('user_id', as))),
  }
}

function amountReader(source: Mapping['amount']): FieldReader {
  const { path, as } = source
  const { raw, given, isPositive } = amountReadings[as]
  const ofUnits = 'digits' in source && source.digits !== undefined ? ofMinorUnits[source.digits] : null
  const values = ofUnits === null ? amountReadings[as].values : { amount: ofUnits(unitsAmount) }
  const amount = column('amount', 'decimal(18,2)')
  const wrong = when(
    [
      [isNull(given), named('amount_invalid')],
      [and(isPositive, or(isNull(amount), atLeast(amount, amountLimit))), named('amount_out_of_range')],
      [or(isNull(amount), not(greaterThan(amount, money('0')))), named('amount_not_positive')],
    ],
    nullOf('string'),
  )
  return { json: { json_amount: path }, raw, values, wrong }
}

const amountJson = jsonColumn('amount')
const numberAmount = column('number_amount', 'double')
const textAmount = column('text_amount', 'string')
const signAmount = column('sign_amount', 'int')
const unitsAmount = column('units_amount', 'long')

/** `given` is null where there is no amount at all; one that money does not hold may be positive. */
const amountReadings: Readonly<Record<Mapping['amount']['as'], AmountReading>> = {
  number: {
    raw: { number_amount: jsonNumber(amountJson) },
    values: { amount: cents(numberAmount) },
    given: numberAmount,
    isPositive: greaterThan(numberAmount, literal('double', 0)),
  },
  decimal_text: {
    raw: { text_amount: trimToNull(jsonText(amountJson)) },
    values: { amount: centsOfText(textAmount), sign_amount: decimalSign(textAmount) },
    given: signAmount,
    isPositive: greaterThan(signAmount, int(0)),
  },
  minor_units: {
    raw: { units_amount: jsonWhole(amountJson) },
    values: { amount: centsOfUnits(unitsAmount) },
    given: unitsAmount,
    isPositive: greaterThan(unitsAmount, long(0n)),
  },
}

const ofMinorUnits = {
  0: centsOfWholes,
  2: centsOfUnits,
  3: centsOfThousandths,
  4: centsOfTenThousandths,
} as const

type AmountReading = Pick<FieldReader, 'raw' | 'values'> & {
  readonly given: Expr
  readonly isPositive: Expr<'boolean'>
}

function timeReader({ path, as }: Mapping['timestamp']): FieldReader {
  const eventTime = column('event_time', 'timestamp')
  const { kafka_timestamp: recordTime, processing_time: bronzeTime } = bronzeTimes
  const latest = plusMicros(least(recordTime, bronzeTime), long(futureMicros))
  return {
    json: { json_time: path },
    ...timeColumns('event_time', 'time', as),
    wrong: when(
      [
        [isNull(eventTime), named('timestamp_invalid')],
        [greaterThan(eventTime, latest), named('timestamp_in_future')],
      ],
      nullOf('string'),
    ),
  }
}

const bronzeTimes = {
  kafka_timestamp: column('kafka_timestamp', 'timestamp'),
  processing_time: column('processing_time', 'timestamp'),
}

const epochUnitMicros = { epoch_s: 1_000_000n, epoch_ms: 1_000n, epoch_us: 1n } as const

function timeColumns(name: string, short: string, as: TimeReading): Pick<FieldReader, 'raw' | 'values'> {
  const json = jsonColumn(short)
  if (as === 'iso') {
    const given = `text_${short}`
    return { raw: { [given]: jsonText(json) }, values: { [name]: parseInstant(column(given, 'string')) } }
  }
  const given = `units_${short}`
  const instant = instantOfEpoch(column(given, 'long'), long(epochUnitMicros[as]))
  return { raw: { [given]: jsonWhole(json) }, values: { [name]: instant } }
}

function fraudReader(source: Mapping['is_fraud']): FieldReader {
  if (source === null) return neverThere({ is_fraud: nullOf('boolean') })
  const json = jsonColumn('fraud')
  return {
    json: { json_fraud: source.path },
    raw: {},
    values: { is_fraud: jsonBoolean(json) },
    wrong: reasonWhere('is_fraud_invalid', isWrong(column('is_fraud', 'boolean'), json)),
  }
}

/** Columns for which no record has a value of their own. */
function neverThere(values: FieldReader['values']): FieldReader {
  return { json: {}, raw: {}, values, wrong: null }
}

function textReader(short: string, name: string, source: Source | null): FieldReader {
  if (source === null) return neverThere({ [name]: nullOf('string') })
  const json = jsonColumn(short)
  const given = column(`text_${short}`, 'string')
  return {
    json: { [`json_${short}`]: source.path },
    raw: { [`text_${short}`]: jsonText(json) },
    values: { [name]: trimToNull(given) },
    wrong: reasonWhere(`${name}_invalid`, isWrong(given, json)),
  }
}

/** City and country that stand apart are joined, as those that do not are split. */
function placeReaders(location: Mapping['location']): Readonly<Record<string, FieldReader>> {
  if (!isPlaceApart(location)) return { location: textReader('location', 'location', location) }
  const of = (name: 'city' | 'country') =>
    location[name] === null ? nullOf('string') : trimToNull(column(`text_${name}`, 'string'))
  return {
    location: neverThere({ location: commaJoined(of('city'), of('country')) }),
    city: textReader('city', 'city', location.city),
    country: textReader('country', 'country', location.country),
  }
}

function extraReader(name: string, { path, as }: Source<ExtraReading>): FieldReader {
  const short = `extra_${name}`
  const reader = { ...extraColumns(short, as), json: { [`json_${short}`]: path } }
  const json = jsonColumn(short)
  // An empty text is no value, and nothing wrong.
  const understood = as === 'text' ? column(`text_${short}`, 'string') : column(short, extraTypes[as])
  return { ...reader, wrong: reasonWhere(`${name}_invalid`, isWrong(understood, json)) }
}

function extraColumns(short: string, as: ExtraReading): Pick<FieldReader, 'raw' | 'values'> {
  const json = jsonColumn(short)
  switch (as) {
    case 'text': {
      const given = `text_${short}`
      return { raw: { [given]: jsonText(json) }, values: { [short]: trimToNull(column(given, 'string')) } }
    }
    case 'boolean':
      return { raw: {}, values: { [short]: jsonBoolean(json) } }
    case 'whole':
      return { raw: {}, values: { [short]: jsonWhole(json) } }
    case 'number':
    case 'cents': {
      const given = column(`number_${short}`, 'double')
      const value = as === 'number' ? finiteNumber(given) : cents(given)
      return { raw: { [`number_${short}`]: jsonNumber(json) }, values: { [short]: value } }
    }
    default:
      return timeColumns(short, short, as)
  }
}
