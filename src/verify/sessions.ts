// Tables of sessions against silver: every closed session is there once, with every cell. Where one begins is
// found by going through a key's times one after another, apart from how the engines do it.
import type { Parameters } from '../batches/plan.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import { streamOf } from '../engines/database.ts'
import { counted } from '../errors/counted.ts'
import { assert } from '../errors/errors.ts'
import { retainedOf } from '../ops/retained.ts'
import { batchTimeColumn } from '../plan/batch-time.ts'
import { inputsOf, type SessionsNode, sessionsIn, type TableDefinition } from '../plan/index.ts'
import { sessionBegin, sessionGroupsSql } from '../sql/index.ts'
import { type Finding, type Findings, findingsOf, nothingFound, together, type Verdict } from './check.ts'
import { type ClosingDefinition, Closings } from './closings.ts'
import { differencesSql } from './compare.ts'
import { erasedInBatches, mayLieWithin, unprovedNote } from './erased.ts'
import { rowsOfFiles, type TableState, type WrittenLakehouse } from './lakehouse.ts'
import { batchTimeSql, dialectOfMany, inputRelation, lateBeforeSql, selectOfMany, standIn } from './plans.ts'
import type { RunningCheck, Slice } from './slice.ts'

const tuplesPerInsert = 5_000
const extra = 'silver has no rows for it, or it is not closed yet'
const keyNumber = quoteIdentifier('key number')
const micros = quoteIdentifier('row micros')
const begin = quoteIdentifier(sessionBegin)

export function checkSessions(lakehouse: WrittenLakehouse, state: TableState): RunningCheck {
  const closings = new Closings(state, () => 1n)
  const finals = new FinalBatches(state)
  let before: bigint | null = null
  let isFirst = true
  return {
    async slice(slice) {
      closings.take(slice)
      finals.take(slice)
      if (isFirst) before = slice.before?.watermarks[state.definition.watermark!] ?? null
      isFirst = false
    },
    async finish() {
      await closings.insert(lakehouse)
      const judge = new SessionJudge(lakehouse, state, finals, before)
      return judge.verdict(closings)
    },
  }
}

/** The batches that moved all watermarks behind the last session, and how far. */
class FinalBatches {
  readonly batches: {
    readonly batch: bigint
    readonly timeMicros: bigint
    readonly found: bigint | null
    /** Sessions that end up to then were closed before. */
    readonly closedToMicros: bigint | null
    expected: bigint | null
  }[] = []
  readonly #state: TableState

  constructor(state: TableState) {
    this.#state = state
  }

  take({ batches, before, rules }: Slice): void {
    const { definition, doneBatch } = this.#state
    if (!rules.definitions.tables.some(({ path }) => path === definition.path)) return
    let last = before
    for (const one of batches) {
      const { batch, plan, timeMicros } = one
      if (plan?.isFinal === true && batch !== null && batch <= doneBatch) {
        const closedToMicros = last?.watermarks[definition.watermark!] ?? null
        const found = plan.sessionsEndMicros ?? null
        this.batches.push({ batch, timeMicros, found, closedToMicros, expected: null })
      }
      last = one
    }
  }

  get findings(): Findings {
    const wrong = this.batches.filter(({ found, expected, closedToMicros }) => {
      const isNoneOpen = expected === null || (closedToMicros !== null && expected <= closedToMicros)
      return found === null ? !isNoneOpen : found !== expected
    })
    const first = wrong.map(({ batch, found, expected }): Finding => {
      const [is, should] = [found, expected].map((one) => (one === null ? null : String(one)))
      return {
        at: { batch: String(batch) },
        problem: 'does not follow the rows',
        column: 'sessions_end',
        found: is!,
        expected: should!,
      }
    })
    return { count: BigInt(wrong.length), first }
  }
}

class SessionJudge {
  readonly #lakehouse: WrittenLakehouse
  readonly #state: TableState
  readonly #finals: FinalBatches
  /** The watermark before the first batch that is judged. */
  readonly #before: bigint | null

