// Valid, on time and not repeated: the transactions that everything after counts. The rest is in quarantine.
// What a record must look like to be one is its project's mapping: the seed's, or another.
import {
  afterLastComma,
  and,
  beforeLastComma,
  bool,
  type Columns,
  coalesce,
  column,
  columnsOf,
  dateOf,
  dayOfWeek,
  type Expr,
  equals,
  greaterThan,
  hourOfDay,
  int,
  isEmpty,
  isTrue,
  lessThan,
  money,
  not,
  nullOf,
  or,
  presentNames,
  type Schema,
  text,
  when,
} from '../../expr/index.ts'
import {
  deduplicate,
  defineTable,
  extend,
  input,
  project,
  quarantineSplit,
  type RecordReading,
  type Relation,
  shared,
  type TableDefinition,
} from '../../plan/index.ts'
import type { FieldColumns, SilverColumns, UserType } from '../../transactions/columns.ts'
import type {
  Check,
  ExtraFields,
  ExtraSchema,
  Fields,
  TransactionFields,
  UserTypeOf,
} from '../../transactions/fields.ts'
import { extraTypes, isPlaceApart, type Mapping } from '../../transactions/mapping.ts'
import { mappingOf, reasonMistakes, refuse } from '../../transactions/mapping-of.ts'
import { readFields } from '../../transactions/read-fields.ts'
import { reasonMeaningsOf } from '../../transactions/reasons.ts'
import { bronzeBatch } from '../1-bronze/transactions.ts'
import { dedupMicros, processingTime, watermark } from '../batch.ts'

/** Silver as a project maps it, with what other tables read of it. `X` are the project's own columns. */
export type Silver<U extends UserType = UserType, X = unknown> = {
  readonly mapping: Mapping
  /** The mapping and the reasons of checks, for who reads records without the plan. */
  readonly reading: RecordReading
  /** What each reason means, in the order in which a row lists them. */
  readonly reasonMeanings: Readonly<Record<string, string>>
  readonly transactions: TableDefinition<SilverColumns<U, X>>
  /** The records that are no transactions. */
  readonly refused: Relation<RefusedColumns>
  /** Silver's rows before this batch, as far back as one of it can be their repeat. */
  readonly ids: Relation<typeof idColumns>
  /** Silver's rows before this batch, as far back as they count for a user's velocity. */
  readonly users: Relation<{ readonly user_id: U; readonly event_time: 'timestamp' }>
  /** The rows that this batch brings to silver. */
  readonly batch: Relation<SilverColumns<U, X>>
  /** Silver's rows in windows that close, this batch's included. */
  readonly recent: Relation<RecentColumns<U> & X>
  /** The same rows with what says in which order they came, for sessions that close. */
  readonly ordered: Relation<OrderedColumns<U>>
}

/** What a record is, and what became of it. */
type RefusedColumns = Omit<typeof bronzeBatch.schema, 'headers' | 'kafka_timestamp'> & {
  readonly reasons: 'array<string>'
}
const path = 'silver/transactions'
const history = { of: 'history', table: path } as const
const closing = { of: 'closing', table: path } as const
const idColumns = { transaction_id: 'string', event_time: 'timestamp' } as const
const recentColumns = [
  'user_id',
  'amount',
  'amount_category',
  'is_high_value',
  'merchant',
  'payment_method',
  'city',
  'country',
  'device_id',
  'is_fraud',
  'is_weekend',
  'event_time',
] as const
export type RecentColumns<U extends UserType = UserType> = Pick<
  FieldColumns<U>,
  (typeof recentColumns)[number]
>

const orderedColumns = [
  'user_id',
  'amount',
  'merchant',
  'country',
  'device_id',
  'is_fraud',
  'event_time',
  'topic',
  'partition',
  'offset',
  'processing_time',
] as const
export type OrderedColumns<U extends UserType = UserType> = Pick<
  SilverColumns<U, unknown>,
  (typeof orderedColumns)[number]
>

/** Silver of records that look like this; fails with LAKEHOUSE_INVALID where they cannot. */
export function silverOf<const F extends Fields = Fields, const E extends ExtraFields = Record<never, never>>(
  of: TransactionFields<F, E>,
): Silver<UserTypeOf<F>, ExtraSchema<E>> {
  const mapping = mappingOf(of.fields, of.extra)
  const checks = of.checks ?? []
  refuse(
    reasonMistakes(
      mapping,
      checks.map(({ reason }) => reason),
    ),
  )
  // The columns are those of the mapping, whose types the type of `of` says.
  return silverBy(mapping, checks as readonly Check<never, never>[]) as never
}

function silverBy(mapping: Mapping, checks: readonly Check<never, never>[]): Silver {
  const ids = input('silver_ids', idColumns, history)
  const users = input('silver_users', { user_id: mapping.user_id.as, event_time: 'timestamp' }, history)
  const judged = judgedRows(parsedRows(mapping, checks), ids)
  const { accepted, refused } = quarantineSplit('judged_batch', judged, (row) => isEmpty(row.reasons))
  const own = ownColumns(mapping)
  const transactions = defineTable({
    path,
    meaning: 'Every transaction that is valid, on time and not repeated, with its derived columns.',
    stream: 'kafka-to-delta',
    partitionBy: 'transaction_date',
    watermark: null,
    rows: project(accepted, (row) => ({
      ...fieldsOf(columnsOf(recordSchema(mapping)), mapping),
      topic: row.topic,
      partition: row.partition,
      offset: row.offset,
      processing_time: row.processing_time,
      processing_date: row.processing_date,
      // Behind all others: there a table gets them that is older than they are.
      ...own,
    })),
  })
  const schema: Schema = transactions.rows.schema
  // The keys are those of the lists.
  const closingRows = (name: string, columns: readonly string[]) =>
    input(name, Object.fromEntries(columns.map((one) => [one, schema[one]!])), closing) as never
  return {
    mapping,
    reading: { mapping, checkReasons: checks.map(({ reason }) => reason) },
    reasonMeanings: reasonMeaningsOf(mapping, checks),
    transactions,
    refused,
    ids,
    users,
    batch: input('silver_batch', transactions.rows.schema, { of: 'batch', table: path }),
    recent: closingRows('silver_recent', [...recentColumns, ...Object.keys(own)]),
    ordered: closingRows('silver_ordered', orderedColumns),
  }
}

