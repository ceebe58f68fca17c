// The meaning of every table, computed from the records and the batches alone: plain arrays, no database,
// none of the code that it judges. Slow and readable on purpose. The contract is the design's chapter on the
// tables.

import { partitionKey } from '../../src/batches/offsets.ts'
import { type Judged, judge } from '../../src/verify/judge.ts'
import { utcDate } from '../../src/verify/timestamp.ts'
import { fraudRow } from './fraud.ts'
import { type MeasuredColumn, measuredColumns, qualityRows } from './quality.ts'
import { base64, type OracleBatch, type RawRecord, type Row, type TableName, type Tables } from './rows.ts'
import { defaultLengths, type SessionLengths, sessionColumns, sessionsOf } from './sessions.ts'
import { type SilverTransaction, silverRow } from './silver.ts'
import { hour, minute } from './time.ts'
import { groupsOf, type WindowTable, type WindowTableName, windowStarts, windowTables } from './windows.ts'

export type OracleConfig = {
  /** How far the watermark of each table stays behind the greatest event_time. */
  readonly watermarks: Readonly<Record<string, bigint>>
  readonly dedupWindow: bigint
  readonly highRiskCountries: readonly string[]
  /** A waiting partition whose last so many records had no valid row does not hold the watermark. */
  readonly recordsPerBatchMax?: number
  /** When sessions end; absent: as the contract says. */
  readonly sessionLengths?: SessionLengths
}

export const defaultConfig: OracleConfig = {
  watermarks: {
    'silver/transactions': 10n * minute,
    'gold/transactions': 10n * minute,
    'aggregations/merchant': 15n * minute,
    'aggregations/user': hour,
    'aggregations/country': 30n * minute,
    'aggregations/hourly_summary': hour,
    'aggregations/sessions': 30n * minute,
  },
  dedupWindow: 10n * minute,
  highRiskCountries: ['Nigeria', 'Russia', 'China'],
}

/** What a lakehouse makes of records, stated apart from its definitions. */
export type OracleShape = {
  readonly judge: (value: Uint8Array | null, kafkaTimestamp: bigint | null, timeMicros: bigint) => Judged
  readonly silverRow: (of: SilverTransaction) => Row
  /** `before` has the rows of silver that arrived earlier. */
  readonly scoredRow: (of: SilverTransaction, before: EarlierRows, config: OracleConfig) => Row
  readonly windows: Readonly<Record<string, WindowTable>>
  /** The columns that quality/metrics measures. */
  readonly measured: readonly MeasuredColumn[]
}

export type EarlierRows = {
  readonly rows: readonly SilverTransaction[]
  readonly ofUser: (userId: bigint | string) => readonly SilverTransaction[]
}

/** The lakehouse that ships. */
const seedShape: OracleShape = {
  judge: (value, kafkaTimestamp, timeMicros) => judge(value, kafkaTimestamp, timeMicros),
  silverRow,
  scoredRow: (of, before, { highRiskCountries }) => fraudRow(of, before.ofUser(of.userId), highRiskCountries),
  windows: windowTables,
  measured: measuredColumns,
}

export type OracleInput = {
  readonly shape?: OracleShape
  readonly records: readonly RawRecord[]
  /** In the order of their times. */
  readonly batches: readonly OracleBatch[]
  readonly config: OracleConfig
  /** Where the contract leaves it open whether a value is malformed: what the engine under test did. */
  readonly wasMalformed?: (record: RawRecord) => boolean
  /**
   * When the record came to bronze, where that was before its batch, in microseconds: a streaming query
   * writes bronze when it likes. Without it, with the batch.
   */
  readonly broughtAt?: (record: RawRecord) => bigint | null
}

export type Watermark = {
  readonly batch: bigint
  /** Rows of the batch with an earlier event_time are late; null before the first row. */
  readonly start: bigint | null
  /** What windows are closed by, per table. */
  readonly end: Readonly<Record<string, bigint | null>>
}

export type Recomputed = {
  readonly tables: Tables & Readonly<Record<string, readonly Row[]>>
  readonly watermarks: readonly Watermark[]
}

