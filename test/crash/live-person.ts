// A lakehouse that is written all the time, by processes of its own, while a person (42) is erased from it.
// What it must hold then is what the oracle makes of all records up to the erasure, without the rows of the
// person, and behind it what the oracle makes of the records without those that were erased.
import { appendFile, mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Progress } from '../../src/batches/progress.ts'
import { DeltaTable } from '../../src/delta/index.ts'
import { journalAfter } from '../../src/engines/journal.ts'
import { progressOf } from '../../src/ops/tables.ts'
import { differences } from '../compare/differences.ts'
import { readTables } from '../compare/read-in-process.ts'
import { defaultConfig, recompute } from '../oracle/oracle.ts'
import { judgedAmong } from '../oracle/quality.ts'
import type { OracleBatch, Row, Tables } from '../oracle/rows.ts'
import { person, positionsOf, positionText, trace } from '../unit/engine/erased-person.ts'
import { type Lakehouse, newLakehouse, recordsOf } from '../unit/engine/pipeline.ts'
import type { ChildPlan } from './child.ts'
import { type Running, startChild } from './processes.ts'

const startMs = Date.UTC(2026, 9, 1, 10)
const minuteMs = 60_000
const recordsPerBatchMax = 40
/** The last event time before the load, in minutes: no window is closed from there until the load ends. */
const loadFromMinute = 100.5
const loadMinutesMax = 4
const loadStepMs = 5
const appendedAtOnce = 5
const appendEveryMs = 100
/** Between two looks at the tables: each takes as much of a processor as a small batch. */
const lookEveryMs = 100

type Input = { readonly value: Buffer; readonly isErased: boolean }

function payment(user: number, id: string, minute: number, merchant: string): Buffer {
  const timestamp = new Date(startMs + Math.round(minute * minuteMs)).toISOString()
  const location = user % 2 === 0 ? 'Lagos, Nigeria' : 'Paris, France'
  const more = { merchant, location, payment_method: 'crypto', device_id: `d${user}`, timestamp }
  return Buffer.from(JSON.stringify({ transaction_id: id, user_id: user, amount: 10 + user, ...more }))
}

const other = (id: string, minute: number): Buffer =>
  payment(1 + (Math.round(minute * 1_000) % 4), id, minute, 'Shop')
const second = 1 / 60

/** Each record of the person comes behind one of somebody else with a later time: the watermark's. */
function beforeErasure(): Input[] {
  const all: Input[] = []
  for (let minute = 0; minute <= 100; minute++) {
    all.push({ value: other(`t-${minute}`, minute), isErased: false })
    if (minute % 2 === 1) continue
    const id = `of-person-${minute}`
    all.push({ value: payment(person, id, minute - second, `${trace} & Sons`), isErased: true })
    if (minute % 10 === 0) all.push({ value: payment(7, id, minute - second / 2, 'Shop'), isErased: false })
  }
  return [...all, { value: other('last', loadFromMinute), isErased: false }]
}

/** What was refused because of the person's rows is a row now, and new rows of the person count from one. */
function afterErasure(): Input[] {
  const all = [
    other('t-106', 106),
    payment(7, 'of-person-98', 106 - second, 'Shop'),
    payment(7, 'of-person-100', 106 - second, 'Shop'),
  ]
  for (let minute = 107; minute < 240; minute += 3) {
    all.push(other(`t-${minute}`, minute))
    all.push(payment(person, `of-person-${minute}`, minute - second, 'Later'))
  }
  return all.map((value) => ({ value, isErased: false }))
}

export class LivePerson {
  readonly lakehouse: Lakehouse
  readonly #input: Input[] = []
  #bytes = 0
  #runs: Running[] = []
  #cutMicros = 0n
  #loading: Promise<void> | null = null
  readonly #loaded = new AbortController()

  private constructor(lakehouse: Lakehouse) {
    this.lakehouse = lakehouse
  }

  /** Starts a process for each list of streams; they have met the person, and the load goes on. */
  static async start(
    processes: readonly (readonly string[])[],
    at: (streams: readonly string[]) => ChildPlan['at'] = () => null,
  ): Promise<LivePerson> {
    const live = new LivePerson(await newLakehouse())
    await mkdir(join(live.lakehouse.base, '..'), { recursive: true })
    await writeFile(live.lakehouse.input, '')
    await live.#append(beforeErasure())
    for (const streams of processes) live.run(streams, at(streams))
    for (const table of ['silver/transactions', 'fraud_detection']) await live.reached(table)
    // What the person's rows count for in windows is written before they go.
    const last = await live.batch()
    while ((await live.batch('aggregations/merchant')) < last) await live.#pause()
    live.#loading = live.#load()
    return live
  }

  run(streams: readonly string[], at: ChildPlan['at'] = null): void {
    const { base, input } = this.lakehouse
    const plan = { base, input, recordsPerBatchMax, finalize: false, isContinuous: true, streams, at }
    this.#runs.push(startChild(plan))
  }

  /** Waits until a table has the last record that the input has now; the last of each part is a valid one. */
  async reached(table: string): Promise<void> {
    const last = positionText(this.#records().at(-1)!)
    const directory = join(this.lakehouse.base, table)
    const isThere = async () =>
      (await DeltaTable.exists(directory)) && (await positionsOf(this.lakehouse.base, table)).includes(last)
    while (!(await isThere())) await this.#pause()
  }

  /** A process that died by another signal than the one that its plan names is not waited for. */
  async #pause(): Promise<void> {
    const ended = await Promise.race([
      ...this.#runs.map(({ ended }) => ended),
      sleep(lookEveryMs).then(() => null),
    ])
    if (ended !== null && ended.signal !== 'SIGKILL') throw new Error(`a run ended: ${JSON.stringify(ended)}`)
  }

