// alerts.yaml read: what a person writes becomes a value, or a list of mistakes with their places.
import { parseDuration } from '../config/duration.ts'
import { parseInstantMs } from '../config/values.ts'
import { findingKinds } from '../engines/run-findings.ts'
import { LakehouseError } from '../errors/errors.ts'
import { likelyName } from '../errors/nearest-name.ts'
import type { Expr, Schema } from '../expr/index.ts'
import { levelNames } from '../fraud/score.ts'
import type { Lakehouse } from '../plan/index.ts'
import { compileCondition, type Entry, Mistakes, type YamlNode, YamlReader } from '../rules/index.ts'
import type {
  AlertsConfig,
  ConfiguredSilence,
  Route,
  RouteLimit,
  RouteTrigger,
  SinkConfig,
} from './alerts-config.ts'
import { alertNameForm, routeLimitDefault, severities } from './alerts-config.ts'
import { SinksReader } from './read-sinks.ts'

const charactersMax = 1_000_000
const routesMax = 100
const notificationsMax = 1_000
const groupColumnsMax = 5
const everyMinMs = 1_000
const everyMaxMs = 24 * 3_600_000

/**
 * What the text of the file says. Fails with ALERTS_INVALID, whose message has one line for each mistake:
 * `file:line:column: what`.
 */
