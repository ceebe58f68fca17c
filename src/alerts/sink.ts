// What is told somewhere: one notification at a time, and what became of it.
import type { AlertNotification } from './notification.ts'

export type Sink = {
  readonly name: string
  /** Least time between two notifications, by the rules of the service. */
  readonly gapMs: number
  /** Throws only where the signal has ended it. */
  send(notification: AlertNotification, signal: AbortSignal): Promise<SendOutcome>
  close(): Promise<void>
}

export type SendOutcome = { readonly kind: 'sent' } | UnsentOutcome

export type UnsentOutcome =
  /** It may be taken later, not before the wait that the service asks for. */
  | ({ readonly kind: 'later'; readonly waitMs: number | null } & UnsentReason)
  /** It will never be taken as it is. */
  | ({ readonly kind: 'refused' } & UnsentReason)

export type UnsentReason = {
  /** In our words: it is kept. */
  readonly reason: string
  /** What the service says itself. It may repeat what it was told of a person, so nothing keeps it. */
  readonly said?: string
}
