// Notifications as mails of plain text, by SMTP.
import { createTransport } from 'nodemailer'
import { abortable } from '../kafka/retry.ts'
import type { EmailConfig } from './alerts-config.ts'
import { type AlertNotification, summaryLines, titleOf, transactionLines } from './notification.ts'
import { plainLine } from './plain-text.ts'
import type { Sink, UnsentOutcome } from './sink.ts'

const answerMaxMs = 10_000
/** Of a mail as a whole: a server that says a little now and then ends no wait for its answers. */
const sendMaxMs = 60_000
const subjectCharactersMax = 200
const reasonCharactersMax = 200
/** Of so many notifications it is known which recipients have them already. */
const partlySentMax = 1_000

export function emailSink(
  name: string,
  config: EmailConfig,
  password: string | null,
  mailMaxMs = sendMaxMs,
): Sink {
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
  /** By the id of a notification that only some recipients have: those that do not. */
  const lacking = new Map<string, readonly string[]>()
  return {
    name,
    gapMs: 1_000,
    async close() {
      transport.close()
    },
    async send(notification, signal) {
      const { id } = notification
      const recipients = lacking.get(id) ?? to
      const limit = AbortSignal.timeout(mailMaxMs)
      const envelope = { from, to: [...recipients] }
      try {
        const sending = transport.sendMail({ from, to: [...to], envelope, ...mailOf(notification, from) })
        const { rejected, rejectedErrors } = await abortable(sending, AbortSignal.any([signal, limit]))
        lacking.delete(id)
        if (rejected.length === 0) return { kind: 'sent' }
        lacking.set(id, rejected)
        if (lacking.size > partlySentMax) lacking.delete([...lacking.keys()][0]!)
        const outcome = outcomeOf(rejectedErrors ?? [])
        const count = `${rejected.length} of ${recipients.length}`
        return { ...outcome, reason: `${outcome.reason}, to ${count} recipients` }
      } catch (error) {
        signal.throwIfAborted()
        if (limit.aborted) return { kind: 'later', reason: 'it did not take the mail in time', waitMs: null }
        return outcomeOf(rejectionsOf(error))
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

/** Of each recipient, where the server refused all of them. */
function rejectionsOf(error: unknown): readonly unknown[] {
  const all: unknown = error instanceof Error && 'rejectedErrors' in error ? error.rejectedErrors : null
  return Array.isArray(all) && all.length > 0 ? all : [error]
}

/**
 * By the replies of the server: 4xx passes, 5xx does not; without one the connection failed. A recipient whom
 * it may take later is reason enough to try again.
 */
function outcomeOf(errors: readonly unknown[]): UnsentOutcome {
  const replies = errors.map(replyOf)
  const at = replies.findIndex((reply) => reply === null || reply < 500)
  const reply = replies[Math.max(0, at)] ?? null
  const error = errors[Math.max(0, at)]
  const said = plainLine(error instanceof Error ? error.message : String(error), reasonCharactersMax)
  const reason = reply === null ? `it could not be reached: ${codeOf(error)}` : `it answered ${reply}`
  const isFinal = at === -1 && reply !== null
  return isFinal ? { kind: 'refused', reason, said } : { kind: 'later', reason, said, waitMs: null }
}

function replyOf(error: unknown): number | null {
  return error instanceof Error && 'responseCode' in error ? Number(error.responseCode) : null
}

/** As nodemailer or the system names it. */
function codeOf(error: unknown): string {
  const of = (name: string) => (error instanceof Error ? Reflect.get(error, name) : undefined)
  const code = String(of('originalCode') ?? of('code'))
  return /^[A-Z_]{2,40}$/.test(code) ? code : 'the connection broke'
}
