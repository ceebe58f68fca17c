// Why a decision and the row of its record differ, as SQL over both: what may be, and what is a fault. A
// decision goes by the order in which its process met the records, and by a watermark that moves with each
// poll; a row by the order of its batch, and by the watermark at the batch's start. Whatever differs has to
// follow from one of these by another record, found by its id or by a key that features look back at.
// Of two decisions of one process their numbers tell which record it met first. A process that begins, or
// goes on with a partition, meets records in an order of its own, which decisions of others say nothing of.
import { placeColumns } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'

export const differenceCauses = ['version', 'late', 'repeated', 'order', 'unexplained'] as const
export type DifferenceCause = (typeof differenceCauses)[number]

export type CausesOf = {
  /** The reasons of records that are late, and of those that repeat another. */
  readonly late: string
  readonly repeated: string
  /** How far the events' watermark stays behind, in microseconds. */
  readonly delayMicros: bigint
  /** What the features look back at, by columns of the events. */
  readonly looks: readonly { readonly key: string; readonly rangeMicros: bigint }[]
}

/** The column of `compared` with a key that features look back at. */
export function keyColumn(key: string): string {
  return duckdb.name(`key ${key}`)
}

/**
 * Statements that set `cause` in `differing`, a part of `compared`, one after another: a cause that is set
 * stays. `compared` has a row for each record with what was decided of it (`d_`) and what became of it (`t_`).
 */
export function causeStatements(of: CausesOf): string[] {
  const [late, repeated] = [of.late, of.repeated].map(duckdb.text) as [string, string]
  const onlyOf = (reason: string, one: 'd' | 't', other: 'd' | 't'): string =>
    `list_contains(${one}_reasons, ${reason}) AND NOT list_contains(${other}_reasons, ${reason})`
  return [
    causeWhere('version', 't_version <> d_version'),
    // The tables prove by themselves that a row is late. A decision may say so where the event time of some
    // record is far enough ahead.
    causeWhere('late', onlyOf(late, 't', 'd')),
    causeWhere(
      'late',
      `${onlyOf(late, 'd', 't')} AND (t_time IS NULL OR epoch_us(t_time) + ${of.delayMicros} <
        (SELECT max(epoch_us(t_time)) FROM compared) OR n IN (${behindUnwritten('true')}))`,
    ),
    causeWhere(
      'repeated',
      `(${onlyOf(repeated, 't', 'd')} OR ${onlyOf(repeated, 'd', 't')}) AND n IN
        (${ofSameId('t_id')} UNION ${ofSameId('d_id')} UNION ${behindUnwritten('q.d_id = coalesce(r.d_id, r.t_id)')})`,
    ),
    ...['late', 'repeated'].map((cause) =>
      causeWhere(cause, `both_scored AND n IN (${behind(of, cause).join(' UNION ') || none})`),
    ),
    causeWhere('order', `both_scored AND n IN (${metOtherwise(of).join(' UNION ') || none})`),
    causeWhere('order', `both_scored AND n IN (${behindUnwritten(isOfKey)})`),
    causeWhere('late', `both_scored AND n IN (${behindLateToOne(of).join(' UNION ') || none})`),
    causeWhere('late', `${onlyOf(repeated, 'd', 't')} AND n IN (${behindRefused(late)})`),
    // The process met the two the other way round: what its decision of the other one was nobody wrote.
    causeWhere('repeated', `${onlyOf(repeated, 'd', 't')} AND n IN (${behindRefused(repeated)})`),
    causeWhere('late', `${onlyOf(repeated, 't', 'd')} AND n IN (${repeatsLateToOne(of)})`),
    ...(of.looks.length === 0
      ? []
      : [
          causeWhere('late', `both_scored AND n IN (${behindRefused(late)})`),
          causeWhere('repeated', `both_scored AND n IN (${behindRefused(repeated)})`),
        ]),
    causeWhere('unexplained', 'true'),
  ]
}

function causeWhere(cause: string, where: string): string {
  return `UPDATE differing SET cause = '${cause}' WHERE cause IS NULL AND (${where})`
}

const place = Object.keys(placeColumns).map(duckdb.name).join(', ')
const none = 'SELECT n FROM differing WHERE false'

const isAnother = '(q.topic, q.partition, q."offset") IS DISTINCT FROM (r.topic, r.partition, r."offset")'