export function recompute(input: OracleInput): Recomputed {
  const { shape = seedShape } = input
  const windowNames = [...Object.keys(shape.windows), 'aggregations/sessions']
  const lengths = input.config.sessionLengths ?? defaultLengths
  const tables = emptyTables(windowNames)
  const records = byPartition(input.records)
  const silver = new Silver()
  const watermarks: Watermark[] = []
  const partitionTimes = new PartitionTimes()
  // What --finalize moved every watermark to; null until then.
  let floor: bigint | null = null
  let timeBefore: bigint | null = null
  const reached = new Map<string, bigint | null>()
  for (const batch of input.batches) {
    if (timeBefore !== null && batch.timeMicros <= timeBefore)
      throw new Error('the time of a batch goes back')
    timeBefore = batch.timeMicros
    const config = batch.config ?? input.config
    const start = reached.get('silver/transactions') ?? null
    if (batch.finalize) {
      floor = later(floor, greatestWindowEnd(silver, shape.windows))
      const hasSessions = config.watermarks['aggregations/sessions'] !== undefined
      const sessions = hasSessions ? sessionsOf(silver.rows, lengths) : []
      for (const { closesAt } of sessions) floor = later(floor, closesAt)
    }
    for (const record of recordsOf(batch, records)) {
      const eventTime = takeRecord(
        record,
        batch.timeMicros,
        start,
        { ...input, shape, config },
        silver,
        tables,
      )
      partitionTimes.take(record, eventTime)
    }
    const followed = heldEventTime(silver, batch, partitionTimes, config)
    const end = (name: string): bigint | null => {
      const delay = config.watermarks[name]
      // A lakehouse of a version that had no such table.
      if (delay === undefined) return reached.get(name) ?? null
      const following = followed === null ? null : followed - delay
      const is = later(reached.get(name) ?? null, later(following, floor))
      reached.set(name, is)
      return is
    }
    end('silver/transactions')
    watermarks.push({
      batch: batch.batch,
      start,
      end: Object.fromEntries(windowNames.map((name) => [name, end(name)])),
    })
  }
  for (const [name, table] of Object.entries(shape.windows)) {
    // Not as arguments of one push: there may be more rows than a call takes.
    for (const row of closedWindows(name, table, silver.rows, input.batches, watermarks))
      tables[name]!.push(row)
  }
  for (const row of closedSessions(silver.rows, lengths, input.batches, watermarks))
    tables['aggregations/sessions'].push(row)
  tables['quality/metrics'].push(...closedMetrics(shape, silver.rows, input.batches, watermarks))
  return { tables, watermarks }
}

/** The windows of quality/metrics are those of gold, whatever their groups. */
function closedMetrics(
  { windows, measured }: OracleShape,
  silver: readonly SilverTransaction[],
  batches: readonly OracleBatch[],
  watermarks: readonly Watermark[],
): Row[] {
  const gold = windows['gold/transactions']
  if (gold === undefined) return []
  const all = [...groupsOf({ ...gold, group: () => ({}) }, silver)].flatMap(({ start, end, rows }) => {
    const closedBy = closedAt('gold/transactions', end, watermarks)
    if (closedBy === null) return []
    return [{ start, end, rows, aggregationTime: batches[closedBy]!.timeMicros, columns: measured }]
  })
  return qualityRows(all)
}

/** The index of the first batch at whose end such a window was closed; null where there is none. */
function closedAt(name: string, end: bigint, watermarks: readonly Watermark[]): number | null {
  // Watermarks never go back.
  const closedBy = firstIndex(watermarks.length, (index) => {
    const own = watermarks[index]!.end[name]
    return own !== null && own !== undefined && end <= own
  })
  return closedBy === watermarks.length ? null : closedBy
}

/** Whose rows come when a watermark closes them. */
export const closingTableNames: readonly (WindowTableName | 'aggregations/sessions')[] = [
  'gold/transactions',
  'aggregations/merchant',
  'aggregations/user',
  'aggregations/country',
  'aggregations/hourly_summary',
  'aggregations/sessions',
]

type FilledTables = { [name in TableName]: Row[] } & { [name: string]: Row[] }

function emptyTables(windowNames: readonly string[]): FilledTables {
  return {
    'bronze/transactions': [],
    'silver/transactions': [],
    'silver/quarantine': [],
    'gold/transactions': [],
    fraud_detection: [],
    'aggregations/merchant': [],
    'aggregations/user': [],
    'aggregations/country': [],
    'aggregations/hourly_summary': [],
    'quality/metrics': [],
    'aggregations/sessions': [],
    ...Object.fromEntries(windowNames.map((name): [string, Row[]] => [name, []])),
  }
}

type Partitions = ReadonlyMap<string, readonly RawRecord[]>