  async #append(input: readonly Input[]): Promise<void> {
    const bytes = Buffer.concat(input.flatMap(({ value }) => [value, Buffer.from('\n')]))
    this.#input.push(...input)
    await appendFile(this.lakehouse.input, bytes)
    this.#bytes += bytes.length
  }

  /** Records of others, until the load is ended. */
  async #load(): Promise<void> {
    const countMax = (loadMinutesMax * minuteMs) / loadStepMs
    for (let count = 0; count < countMax && !this.#loaded.signal.aborted; count += appendedAtOnce) {
      const values = Array.from({ length: appendedAtOnce }, (_, index) => {
        const number = count + index
        return other(`load-${number}`, loadFromMinute + (number * loadStepMs) / minuteMs)
      })
      await this.#append(values.map((value) => ({ value, isErased: false })))
      await sleep(appendEveryMs, undefined, { signal: this.#loaded.signal }).catch(() => undefined)
    }
  }

  /** The last batch that a table says it has. */
  async batch(table = 'silver/transactions'): Promise<bigint> {
    return (await this.#progress(table))?.batch ?? 0n
  }

  async #progress(table: string): Promise<Progress | null> {
    const directory = join(this.lakehouse.base, table)
    if (!(await DeltaTable.exists(directory))) return null
    const delta = await DeltaTable.open(directory)
    return await progressOf(delta, await delta.snapshot())
  }

  /** The runs go on with the next batches. */
  async goesOn(): Promise<void> {
    const before = await this.batch()
    while ((await this.batch()) < before + 2n) await this.#pause()
  }

  /** Waits until a run of the plan's signal has ended, and starts one in its place. */
  async replaceKilled(streams: readonly string[]): Promise<void> {
    const ended = await Promise.race(this.#runs.map(async (run) => ({ run, ended: await run.ended })))
    if (ended.ended.signal !== 'SIGKILL') throw new Error(`a run ended: ${JSON.stringify(ended.ended)}`)
    this.#runs = this.#runs.filter((run) => run !== ended.run)
    this.run(streams)
  }

  /** Ends the load, brings the records from behind the erasure, and stops the runs when all have them. */
  async end(): Promise<void> {
    this.#loaded.abort()
    await this.#loading
    await this.reached('silver/transactions')
    this.#cutMicros = (await this.#progress('silver/transactions'))!.timeMicros
    const before = await this.batch()
    await this.#append(afterErasure())
    for (const table of ['silver/transactions', 'fraud_detection']) await this.reached(table)
    while ((await this.batch('aggregations/merchant')) <= before) await this.#pause()
    for (const run of this.#runs) run.process.kill('SIGTERM')
    for (const run of this.#runs.splice(0)) {
      const { code, signal, message } = await run.ended
      if (code !== null || signal !== null) throw new Error(`a run ended with ${code ?? signal}: ${message}`)
    }
    if ((await stat(this.lakehouse.input)).size !== this.#bytes) throw new Error('the input was cut')
  }

  get erased(): string[] {
    return this.#records()
      .filter((_, index) => this.#input[index]!.isErased)
      .map(positionText)
      .sort()
  }

  #records() {
    return recordsOf(this.#input.map(({ value }) => value))
  }

  /** Where the tables differ from what the oracle computes. */
  async differences(): Promise<string[]> {
    const { base } = this.lakehouse
    const [found, batches] = [await readTables(base), await batchesOf(base)]
    const records = this.#records()
    const before = recompute({ records, batches, config: defaultConfig }).tables
    const isBefore = (row: Row) => timeOf(row) <= this.#cutMicros
    // What was refused stays so, although nothing of what it repeated is left.
    const refused = new Set(before['silver/quarantine'].filter(isBefore).map(({ offset }) => offset))
    const left = records.filter(({ offset }, index) => !this.#input[index]!.isErased && !refused.has(offset))
    const after = recompute({ records: left, batches, config: defaultConfig }).tables
    const erased = new Set(this.erased)
    const isLeft = (row: Row) =>
      !('offset' in row) || !erased.has(`${row.topic}-${row.partition}@${row.offset}`)
    const expected = Object.fromEntries(
      Object.entries(before).map(([name, rows]) => [
        name,
        [
          ...rows.filter((row) => isBefore(row) && isLeft(row)),
          ...after[name as keyof Tables].filter((row) => !isBefore(row)),
        ],
      ]),
    ) as unknown as Tables // One entry for each name.
    // What is usual is what the table has, the windows of erased rows among it.
    return differences(found, {
      ...expected,
      'quality/metrics': judgedAmong(expected['quality/metrics']),
    })
  }

  async remove(): Promise<void> {
    this.#loaded.abort()
    await this.#loading
    for (const { process, ended } of this.#runs) {
      process.kill('SIGKILL')
      await ended.catch(() => undefined)
    }
    await this.lakehouse.remove()
  }
}

function timeOf(row: Row): bigint {
  return (row.processing_time ?? row.aggregation_time) as bigint // Each table has one of them.
}

async function batchesOf(base: string): Promise<OracleBatch[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const found: OracleBatch[] = []
    for await (const { plan } of journalAfter(
      connection,
      await DeltaTable.open(join(base, 'ops/batches')),
      0n,
    )) {
      const { batch, timeMicros, ranges, isFinal } = plan!
      found.push({ batch, timeMicros, ranges, finalize: isFinal })
    }
    return found
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
