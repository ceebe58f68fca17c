// POST /v1/decisions: a transaction is produced to the input topic, so that the lakehouse has it too, and
// answered when the stream has decided it. With ?dry_run=true it is decided and forgotten.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { LakehouseError } from '../errors/errors.ts'
import { addressUrl, isLocalName, isLoopback, listenFrom } from '../metrics/listening.ts'
import { isBearerOf, type MetricsAddress, type TokenSource, tokenOf } from '../metrics/token.ts'
import type { Decision } from './decision-answer.ts'
import { DecisionEvents, eventClientsMax } from './decision-events.ts'
import type { PublishedDecision } from './decision-follower.ts'
import type { DecidedRecord } from './decision-ledger.ts'
import { type ReadBody, type RequestedRecord, recordsOfBody } from './decision-requests.ts'
import { type DescribedLakehouse, decisionsApi } from './open-api.ts'
import { decisionOf } from './read-keys.ts'
import {
  digestOf,
  keyHeader,
  keyHeadersOf,
  keyLengthMax,
  keyPattern,
  type RequestKeys,
  requestHeader,
  requestOf,
} from './request-keys.ts'

/** The paths that there are, each with the one method that it takes. */
const methodOf = { '/v1/decisions': 'POST', '/v1/decisions/stream': 'GET', '/openapi.json': 'GET' } as const

export type DecisionServerOptions = {
  readonly address: MetricsAddress
  readonly lakehouse: DescribedLakehouse
  /** Of this program. */
  readonly version: string
  /** Told of each answer. */
  readonly onAnswer?: (status: number) => void
  /** Decides without a trace. */
  readonly tryOut: (records: readonly RequestedRecord[]) => readonly Decision[]
  /** Resolves when the records are in the input topic, each with its headers. */
  readonly produce: (records: readonly ProducedRequest[]) => Promise<void>
  readonly keys: RequestKeys
  /** Resolves when the keys are known that requests before had. */
  readonly keysRead: Promise<void>
}

export type ProducedRequest = RequestedRecord & { readonly headers: Readonly<Record<string, string>> }

export type DecisionServer = {
  readonly url: string
  /** Told of decisions of this process before they are on their topic. */
  readonly onDecided: (decided: readonly Pick<DecidedRecord, 'decision' | 'headers'>[]) => void
  /** Told of decisions that are on their topic, whoever decided. */
  readonly onPublished: (published: readonly PublishedDecision[]) => void
  close(): Promise<void>
}

const bodyBytesMax = 1_048_576
const connectionsMax = 1_024
const requestMaxMs = 10_000
/** Transactions that wait for their decisions; beyond them requests are refused for a moment. */
const waitingMax = 10_000
/** Requests that decide without a trace and wait for each other. */
const dryRunsMax = 64
/** How long an answer waits; what was produced is decided all the same. */
const decisionMaxMs = 5_000
/** Of one transaction: a broker takes no more, unless it is told to. */
const recordBytesMax = 900_000
/** Of the transactions that wait. */
const waitingBytesMax = 64 * 2 ** 20

