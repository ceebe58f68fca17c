// Tells alerts beside a run: looks at the transactions that were scored and at the health of the lakehouse,
// notes in alerts/log what alerts and who is to be told, then tells them. Nothing waits for it. What ends it
// anywhere loses nothing: what is noted and not taken is sent by the next one, under the same id.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { OnNotice } from '../batches/notice.ts'
import type { OnEvent } from '../engines/events.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Lakehouse } from '../plan/index.ts'
import { step } from '../steps/step.ts'
import { AlertLog } from './alert-log.ts'
import type { AlertsConfig, Route, Silence } from './alerts-config.ts'
import { loadNotification } from './load-notification.ts'
import type { AlertLogState } from './log-state.ts'
import {
  type Delivery,
  type HealthFinding,
  type NotificationPlan,
  newRouteState,
  type OpenTrouble,
  type PlanFacts,
  planAlerts,
  planDigests,
  planTroubles,
  type RouteState,
} from './plan-notifications.ts'
import { type AlertCursor, ScoredTable } from './risky-transactions.ts'
import { loggedSilences } from './silences.ts'
import type { Sink } from './sink.ts'
import { SinkQueue } from './sink-queue.ts'
import { UnusualFigures } from './unusual-figures.ts'

export type AlertTellerOptions = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly config: AlertsConfig
  readonly sinks: readonly Sink[]
  /** The time of the newest batch that the run found: what is older is history. */
  readonly openedMicros: bigint
  /** What is wrong now, asked now and then. */
  readonly health: () => Promise<readonly HealthFinding[]>
  readonly tell: OnEvent
  readonly onNotice: OnNotice
  readonly nowMs: () => number
  readonly random: () => number
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
}

const looksEveryMs = 1_000
const endingLooksEveryMs = 100
const healthEveryMs = 10_000
const transactionsAtOnceMax = 5_000
const pagesAtOnceMax = 20
/** How far transactions were judged is noted so often where none of them alerts. */
const judgedEveryMs = 60_000
const failureWaitMs = 10_000
const memoryMaxBytes = 256 * 2 ** 20

export class AlertTeller {
  readonly #options: AlertTellerOptions
  readonly #instance: DuckDBInstance
  /** Of the looks, of the log, and of what is read to be sent: none of them waits for another one. */
  readonly #connections: Connections
  readonly #log: AlertLog
  readonly #salt: string
  readonly #scored: ScoredTable | null
  /** The same table, for what is read to be sent. */
  readonly #told: ScoredTable | null
  /** null where no route tells of it. */
  readonly #unusual: UnusualFigures | null
  readonly #queues: ReadonlyMap<string, SinkQueue>
  readonly #stop = new AbortController()
  #loads: Promise<unknown> = Promise.resolve()
  #cursor: AlertCursor | null = null
  #states: ReadonlyMap<string, RouteState> = new Map()
  #sequence = 0
  #troubles: readonly OpenTrouble[] = []
  #silences: readonly Silence[] = []
  /** Trouble of an earlier process may have lasted until then. */
  readonly #watchedSinceMs: number
  #healthAtMs = 0
  #judgedAtMs = 0
  #judgedNoted = 0n
  #isFailing = false
  #isEnding = false
  #looksEnded = 0
  #running: Promise<unknown> = Promise.resolve()

  private constructor(options: AlertTellerOptions, parts: OpenedParts) {
    const { instance, connections, log, salt } = parts
    const { lakehouse, deltaBasePath, sinks } = options
    this.#options = options
    this.#instance = instance
    this.#connections = connections
    this.#log = log
    this.#salt = salt
    this.#watchedSinceMs = options.nowMs()
    const scoredBy = (connection: DuckDBConnection) =>
      lakehouse.scored === null ? null : new ScoredTable(lakehouse.scored, deltaBasePath, connection)
    this.#scored = scoredBy(connections.looks)
    this.#told = scoredBy(connections.loads)
    const tellsUnusual = options.config.routes.some(
      ({ on }) => on.kind === 'health' && on.of.includes('anomaly'),
    )
    this.#unusual = tellsUnusual
      ? UnusualFigures.of(lakehouse, deltaBasePath, connections.looks, options.openedMicros)
      : null
    this.#queues = new Map(sinks.map((sink) => [sink.name, this.#queueOf(sink)]))
  }