  constructor(lakehouse: WrittenLakehouse, state: TableState, finals: FinalBatches, before: bigint | null) {
    this.#lakehouse = lakehouse
    this.#state = state
    this.#finals = finals
    this.#before = before
  }

  async verdict({ definitions, lag }: Closings): Promise<Verdict> {
    const lakehouse = this.#lakehouse
    const { stream } = this.#state.definition
    let findings = nothingFound
    let [sessions, unproved, unknownKeys] = [0n, 0n, 0n]
    const events = lakehouse.state(lakehouse.paths.events)
    const rows = Number(rowsOfFiles([...events.snapshot.files.values()]) ?? 0n)
    const parts = Math.max(1, Math.ceil(rows / lakehouse.rowsAtOnce))
    for (const [index, defined] of definitions.entries()) {
      for (let part = 0; part < parts; part++) {
        const of = { ...defined, index, count: definitions.length, part, parts }
        const judged = await this.#judge(of)
        findings = together(findings, judged.findings)
        sessions += judged.sessions
        unproved += judged.unproved
        unknownKeys += judged.unknownKeys
        lakehouse.work.add(rows / parts / definitions.length)
      }
    }
    await lakehouse.connection.run('DROP TABLE closing')
    // Where rows are gone, or not looked at, nobody can say how far sessions reached.
    const isWhole = lakehouse.sinceMicros === null && lakehouse.erased.isNone
    if (isWhole && definitions.length > 0) findings = together(findings, this.#finals.findings)
    const behind = `it lags behind silver by ${counted(lag, 'batch', 'batches')}: run "assay run ${stream}"`
    return {
      proved: `${counted(sessions, 'closed session')}, every cell as silver's rows give it`,
      findings,
      notes: [
        ...(lag <= 1 ? [] : [behind]),
        ...unprovedNote(unproved, 'session'),
        ...(unknownKeys === 0n ? [] : [unknownNote(unknownKeys)]),
      ],
    }
  }

  async #judge(of: Part): Promise<Judged> {
    const lakehouse = this.#lakehouse
    const { connection } = lakehouse
    const { definition } = of
    const node = nodeOf(definition)
    const keys = [...node.keys, 'session_start']
    const columns = Object.keys(definition.rows.schema).filter((name) => !keys.includes(name))
    const unknownKeys = await this.#placeRows(of, node)
    await this.#group(of, node)
    await connection.run(`CREATE OR REPLACE TEMP TABLE expected_sessions AS ${this.#expectedSql(of, node)}`)
    const found = `(${this.#foundSql(of, node)})`
    const compared = { found, expected: 'expected_sessions', keys, columns, isComplete: true, extra }
    await connection.run(`CREATE OR REPLACE TEMP TABLE session_differences AS ${differencesSql(compared)}`)
    const unproved = await this.#excuseErased(node)
    await this.#excuseUnknown(node)
    const findings = await findingsOf(connection, 'FROM session_differences', keys)
    const sessions = await lakehouse.number('SELECT count(*) FROM expected_sessions')
    for (const final of this.#finals.batches) {
      const reader = await connection.runAndReadAll(
        `SELECT max(closes_at) FROM session_groups WHERE closed_time <= make_timestamp(${final.timeMicros})`,
      )
      const last = reader.getRows()[0]?.[0] as bigint | null // As selected.
      if (last !== null && (final.expected === null || last > final.expected)) final.expected = last
    }
    for (const name of ['session_differences', 'expected_sessions', 'session_groups', 'session_rows'])
      await connection.run(`DROP TABLE ${name}`)
    return { findings, sessions, unproved, unknownKeys }
  }