/** The records of each partition in the order of their offsets. */
function byPartition(records: readonly RawRecord[]): Partitions {
  const partitions = Map.groupBy(records, partitionKey)
  for (const all of partitions.values()) all.sort((a, b) => (a.offset < b.offset ? -1 : 1))
  return partitions
}

/** The records of a batch in the order of arrival; topics compare by their UTF-8 bytes. */
function recordsOf(batch: OracleBatch, partitions: Partitions): RawRecord[] {
  const ranges = batch.ranges.toSorted(
    (a, b) =>
      Buffer.compare(Buffer.from(a.topic), Buffer.from(b.topic)) ||
      a.partition - b.partition ||
      (a.start < b.start ? -1 : 1),
  )
  return ranges.flatMap((range) => {
    const all = partitions.get(partitionKey(range)) ?? []
    const before = (offset: bigint) => firstIndex(all.length, (index) => all[index]!.offset >= offset)
    return all.slice(before(range.start), before(range.end))
  })
}

/** The first index from which on the condition holds, by halving; the count where it never does. */
function firstIndex(count: number, holds: (index: number) => boolean): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/**
 * Adds one record to bronze, and to silver and fraud_detection or to quarantine. Gives the event time of a
 * valid one: late ones and repeats are valid.
 */
function takeRecord(
  record: RawRecord,
  time: bigint,
  watermark: bigint | null,
  { shape, config, wasMalformed = () => true, broughtAt = () => null }: OracleInput & { shape: OracleShape },
  silver: Silver,
  tables: FilledTables,
): bigint | null {
  const kafkaTimestamp = instantOf(record.timestampMs)
  const bronzeTime = broughtAt(record) ?? time
  tables['bronze/transactions'].push(bronzeRow(record, kafkaTimestamp, bronzeTime))
  const judged = shape.judge(record.value, kafkaTimestamp, bronzeTime)
  const validTime = judged.kind === 'refused' ? null : judged.transaction.eventTime
  const reasons =
    judged.mayBeRefused && wasMalformed(record) ? ['malformed'] : reasonsOf(judged, silver, watermark, config)
  if (judged.kind === 'refused' || reasons.length > 0) {
    tables['silver/quarantine'].push(quarantineRow(record, reasons, time))
    return reasons.includes('malformed') ? null : validTime
  }
  const transaction: SilverTransaction = { ...judged.transaction, record, processingTime: time }
  tables['silver/transactions'].push(shape.silverRow(transaction))
  tables.fraud_detection.push(shape.scoredRow(transaction, silver, config))
  silver.keep(transaction)
  return validTime
}

/** Why a record is not in silver; nothing where it is. `silver` holds the rows that arrived earlier. */
function reasonsOf(
  judged: Judged,
  silver: Silver,
  watermark: bigint | null,
  config: OracleConfig,
): readonly string[] {
  if (judged.kind === 'refused') return judged.reasons
  const { transactionId, eventTime } = judged.transaction
  if (watermark !== null && eventTime < watermark) return ['late']
  const distance = (other: bigint) => (other < eventTime ? eventTime - other : other - eventTime)
  const repeats = (other: SilverTransaction) => distance(other.eventTime) <= config.dedupWindow
  return silver.withId(transactionId).some(repeats) ? ['duplicate'] : []
}

/** The rows kept so far, in the order of arrival. */
class Silver implements EarlierRows {
  readonly rows: SilverTransaction[] = []
  greatestEventTime: bigint | null = null
  readonly #byUser = new Map<bigint | string, SilverTransaction[]>()
  readonly #byId = new Map<string, SilverTransaction[]>()