/** Fails with CONFIG_INVALID where it can listen nowhere, or the file of the token has none. */
export async function serveDecisions(options: DecisionServerOptions): Promise<DecisionServer> {
  const { host, port, token } = options.address
  await tokenOf(token)
  const requests = new DecisionRequests(options)
  const server = createServer({ requestTimeout: requestMaxMs }, (request, response) => {
    response.once('finish', () => options.onAnswer?.(response.statusCode))
    requests.answer(request, response).catch(() => {
      // What was not foreseen may hold anything: who asks is told that it was, and no more.
      send(response, 500, failure('INTERNAL', 'the request failed'))
    })
  })
  server.maxConnections = connectionsMax
  const taken = await listenFrom(server, { host, port, variable: 'DECISIONS_PORT' })
  return {
    url: addressUrl(host, taken),
    onDecided: requests.onDecided,
    onPublished: requests.onPublished,
    close: () =>
      new Promise((resolve) => {
        requests.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

class DecisionRequests {
  readonly #options: DecisionServerOptions
  readonly #token: TokenSource
  readonly #api: unknown
  readonly #waiting = new Map<string, (decision: Decision) => void>()
  readonly #closed = new AbortController()
  readonly #events = new DecisionEvents()
  readonly #waitingFor = new Held()
  /** A request that was given up may still be on its way to the topic. */
  readonly #onTheirWay = new Held()
  #dryRuns = 0
  #lastDryRun: Promise<void> = Promise.resolve()

  constructor(options: DecisionServerOptions) {
    const { lakehouse, version, address } = options
    this.#options = options
    this.#token = address.token
    this.#api = decisionsApi(lakehouse, { version, needsToken: address.token.kind !== 'none' })
  }

  readonly onDecided: DecisionServer['onDecided'] = (decided) => {
    if (this.#waiting.size === 0) return
    for (const { decision, headers } of decided) {
      const request = requestOf(headers)
      if (request !== null) this.#waiting.get(request)?.(decision)
    }
  }

  readonly onPublished: DecisionServer['onPublished'] = (published) => {
    const nowMs = Date.now()
    for (const { headers, text } of published) {
      if (headers === null) continue
      this.#options.keys.onPublished(headers, () => decisionOf(text), nowMs)
      const request = this.#waiting.size === 0 ? null : requestOf(headers)
      const answer = request === null ? undefined : this.#waiting.get(request)
      const decision = answer === undefined ? null : decisionOf(text)
      if (decision !== null) answer?.(decision)
    }
    this.#events.onPublished(published)
  }

  close(): void {
    this.#closed.abort()
    this.#events.close()
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = await this.#refusalOf(request)
    if (refusal !== null) {
      if (refusal.allow !== undefined) response.setHeader('allow', refusal.allow)
      return send(response, refusal.status, failure(refusal.code, refusal.message))
    }
    if (request.method === 'GET') {
      if (pathOf(request) === '/openapi.json') return send(response, 200, this.#api)
      if (this.#events.open(response)) return
      return this.#later(response, 'TOO_MANY', `at most ${eventClientsMax} are told of decisions`)
    }
    const bytes = await bodyOf(request)
    if (bytes === null)
      return send(response, 413, failure('TOO_LARGE', `the body has more than ${bodyBytesMax} bytes`))
    const body = recordsOfBody(bytes, this.#options.lakehouse)
    if (body.kind === 'mistake') return send(response, 400, failure('BODY_INVALID', body.message))
    const { records, isList } = body
    const isDryRun = new URL(request.url ?? '/', 'http://localhost').searchParams.get('dry_run') === 'true'
    if (isDryRun) return await this.#tryOut(response, body)
    const large = records.findIndex(({ value }) => value.length > recordBytesMax)
    if (large >= 0) {
      const message = `transaction ${large} has more than ${recordBytesMax} bytes`
      return send(response, 413, failure('TOO_LARGE', message))
    }
    const [waiting, sending] = [this.#waitingFor, this.#onTheirWay]
    const isFull = waiting.count + sending.count + records.length > waitingMax
    if (isFull || waiting.bytes + sending.bytes + bytes.length > waitingBytesMax)
      return this.#later(response, 'TOO_MANY', 'too many transactions wait for decisions')
    const release = waiting.hold(records)
    try {
      const key = keyOf(request)
      const decisions = key === null ? await this.#decided(records) : await this.#decidedUnder(key, body)
      if (decisions === 'of another') return send(response, 422, failure('KEY_OF_ANOTHER', keyOfAnother))
      if (decisions !== 'not yet') return send(response, 200, answerOf(decisions, isList))
      const message = `not decided within ${decisionMaxMs} ms; what is in the topic is decided`
      send(response, 504, failure('NOT_DECIDED_YET', message))
    } catch (error) {
      if (!(error instanceof LakehouseError)) throw error
      if (error.code === 'KAFKA_RECORD_TOO_LARGE')
        return send(response, 413, failure('TOO_LARGE', error.message))
      this.#later(response, error.code, error.message)
    } finally {
      release()
    }
  }

  #later(response: ServerResponse, code: string, message: string): void {
    response.setHeader('retry-after', '1')
    send(response, 503, failure(code, message))
  }

  async #decided(records: readonly RequestedRecord[]): Promise<readonly Decision[] | 'not yet'> {
    const asked = records.map((record) => ({ ...record, headers: { [requestHeader]: randomUUID() } }))
    const ids = asked.map(({ headers }) => headers[requestHeader]!)
    const decided = Promise.all(
      ids.map((id) => new Promise<Decision>((resolve) => this.#waiting.set(id, resolve))),
    )
    try {
      return await this.#inTime(this.#produce(asked).then(() => decided))
    } finally {
      for (const id of ids) this.#waiting.delete(id)
    }
  }

  /** What was decided of the first request under the key, which this may be. */
  async #decidedUnder(
    key: string,
    { records, isList }: { readonly records: readonly RequestedRecord[]; readonly isList: boolean },
  ): Promise<readonly Decision[] | 'not yet' | 'of another'> {
    const { keys, keysRead } = this.#options
    const read = await this.#inTime(keysRead)
    if (read === 'not yet') return read
    const asked = { key, digest: digestOf(records, isList), count: records.length }
    const begun = keys.begin(asked, Date.now())
    if (begun === null) return 'of another'
    const unsent = begun.unsent.map((at) => ({ ...records[at]!, headers: keyHeadersOf(asked, at) }))
    if (unsent.length > 0) this.#produce(unsent).catch((error: unknown) => keys.failed(asked, error))
    return await this.#inTime(begun.answer)
  }

  /** One after another, and no more than half of the time: records of the topic do not wait for them. */
  async #tryOut(
    response: ServerResponse,
    { records, isList }: Extract<ReadBody, { readonly kind: 'records' }>,
  ): Promise<void> {
    if (this.#dryRuns >= dryRunsMax)
      return this.#later(response, 'TOO_MANY', `at most ${dryRunsMax} dry runs wait for each other`)
    this.#dryRuns++
    const before = this.#lastDryRun
    const done = Promise.withResolvers<void>()
    this.#lastDryRun = done.promise
    try {
      await before
      const startedMs = performance.now()
      send(response, 200, answerOf(this.#options.tryOut(records), isList))
      await sleep(Math.ceil(performance.now() - startedMs))
    } finally {
      this.#dryRuns--
      done.resolve()
    }
  }

  #produce(records: readonly ProducedRequest[]): Promise<void> {
    const release = this.#onTheirWay.hold(records)
    return this.#options.produce(records).finally(release)
  }

  async #inTime<Result>(result: Promise<Result>): Promise<Result | 'not yet'> {
    const over = Promise.withResolvers<'not yet'>()
    const timer = setTimeout(() => over.resolve('not yet'), decisionMaxMs)
    const onClosed = (): void => over.resolve('not yet')
    this.#closed.signal.addEventListener('abort', onClosed)
    try {
      result.catch(() => undefined) // Nobody may be there any more.
      return await Promise.race([result, over.promise])
    } finally {
      clearTimeout(timer)
      this.#closed.signal.removeEventListener('abort', onClosed)
    }
  }

  async #refusalOf(request: IncomingMessage): Promise<Refusal | null> {
    const { headers, method, url = '/' } = request
    const isLocal = isLoopback(this.#options.address.host)
    // A page of another site could point its own name here.
    if (this.#token.kind === 'none' && !(isLocal && isLocalName(headers.host)))
      return { status: 403, code: 'FORBIDDEN', message: 'ask for localhost' }
    if (this.#token.kind !== 'none' && !(await isBearerOf(this.#token, headers.authorization)))
      return { status: 401, code: 'UNAUTHORIZED', message: 'this needs the token of DECISIONS_TOKEN' }
    const allow = new Map<string, string>(Object.entries(methodOf)).get(pathOf(request))
    if (allow === undefined) return { status: 404, code: 'NOT_FOUND', message: `there is ${pathsTold}` }
    if (method !== allow) return { status: 405, code: 'METHOD', message: `only ${allow}`, allow }
    if (method === 'GET') return null
    // Whoever misspells dry_run did not mean to pay.
    const query = [...new URL(url, 'http://localhost').searchParams]
    const isQuery = query.every(([name, value]) => name === 'dry_run' && /^(?:true|false)$/.test(value))
    if (!isQuery || query.length > 1)
      return {
        status: 400,
        code: 'QUERY_INVALID',
        message: 'the query is dry_run=true, dry_run=false or none',
      }
    const key = headers[keyHeader]
    if (key !== undefined && !new RegExp(keyPattern).test(String(key))) {
      const message = `an Idempotency-Key is 1 to ${keyLengthMax} visible characters of ASCII`
      return { status: 400, code: 'KEY_INVALID', message }
    }
    if (!/^application\/json *(?:;|$)/i.test(headers['content-type'] ?? ''))
      return { status: 415, code: 'NOT_JSON', message: 'the body has to be application/json' }
    return null
  }
}

/** Transactions that are in memory. */
class Held {
  count = 0
  bytes = 0

  /** Until what it gives is called. */
  hold(records: readonly RequestedRecord[]): () => void {
    const bytes = records.reduce((sum, { value }) => sum + value.length, 0)
    this.count += records.length
    this.bytes += bytes
    return () => {
      this.count -= records.length
      this.bytes -= bytes
    }
  }
}

const pathsTold = Object.entries(methodOf)
  .map(([path, method]) => `${method} ${path}`)
  .join(', ')

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?')[0]!
}

const keyOfAnother =
  'a request with another body had this Idempotency-Key: repeat its body, or take a new key; nothing was written'

/** null where the request has none. */
function keyOf({ headers }: IncomingMessage): string | null {
  const key = headers[keyHeader]
  return key === undefined ? null : String(key)
}

type Refusal = {
  readonly status: number
  readonly code: string
  readonly message: string
  /** The method that the path takes. */
  readonly allow?: string
}

function answerOf(decisions: readonly Decision[], isList: boolean): unknown {
  return isList ? { decisions } : decisions[0]
}

function failure(code: string, message: string): unknown {
  return { error: { code, message } }
}

/** null where it is too large. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array | null> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > bodyBytesMax) return null
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function send(response: ServerResponse, status: number, value: unknown): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // What is left of a body that was not read must not be taken for the next request.
    ...(status === 413 ? { connection: 'close' } : {}),
  })
  response.end(JSON.stringify(value))
}
