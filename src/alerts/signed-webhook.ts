// A notification for a webhook of one's own, signed as the Standard Webhooks specification says: who knows the
// secret can tell that it comes from here, is whole and is of now; its id is the same each time it is sent.
import { createHmac } from 'node:crypto'
import { type AlertNotification, notificationJson } from './notification.ts'

export type SignedRequest = {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** `secondsNow` since the epoch: a receiver refuses what is too old. */
export function signedRequest(
  notification: AlertNotification,
  key: Buffer,
  secondsNow: number,
): SignedRequest {
  const body = JSON.stringify(notificationJson(notification))
  const { id } = notification
  const signature = createHmac('sha256', key).update(`${id}.${secondsNow}.${body}`).digest('base64')
  return {
    body,
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(secondsNow),
      'webhook-signature': `v1,${signature}`,
      'idempotency-key': id,
    },
  }
}
