// Tokens for OAUTHBEARER: a client shows its id and secret to a server of tokens (RFC 6749, client
// credentials) and gets one that lives for a while.
import { request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { LakehouseError } from '../errors/errors.ts'
import { certificateAdvice } from './security-failures.ts'

export type TokenClient = {
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  readonly scope: string | null
  /** PEM; null for the authorities that Node trusts. */
  readonly ca: () => string | null
}

/** The server of tokens is away: what passes. */
export class TokenUnavailableError extends Error {
  constructor(url: string, reason: string, cause?: unknown) {
    super(
      `The server of tokens at ${url} gives none now: ${reason} Check KAFKA_SASL_TOKEN_URL, and that it runs.`,
      {
        cause,
      },
    )
    this.name = 'TokenUnavailableError'
  }
}

/** Connecting to a broker is given no more as a whole. */
const answerMaxMs = 4_000
const answerBytesMax = 2 ** 20
/** A token that is older than this share of its life is handed to no new connection. */
const freshShare = 0.7
/** Of a server that does not say how long a token lives. */
const lifetimeSecondsStandard = 300

type Token = { readonly text: string; readonly freshUntilMs: number }

/** Hands out one token while it is fresh; all connections share it, and the request for it. */
export function tokenProvider(client: TokenClient): () => Promise<string> {
  let held: Token | null = null
  let asking: Promise<Token> | null = null
  return async () => {
    if (held !== null && performance.now() < held.freshUntilMs) return held.text
    asking ??= askForToken(client).finally(() => {
      asking = null
    })
    held = await asking
    return held.text
  }
}

async function askForToken(client: TokenClient): Promise<Token> {
  const askedAtMs = performance.now()
  const { status, body } = await post(client)
  if (status !== 200) throw refusal(client.url, status, body)
  const { access_token: text, expires_in: seconds } = fieldsOf(body)
  if (typeof text !== 'string' || !/^[\w.~+/=-]+$/.test(text))
    throw notAServer(client.url, 'its answer holds no token')
  const lifetimeSeconds = Number(seconds) > 0 ? Number(seconds) : lifetimeSecondsStandard
  return { text, freshUntilMs: askedAtMs + lifetimeSeconds * 1_000 * freshShare }
}

type Answer = { readonly status: number; readonly body: string }

async function post({ url, clientId, clientSecret, scope, ca }: TokenClient): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(scope !== null && { scope }),
  }).toString()
  const login = [clientId, clientSecret].map(formEncoded).join(':')
  const options: RequestOptions = {
    method: 'POST',
    agent: false,
    signal: AbortSignal.timeout(answerMaxMs),
    headers: {
      accept: 'application/json',
      authorization: `Basic ${Buffer.from(login).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(form),
    },
  }
  const authorities = ca()
  const request = url.startsWith('https:')
    ? httpsRequest(url, { ...options, ...(authorities !== null && { ca: authorities }) })
    : httpRequest(url, options)
  request.once('error', reject)
  request.once('response', (response) => {
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > answerBytesMax) request.destroy(notAServer(url, 'its answer is longer than 1 MiB'))
      else chunks.push(chunk)
    })
    response.once('error', reject)
    response.once('end', () =>
      resolve({ status: response.statusCode!, body: Buffer.concat(chunks).toString() }),
    )
  })
  request.end(form)
  try {
    return await promise
  } catch (error) {
    throw failedRequest(url, error)
  }
}

/** As forms encode (RFC 6749, 2.3.1). */
function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

function failedRequest(url: string, error: unknown): unknown {
  if (error instanceof LakehouseError || !(error instanceof Error)) return error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const advice = certificateAdvice(code, error.message, 'server of tokens')
  if (advice === null) {
    const isLate = error.name === 'TimeoutError' || error.name === 'AbortError'
    return new TokenUnavailableError(
      url,
      isLate ? `no answer within ${answerMaxMs} ms.` : `${error.message}.`,
      error,
    )
  }
  return new LakehouseError(
    'KAFKA_AUTHENTICATION_FAILED',
    `${advice} It is at ${url} (KAFKA_SASL_TOKEN_URL).`,
    {
      cause: error,
    },
  )
}

function refusal(url: string, status: number, body: string): Error {
  const busy = status === 429 || status >= 500
  if (busy) return new TokenUnavailableError(url, `it answers with status ${status}.`)
  const { error } = fieldsOf(body)
  // What a server says freely may be anything; its codes are words.
  const reason = typeof error === 'string' && /^[\w.-]{1,60}$/.test(error) ? ` (${error})` : ''
  const what = `The server of tokens at ${url} refuses with status ${status}${reason}:`
  const refused = (message: string) => new LakehouseError('KAFKA_AUTHENTICATION_FAILED', `${what} ${message}`)
  if (status === 401 || error === 'invalid_client' || error === 'unauthorized_client') {
    return refused('correct KAFKA_SASL_USERNAME (the id of the client) and KAFKA_SASL_PASSWORD (its secret).')
  }
  if (error === 'invalid_scope') return refused('correct KAFKA_SASL_TOKEN_SCOPE.')
  if (status === 400 || status === 403) {
    return refused(
      'allow the client the grant "client_credentials", and see whether KAFKA_SASL_TOKEN_SCOPE is right.',
    )
  }
  return notAServer(url, `it answers with status ${status}`)
}

function notAServer(url: string, reason: string): LakehouseError {
  return new LakehouseError(
    'KAFKA_AUTHENTICATION_FAILED',
    `${url} is no server of tokens: ${reason}. Correct KAFKA_SASL_TOKEN_URL.`,
  )
}

function fieldsOf(body: string): { readonly [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
