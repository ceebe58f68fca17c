// The desk of reviewers: the queue, who holds which case, and what was decided. One object serves all
// reviewers of a process. Several processes, on several machines too, may serve one lakehouse: claims and
// verdicts are rows of Delta tables, and of two that are written at once the second is looked at anew.
import type { RunPauses } from '../engines/erasure-pause.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Schema } from '../expr/index.ts'
import type { VerdictName } from '../ops/verdicts.ts'
import type { TableDefinition } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { cellRows } from './case-cells.ts'
import { type Claim, ClaimLog, momentSql } from './claim-log.ts'
import { type DeskMemory, openDeskMemory } from './desk-memory.ts'
import { OpenCases } from './open-cases.ts'
import {
  availableSql,
  caseColumns,
  isCaseSql,
  moneySql,
  ownVerdictsSql,
  type QueueOrder,
  queueSql,
  reviewersSql,
  rulePrecisionSql,
} from './queue-sql.ts'
import type {
  CaseCells,
  CasePlace,
  OpenCase,
  ReviewFigures,
  ReviewRefusal,
  ReviewView,
} from './review-answers.ts'
import { VerdictLog } from './verdict-log.ts'

export type ReviewDeskOptions = {
  readonly scored: TableDefinition
  /** The column that names a transaction. */
  readonly event: string
  readonly deltaBasePath: string
  /** How long a case is held for who has taken it. */
  readonly lockMs: number
  readonly pauses: RunPauses
  readonly nowMs: () => number
}

export type VerdictGiven = {
  readonly verdict: VerdictName
  readonly reason: string | null
  readonly note: string | null
}

/** Another process that is faster each time is not met so often. */
const attemptsMax = 20
const shownMax = 50
/** What was read so long ago is shown as it is. */
const freshMs = 500
const dayMs = 24 * 3_600_000
export const reasonLengthMax = 200
export const noteLengthMax = 2_000

export class ReviewDesk {
  readonly #options: ReviewDeskOptions
  readonly #schema: Schema
  readonly #memory: DeskMemory
  readonly #verdicts: VerdictLog
  readonly #claims: ClaimLog
  readonly #cases: OpenCases
  #refreshedMs = Number.NEGATIVE_INFINITY
  #queue: Promise<unknown> = Promise.resolve()
  #waiting = 0

  private constructor(options: ReviewDeskOptions, memory: DeskMemory) {
    const { scored, deltaBasePath, nowMs } = options
    this.#options = options
    this.#schema = scored.rows.schema
    this.#memory = memory
    this.#verdicts = new VerdictLog(deltaBasePath, memory.connection)
    this.#claims = new ClaimLog(deltaBasePath, memory.connection, nowMs)
    this.#cases = new OpenCases(scored, deltaBasePath, memory.connection)
  }

  static async open(options: ReviewDeskOptions): Promise<ReviewDesk> {
    return new ReviewDesk(options, await openDeskMemory())
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting
  }

  async close(): Promise<void> {
    await this.#queue
    await this.#verdicts.table.settled()
    await this.#claims.table.settled()
    this.#memory.close()
  }

