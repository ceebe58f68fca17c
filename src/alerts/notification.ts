// What is told, whatever tells it: the text and the facts of one notification.
import type { AlertCell } from '../engines/batch-report.ts'
import type { FindingKind } from '../engines/run-findings.ts'
import type { AlertSeverity } from './alerts-config.ts'
import { plainLine } from './plain-text.ts'

export type NotificationKind = 'transactions' | 'digest' | 'health' | 'resolved' | 'test'

export type AlertNotification = {
  /** Of the same alert always the same: who gets it twice can tell. */
  readonly id: string
  readonly kind: NotificationKind
  readonly route: string
  readonly severity: AlertSeverity
  readonly raisedMs: number
  /** How many alerts it tells of. */
  readonly count: number
  /** The riskiest of them, ids masked unless the route says otherwise. */
  readonly transactions: readonly AlertedTransaction[]
  /** How many of the alerts have each; the most first. */
  readonly levels: readonly Counted[]
  readonly rules: readonly Counted[]
  /** Of the transactions, ISO 8601 in UTC; null for trouble. */
  readonly eventTimes: { readonly first: string; readonly last: string } | null
  /** null for transactions. */
  readonly health: AlertedTrouble | null
}

export type Counted = { readonly name: string; readonly count: number }

export type AlertedTransaction = {
  readonly cells: Readonly<Record<string, AlertCell>>
  readonly score: number
  readonly level: string
  /** What the rules that fired say of it. */
  readonly sentences: readonly string[]
}

export type AlertedTrouble = {
  /** Of this trouble on this route of this lakehouse, in all that is told of it. */
  readonly incident: string
  /** The same while the same trouble lasts. */
  readonly key: string
  readonly finding: FindingKind | null
  readonly text: string
  readonly help: string
}

export const transactionsToldMax = 10
const cellLengthMax = 200
const sentenceLengthMax = 300

/** One line. */
export function titleOf(notification: AlertNotification): string {
  const { kind, count, route, transactions, health } = notification
  switch (kind) {
    case 'test':
      return `A test of the alerts of Assay`
    case 'health':
      return `${health?.finding ?? 'trouble'}: ${plainLine(health?.text ?? '', sentenceLengthMax)}`
    case 'resolved':
      return `Over: ${plainLine(health?.text ?? '', sentenceLengthMax)}`
    case 'digest':
      return `${count} risky transactions (${route})`
    case 'transactions': {
      const [first] = transactions
      if (count > 1) return `${count} risky transactions (${route})`
      return first === undefined
        ? `A risky transaction (${route})`
        : `${first.level} ${first.score} (${route})`
    }
    default:
      return kind satisfies never
  }
}

/** Lines of what is told beside the transactions. */
export function summaryLines(notification: AlertNotification): readonly string[] {
  const { kind, levels, rules, eventTimes, health, count, transactions } = notification
  if (kind === 'test') return ['Who reads this is told of what the routes to this sink ask for.']
  if (health !== null) return [`Help: ${plainLine(health.help, cellLengthMax)}`]
  const counts = (counted: readonly Counted[]): string =>
    counted.map(({ name, count: of }) => `${plainLine(name, cellLengthMax)} ${of}`).join(', ')
  const gone = Math.min(count, transactionsToldMax) - transactions.length
  return [
    ...(levels.length === 0 ? [] : [`Levels: ${counts(levels)}`]),
    ...(rules.length === 0 ? [] : [`Rules: ${counts(rules)}`]),
    ...(eventTimes === null ? [] : [`From ${eventTimes.first} to ${eventTimes.last}`]),
    ...(count > transactions.length + gone ? [`The ${transactions.length} riskiest:`] : []),
    ...(gone > 0 ? [`Of ${gone} the rows were erased since.`] : []),
  ]
}

/** A transaction in lines: what it is, then what the rules say of it. */
export function transactionLines({ cells, score, level, sentences }: AlertedTransaction): readonly string[] {
  const told = Object.entries(cells)
    .filter(([name, value]) => value !== null && !isToldApart.includes(name))
    .map(([name, value]) => `${name} ${plainLine(String(value), cellLengthMax)}`)
  return [
    `${plainLine(level, cellLengthMax)} ${score}: ${told.join(', ')}`,
    ...sentences.map((sentence) => `- ${plainLine(sentence, sentenceLengthMax)}`),
  ]
}

const isToldApart = ['fraud_score', 'risk_level', 'reasons', 'requires_review', 'processing_time']

/** As programs read it: the body of a signed webhook, and the record of a topic. */
export function notificationJson(notification: AlertNotification): Readonly<Record<string, unknown>> {
  const { id, kind, route, severity, raisedMs, count, transactions, levels, rules } = notification
  const { eventTimes, health } = notification
  return {
    ...{ id, kind, route, severity, raised_at: new Date(raisedMs).toISOString(), count },
    title: titleOf(notification),
    levels: Object.fromEntries(levels.map(({ name, count: of }) => [name, of])),
    rules: Object.fromEntries(rules.map(({ name, count: of }) => [name, of])),
    ...(eventTimes === null ? {} : { event_time_first: eventTimes.first, event_time_last: eventTimes.last }),
    ...(health === null ? {} : { health: { key: health.key, finding: health.finding, text: health.text } }),
    transactions: transactions.map(({ cells, sentences }) => ({ ...cells, sentences })),
  }
}
