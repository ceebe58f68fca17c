// One request to a service that is told of alerts, and what its answer means. A redirect is not followed: it
// would take the secret elsewhere.
import { plainLine } from './plain-text.ts'
import type { SendOutcome } from './sink.ts'

const answerMaxMs = 10_000
const answerReadMax = 2_000
const answerBytesMax = 64 * 1024

export type PostOptions = {
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly nowMs: () => number
  readonly answerMaxMs?: number
}

/** Throws only where the caller's signal has ended it. */
export async function postJson(url: string, options: PostOptions): Promise<SendOutcome> {
  const { body, headers, signal, nowMs } = options
  const limit = AbortSignal.timeout(options.answerMaxMs ?? answerMaxMs)
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json', 'user-agent': 'assay', ...headers },
      body,
      signal: AbortSignal.any([signal, limit]),
    })
    if (response.ok) {
      // What else it says does not matter, nor whether it says it to the end.
      response.body?.cancel().catch(() => undefined)
      return { kind: 'sent' }
    }
    const { status } = response
    const retryAfter = retryAfterMs(response.headers.get('retry-after'), nowMs())
    const said = plainLine(await beginningOf(response), answerReadMax)
    signal.throwIfAborted()
    return unsentOutcome(status, retryAfter, said)
  } catch (error) {
    signal.throwIfAborted()
    if (limit.aborted) return { kind: 'later', reason: 'it did not answer in time', waitMs: null }
    return { kind: 'later', reason: `it could not be reached: ${causeOf(error)}`, waitMs: null }
  }
}

function unsentOutcome(status: number, waitMs: number | null, said: string): SendOutcome {
  const about = { reason: `it answered ${status}`, ...(said === '' ? {} : { said }) }
  if (status >= 500 || passing.includes(status)) return { kind: 'later', ...about, waitMs }
  return { kind: 'refused', ...about }
}

/** Request Timeout, Too Early, Too Many Requests. */
const passing: readonly number[] = [408, 425, 429]

/** Seconds, or a date of HTTP; null where it is neither. */
export function retryAfterMs(header: string | null, nowMs: number): number | null {
  const text = header?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs)
}

/** What came of it, where it hangs or breaks: the status says all that matters. */
async function beginningOf({ body }: Response): Promise<string> {
  if (body === null) return ''
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      length += chunk.length
      if (length > answerBytesMax) break // Which ends the connection.
    }
  } catch {
    // As far as it came.
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The code alone: messages of the client name the address, which may be the secret. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return /^[A-Z_]{2,40}$/.test(code) ? code : 'the connection broke'
}