  /** The queue as one reviewer sees it. */
  view(reviewer: string, order: QueueOrder): Promise<ReviewView> {
    return this.#alone(async () => {
      await this.#refresh(freshMs)
      const nowMs = this.#options.nowMs()
      const cases = await this.#open({ order, limit: shownMax })
      const [mine] = await this.#open({ order, limit: 1, where: 'h.reviewer = $reviewer' }, { reviewer })
      return {
        asOfMs: nowMs,
        cases,
        mine: mine ?? null,
        figures: await this.#figures(),
        isCut: this.#cases.isCut,
        own: await this.#query(ownVerdictsSql, { reviewer }),
        rules: await this.#query(rulePrecisionSql),
        reviewers: await this.#query(reviewersSql(nowMs - dayMs)),
      }
    })
  }

  figures(): Promise<ReviewFigures> {
    return this.#alone(async () => {
      await this.#refresh(freshMs)
      return await this.#figures()
    })
  }

  /**
   * The next case for the reviewer, held from now on; the one that the reviewer holds already, if any. `skip`
   * is left to others, and does not come again before its time is over. null where nothing is open for them.
   */
  next(
    reviewer: string,
    order: QueueOrder,
    skip: CasePlace | null = null,
  ): Promise<OpenCase | ReviewRefusal | null> {
    return this.#claiming(async (nowMs) => {
      const [mine] = await this.#open({ order, limit: 1, where: 'h.reviewer = $reviewer' }, { reviewer })
      const isMine = mine !== undefined && (skip === null || !isSamePlace(mine.place, skip))
      // What is held for long enough is held on.
      const left = isMine ? (mine.heldUntilMs ?? 0) - nowMs : 0
      if (skip === null && isMine && left > this.#options.lockMs / 2) return { result: mine, claims: [] }
      const skipped = skip === null ? [] : [this.#claim('skipped', reviewer, skip, nowMs)]
      const found = isMine ? mine : await this.#nextOf(reviewer, order, skip, nowMs)
      if (found === null) return { result: null, claims: skipped }
      const taken = this.#claim('taken', reviewer, found.place, nowMs)
      return { result: heldBy(found, taken), claims: [...skipped, taken] }
    })
  }

  async #nextOf(
    reviewer: string,
    order: QueueOrder,
    skip: CasePlace | null,
    nowMs: number,
  ): Promise<OpenCase | null> {
    const parameters = skip === null ? { reviewer } : { reviewer, ...parametersOf(skip) }
    const others = skip === null ? '' : ` AND NOT (${isCaseSql})`
    const where = availableSql(nowMs) + others
    return (await this.#open({ order, limit: 1, where }, parameters))[0] ?? null
  }

  /** This very case, if nobody else holds it. */
  take(reviewer: string, place: CasePlace): Promise<OpenCase | ReviewRefusal> {
    return this.#claiming<OpenCase | ReviewRefusal>(async (nowMs) => {
      const found = await this.#find(place)
      if (found === null) return { result: await this.#whyClosed(place), claims: [] }
      if (found.heldBy !== null && found.heldBy !== reviewer) return { result: held(found), claims: [] }
      const taken = this.#claim('taken', reviewer, place, nowMs)
      return { result: heldBy(found, taken), claims: [taken] }
    })
  }

  /** An open case, without taking it. */
  look(place: CasePlace): Promise<OpenCase | ReviewRefusal> {
    return this.#alone(async () => {
      await this.#refresh(freshMs)
      return (await this.#find(place)) ?? (await this.#whyClosed(place))
    })
  }

  /** The last verdict that stands on each of them; null where there is none. */
  verdictsOn(places: readonly CasePlace[]): Promise<readonly (string | null)[]> {
    return this.#alone(async () => {
      const keys = places.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`)
      if (keys.length === 0) return []
      const names = keys.map((_, index) => `$key_${index}`)
      const rows = await this.#query(
        `SELECT topic || '/' || "partition" || '/' || "offset" AS key, arg_max(verdict, sequence) AS verdict
         FROM verdicts WHERE key IN (${names.join(', ')}) GROUP BY key`,
        Object.fromEntries(keys.map((key, index) => [`key_${index}`, key])),
      )
      const found = new Map(rows.map(({ key, verdict }) => [key, String(verdict)]))
      return keys.map((key) => found.get(key) ?? null)
    })
  }

  /** Others may have the case that the reviewer holds. */
  async release(reviewer: string): Promise<ReviewRefusal | null> {
    const result = await this.#claiming(async (nowMs) => ({
      result: null,
      claims: await this.#released(reviewer, nowMs),
    }))
    return result
  }

  async #released(reviewer: string, nowMs: number): Promise<Claim[]> {
    const [mine] = await this.#open({ order: 'age', limit: 1, where: 'h.reviewer = $reviewer' }, { reviewer })
    if (mine === undefined) return []
    const claim = this.#claim('released', reviewer, mine.place, nowMs)
    return [{ ...claim, untilMs: Math.max(claim.untilMs, mine.heldUntilMs ?? 0) }]
  }

  /** The number of the verdict, or why there is none. */
  decide(
    reviewer: string,
    place: CasePlace,
    given: VerdictGiven,
  ): Promise<{ readonly kind: 'decided'; readonly sequence: bigint } | ReviewRefusal> {
    return this.#alone(async () => {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const refusal = await this.#refreshToWrite()
        if (refusal !== null) return refusal
        const found = await this.#find(place)
        if (found === null) return await this.#whyClosed(place)
        if (found.heldBy !== null && found.heldBy !== reviewer) return held(found)
        const sequence = this.#verdicts.table.sequence + 1n
        const { select, parameters } = await this.#verdictRow(sequence, reviewer, place, given)
        if (!(await this.#verdicts.table.append(select, parameters, 1n))) continue
        await this.#refresh()
        if (given.verdict === 'unsure') await this.#letOthers(reviewer)
        await this.#verdicts.table.upkeep(null)
        return { kind: 'decided', sequence }
      }
      throw this.#tooBusy()
    })
  }

  /**
   * Who is unsure holds the case no longer. It is no matter if that cannot be written now: it is over soon.
   */
  async #letOthers(reviewer: string): Promise<void> {
    const claims = await this.#released(reviewer, this.#options.nowMs())
    if (claims.length > 0) await this.#claims.append(claims)
  }

  async #verdictRow(
    sequence: bigint,
    reviewer: string,
    place: CasePlace,
    { verdict, reason, note }: VerdictGiven,
  ) {
    const nowMs = this.#options.nowMs()
    const takenMs = await this.#takenMs(reviewer, place, nowMs)
    const seconds = takenMs === null ? 'NULL' : String(Math.max(0, nowMs - takenMs) / 1000)
    const { event } = this.#options
    const eventSql = event in this.#schema ? `CAST(${duckdb.name(event)} AS VARCHAR)` : 'NULL::VARCHAR'
    const select = `SELECT ${sequence}::BIGINT AS sequence, $verdict::VARCHAR AS verdict, NULL::BIGINT AS undoes,
        $reason::VARCHAR AS reason, $note::VARCHAR AS note, $reviewer::VARCHAR AS reviewer,
        ${takenMs === null ? 'NULL::TIMESTAMPTZ' : momentSql(takenMs)} AS taken_at, ${momentSql(nowMs)} AS decided_at,
        ${seconds}::DOUBLE AS took_seconds, ${eventSql} AS event, topic, "partition", "offset", event_time,
        processing_time, ${moneySql(this.#schema)} AS money, fraud_score, risk_level, reasons AS rules
      FROM cases AS c WHERE ${isCaseSql}`
    return { select, parameters: { verdict, reason, note, reviewer, ...parametersOf(place) } }
  }

  /** Since when the reviewer holds the case without a break; null for who does not hold it. */
  async #takenMs(reviewer: string, place: CasePlace, nowMs: number): Promise<number | null> {
    const claims = await this.#query(
      `SELECT c.kind = 'taken' AND ${isCaseSql} AS holds, epoch_ms("at") AS at_ms, epoch_ms(until) AS until_ms
       FROM claims AS c WHERE c.reviewer = $reviewer ORDER BY sequence DESC`,
      { reviewer, ...parametersOf(place) },
    )
    let takenMs: number | null = null
    for (const { holds, at_ms, until_ms } of claims) {
      if (holds !== true || Number(until_ms) < (takenMs ?? nowMs)) break
      takenMs = Number(at_ms)
    }
    return takenMs
  }

  /**
   * Takes back a verdict that stands, by default the reviewer's last; that of another only with `ofAnybody`.
   * Returns where its transaction stands.
   */
  undo(
    reviewer: string,
    sequence: bigint | null,
    ofAnybody: boolean,
  ): Promise<{ readonly kind: 'undone'; readonly place: CasePlace } | ReviewRefusal> {
    return this.#alone(async () => {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const refusal = await this.#refreshToWrite()
        if (refusal !== null) return refusal
        const which = sequence === null ? 'reviewer = $reviewer' : 'sequence = $sequence'
        const [found] = await this.#query(
          `SELECT sequence, reviewer, topic, "partition", "offset" FROM verdicts WHERE ${which} ORDER BY sequence DESC LIMIT 1`,
          sequence === null ? { reviewer } : { sequence },
        )
        if (found === undefined) return refused('nothing to undo')
        if (found.reviewer !== reviewer && !ofAnybody)
          return refused('not yours', { by: String(found.reviewer) })
        const next = this.#verdicts.table.sequence + 1n
        const select = `SELECT ${next}::BIGINT AS sequence, NULL::VARCHAR AS verdict, sequence AS undoes,
            NULL::VARCHAR AS reason, NULL::VARCHAR AS note, $reviewer::VARCHAR AS reviewer,
            NULL::TIMESTAMPTZ AS taken_at, ${momentSql(this.#options.nowMs())} AS decided_at,
            NULL::DOUBLE AS took_seconds, event, topic, "partition", "offset", event_time, processing_time,
            NULL::DECIMAL(18,2) AS money, NULL::INTEGER AS fraud_score, NULL::VARCHAR AS risk_level,
            NULL::VARCHAR[] AS rules
          FROM verdicts WHERE sequence = $undoes`
        const undoes = BigInt(String(found.sequence))
        if (!(await this.#verdicts.table.append(select, { reviewer, undoes }, 1n))) continue
        await this.#refresh()
        return { kind: 'undone', place: placeOfCells(found) }
      }
      throw this.#tooBusy()
    })
  }

  async #figures(): Promise<ReviewFigures> {
    const [open] = await this.#query(
      `SELECT count(*) AS open, count(*) FILTER (WHERE (topic, "partition", "offset") IN
         (SELECT topic, "partition", "offset" FROM verdicts WHERE verdict = 'unsure')) AS unsure FROM cases`,
    )
    const counts = await this.#query('SELECT verdict, count(*) AS count FROM verdicts GROUP BY verdict')
    const verdicts = { fraud: 0, legitimate: 0, unsure: 0 }
    for (const { verdict, count } of counts) verdicts[String(verdict) as VerdictName] = Number(count)
    return { open: Number(open?.open), unsure: Number(open?.unsure), verdicts }
  }

  async #open(
    query: { readonly order: QueueOrder; readonly limit: number; readonly where?: string },
    parameters: DeskValues = {},
  ): Promise<OpenCase[]> {
    const sql = queueSql({ schema: this.#schema, nowMs: this.#options.nowMs(), ...query })
    return (await this.#query(sql, parameters)).map((cells) => openCase(this.#schema, cells))
  }

  async #find(place: CasePlace): Promise<OpenCase | null> {
    const found = await this.#open({ order: 'age', limit: 1, where: isCaseSql }, parametersOf(place))
    return found[0] ?? null
  }

  async #whyClosed(place: CasePlace): Promise<ReviewRefusal> {
    const [row] = await this.#query(
      `SELECT reviewer, verdict, epoch_ms(decided_at) AS at_ms FROM verdicts AS c
       WHERE ${isCaseSql} AND verdict IN ('fraud', 'legitimate')`,
      parametersOf(place),
    )
    if (row === undefined) return refused('gone')
    const { reviewer, verdict, at_ms } = row
    return refused('decided', { by: String(reviewer), verdict: String(verdict), atMs: Number(at_ms) })
  }

  /** Decides what is to be claimed by what is there, and again where another process was faster. */
  #claiming<Result>(
    decision: (nowMs: number) => Promise<{ readonly result: Result; readonly claims: readonly Claim[] }>,
  ): Promise<Result | ReviewRefusal> {
    return this.#alone(async () => {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const refusal = await this.#refreshToWrite()
        if (refusal !== null) return refusal
        const { result, claims } = await decision(this.#options.nowMs())
        if (claims.length === 0) return result
        if (!(await this.#claims.append(claims))) continue
        await this.#claims.refresh()
        await this.#claims.table.upkeep(this.#claims.isOver)
        return result
      }
      throw this.#tooBusy()
    })
  }

  #claim(kind: Claim['kind'], reviewer: string, place: CasePlace, nowMs: number): Claim {
    const { topic, partition, offset } = place
    const untilMs = nowMs + this.#options.lockMs
    return { kind, reviewer, atMs: nowMs, untilMs, topic, partition, offset: BigInt(offset) }
  }

  async #refreshToWrite(): Promise<ReviewRefusal | null> {
    if (await this.#options.pauses.isErasing()) return refused('erasing')
    await this.#refresh()
    return null
  }

  /** A file that was deleted since its table's log was read is no matter when the log is read again. */
  async #refresh(olderThanMs = 0): Promise<void> {
    if (olderThanMs > 0 && this.#options.nowMs() - this.#refreshedMs < olderThanMs) return
    try {
      await this.#readTables()
    } catch {
      for (const part of [this.#verdicts.table, this.#claims.table, this.#cases]) part.forget()
      await this.#readTables()
    }
    this.#refreshedMs = this.#options.nowMs()
  }

  /**
   * The number of the next verdict is known before the scored table is looked at: an erasure takes rows out
   * of that table, and then a number, so that a verdict on what is gone is refused.
   */
  async #readTables(): Promise<void> {
    const news = await this.#verdicts.refresh()
    await this.#claims.refresh()
    if (news.kind === 'anew') this.#cases.forget()
    await this.#cases.refresh()
    if (news.kind !== 'added') return
    await this.#cases.close()
    await this.#cases.reopen(news.reopened)
  }

  async #query(sql: string, parameters: DeskValues = {}): Promise<CaseCells[]> {
    return cellRows(await this.#memory.connection.runAndReadAll(sql, { ...parameters }))
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#waiting += 1
    const done = this.#queue.then(work).finally(() => {
      this.#waiting -= 1
    })
    this.#queue = done.catch(() => undefined)
    return done
  }

  #tooBusy(): LakehouseError {
    const message = `${this.#options.deltaBasePath}: other processes wrote to the review tables ${attemptsMax} times in between. Try again.`
    return new LakehouseError('DELTA_COMMIT_CONFLICT', message)
  }
}

type DeskValues = Readonly<Record<string, string | number | bigint | null>>

function parametersOf({ topic, partition, offset }: CasePlace): DeskValues {
  return { topic, partition, offset: BigInt(offset) }
}

function placeOfCells({ topic, partition, offset }: CaseCells): CasePlace {
  return { topic: String(topic), partition: Number(partition), offset: String(offset) }
}

function isSamePlace(a: CasePlace, b: CasePlace): boolean {
  return a.topic === b.topic && a.partition === b.partition && a.offset === b.offset
}

function openCase(schema: Schema, cells: CaseCells): OpenCase {
  const { probability, loss, holder, until, unsure } = caseColumns
  const numberOf = (name: string): number | null => (cells[name] == null ? null : Number(cells[name]))
  const reviewers = cells[unsure]
  return {
    place: placeOfCells(cells),
    cells: Object.fromEntries(Object.keys(schema).map((name) => [name, cells[name] ?? null])),
    probability: numberOf(probability) ?? 0,
    expectedLoss: numberOf(loss),
    heldBy: cells[holder] == null ? null : String(cells[holder]),
    heldUntilMs: cells[until] == null ? null : Date.parse(String(cells[until])),
    unsureBy: Array.isArray(reviewers) ? reviewers.map(String) : [],
  }
}

function heldBy(found: OpenCase, { reviewer, untilMs }: Claim): OpenCase {
  return { ...found, heldBy: reviewer, heldUntilMs: untilMs }
}

function held({ heldBy: by, heldUntilMs: atMs }: OpenCase): ReviewRefusal {
  return refused('held', { by, atMs })
}

function refused(
  why: ReviewRefusal['why'],
  more: Partial<Pick<ReviewRefusal, 'by' | 'verdict' | 'atMs'>> = {},
): ReviewRefusal {
  return { kind: 'refused', why, by: null, verdict: null, atMs: null, ...more }
}