  /**
   * The rows of the part as `session_rows`, each with the beginning of its session. How many keys are judged
   * from a later row on than their first one.
   */
  async #placeRows({ definition, parameters, part, parts }: Part, node: SessionsNode): Promise<bigint> {
    const { connection } = this.#lakehouse
    const keys = node.keys.map(quoteIdentifier)
    const isOfPart =
      parts === 1 || keys.length === 0 ? 'true' : `hash(${keys.join(', ')}) % ${parts} = ${part}`
    const order = keys.length === 0 ? '1' : keys.join(', ')
    const isOpen = this.#unwrittenSql(definition, node)
    await connection.run(`CREATE OR REPLACE TEMP TABLE timed_rows AS
      SELECT *, dense_rank() OVER (ORDER BY ${order}) AS ${keyNumber},
        epoch_us(${quoteIdentifier(node.eventTime)}) AS ${micros}
      FROM (${inputSql(this.#lakehouse, node, parameters)}) AS r WHERE ${isOfPart} AND ${isOpen}`)
    const unknownKeys = await this.#leaveUnknown(definition, node)
    const begins = await this.#begins(node)
    await connection.run('CREATE OR REPLACE TEMP TABLE session_begins (k BIGINT, begins BIGINT)')
    for (let from = 0; from < begins.length; from += tuplesPerInsert) {
      const tuples = begins.slice(from, from + tuplesPerInsert).map(([key, at]) => `(${key}, ${at})`)
      await connection.run(`INSERT INTO session_begins VALUES ${tuples.join(', ')}`)
    }
    await connection.run(`CREATE OR REPLACE TEMP TABLE session_rows AS
      SELECT r.*, b.begins AS ${begin} FROM timed_rows AS r
      ASOF JOIN session_begins AS b ON r.${keyNumber} = b.k AND r.${micros} >= b.begins`)
    await connection.run('DROP TABLE timed_rows')
    await connection.run('DROP TABLE session_begins')
    return unknownKeys
  }

  /** Of each key when its sessions begin. */
  async #begins(node: SessionsNode): Promise<[key: bigint, micros: bigint][]> {
    const found: [bigint, bigint][] = []
    let [key, first, last]: [bigint | null, bigint, bigint] = [null, 0n, 0n]
    const select = `SELECT DISTINCT ${keyNumber}, ${micros} FROM timed_rows ORDER BY ${keyNumber}, ${micros}`
    const result = await streamOf(this.#lakehouse.connection, select)
    for await (const rows of result.yieldRowsJs()) {
      // As selected.
      for (const [of, at] of rows as [bigint, bigint][]) {
        const goesOn = of === key && at - last <= node.gapMicros && at - first < node.lengthMaxMicros
        if (!goesOn) {
          found.push([of, at])
          first = at
        }
        ;[key, last] = [of, at]
      }
    }
    return found
  }

  /** Where earlier batches are not judged: what they wrote says where sessions go on. */
  #unwrittenSql(definition: TableDefinition, node: SessionsNode): string {
    const fromMicros = this.#seenFrom(node)
    if (fromMicros === null) return 'true'
    const time = `r.${quoteIdentifier(node.eventTime)}`
    const isOfOne = `${sameKeys(node, 'w', 'r')} AND w.session_end >= ${time}`
    return `${time} >= make_timestamp(${fromMicros})
      AND NOT EXISTS (SELECT 1 FROM (${this.#writtenSql(definition, node)}) AS w WHERE ${isOfOne})`
  }

  /** The sessions that batches before those that are judged wrote, as far as an open one can follow them. */
  #writtenSql(definition: TableDefinition, node: SessionsNode): string {
    const { path } = definition
    const { defined, sinceMicros } = this.#lakehouse
    const column = batchTimeColumn(defined, definition)
    if (this.#before === null || column === null || sinceMicros === null)
      return `SELECT * FROM ${this.#lakehouse.rows(path)} WHERE false`
    const range = { fromMicros: this.#before - node.lengthMaxMicros + 1n, toMicros: null }
    const rows = this.#lakehouse.rowsWithin(path, 'session_end', range)
    return `SELECT * FROM (${rows}) WHERE ${quoteIdentifier(column)} < make_timestamp(${sinceMicros})`
  }

  /** From which event time on all rows of silver are looked at; null where none is left out. */
  #seenFrom(node: SessionsNode): bigint | null {
    const lakehouse = this.#lakehouse
    if (lakehouse.sinceMicros === null) return null
    const events = lakehouse.state(lakehouse.paths.events)
    const dropped = retainedOf(events.snapshot.txns)?.droppedTimeMicros ?? null
    const kept = dropped === null ? null : dropped + 1n
    if (this.#before === null) return kept
    const needed = this.#before - node.lengthMaxMicros + 1n - node.gapMicros
    return kept !== null && kept > needed ? kept : needed
  }

  /**
   * Where a key's first row may go on in a session that nobody has any more, what is judged begins with the
   * first row behind a gap: `unknown_keys` has that, or null where there is none.
   */
  async #leaveUnknown(definition: TableDefinition, node: SessionsNode): Promise<bigint> {
    const { connection } = this.#lakehouse
    const seenFrom = this.#seenFrom(node)
    const keys = node.keys.map((key) => `${quoteIdentifier(key)}, `).join('')
    const written = `SELECT 1 FROM (${this.#writtenSql(definition, node)}) AS w`
    const isBehindGap = `${micros} - ${node.gapMicros} >= ${seenFrom}`
    const isFirstKnown =
      seenFrom === null ? 'true' : `${isBehindGap} OR EXISTS (${written} WHERE ${sameKeys(node, 'w', 'r')})`
    const isKnown = `CASE WHEN previous IS NULL THEN ${isFirstKnown} ELSE ${micros} - previous > ${node.gapMicros} END`
    await connection.run(`CREATE OR REPLACE TEMP TABLE unknown_keys AS
      SELECT ${keys}${keyNumber}, min(${micros}) FILTER (WHERE is_known) AS known_from
      FROM (
        SELECT *, ${isKnown} AS is_known
        FROM (
          SELECT *, lag(${micros}) OVER (PARTITION BY ${keyNumber} ORDER BY ${micros}) AS previous
          FROM (SELECT DISTINCT ${keys}${keyNumber}, ${micros} FROM timed_rows)
        ) AS r
      )
      GROUP BY ${keys}${keyNumber}
      HAVING NOT bool_or(previous IS NULL AND is_known)`)
    await connection.run(`DELETE FROM timed_rows AS r USING unknown_keys AS u
      WHERE r.${keyNumber} = u.${keyNumber} AND (u.known_from IS NULL OR r.${micros} < u.known_from)`)
    return await this.#lakehouse.number('SELECT count(*) FROM unknown_keys')
  }

  /** Sessions of such keys before that are neither right nor wrong. */
  async #excuseUnknown(node: SessionsNode): Promise<void> {
    await this.#lakehouse.connection.run(`DELETE FROM session_differences AS d USING unknown_keys AS u
      WHERE ${sameKeys(node, 'd', 'u')} AND d.problem <> 'is there more than once'
        AND (u.known_from IS NULL OR epoch_us(d.session_start) < u.known_from)`)
    await this.#lakehouse.connection.run('DROP TABLE unknown_keys')
  }

  /** All sessions that are closed as `session_groups`, with what closed them. */
  async #group({ parameters }: Part, node: SessionsNode): Promise<void> {
    const { connection, sinceMicros } = this.#lakehouse
    const groups = sessionGroupsSql(dialectOfMany(parameters), node, 'session_rows')
    const ends = [
      `epoch_us(session_end) + ${node.gapMicros + 1n}`,
      `epoch_us(session_start) + ${node.lengthMaxMicros}`,
    ]
    const since = sinceMicros === null ? '' : ` WHERE c.time >= make_timestamp(${sinceMicros})`
    await connection.run(`CREATE OR REPLACE TEMP TABLE session_groups AS
      SELECT g.*, c.time AS closed_time, c.definition AS closed_by
      FROM (SELECT *, least(${ends.join(', ')}) AS closes_at FROM (${groups})) AS g
      ASOF JOIN closing AS c ON make_timestamp(g.closes_at) <= c.watermark${since}`)
  }

  /** Of the sessions that batches of the definition closed the rows of the table. */
  #expectedSql({ definition, parameters, index }: Part, node: SessionsNode): string {
    const closed = 'closed sessions'
    const rows = selectOfMany(definition.rows.node, parameters, (one) =>
      one === node ? standIn(closed) : null,
    )
    return `WITH ${quoteIdentifier(inputRelation(closed))} AS (
  SELECT *, closed_time AS ${batchTimeSql}, NULL::TIMESTAMP AS ${lateBeforeSql} FROM session_groups
  WHERE closed_by = ${index}
)
SELECT ${Object.keys(definition.rows.schema).map(quoteIdentifier).join(', ')} FROM (${rows})`
  }

  /** The rows of the table that the definition's batches wrote. */
  #foundSql({ definition, index, count, part, parts }: Part, node: SessionsNode): string {
    const lakehouse = this.#lakehouse
    const { sinceMicros } = lakehouse
    const column = batchTimeColumn(lakehouse.defined, definition)
    const keys = node.keys.map(quoteIdentifier)
    const conditions =
      parts === 1 || keys.length === 0 ? [] : [`hash(${keys.join(', ')}) % ${parts} = ${part}`]
    if (column !== null) {
      const time = quoteIdentifier(column)
      if (sinceMicros !== null) conditions.push(`${time} >= make_timestamp(${sinceMicros})`)
      const closedBy = `${time} IN (SELECT time FROM closing WHERE definition = ${index})`
      const isElse = `${time} IS NULL OR ${time} NOT IN (SELECT time FROM closing)`
      if (count > 1) conditions.push(index === count - 1 ? `(${closedBy} OR ${isElse})` : closedBy)
    }
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
    return `SELECT * FROM ${lakehouse.rows(definition.path)}${where}`
  }

  /** Sessions in which an erased record may have been are not what silver's rows give; how many. */
  async #excuseErased(node: SessionsNode): Promise<bigint> {
    const { erased, connection } = this.#lakehouse
    if (erased.isNone) return 0n
    const reach = node.lengthMaxMicros + node.gapMicros
    const [from, to] = [
      `d.session_start - to_microseconds(${reach})`,
      `d.session_start + to_microseconds(${reach})`,
    ]
    const result = await connection.run(`DELETE FROM session_differences AS d
      WHERE d.problem <> 'is there more than once'
        AND EXISTS (SELECT 1 FROM ${erasedInBatches} AS e WHERE ${mayLieWithin(from, to)})`)
    return BigInt(result.rowsChanged)
  }
}

type Judged = {
  readonly findings: Findings
  readonly sessions: bigint
  readonly unproved: bigint
  readonly unknownKeys: bigint
}

/** One of the definitions, and some of the keys. */
type Part = ClosingDefinition & {
  readonly index: number
  readonly count: number
  readonly part: number
  readonly parts: number
}

function unknownNote(keys: bigint): string {
  const ofKeys = counted(keys, 'key')
  return `of ${ofKeys} nothing that is left says where the first session began: judged from the first gap on`
}

function sameKeys({ keys }: SessionsNode, one: string, other: string): string {
  const isSame = keys.map(
    (key) => `${one}.${quoteIdentifier(key)} IS NOT DISTINCT FROM ${other}.${quoteIdentifier(key)}`,
  )
  return isSame.length === 0 ? 'true' : isSame.join(' AND ')
}

function nodeOf({ path, rows }: TableDefinition): SessionsNode {
  const node = sessionsIn(rows.node)
  assert(node !== null, `${path} has sessions`)
  return node
}

/** A SELECT of the rows that sessions are made of. */
function inputSql(lakehouse: WrittenLakehouse, { input }: SessionsNode, parameters: Parameters): string {
  const [read] = inputsOf(input)
  assert(read !== undefined, 'sessions read rows')
  const columns = Object.keys(read.schema).map(quoteIdentifier).join(', ')
  const rows = `SELECT ${columns}, NULL::TIMESTAMP AS ${batchTimeSql}, NULL::TIMESTAMP AS ${lateBeforeSql} FROM ${lakehouse.rows(lakehouse.paths.events)}`
  return `WITH ${quoteIdentifier(inputRelation(read.name))} AS (${rows}) ${selectOfMany(input, parameters)}`
}