/** In both an event of the same id: met in another order, or an event for the one alone. */
function ofSameId(id: 'd_id' | 't_id'): string {
  return `SELECT r.n FROM differing r JOIN compared q ON q.${id} = coalesce(r.d_id, r.t_id)
    WHERE ${isAnother} AND (NOT q.both_scored OR ${isMetOtherwise})`
}

/** Behind a record that is an event for the tables or for the decisions alone. */
function behind({ looks }: CausesOf, cause: string): string[] {
  const ofTables = looks.map(
    ({ key, rangeMicros }) =>
      `SELECT r.n FROM differing r JOIN differing q ON q.${keyColumn(key)} = r.${keyColumn(key)}
       WHERE q.cause = '${cause}' AND q.t_kind = 'scored' AND NOT q.both_scored
         AND ${orderOf('q')} < ${orderOf('r')} AND ${isWithin(rangeMicros)}`,
  )
  // Of what the tables refused they know the key of the record alone.
  const ofDecisions = `SELECT r.n FROM differing r JOIN differing q
      ON ${isOfKey}
    WHERE q.cause = '${cause}' AND q.d_kind = 'scored' AND NOT q.both_scored AND ${mayBeMetBefore}`
  return looks.length === 0 ? [] : [...ofTables, ofDecisions]
}

const isOfKey = '(q.record_key IS NULL OR q.record_key = r.record_key)'

/** Behind an event of the decisions that no table has yet: of it nothing is known but its id and its key. */
function behindUnwritten(where: string): string {
  return `SELECT r.n FROM differing r JOIN (FROM decided ANTI JOIN written USING (${place})) q
    ON q.d_kind = 'scored' AND ${mayBeMetBefore} AND ${where}`
}

function metOtherwise({ looks }: CausesOf): string[] {
  return looks.map(
    ({ key, rangeMicros }) =>
      `SELECT r.n FROM differing r JOIN compared q ON q.${keyColumn(key)} = r.${keyColumn(key)}
       WHERE q.both_scored AND ${isMetOtherwise} AND ${isWithin(rangeMicros)}`,
  )
}

/**
 * Behind a record of which the decision came from another process: to the one that decided this it may have
 * been late, whatever the tables and the other one say, where event times had gone on far enough.
 */
function behindLateToOne({ looks, delayMicros }: CausesOf): string[] {
  return looks.map(
    ({ key, rangeMicros }) =>
      `SELECT r.n FROM differing r JOIN compared q ON q.${keyColumn(key)} = r.${keyColumn(key)}
       WHERE ${isAnother} AND ${isOfOther} AND ${isWithin(rangeMicros)}
         AND epoch_us(q.t_time) + ${delayMicros} < q.reached`,
  )
}

/** Repeats a record that may have been late to the process that decided this. */
function repeatsLateToOne({ delayMicros }: CausesOf): string {
  return `SELECT r.n FROM differing r JOIN compared q ON q.t_id = r.d_id
    WHERE ${isAnother} AND ${isOfOther} AND epoch_us(q.t_time) + ${delayMicros} < q.reached`
}

/** The other way round: the tables refused it, and the process that decided this may not have. */
function behindRefused(reason: string): string {
  return `SELECT r.n FROM differing r JOIN compared q ON ${isOfKey} AND list_contains(q.t_reasons, ${reason})
    WHERE ${isAnother} AND ${isOfOther}`
}

/** A decision that does not say who decided is excused by nobody else's. */
const isOfOther = 'q.decided_by <> r.decided_by'

function isWithin(rangeMicros: bigint): string {
  return `abs(epoch_us(q.t_time) - epoch_us(r.t_time)) <= ${rangeMicros}`
}

/**
 * Those of one partition are met in their order; those of two in the same one where both are known to agree.
 */
const isMetOtherwise = `(q.topic, q.partition) IS DISTINCT FROM (r.topic, r.partition)
  AND NOT (${orderOf('q')} < ${orderOf('r')} AND ${isDecidedBefore('q', 'r')})
  AND NOT (${orderOf('r')} < ${orderOf('q')} AND ${isDecidedBefore('r', 'q')})`

/** In which the tables meet records. */
function orderOf(alias: string): string {
  return `(${alias}.t_batch, ${alias}.topic, ${alias}.partition, ${alias}."offset")`
}

/** True where it is known; null and false where it is not. */
function isDecidedBefore(a: string, b: string): string {
  return `coalesce(${a}.decided_by = ${b}.decided_by AND ${a}.decided_as < ${b}.decided_as, false)`
}

const mayBeMetBefore = `NOT ${isDecidedBefore('r', 'q')}`
