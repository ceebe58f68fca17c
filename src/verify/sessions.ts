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
    let [sessions, unproved] = [0n, 0n]
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
      notes: [...(lag <= 1 ? [] : [behind]), ...unprovedNote(unproved, 'session')],
    }
  }

  async #judge(of: Part): Promise<{ findings: Findings; sessions: bigint; unproved: bigint }> {
    const lakehouse = this.#lakehouse
    const { connection } = lakehouse
    const { definition } = of
    const node = nodeOf(definition)
    const keys = [...node.keys, 'session_start']
    const columns = Object.keys(definition.rows.schema).filter((name) => !keys.includes(name))
    await this.#placeRows(of, node)
    await this.#group(of, node)
    await connection.run(`CREATE OR REPLACE TEMP TABLE expected_sessions AS ${this.#expectedSql(of, node)}`)
    const found = `(${this.#foundSql(of, node)})`
    const compared = { found, expected: 'expected_sessions', keys, columns, isComplete: true, extra }
    await connection.run(`CREATE OR REPLACE TEMP TABLE session_differences AS ${differencesSql(compared)}`)
    const unproved = await this.#excuseErased(node)
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
    return { findings, sessions, unproved }
  }

  /** The rows of the part as `session_rows`, each with the beginning of its session. */
  async #placeRows({ definition, parameters, part, parts }: Part, node: SessionsNode): Promise<void> {
    const { connection, sinceMicros } = this.#lakehouse
    const keys = node.keys.map(quoteIdentifier)
    const isOfPart =
      parts === 1 || keys.length === 0 ? 'true' : `hash(${keys.join(', ')}) % ${parts} = ${part}`
    const order = keys.length === 0 ? '1' : keys.join(', ')
    const isCutAnew = sinceMicros === null || this.#isSilverLonger(definition)
    const isOpen = isCutAnew ? 'true' : await this.#unwrittenSql(definition, node, sinceMicros)
    await connection.run(`CREATE OR REPLACE TEMP TABLE timed_rows AS
      SELECT *, dense_rank() OVER (ORDER BY ${order}) AS ${keyNumber},
        epoch_us(${quoteIdentifier(node.eventTime)}) AS ${micros}
      FROM (${inputSql(this.#lakehouse, node, parameters)}) AS r WHERE ${isOfPart} AND ${isOpen}`)
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

  /** Days of the table were dropped and none of silver: silver alone says where sessions begin. */
  #isSilverLonger({ path }: TableDefinition): boolean {
    const [table, events] = [path, this.#lakehouse.paths.events].map((of) =>
      retainedOf(this.#lakehouse.state(of).snapshot.txns),
    )
    return table !== null && events === null
  }

  /** Where earlier batches are not judged: what they wrote says where sessions go on. */
  async #unwrittenSql(definition: TableDefinition, node: SessionsNode, since: bigint): Promise<string> {
    const lakehouse = this.#lakehouse
    const column = batchTimeColumn(lakehouse.defined, definition)
    if (this.#before === null || column === null) return 'true'
    const fromMicros = this.#before - node.lengthMaxMicros + 1n
    const rows = lakehouse.rowsWithin(definition.path, 'session_end', { fromMicros, toMicros: null })
    const isSame = node.keys.map(
      (key) => `w.${quoteIdentifier(key)} IS NOT DISTINCT FROM r.${quoteIdentifier(key)}`,
    )
    const isLater = `w.session_end >= r.${quoteIdentifier(node.eventTime)}`
    const isEarlier = `w.${quoteIdentifier(column)} < make_timestamp(${since})`
    return `r.${quoteIdentifier(node.eventTime)} >= make_timestamp(${fromMicros})
      AND NOT EXISTS (SELECT 1 FROM (${rows}) AS w WHERE ${[...isSame, isLater, isEarlier].join(' AND ')})`
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

/** One of the definitions, and some of the keys. */
type Part = ClosingDefinition & {
  readonly index: number
  readonly count: number
  readonly part: number
  readonly parts: number
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
