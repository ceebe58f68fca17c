// A notification as an event of PagerDuty's Events API v2. The dedup_key of trouble is that of its incident, so
// that it is one until it is resolved; that of transactions is their notification's.
import { type AlertNotification, notificationJson, titleOf } from './notification.ts'
import { cutText } from './plain-text.ts'

/** As PagerDuty publishes them. */
export const pagerDutyLimits = {
  dedupKeyCharactersMax: 255,
  summaryCharactersMax: 1_024,
  /** Of the whole event. */
  eventBytesMax: 512 * 1024,
} as const

export type PagerDutyEvent = {
  readonly routing_key: string
  readonly event_action: 'trigger' | 'resolve'
  readonly dedup_key: string
  readonly payload?: {
    readonly summary: string
    readonly source: string
    readonly severity: string
    readonly timestamp: string
    readonly component: string
    readonly group: string
    readonly class: string
    readonly custom_details: Readonly<Record<string, unknown>>
  }
  readonly client?: string
}

export function pagerDutyEvent(notification: AlertNotification, routingKey: string): PagerDutyEvent {
  const { kind, route, id, severity, raisedMs, health } = notification
  const key = health === null ? `assay/${route}/${id}` : `assay/${route}/${health.incident}`
  const dedup_key = cutText(key, pagerDutyLimits.dedupKeyCharactersMax)
  if (kind === 'resolved') return { routing_key: routingKey, event_action: 'resolve', dedup_key }
  const event = (details: Readonly<Record<string, unknown>>): PagerDutyEvent => ({
    routing_key: routingKey,
    event_action: 'trigger',
    dedup_key,
    payload: {
      summary: cutText(titleOf(notification), pagerDutyLimits.summaryCharactersMax),
      source: 'assay',
      severity,
      timestamp: new Date(raisedMs).toISOString(),
      component: health?.finding ?? 'fraud detection',
      group: route,
      class: kind,
      custom_details: details,
    },
    client: 'Assay',
  })
  return withinLimit(notification, event)
}

/** Wide rows may be too much for it: then the last of them stay out. */
function withinLimit(
  notification: AlertNotification,
  event: (details: Readonly<Record<string, unknown>>) => PagerDutyEvent,
): PagerDutyEvent {
  for (let count = notification.transactions.length; count >= 0; count--) {
    const transactions = notification.transactions.slice(0, count)
    const fitting = event(notificationJson({ ...notification, transactions }))
    if (Buffer.byteLength(JSON.stringify(fitting)) <= pagerDutyLimits.eventBytesMax) return fitting
  }
  return event({ id: notification.id, count: notification.count })
}
