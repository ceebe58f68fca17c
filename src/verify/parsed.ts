// What the records of a slice are by their own bytes, as the plan of the events says: what is valid and its
// cells, what is refused and why, what is late, and what repeats an event.
import { quoteIdentifier } from '../delta/sql.ts'
import type { ColumnType } from '../expr/index.ts'
import { alreadyDecoded, columnType, decodeOf, inputsOf, type PlanNode } from '../plan/index.ts'
import { duckdb, expressionSql } from '../sql/index.ts'
import { prepareDecoded, recordsToJudge, withRecordsDecoded } from './decoded.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import {
  batchTime,
  batchTimeSql,
  columnsBehind,
  dialectOfMany,
  inputRelation,
  type JudgedPlan,
  judgedPlanOf,
  lateBefore,
  lateBeforeSql,
  selectOfMany,
  standIn,
} from './plans.ts'
import { keys, samePosition } from './position.ts'
import { type Slice, sliceOf } from './slice.ts'

/** Every record of the slice, as its bytes and its batch alone say; without bytes that no cell needs. */
export const parsed = 'parsed'
/** The same with its place, `event_time`, what is `invalid` of it, and its `batch_time`. */
export const readRecords = 'read_records'
/** The records that nothing is wrong with, as rows of the table of events. */
export const expectedEvents = 'expected_events'
/**
 * The records that may be events by themselves and the watermark, and are none: key, event time and
 * `processing_time` of their batch; `repeats` where an event with the key, near enough in time, had arrived.
 */
export const candidatesLeft = 'candidates_left'
/** Whether a record `is_accepted`, by its place: what repeats an event of the table is not. */
export const judgedRecords = 'judged_records'
/** The rows of the table of refused records: a candidate that is there is taken for a repeat. */
export const expectedRefused = 'expected_refused'
/** What is judged of the same, as the plan says alone. */
export const assumedRecords = 'assumed_records'
/** The columns of the same that are bytes. */
export const expectedBytes = 'expected_bytes'

const candidate = quoteIdentifier('is candidate')

/** Makes `parsed`, `read_records` and `expected_events`. */
export function prepareParsed(lakehouse: WrittenLakehouse, slice: Slice): Promise<void> {
  return slice.prepare(parsed, () => new RecordsOfSlice(lakehouse, slice).parse())
}

/** Makes also `candidates_left` and `judged_records`. */
export function prepareJudged(lakehouse: WrittenLakehouse, slice: Slice): Promise<void> {
  return slice.prepare(candidatesLeft, async () => {
    await prepareParsed(lakehouse, slice)
    await new RecordsOfSlice(lakehouse, slice).judge()
  })
}

/** Makes also `expected_refused` and `expected_bytes`. */
export function prepareRefused(lakehouse: WrittenLakehouse, slice: Slice): Promise<void> {
  return slice.prepare(expectedRefused, async () => {
    await prepareJudged(lakehouse, slice)
    await new RecordsOfSlice(lakehouse, slice).refuse()
  })
}

/**
 * An engine may refuse a record that nests deeper: Spark's parser does so from 1,000 levels on. The judge here
 * takes it, and believes a table where it was refused.
 */
const levelsAlwaysTaken = 100

class RecordsOfSlice {
  readonly #lakehouse: WrittenLakehouse
  readonly #slice: Slice
  readonly #plan: JudgedPlan
  /** Columns of bytes that are left in the table of records: they are most of it. */
  readonly #leftBytes: readonly string[]