  /** From now on no other process tells the alerts of the lakehouse. */
  static async open(options: AlertTellerOptions): Promise<AlertTeller> {
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: `${memoryMaxBytes}B`,
      threads: '1',
      temp_directory: join(tmpdir(), `assay-alerts-${process.pid}`),
    })
    try {
      const connect = () => instance.connect()
      const connections = { looks: await connect(), log: await connect(), loads: await connect() }
      for (const one of Object.values(connections)) await one.run("SET TimeZone = 'UTC'")
      const log = await AlertLog.open(options.deltaBasePath, connections.log)
      await log.claim()
      const teller = new AlertTeller(options, { instance, connections, log, salt: await log.id() })
      await teller.#takeUp(await log.state())
      return teller
    } catch (error) {
      instance.closeSync()
      throw error
    }
  }

  start(): void {
    const { signal } = this.#stop
    const queues = [...this.#queues.values()].map((queue) => queue.run(signal))
    this.#running = Promise.all([this.#run(signal), ...queues])
  }

  /**
   * Ends it. Where `waitMaxMs` is given, the transactions that are there are judged before, and as long as that
   * what can be sent is sent.
   */
  async close(waitMaxMs = 0): Promise<void> {
    if (waitMaxMs > 0) await this.#tellRest(waitMaxMs)
    this.#stop.abort()
    await this.#running
    await this.#loads
    await this.#noteJudged(0).catch((error: unknown) => this.#failed(error))
    await this.#log.settled()
    for (const sink of this.#options.sinks) await sink.close()
    for (const connection of Object.values(this.#connections)) connection.closeSync()
    this.#instance.closeSync()
  }

  /** Looks once more from the beginning, and waits for what is due within the time. */
  async #tellRest(waitMaxMs: number): Promise<void> {
    const { wait, nowMs } = this.#options
    const untilMs = nowMs() + waitMaxMs
    this.#isEnding = true
    this.#healthAtMs = 0
    // The look that is under way may have passed by what there is now.
    const looksWanted = this.#looksEnded + 2
    while (nowMs() < untilMs && !this.#stop.signal.aborted) {
      const isSent = [...this.#queues.values()].every(
        ({ dueMs, isDrained }) => !isDrained && (dueMs === null || dueMs > untilMs),
      )
      if (isSent && this.#looksEnded >= looksWanted) return
      await wait(endingLooksEveryMs, this.#stop.signal).catch(() => undefined)
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { wait } = this.#options
    while (!signal.aborted) {
      let waitMs = this.#isEnding ? endingLooksEveryMs : looksEveryMs
      try {
        await this.#look(signal)
        this.#isFailing = false
        this.#looksEnded += 1
      } catch (error) {
        if (signal.aborted) return
        this.#failed(error)
        for (const table of [this.#scored, this.#told]) table?.forget()
        waitMs = failureWaitMs
      }
      await wait(waitMs, signal).catch(() => undefined)
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const isDrained = [...this.#queues.values()].some((queue) => queue.isDrained)
    if (isDrained || (await this.#log.hasNews())) await this.#takeUp(await this.#log.state())
    let pages = 0
    while (!signal.aborted && pages < pagesAtOnceMax && (await this.#judge())) pages += 1
    if (signal.aborted) return
    await this.#noteJudged()
    await this.#carryOut(planDigests(this.#options.config.routes, this.#facts()))
    await this.#lookAtHealth()
    await this.#log.upkeep(signal)
  }

  /** What the log says goes on; what waits in memory already, waits once. */
  async #takeUp(state: AlertLogState): Promise<void> {
    this.#sequence = Math.max(this.#sequence, state.sequence)
    const known = this.#states
    const routes = this.#options.config.routes.map(({ name }): [string, RouteState] => {
      return [name, { ...(known.get(name) ?? newRouteState), held: state.held.get(name) ?? null }]
    })
    this.#states = new Map(routes)
    if (this.#cursor === null) {
      const judgedMicros = await this.#log.judgedMicros()
      if (judgedMicros !== null) this.#cursor = { judgedMicros, place: state.place }
      this.#troubles = state.troubles
    }
    const { lakehouse, config } = this.#options
    this.#silences = [...config.silences, ...loggedSilences(state.silences, lakehouse)]
    for (const [sink, queue] of this.#queues)
      queue.takeUp(state.deliveries.filter((delivery) => delivery.sink === sink))
  }

  /** The next transactions; whether more of them are there. */
  async #judge(): Promise<boolean> {
    const head = (await this.#scored?.headMicros()) ?? null
    this.#cursor ??= await this.#firstCursor()
    if (this.#scored === null || head === null || head <= this.#cursor.judgedMicros) return false
    const { routes } = this.#options.config
    const most = transactionsAtOnceMax
    const found = await this.#scored.risky(routes, this.#silencesNow(), this.#cursor, head, most)
    await step('transactions judged')
    const isAll = found.length < most
    const cursor = isAll
      ? { judgedMicros: head, place: null }
      : { judgedMicros: this.#cursor.judgedMicros, place: found.at(-1)! }
    const plan = planAlerts(found, this.#facts())
    await this.#carryOut(plan, cursor.judgedMicros)
    this.#cursor = cursor
    return !isAll
  }

  /** Where nobody has judged anything, what was there before the run is no news. */
  async #firstCursor(): Promise<AlertCursor> {
    const { config, openedMicros } = this.#options
    const judgedMicros = config.start === 'beginning' ? 0n : openedMicros
    await this.#log.append([], judgedMicros)
    this.#isJudgedNoted(judgedMicros)
    return { judgedMicros, place: null }
  }

  /** What is not noted is judged again after a restart, by the routes of then. */
  async #noteJudged(everyMs = judgedEveryMs): Promise<void> {
    const { nowMs } = this.#options
    const cursor = this.#cursor
    if (cursor === null || cursor.judgedMicros <= this.#judgedNoted) return
    if (nowMs() < this.#judgedAtMs + everyMs) return
    await this.#log.append([], cursor.judgedMicros)
    this.#isJudgedNoted(cursor.judgedMicros)
  }

  #isJudgedNoted(judgedMicros: bigint): void {
    this.#judgedAtMs = this.#options.nowMs()
    this.#judgedNoted = judgedMicros
  }

  async #lookAtHealth(): Promise<void> {
    const { nowMs, health, config } = this.#options
    const isAsked = config.routes.some(({ on }) => on.kind === 'health')
    if (!isAsked || nowMs() < this.#healthAtMs + healthEveryMs) return
    this.#healthAtMs = nowMs()
    const silences = this.#silencesNow()
    const silenceOf = ({ name }: Route): string | null => {
      const found = silences.find(({ route, condition }) => condition === null && (route ?? name) === name)
      return found?.id ?? null
    }
    const findings = [...(await health()), ...((await this.#unusual?.findings()) ?? [])]
    // A run that ends knows all that it will: what it does not find is over.
    const watchedSinceMs = this.#isEnding ? 0 : this.#watchedSinceMs
    const facts = { ...this.#facts(), silenceOf, watchedSinceMs }
    const plan = planTroubles(findings, this.#troubles, config.routes, facts)
    await this.#carryOut(plan)
    this.#troubles = plan.open
  }

  /** Written first: what is told is known, whatever ends the process. */
  async #carryOut(
    { rows, deliveries, states, sequence }: NotificationPlan,
    judgedMicros?: bigint,
  ): Promise<void> {
    if (rows.length > 0) {
      await this.#log.append(rows, judgedMicros)
      await step('alerts noted')
      if (judgedMicros !== undefined) this.#isJudgedNoted(judgedMicros)
    }
    this.#states = states
    this.#sequence = sequence
    for (const delivery of deliveries) this.#queues.get(delivery.sink)?.add(delivery)
  }

  #facts(): PlanFacts {
    const { lakehouse, nowMs } = this.#options
    return {
      origin: `${this.#salt}/${lakehouse.scored?.path ?? ''}`,
      nowMs: nowMs(),
      sequence: this.#sequence,
      states: this.#states,
      isEnding: this.#isEnding,
      isFull: ({ to }) => to.every((sink) => this.#queues.get(sink)?.isFull ?? false),
    }
  }

  #silencesNow(): readonly Silence[] {
    const nowMs = this.#options.nowMs()
    return this.#silences.filter(({ untilMs }) => untilMs > nowMs)
  }

  #queueOf(sink: Sink): SinkQueue {
    const { nowMs, random, wait, tell, onNotice } = this.#options
    const noted = async (event: 'sent' | 'dead', { notification, route }: Delivery, more: object) => {
      const about = { at: nowMs() * 1000, event, notification, route, sinks: [sink.name] }
      await this.#log.append([{ ...about, ...more }])
    }
    return new SinkQueue(sink, {
      ...{ nowMs, random, wait },
      load: (delivery) => this.#load(delivery),
      onFailure: (error) => this.#failed(error),
      onTaken: async (delivery, attempts) => {
        await step('notification taken')
        await noted('sent', delivery, { attempts })
        await step('notification noted')
        tell({ kind: 'alert', sink: sink.name, outcome: 'sent' })
      },
      onDead: async (delivery, attempts, reason) => {
        await noted('dead', delivery, { attempts, reason })
        tell({ kind: 'alert', sink: sink.name, outcome: 'failed' })
        const message = `the sink ${sink.name} did not take an alert of the route ${delivery.route}: ${reason}`
        onNotice({ code: 'ALERT_NOT_SENT', message, details: { notification: delivery.notification } })
      },
    })
  }

  /** One at a time: a connection runs one statement. */
  #load(delivery: Delivery) {
    const { lakehouse, config } = this.#options
    const loaded = this.#loads.then(() =>
      loadNotification(delivery, {
        ...{ log: this.#log, lakehouse, connection: this.#connections.loads, salt: this.#salt },
        route: config.routes.find(({ name }) => name === delivery.route) ?? null,
        scored: this.#told,
      }),
    )
    this.#loads = loaded.catch(() => undefined)
    return loaded
  }

  /** Told once, until a look ends well. */
  #failed(error: unknown): void {
    if (error instanceof LakehouseError && error.code === 'WRITER_FENCED') this.#stop.abort()
    if (this.#isFailing) return
    this.#isFailing = true
    const reason = error instanceof Error ? error.message : String(error)
    const message = `alerts could not be looked for or noted; batches go on: ${reason}`
    this.#options.onNotice({ code: 'ALERTS_FAILED', message, details: {} })
  }
}

type OpenedParts = {
  readonly instance: DuckDBInstance
  readonly connections: Connections
  readonly log: AlertLog
  readonly salt: string
}

type Connections = Readonly<Record<'looks' | 'log' | 'loads', DuckDBConnection>>