export function validAlerts(
  text: string,
  file: string,
  lakehouse: Pick<Lakehouse, 'scored' | 'rules'>,
): AlertsConfig {
  const mistakes = new Mistakes(text)
  if (text.length > charactersMax) mistakes.add(0, `the file has more than ${charactersMax} characters`)
  const read = mistakes.isEmpty ? new AlertsReader(new YamlReader(text, mistakes), lakehouse).read() : null
  if (read !== null && mistakes.isEmpty) return read
  const lines = mistakes.all().map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`)
  const message = ['the alerts have mistakes:', ...lines].join('\n  ')
  throw new LakehouseError('ALERTS_INVALID', message, { details: { mistakes: mistakes.all() } })
}

/** The columns of the scored table, which conditions may ask. */
export function scoredColumns({ scored }: Pick<Lakehouse, 'scored'>): Schema {
  return scored === null ? {} : scored.rows.schema
}

const routeKeys = [
  ...(['name', 'level', 'rule', 'when', 'health', 'to', 'severity', 'group_by', 'limit', 'ids'] as const),
]
type RouteKeys = Readonly<Partial<Record<(typeof routeKeys)[number], Entry>>>

class AlertsReader {
  readonly #yaml: YamlReader
  readonly #lakehouse: Pick<Lakehouse, 'scored' | 'rules'>
  readonly #columns: Schema
  readonly #sinks: SinksReader

  constructor(yaml: YamlReader, lakehouse: Pick<Lakehouse, 'scored' | 'rules'>) {
    this.#yaml = yaml
    this.#lakehouse = lakehouse
    this.#columns = scoredColumns(lakehouse)
    this.#sinks = new SinksReader(yaml)
  }

  read(): AlertsConfig | null {
    const document = this.#yaml.document('sinks and routes')
    if (document === null) return null
    const required = ['sinks', 'routes'] as const
    const all = [...required, 'silences', 'start'] as const
    const keys = this.#yaml.known(document, 'a map with sinks and routes', all, required)
    if (keys === null) return null
    const sinks = keys.sinks === undefined ? [] : this.#sinks.read(keys.sinks.value)
    const routes = keys.routes === undefined ? [] : this.#routes(keys.routes.value, sinks)
    const silences = keys.silences === undefined ? [] : this.#silences(keys.silences.value, routes)
    const start = keys.start === undefined ? 'now' : this.#oneOf(keys.start.value, ['now', 'beginning'])
    return { sinks, routes, silences, start: start ?? 'now' }
  }

  #routes(node: YamlNode, sinks: readonly SinkConfig[]): readonly Route[] {
    const items = this.#yaml.items(node, 'a list of routes') ?? []
    if (items.length === 0) this.#yaml.tell(node, 'at least one route is expected')
    if (items.length > routesMax) this.#yaml.tell(items[routesMax]!, `there are at most ${routesMax} routes`)
    const routes: Route[] = []
    for (const item of items.slice(0, routesMax)) {
      const route = this.#route(item, sinks, routes)
      if (route !== null) routes.push(route)
    }
    return routes
  }

  #route(node: YamlNode, sinks: readonly SinkConfig[], others: readonly Route[]): Route | null {
    const keys = this.#yaml.known(node, 'a route with name, what alerts, and to', routeKeys, ['name', 'to'])
    if (keys?.name === undefined || keys.to === undefined) return null
    const name = this.#yaml.text(keys.name.value, 'the name of the route')?.text ?? ''
    if (!alertNameForm.test(name)) {
      this.#yaml.tell(
        keys.name.value,
        'a route has a name of small letters, digits, _ and -, as in card-theft',
      )
    }
    if (others.some((other) => other.name === name)) {
      this.#yaml.tell(keys.name.value, `there are two routes ${name}`)
    }
    const to = this.#names(keys.to.value, 'sink', sinks.map((sink) => sink.name)) // biome-ignore format: one line
    const severity = keys.severity && this.#oneOf(keys.severity.value, severities)
    const limit = keys.limit === undefined ? routeLimitDefault : this.#limit(keys.limit.value)
    const on = this.#trigger(node, keys)
    if (on === null || to === null) return null
    return { name, on, to, severity: severity ?? null, limit }
  }

  #trigger(node: YamlNode, keys: RouteKeys): RouteTrigger | null {
    const { level, rule, when, health, group_by, ids } = keys
    if (health !== undefined) {
      for (const entry of [level, rule, when, group_by, ids])
        if (entry !== undefined)
          this.#yaml.tellAt(entry.at, `${entry.name} is of transactions: make it a route of its own`)
      const of = this.#names(health.value, 'finding', findingKinds)
      return of === null ? null : { kind: 'health', of }
    }
    if (level === undefined && rule === undefined && when === undefined)
      return this.#yaml.tell(node, 'what alerts is missing: level, rule, when or health')
    if (this.#lakehouse.scored === null)
      return this.#yaml.tell(node, 'the lakehouse has no table of scores: health alone can alert')
    const rules = this.#lakehouse.rules.map((one) => one.name)
    const columns = Object.keys(this.#columns)
    const groupBy = group_by === undefined ? [] : this.#names(group_by.value, 'column', columns)
    if (groupBy !== null && groupBy.length > groupColumnsMax)
      this.#yaml.tell(group_by!.value, `alerts are grouped by at most ${groupColumnsMax} columns`)
    return {
      kind: 'transactions',
      levels: level === undefined ? null : this.#names(level.value, 'level', levelNames(this.#lakehouse)),
      rules: rule === undefined ? null : this.#names(rule.value, 'rule', rules),
      condition: when === undefined ? null : this.#condition(when.value),
      groupBy: groupBy ?? [],
      ids: (ids && this.#oneOf(ids.value, ['masked', 'plain'])) ?? 'masked',
    }
  }

  #condition(node: YamlNode): Expr<'boolean'> | null {
    const text = this.#yaml.text(node, 'a condition')
    if (text === null) return null
    return alertCondition(text.text, this.#columns, text.tell)
  }

  #limit(node: YamlNode): RouteLimit {
    const both = ['notifications', 'every'] as const
    const keys = this.#yaml.known(node, 'a limit { notifications: 10, every: 1 minute }', both, both)
    if (keys?.notifications === undefined || keys.every === undefined) return routeLimitDefault
    const most = this.#yaml.wholeNumber(keys.notifications.value, 'a number', 1, notificationsMax)
    const every = this.#yaml.text(keys.every.value, 'a duration')?.text ?? ''
    const everyMs = Number((parseDuration(every) ?? 0n) / 1000n)
    if (everyMs < everyMinMs || everyMs > everyMaxMs)
      this.#yaml.tell(keys.every.value, 'a duration from 1 second to 1 day is expected, as in 1 minute')
    return { notificationsMax: most ?? 1, everyMs }
  }

  #silences(node: YamlNode, routes: readonly Route[]): readonly ConfiguredSilence[] {
    const items = this.#yaml.items(node, 'a list of silences') ?? []
    return items.flatMap((item, index) => {
      const optional = ['route', 'when', 'reason'] as const
      const keys = this.#yaml.known(item, 'a silence with until', ['until', ...optional], ['until'])
      if (keys?.until === undefined) return []
      const untilMs = parseInstantMs(this.#yaml.text(keys.until.value, 'a time')?.text ?? '')
      if (untilMs === null)
        this.#yaml.tell(keys.until.value, 'a time is expected, as in 2030-01-31T08:00:00Z')
      const names = routes.map(({ name }) => name)
      const route = keys.route && this.#names(keys.route.value, 'route', names)
      const condition = keys.when === undefined ? null : this.#condition(keys.when.value)
      const reason = keys.reason && this.#yaml.text(keys.reason.value, 'a reason')
      const about = { reason: reason?.text ?? null, condition, untilMs: untilMs ?? 0 }
      return (route ?? [null]).map((name) => {
        return { ...about, id: `${index + 1} of the file`, route: name }
      })
    })
  }

  #oneOf<const T extends string>(node: YamlNode, words: readonly T[]): T | null {
    const text = this.#yaml.text(node, words.join(' or '))?.text
    return words.find((word) => word === text) ?? this.#yaml.tell(node, `${words.join(', ')} is expected`)
  }

  /** A name or a list of them, of those that there are; null where there are none. */
  #names<T extends string>(node: YamlNode, what: string, known: readonly T[]): readonly T[] | null {
    const items = 'items' in node ? this.#yaml.items(node, `a list of ${what}s`) : [node]
    if (items === null) return null
    if (items.length === 0) return this.#yaml.tell(node, `the name of a ${what} is expected`)
    return items.flatMap((item) => {
      const text = this.#yaml.text(item, `the name of a ${what}`)?.text
      if (text === undefined) return []
      const name = known.find((one) => one === text)
      if (name !== undefined) return [name]
      const meant = likelyName(text, known)
      const advice = meant === null ? `there is ${known.join(', ') || 'none'}` : `did you mean ${meant}?`
      this.#yaml.tell(item, `there is no ${what} ${JSON.stringify(text)}: ${advice}`)
      return []
    })
  }
}

/** A condition over a row of the scored table; null where it has mistakes, which are told. */
export function alertCondition(
  text: string,
  columns: Schema,
  tell: (at: number, message: string) => void,
): Expr<'boolean'> | null {
  return compileCondition(text, { columns, lists: {}, parameters: new Set() }, tell)?.fires ?? null
}
