// What becomes of alerts: which are told at once, which share a notification, and which wait for a digest.
// Pure decisions, as rows of alerts/log; what is told is sent once they are written.
import { createHash } from 'node:crypto'
import type { FindingKind } from '../engines/run-findings.ts'
import type { AlertLogRow } from '../ops/alerts.ts'
import type { AlertSeverity, Route } from './alerts-config.ts'
import type { RiskyTransaction } from './risky-transactions.ts'

/** One notification to one sink. */
export type Delivery = {
  readonly notification: string
  readonly kind: 'alerts' | 'digest' | 'resolved'
  readonly route: string
  readonly sink: string
  /** The rows of the log that tell what it is about have these sequences, and those between them. */
  readonly first: number
  readonly last: number
  /** The key of the trouble that it tells of; null for transactions. */
  readonly trouble: string | null
}

/** Alerts that await a digest. */
export type Held = { readonly count: number; readonly first: number; readonly last: number }

export type RouteState = {
  /** Of the time that the limit is for; null before the first notification. */
  readonly fromMs: number | null
  readonly told: number
  readonly held: Held | null
}

export const newRouteState: RouteState = { fromMs: null, told: 0, held: null }

export type PlanFacts = {
  /** The lakehouse and the scored table, which are in the ids: a receiver may be told of several. */
  readonly origin: string
  readonly nowMs: number
  readonly sequence: number
  readonly states: ReadonlyMap<string, RouteState>
  /** No sink of the route has room for more. */
  readonly isFull: (route: Route) => boolean
  /** Whoever tells next may come much later: digests are told now. */
  readonly isEnding: boolean
}

export type NotificationPlan = {
  readonly rows: readonly AlertLogRow[]
  readonly deliveries: readonly Delivery[]
  readonly states: ReadonlyMap<string, RouteState>
  readonly sequence: number
}

/** The same transaction has the same id on the same route, whoever judges it, and when. */
export function alertId(origin: string, route: string, place: RiskyTransaction): string {
  return idOf([origin, route, place.topic, String(place.partition), String(place.offset)])
}

/** Of all that is told of a trouble on a route, while it lasts and when it comes again. */
export function incidentId(lakehouse: string, route: string, trouble: string): string {
  return idOf(['incident', lakehouse, route, trouble])
}

function idOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}

export function planAlerts(transactions: readonly RiskyTransaction[], facts: PlanFacts): NotificationPlan {
  const plan = new Plan(facts)
  const groups = new Map<string, GroupPlan>()
  for (const transaction of transactions) {
    for (const { route, group, silence } of transaction.routes) {
      const alert = alertId(facts.origin, route.name, transaction)
      if (silence !== null) {
        plan.add(raisedRow(transaction, { alert, route, silence, nowMs: facts.nowMs }))
        continue
      }
      const key = group === '' ? alert : JSON.stringify([route.name, group])
      const known = groups.get(key)
      if (known === undefined) {
        const isTold = plan.takeTurn(route)
        groups.set(key, { route, notification: isTold ? alert : null, first: plan.next, last: plan.next })
      } else {
        groups.set(key, { ...known, last: plan.next })
      }
      const { notification } = groups.get(key)!
      if (notification === null) plan.hold(route)
      plan.add(raisedRow(transaction, { alert, route, notification, nowMs: facts.nowMs }))
    }
  }
  for (const { notification, route, first, last } of groups.values())
    if (notification !== null)
      plan.deliver({ notification, kind: 'alerts', first, last, trouble: null }, route)
  return plan.done()
}

type GroupPlan = {
  readonly route: Route
  readonly notification: string | null
  readonly first: number
  readonly last: number
}

/** One digest for each route whose time is over and that has alerts which await one. */
export function planDigests(routes: readonly Route[], facts: PlanFacts): NotificationPlan {
  const plan = new Plan(facts)
  for (const route of routes) {
    const { held } = plan.stateOf(route)
    if (held === null || !plan.takeTurn(route, true)) continue
    const notification = idOf(['digest', facts.origin, route.name, String(held.first), String(held.last)])
    const { first, last } = held
    plan.add({
      ...{ at: facts.nowMs * 1000, event: 'digest', notification, route: route.name },
      ...{ sinks: route.to, sequence_first: first },
    })
    plan.release(route)
    plan.deliver({ notification, kind: 'digest', first, last, trouble: null }, route)
  }
  return plan.done()
}

class Plan {
  readonly #facts: PlanFacts
  readonly #rows: AlertLogRow[] = []
  readonly #deliveries: Delivery[] = []
  readonly #states: Map<string, RouteState>
  #sequence: number

  constructor(facts: PlanFacts) {
    this.#facts = facts
    this.#states = new Map(facts.states)
    this.#sequence = facts.sequence
  }

  /** The sequence of the next row. */
  get next(): number {
    return this.#sequence + 1
  }

  stateOf({ name }: Route): RouteState {
    return this.#states.get(name) ?? newRouteState
  }