/** Columns that types here do not know: which there are is the project's affair. */
type OwnColumns = Readonly<Record<never, Expr>>

/**
 * The columns that the project has beside the seed's. On the way to silver they have other names, so that
 * nothing there can be called as they are.
 */
function ownColumns({ extra }: Mapping): OwnColumns {
  return Object.fromEntries(
    Object.entries(extra).map(([name, { as }]) => [name, column(`extra_${name}`, extraTypes[as])]),
  )
}

/** The same under the names that they have on the way. */
function ownOnTheWay(own: OwnColumns): OwnColumns {
  return Object.fromEntries(Object.entries<Expr>(own).map(([name, read]) => [`extra_${name}`, read]))
}

/** What a record gives by itself. */
function recordSchema({ user_id, location }: Mapping) {
  const apart: Readonly<Record<never, string>> = isPlaceApart(location)
    ? { city: 'string', country: 'string' }
    : {}
  return {
    transaction_id: 'string',
    user_id: user_id.as,
    amount: 'decimal(18,2)',
    merchant: 'string',
    payment_method: 'string',
    location: 'string',
    ...apart,
    device_id: 'string',
    is_fraud: 'boolean',
    event_time: 'timestamp',
  } as const
}

type RecordColumns = Columns<ReturnType<typeof recordSchema>>

/** Silver's columns of a record, with those that follow from others. */
function fieldsOf(row: RecordColumns, { location }: Mapping): Columns<FieldColumns> {
  const isApart = isPlaceApart(location)
  return {
    transaction_id: row.transaction_id,
    user_id: row.user_id,
    amount: row.amount,
    amount_category: when(
      [
        [lessThan(row.amount, money('10')), text('micro')],
        [lessThan(row.amount, money('100')), text('small')],
        [lessThan(row.amount, money('1000')), text('medium')],
        [lessThan(row.amount, money('10000')), text('large')],
      ],
      text('enterprise'),
    ),
    is_high_value: greaterThan(row.amount, money('1000')),
    merchant: row.merchant,
    payment_method: row.payment_method,
    location: row.location,
    city: isApart ? column('city', 'string') : beforeLastComma(row.location),
    country: isApart ? column('country', 'string') : afterLastComma(row.location),
    device_id: row.device_id,
    is_fraud: row.is_fraud,
    event_time: row.event_time,
    transaction_date: dateOf(row.event_time),
    transaction_hour: hourOfDay(row.event_time),
    transaction_day_of_week: dayOfWeek(row.event_time),
    is_weekend: or(equals(dayOfWeek(row.event_time), int(1)), equals(dayOfWeek(row.event_time), int(7))),
  }
}

/** Every record, read and judged by itself. Deduplication reads it twice: it is computed once. */
function parsedRows(mapping: Mapping, checks: readonly Check<never, never>[]) {
  const record = columnsOf(recordSchema(mapping))
  const understood = { ...record, is_fraud: coalesce(record.is_fraud, bool(false)) }
  const own = ownColumns(mapping)
  const read = readFields(bronzeBatch, mapping, checks, { ...fieldsOf(understood, mapping), ...own })
  const timed = project(read, (row) => ({
    ...understood,
    ...ownOnTheWay(own),
    topic: row.topic,
    partition: row.partition,
    offset: row.offset,
    kafka_key: row.kafka_key,
    value: row.value,
    // The batch's: where bronze was written ahead of it, its own time is an earlier one.
    processing_time: processingTime,
    processing_date: dateOf(processingTime),
    invalid: row.invalid,
    is_late: isTrue(lessThan(record.event_time, watermark)),
  }))
  return shared(
    'parsed_batch',
    extend(timed, (row) => ({ is_candidate: and(isEmpty(row.invalid), not(row.is_late)) })),
  )
}

/** With what is late and what repeats another, and the reasons of both. */
function judgedRows(parsed: ReturnType<typeof parsedRows>, ids: Relation<typeof idColumns>) {
  const marked = deduplicate(parsed, {
    history: ids,
    candidate: (record) => record.is_candidate,
    key: 'transaction_id',
    eventTime: 'event_time',
    arrival: ['topic', 'partition', 'offset'],
    rangeMicros: dedupMicros,
    as: 'is_duplicate',
  })
  return extend(marked, (record) => ({
    reasons: when(
      [
        [not(isEmpty(record.invalid)), record.invalid],
        [record.is_late, presentNames(text('late'))],
        [record.is_duplicate, presentNames(text('duplicate'))],
      ],
      presentNames(nullOf('string')),
    ),
  }))
}

/** The seed's own: records that have the names of the columns. */
export const seedSilver = silverOf({})

export const silverTransactions = seedSilver.transactions
export const {
  refused,
  ids: silverIds,
  users: silverUsers,
  batch: silverBatch,
  recent: silverRecent,
} = seedSilver