  constructor(lakehouse: WrittenLakehouse, slice: Slice) {
    const { events, refused } = lakehouse.paths
    this.#lakehouse = lakehouse
    this.#slice = slice
    this.#plan = judgedPlanOf(withRecordsDecoded(slice.definition(events)))
    const { node, schema } = slice.definition(refused).rows
    const ofEvents = Object.keys(slice.definition(events).rows.schema)
    const ofRefused = Object.keys(schema).filter((name) => schema[name] !== 'binary')
    const read = this.#behind(withRecordsDecoded(slice.definition(events)).rows.node, ofEvents)
      .union(this.#behind(alreadyDecoded(node), ofRefused))
      .union(this.#behind(this.#plan.judged.input, ['invalid', 'event_time']))
    const bytes = this.#behind(alreadyDecoded(node), Object.keys(schema)).difference(read)
    this.#leftBytes = [...bytes].filter((name) => columnType(this.#plan.parsed, name) === 'binary')
  }

  #behind(node: PlanNode, wanted: readonly string[]): ReadonlySet<string> {
    return columnsBehind(node, this.#plan.parsed, new Set(wanted))
  }

  get #records(): string {
    return recordsToJudge(this.#slice.definition(this.#lakehouse.paths.events))
  }

  async parse(): Promise<void> {
    const { deduplicate } = this.#plan
    await prepareDecoded(this.#lakehouse, this.#slice)
    await this.#showRecords()
    const dialect = dialectOfMany(this.#slice.rules.settings.parameters)
    const isCandidate = deduplicate === null ? 'false' : expressionSql(dialect, deduplicate.candidate)
    const left = this.#leftBytes.map(quoteIdentifier)
    const others = left.length === 0 ? '*' : `* EXCLUDE (${left.join(', ')})`
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${parsed} AS
      SELECT ${others}, ${isCandidate} AS ${candidate} FROM (${this.#parsedSql()})`)
    await this.#view(
      inputRelation('parsed alone'),
      `SELECT *${this.#noBytes()}${this.#repeated('false')} FROM ${parsed} AS p`,
    )
    await this.#view('judged alone', this.#judgedSql('parsed alone'))
    await this.#view(
      readRecords,
      `SELECT ${keys}, event_time, invalid, ${batchTimeSql} AS batch_time FROM "judged alone"`,
    )
    const valid = `SELECT * REPLACE (len(invalid) = 0 AS is_accepted) FROM "judged alone"`
    await this.#view(inputRelation('judged valid'), valid)
    await this.#view(expectedEvents, this.#splitSql(this.#lakehouse.paths.events, 'judged valid'))
  }

  /** The rows of the table of records, under the name that the plan has for what it reads of a batch. */
  async #showRecords(): Promise<void> {
    for (const { name } of inputsOf(this.#plan.parsed)) {
      await this.#view(
        inputRelation(name),
        `SELECT r.*, r.batch_time AS ${batchTimeSql}, b.late_before AS ${lateBeforeSql}
        FROM ${this.#records} AS r LEFT JOIN ${sliceOf.batches} AS b ON b.time = r.batch_time`,
      )
    }
  }

  async judge(): Promise<void> {
    const { deduplicate } = this.#plan
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${candidatesLeft} AS ${this.#candidatesSql()}`)
    if (deduplicate !== null) await this.#findRepeats(deduplicate)
    const parsedJudged = `SELECT p.*${this.#noBytes()}${this.#repeated('coalesce(r.repeats, false)')}
      FROM ${parsed} AS p LEFT JOIN ${candidatesLeft} AS r ON ${samePosition('r', 'p')}`
    await this.#view(inputRelation('parsed judged'), parsedJudged)
    await this.#view(judgedRecords, `SELECT ${keys}, is_accepted FROM (${this.#judgedSql('parsed judged')})`)
  }

  #candidatesSql(): string {
    const { deduplicate } = this.#plan
    const [key, time] =
      deduplicate === null
        ? ['NULL::VARCHAR', 'NULL::TIMESTAMP']
        : [deduplicate.key, deduplicate.eventTime].map(quoteIdentifier)
    return `SELECT ${keys}, ${key} AS key, ${time} AS event_time, ${batchTimeSql} AS processing_time, false AS repeats
      FROM (FROM ${parsed} WHERE ${candidate}) ANTI JOIN ${sliceOf.silver} USING (${keys})`
  }

  async #findRepeats({ key, eventTime }: NonNullable<JudgedPlan['deduplicate']>): Promise<void> {
    const { connection } = this.#lakehouse
    const micros = this.#slice.dedupMicros
    const reader = await connection.runAndReadAll(
      `SELECT min(epoch_us(event_time)), max(epoch_us(event_time)) FROM ${candidatesLeft}`,
    )
    const [first, last] = reader.getRows()[0] as [bigint | null, bigint | null] // As selected.
    const near = this.#lakehouse.rowsWithin(this.#lakehouse.paths.events, eventTime, {
      fromMicros: (first ?? 0n) - micros,
      toMicros: (last ?? 0n) + micros,
    })
    const time = `first.${quoteIdentifier(eventTime)}`
    await this.#run(`UPDATE ${candidatesLeft} AS left_out SET repeats = true FROM (
        SELECT DISTINCT c.topic, c.partition, c."offset" FROM (${near}) AS first JOIN ${candidatesLeft} AS c
          ON c.key = first.${quoteIdentifier(key)}
        WHERE abs(epoch_us(${time}) - epoch_us(c.event_time)) <= ${micros}
          AND ${arrivalOf('first')} < ${arrivalOf('c')}
      ) AS r WHERE ${samePosition('r', 'left_out')}`)
  }

  async refuse(): Promise<void> {
    const { refused } = this.#lakehouse.paths
    const assumed = this.#repeated(`p.${candidate}`)
    const few = (relation: string): string =>
      `(SELECT * FROM ${relation} SEMI JOIN ${sliceOf.quarantine} USING (${keys}))`
    await this.#view(
      inputRelation('parsed assumed'),
      `SELECT p.*${this.#noBytes()}${assumed} FROM ${few(parsed)} AS p`,
    )
    const malformed = await this.#malformedReasons()
    await this.#view(assumedRecords, this.#judgedSql('parsed assumed'))
    const isTooDeep = `q.reasons = ${malformed} AND j.invalid <> q.reasons AND ${levelsSql('q.value')} > ${levelsAlwaysTaken}`
    await this.#view(
      inputRelation('judged refused'),
      `SELECT j.* REPLACE (false AS is_accepted, CASE WHEN ${isTooDeep} THEN q.reasons ELSE j.reasons END AS reasons)
      FROM ${assumedRecords} AS j JOIN ${sliceOf.quarantine} AS q ON ${samePosition('j', 'q')}`,
    )
    await this.#view(expectedRefused, this.#splitSql(refused, 'judged refused'))
    const left = this.#leftBytes.map((name) => `, b.${quoteIdentifier(name)}`).join('')
    // Few rows are meant: the others are left aside before their bytes are looked at.
    const bytes = `(SELECT ${[keys, ...this.#leftBytes.map(quoteIdentifier)].join(', ')} FROM (${this.#parsedSql()}))`
    await this.#view(
      inputRelation('parsed bytes'),
      `SELECT p.*${left}${assumed} FROM ${few(parsed)} AS p JOIN ${few(bytes)} AS b ON ${samePosition('b', 'p')}`,
    )
    const all = `SELECT * REPLACE (false AS is_accepted) FROM (${this.#judgedSql('parsed bytes')})`
    await this.#view(inputRelation('judged bytes'), all)
    await this.#view(expectedBytes, this.#splitSql(refused, 'judged bytes'))
  }

  /** The reasons, as SQL, of what is no document: those of a record without a value. */
  async #malformedReasons(): Promise<string> {
    const { definition } = this.#lakehouse.state(this.#lakehouse.paths.records)
    const columns = Object.entries({ ...definition.rows.schema, [batchTime]: 'timestamp' as const })
    const nulls = [...columns, ...this.#decodedColumns()].map(([name, type]) => {
      return `NULL::${duckdb.type(type)} AS ${quoteIdentifier(name)}`
    })
    for (const { name } of inputsOf(this.#plan.parsed)) {
      await this.#view(
        inputRelation(name),
        `SELECT ${nulls.join(', ')}, NULL::TIMESTAMP AS ${quoteIdentifier(lateBefore)}`,
      )
    }
    await this.#view(
      inputRelation('nothing'),
      `SELECT *${this.#repeated('false')} FROM (${this.#parsedSql()})`,
    )
    const reader = await this.#lakehouse.connection.runAndReadAll(
      `SELECT reasons FROM (${this.#judgedSql('nothing')})`,
    )
    await this.#showRecords()
    const reasons = reader.getRowsJS()[0]?.[0]
    const texts = Array.isArray(reasons) ? reasons.map((reason) => duckdb.text(String(reason))) : []
    return `CAST([${texts.join(', ')}] AS VARCHAR[])`
  }

  #decodedColumns(): readonly (readonly [string, ColumnType])[] {
    const node = decodeOf(this.#slice.definition(this.#lakehouse.paths.events).rows.node)
    if (node === null) return []
    return [
      [node.as, 'binary'],
      [node.failure, 'string'],
    ]
  }

  #parsedSql(): string {
    return selectOfMany(this.#plan.parsed, this.#slice.rules.settings.parameters)
  }

  /** The judged records, from parsed ones of which is known what repeats another. */
  #judgedSql(relation: string): string {
    const { judged, deduplicate, parsed: below } = this.#plan
    return selectOfMany(judged.input, this.#slice.rules.settings.parameters, (node) =>
      node === (deduplicate ?? below) ? standIn(relation) : null,
    )
  }

  /** The rows that a table makes of its side of the judged records. */
  #splitSql(path: string, judged: string): string {
    const { node } = this.#slice.definition(path).rows
    return selectOfMany(node, this.#slice.rules.settings.parameters, (one) => {
      return one.kind === 'shared' && one.name === this.#plan.judged.name ? standIn(judged) : null
    })
  }

  #noBytes(): string {
    return this.#leftBytes.map((name) => `, NULL::BLOB AS ${quoteIdentifier(name)}`).join('')
  }

  #repeated(condition: string): string {
    const { deduplicate } = this.#plan
    return deduplicate === null ? '' : `, ${condition} AS ${quoteIdentifier(deduplicate.as)}`
  }

  async #view(name: string, select: string): Promise<void> {
    await this.#run(`CREATE OR REPLACE TEMP VIEW ${quoteIdentifier(name)} AS ${select}`)
  }

  async #run(sql: string): Promise<void> {
    await this.#lakehouse.connection.run(sql)
  }
}

const arrivalOf = (row: string): string =>
  `(${row}.processing_time, ${row}.topic, ${row}.partition, ${row}."offset")`

/** How deep the arrays and objects of a JSON document are nested. */
function levelsSql(bytes: string): string {
  const outside = `regexp_replace(TRY(decode(${bytes})), '"(?:[^"\\\\]|\\\\.)*"', '', 'gs')`
  const brackets = `string_split(regexp_replace(${outside}, '[^\\[\\]{}]', '', 'g'), '')`
  const steps = `list_transform(${brackets}, lambda c: {'level': if(c IN ('[', '{'), 1, -1), 'deepest': 0})`
  const deeper = `{'level': a.level + b.level, 'deepest': greatest(a.deepest, a.level + b.level)}`
  return `list_reduce(list_prepend({'level': 0, 'deepest': 0}, ${steps}), lambda a, b: ${deeper}).deepest`
}
