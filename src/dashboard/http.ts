// HTTP of the dashboard: what every answer carries, how a body is read, and how a failure is told.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { LakehouseError } from '../errors/errors.ts'

/** No script, style or picture but the dashboard's own; in no frame; no other site is told where one was. */
const headersOfAll = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
} as const

export function setHeadersOfAll(response: ServerResponse): void {
  for (const [name, value] of Object.entries(headersOfAll)) response.setHeader(name, value)
}

/** An answer that is no success. Its message is for people. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly retryAfterSeconds: number | null

  constructor(status: number, code: string, message: string, retryAfterSeconds: number | null = null) {
    super(message)
    this.status = status
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}

export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  // What only a program reads may hold bigints: JSON has no limit for them.
  const exact = (_: string, item: unknown) => (typeof item === 'bigint' ? JSON.rawJSON(String(item)) : item)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
  })
  response.end(JSON.stringify(value, exact))
}

export function sendFailure(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (error instanceof Refusal) {
    if (error.retryAfterSeconds !== null) response.setHeader('retry-after', String(error.retryAfterSeconds))
    sendJson(response, { error: { code: error.code, message: error.message } }, error.status)
  } else if (error instanceof LakehouseError) {
    sendJson(response, { error: { code: error.code, message: error.message } }, 422)
  } else {
    // What was not foreseen may hold anything: the browser is told that it was, and no more.
    const code = 'INTERNAL'
    sendJson(response, { error: { code, message: 'the dashboard failed at this request' } }, 500)
  }
}

const bodyMaxBytes = 64 * 2 ** 10

/** The body as JSON; anything else is refused, forms above all: they may come from other sites. */
export async function bodyOf(
  request: IncomingMessage,
  maxBytes = bodyMaxBytes,
): Promise<Readonly<Record<string, unknown>>> {
  if (!/^application\/json(;|$)/.test(request.headers['content-type'] ?? '')) {
    throw new Refusal(415, 'NOT_JSON', 'the body has to be application/json')
  }
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > maxBytes) throw new Refusal(413, 'TOO_LARGE', 'the request is too large')
    parts.push(part)
  }
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'))
    if (typeof parsed === 'object' && parsed !== null) return parsed as Readonly<Record<string, unknown>>
  } catch {
    // Told below.
  }
  throw new Refusal(400, 'NOT_JSON', 'the body is no JSON object')
}

/** A text of the body. */
export function textOfBody(body: Readonly<Record<string, unknown>>, name: string): string {
  const value = body[name]
  if (typeof value === 'string') return value
  throw new Refusal(400, 'FIELD_MISSING', `${name} has to be a text`)
}

export type DashboardAsk = { readonly host: string | undefined; readonly origin: string | undefined }

/** Of a page of this very site, or of no page at all. */
export function isOwnOrigin({ host, origin }: DashboardAsk): boolean {
  if (origin === undefined) return true
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()
}