  /**
   * Whether the route may tell one more now. While alerts await a digest the others wait with them: the
   * digest opens the next span of time, and counts in it.
   */
  takeTurn(route: Route, isDigest = false): boolean {
    const { nowMs, isFull, isEnding } = this.#facts
    const { limit, name } = route
    const state = this.stateOf(route)
    const isOver = state.fromMs === null || nowMs >= state.fromMs + limit.everyMs
    const told = isOver ? 0 : state.told
    const isAllowed = isDigest ? isOver || isEnding : state.held === null && told < limit.notificationsMax
    if (!isAllowed || isFull(route)) return false
    this.#states.set(name, { ...state, fromMs: isOver ? nowMs : state.fromMs, told: told + 1 })
    return true
  }

  hold(route: Route): void {
    const state = this.stateOf(route)
    const { count, first } = state.held ?? { count: 0, first: this.next }
    this.#states.set(route.name, { ...state, held: { count: count + 1, first, last: this.next } })
  }

  release(route: Route): void {
    this.#states.set(route.name, { ...this.stateOf(route), held: null })
  }

  add(row: AlertLogRow): void {
    this.#rows.push({ sequence: this.next, ...row })
    this.#sequence += 1
  }

  deliver(delivery: Omit<Delivery, 'route' | 'sink'>, route: Route): void {
    for (const sink of route.to) this.#deliveries.push({ ...delivery, route: route.name, sink })
  }

  done(): NotificationPlan {
    return {
      rows: this.#rows,
      deliveries: this.#deliveries,
      states: this.#states,
      sequence: this.#sequence,
    }
  }
}

function raisedRow(
  transaction: RiskyTransaction,
  about: {
    readonly alert: string
    readonly route: Route
    readonly nowMs: number
    readonly notification?: string | null
    readonly silence?: string
  },
): AlertLogRow {
  const { timeMicros, topic, partition, offset, eventMicros, score, level, rules } = transaction
  const { alert, route, nowMs, notification, silence } = about
  return {
    ...{ at: nowMs * 1000, event: 'raised', alert, route: route.name, sinks: route.to },
    ...(notification == null ? {} : { notification }),
    ...(silence === undefined ? {} : { silence }),
    ...{ topic, partition, offset, processing_time: Number(timeMicros), event_time: eventMicros },
    ...{ fraud_score: score, risk_level: level, rules, severity: route.severity ?? 'error' },
  }
}

/** What is wrong, as the health of the lakehouse tells it. */
export type HealthFinding = {
  readonly kind: FindingKind
  /** The same while the same trouble lasts. */
  readonly key: string
  readonly severity: 'error' | 'warn'
  readonly text: string
  readonly help: string
}

export type OpenTrouble = {
  readonly route: string
  readonly key: string
  readonly alert: string
  readonly text: string
  /** When it was last seen, as far as this process knows. */
  readonly foundMs: number
}

/** What comes and goes is one trouble: it is over when it was not found for so long. */
const troubleOverAfterMs = 30_000

export type TroubleFacts = PlanFacts & {
  readonly silenceOf: (route: Route) => string | null
  /** Before, nobody looked: trouble that is open may have lasted until then. */
  readonly watchedSinceMs: number
}

export type TroublePlan = NotificationPlan & { readonly open: readonly OpenTrouble[] }

/** Trouble that is new, and trouble that is over; both are told whatever the limit of the route. */
export function planTroubles(
  findings: readonly HealthFinding[],
  open: readonly OpenTrouble[],
  routes: readonly Route[],
  facts: TroubleFacts,
): TroublePlan {
  const plan = new Plan(facts)
  const still: OpenTrouble[] = []
  for (const route of routes) {
    const { on, name, to } = route
    if (on.kind !== 'health') continue
    const found = findings.filter(({ kind }) => on.of.includes(kind))
    const known = open.filter((trouble) => trouble.route === name)
    for (const trouble of known) {
      const { alert, key, text } = trouble
      const isFound = found.some((finding) => finding.key === key)
      const foundMs = isFound ? facts.nowMs : trouble.foundMs
      if (facts.nowMs - Math.max(foundMs, facts.watchedSinceMs) < troubleOverAfterMs) {
        still.push({ ...trouble, foundMs })
        continue
      }
      const notification = idOf(['resolved', alert])
      const at = { first: plan.next, last: plan.next, trouble: key }
      const delivery = { notification, kind: 'resolved', ...at } as const
      const about = { event: 'resolved', alert, notification, health: key, reason: text } as const
      plan.add({ at: facts.nowMs * 1000, ...about, route: name, sinks: to, severity: 'info' })
      plan.deliver(delivery, route)
    }
    for (const { key, text, help, severity } of found) {
      if (known.some((trouble) => trouble.key === key)) continue
      const silence = facts.silenceOf(route)
      const alert = idOf(['health', facts.origin, name, key, String(plan.next)])
      if (silence !== null) continue // It is told when the silence ends, should it last so long.
      const at = { first: plan.next, last: plan.next, trouble: key }
      const delivery = { notification: alert, kind: 'alerts', ...at } as const
      const row = { event: 'raised', alert, notification: alert, health: key, reason: text, help } as const
      const of = route.severity ?? severityOf(severity)
      plan.add({ at: facts.nowMs * 1000, ...row, route: name, sinks: to, severity: of })
      plan.deliver(delivery, route)
      still.push({ route: name, key, alert, text, foundMs: facts.nowMs })
    }
  }
  return { ...plan.done(), open: still }
}

function severityOf(severity: HealthFinding['severity']): AlertSeverity {
  return severity === 'error' ? 'error' : 'warning'
}
