// Who is told of what: the file of ALERTS_CONFIG as a value. It names secrets and holds none.
import type { FindingKind } from '../engines/run-findings.ts'
import type { Expr } from '../expr/index.ts'

/** Of routes and sinks. */
export const alertNameForm = /^[a-z][a-z0-9_-]{0,63}$/

export type AlertsConfig = {
  readonly sinks: readonly SinkConfig[]
  readonly routes: readonly Route[]
  readonly silences: readonly ConfiguredSilence[]
  /** Where nobody has judged a transaction yet: from now on, or all that there are. */
  readonly start: 'now' | 'beginning'
}

/** Where a secret is; it is read when its sink is opened. */
export type SecretSource =
  | { readonly kind: 'env'; readonly variable: string }
  | { readonly kind: 'file'; readonly path: string }

export type SinkConfig = { readonly name: string } & (
  | SlackConfig
  | PagerDutyConfig
  | WebhookConfig
  | KafkaTopicConfig
  | EmailConfig
)

/** Who knows the address of a webhook of Slack can write there. */
export type SlackConfig = { readonly kind: 'slack'; readonly url: SecretSource }

export type PagerDutyConfig = {
  readonly kind: 'pagerduty'
  readonly routingKey: SecretSource
  readonly url: string
}

export type WebhookConfig = {
  readonly kind: 'webhook'
  readonly url: string | SecretSource
  readonly secret: SecretSource
}

export type KafkaTopicConfig = { readonly kind: 'kafka'; readonly topic: string }

export type EmailConfig = {
  readonly kind: 'email'
  readonly host: string
  readonly port: number
  readonly security: EmailSecurity
  readonly login: { readonly user: string; readonly password: SecretSource } | null
  readonly from: string
  readonly to: readonly string[]
}

export const emailSecurities = ['starttls', 'tls', 'none'] as const
export type EmailSecurity = (typeof emailSecurities)[number]

/** Those of PagerDuty, the worst first. */
export const severities = ['critical', 'error', 'warning', 'info'] as const
export type AlertSeverity = (typeof severities)[number]

export type Route = {
  readonly name: string
  readonly on: RouteTrigger
  /** Names of sinks. */
  readonly to: readonly string[]
  /** null: that of the finding; of transactions `error`. */
  readonly severity: AlertSeverity | null
  readonly limit: RouteLimit
}

export type RouteTrigger =
  | {
      readonly kind: 'transactions'
      /** All that are given have to hold; null: not asked. */
      readonly levels: readonly string[] | null
      readonly rules: readonly string[] | null
      readonly condition: Expr<'boolean'> | null
      /** Alerts with the same values of these columns share a notification; none: each has its own. */
      readonly groupBy: readonly string[]
      readonly ids: 'masked' | 'plain'
    }
  | { readonly kind: 'health'; readonly of: readonly FindingKind[] }

/** More notifications than these wait for the end of the time, and then share a digest. */
export type RouteLimit = { readonly notificationsMax: number; readonly everyMs: number }

export const routeLimitDefault: RouteLimit = { notificationsMax: 10, everyMs: 60_000 }

export type Silence = {
  readonly id: string
  readonly untilMs: number
  /** null: all. */
  readonly route: string | null
  /** null: every transaction, and every trouble. */
  readonly condition: Expr<'boolean'> | null
}

export type ConfiguredSilence = Silence & { readonly reason: string | null }
