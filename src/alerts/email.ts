// Notifications as mails of plain text, by SMTP.
import { createTransport } from 'nodemailer'
import { abortable } from '../kafka/retry.ts'
import type { EmailConfig } from './alerts-config.ts'
import { type AlertNotification, summaryLines, titleOf, transactionLines } from './notification.ts'
import { plainLine } from './plain-text.ts'
import type { SendOutcome, Sink } from './sink.ts'

const answerMaxMs = 10_000
const subjectCharactersMax = 200
const reasonCharactersMax = 200

export function emailSink(name: string, config: EmailConfig, password: string | null): Sink {
  const { host, port, security, login, from, to } = config
  const transport = createTransport({
    ...{ host, port, secure: security === 'tls', requireTLS: security === 'starttls' },
    ...(security === 'none' ? { ignoreTLS: true } : {}),
    ...(login === null || password === null ? {} : { auth: { user: login.user, pass: password } }),
    connectionTimeout: answerMaxMs,
    greetingTimeout: answerMaxMs,
    socketTimeout: answerMaxMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    name,
    gapMs: 1_000,
    async close() {
      transport.close()
    },
    async send(notification, signal) {
      try {
        await abortable(transport.sendMail({ from, to: [...to], ...mailOf(notification, from) }), signal)
        return { kind: 'sent' }
      } catch (error) {
        signal.throwIfAborted()
        return outcomeOf(error)
      }
    },
  }
}

function mailOf(notification: AlertNotification, from: string) {
  const { id, severity, transactions } = notification
  const lines = [
    ...summaryLines(notification),
    ...transactions.flatMap((transaction) => ['', ...transactionLines(transaction)]),
    '',
    `Id: ${id}`,
  ]
  return {
    subject: plainLine(`[Assay ${severity}] ${titleOf(notification)}`, subjectCharactersMax),
    text: `${lines.join('\n')}\n`,
    // Mail programs show a mail of the same id once.
    messageId: `<${id}@${from.slice(from.lastIndexOf('@') + 1)}>`,
    headers: { 'Auto-Submitted': 'auto-generated' },
  }
}

/** By the reply of the server: 4xx passes, 5xx does not; without one the connection failed. */
function outcomeOf(error: unknown): SendOutcome {
  const reply = error instanceof Error && 'responseCode' in error ? Number(error.responseCode) : null
  const message = error instanceof Error ? error.message : String(error)
  const reason = plainLine(message, reasonCharactersMax)
  if (reply !== null && reply >= 500) return { kind: 'refused', reason }
  return { kind: 'later', reason, waitMs: null }
}