  keep(row: SilverTransaction): void {
    this.rows.push(row)
    this.greatestEventTime = later(this.greatestEventTime, row.eventTime)
    append(this.#byUser, row.userId, row)
    append(this.#byId, row.transactionId, row)
  }

  ofUser(userId: bigint | string): readonly SilverTransaction[] {
    return this.#byUser.get(userId) ?? []
  }

  withId(transactionId: string): readonly SilverTransaction[] {
    return this.#byId.get(transactionId) ?? []
  }
}

function append<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

/** Kafka has -1 where a record has no timestamp; one beyond the years 1 to 9999 is none either. */
function instantOf(timestampMs: number | null): bigint | null {
  if (timestampMs === null || timestampMs === -1) return null
  if (timestampMs < -62_135_596_800_000 || timestampMs > 253_402_300_799_999) return null
  return BigInt(timestampMs) * 1000n
}

function bronzeRow(record: RawRecord, kafkaTimestamp: bigint | null, time: bigint): Row {
  return {
    topic: record.topic,
    partition: BigInt(record.partition),
    offset: record.offset,
    kafka_key: base64(record.key),
    value: base64(record.value),
    headers: record.headers?.map(({ key, value }) => ({ key, value: base64(value) })) ?? null,
    kafka_timestamp: kafkaTimestamp,
    processing_time: time,
    processing_date: utcDate(time),
  }
}

function quarantineRow(record: RawRecord, reasons: readonly string[], time: bigint): Row {
  return {
    topic: record.topic,
    partition: BigInt(record.partition),
    offset: record.offset,
    kafka_key: base64(record.key),
    value: base64(record.value),
    reasons,
    processing_time: time,
    processing_date: utcDate(time),
  }
}

/** The groups of every closed window, with the time of the batch at whose end it was closed first. */
function closedWindows(
  name: string,
  table: WindowTable,
  silver: readonly SilverTransaction[],
  batches: readonly OracleBatch[],
  watermarks: readonly Watermark[],
): Row[] {
  const rows: Row[] = []
  for (const { start, end, group, rows: members } of groupsOf(table, silver)) {
    const closedBy = closedAt(name, end, watermarks)
    if (closedBy === null) continue
    const aggregationTime = batches[closedBy]!.timeMicros
    // Follows from the watermarks: were it not so, a window would be written without some of its rows.
    if (members.some((row) => row.processingTime > aggregationTime)) {
      throw new Error(`${name}: a row arrived after its window was closed`)
    }
    rows.push({
      window_start: start,
      window_end: end,
      ...group,
      ...table.columns(members),
      aggregation_time: aggregationTime,
    })
  }
  return rows
}

/** The same of sessions. */
function closedSessions(
  silver: readonly SilverTransaction[],
  lengths: SessionLengths,
  batches: readonly OracleBatch[],
  watermarks: readonly Watermark[],
): Row[] {
  return sessionsOf(silver, lengths).flatMap((session) => {
    const closedBy = firstIndex(watermarks.length, (index) => {
      const own = watermarks[index]!.end['aggregations/sessions']
      return own !== null && own !== undefined && session.closesAt <= own
    })
    if (closedBy === watermarks.length) return []
    const aggregationTime = batches[closedBy]!.timeMicros
    if (session.rows.some((row) => row.processingTime > aggregationTime)) {
      throw new Error('a row arrived after its session was closed')
    }
    return [{ ...sessionColumns(session), aggregation_time: aggregationTime }]
  })
}

/** What each partition has shown of event time. */
class PartitionTimes {
  readonly #times = new Map<string, { eventTime: bigint | null; recordsSinceValid: number }>()

  take(record: RawRecord, eventTime: bigint | null): void {
    const before = this.#times.get(partitionKey(record)) ?? { eventTime: null, recordsSinceValid: 0 }
    const after =
      eventTime === null
        ? { ...before, recordsSinceValid: before.recordsSinceValid + 1 }
        : { eventTime: later(before.eventTime, eventTime), recordsSinceValid: 0 }
    this.#times.set(partitionKey(record), after)
  }

  of(partition: { readonly topic: string; readonly partition: number }) {
    return this.#times.get(partitionKey(partition)) ?? { eventTime: null, recordsSinceValid: 0 }
  }
}

/** The event time that watermarks may follow after a batch; null where they stay. */
function heldEventTime(
  silver: Silver,
  batch: OracleBatch,
  times: PartitionTimes,
  { recordsPerBatchMax = Number.POSITIVE_INFINITY }: OracleConfig,
): bigint | null {
  let held = silver.greatestEventTime
  if (batch.finalize) return held
  for (const partition of batch.waiting ?? []) {
    const { eventTime, recordsSinceValid } = times.of(partition)
    if (recordsSinceValid >= recordsPerBatchMax) continue
    if (eventTime === null || held === null) return null
    if (eventTime < held) held = eventTime
  }
  return held
}

/** A later instant is in no window that ends earlier: the greatest event_time has the greatest window_end. */
function greatestWindowEnd(silver: Silver, windows: OracleShape['windows']): bigint | null {
  const greatest = silver.greatestEventTime
  if (greatest === null) return null
  return Object.values(windows)
    .flatMap((table) => windowStarts(table, greatest).map((start) => start + table.size))
    .reduce<bigint | null>(later, null)
}

function later(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}
