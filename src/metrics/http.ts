// What a process tells over HTTP: its metrics, whether it lives, whether it works, and its state.
// This machine alone is told, or who has the token.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { assert } from '../errors/errors.ts'
import { expositionProtobuf } from './exposition-protobuf.ts'
import { expositionText } from './exposition-text.ts'
import { addressUrl, isLocalName, isLoopback, listenFrom } from './listening.ts'
import type { MetricFamily } from './metric-values.ts'
import { isBearerOf, type MetricsAddress, type TokenSource, tokenOf } from './token.ts'

const connectionsMax = 64
const requestMaxMs = 10_000

export type ServedProcess = {
  readonly metrics: () => Promise<readonly MetricFamily[]>
  /** Why the process does no work now; null where it does, or waits for records. */
  readonly notReady: () => string | null
  /** As JSON. */
  readonly status: () => Promise<unknown>
}

export type MetricsServer = {
  readonly port: number
  readonly url: string
  close(): Promise<void>
}

/**
 * Listens on the port, or on the next that is free. Fails with CONFIG_INVALID where a hundred are taken, or
 * the file of the token has none.
 */
export async function serveMetrics(
  { host, port, token }: MetricsAddress,
  served: ServedProcess,
): Promise<MetricsServer> {
  assert(token.kind !== 'none' || isLoopback(host), 'the configuration asks for a token')
  await tokenOf(token)
  const server = createServer({ requestTimeout: requestMaxMs }, (request, response) => {
    answer(request, response, { served, token }).catch(() => {
      // One request that fails harms nothing else; what went wrong may hold what nobody should read.
      if (!response.headersSent) response.writeHead(500)
      response.end()
    })
  })
  server.maxConnections = connectionsMax
  const taken = await listenFrom(server, { host, port, variable: 'METRICS_PORT' })
  server.unref() // It holds no process that has nothing else to do.
  return {
    port: taken,
    url: addressUrl(host, taken),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

type Guarded = { readonly served: ServedProcess; readonly token: TokenSource }

async function answer(request: IncomingMessage, response: ServerResponse, guarded: Guarded): Promise<void> {
  const { code, type, body } = await answerOf(request, guarded)
  const charset = type === 'application/json' || type.includes('protobuf') ? '' : '; charset=utf-8'
  response.writeHead(code, {
    'content-type': `${type}${charset}`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(code === 401 && { 'www-authenticate': 'Bearer' }),
  })
  response.end(body)
}

type Answer = { readonly code: number; readonly type: string; readonly body: string | Uint8Array }

async function answerOf(request: IncomingMessage, { served, token }: Guarded): Promise<Answer> {
  const { headers, method, url } = request
  if (token.kind === 'none' && !isLocalName(headers.host)) return textAnswer(403, 'ask for localhost')
  if (method !== 'GET' && method !== 'HEAD') return textAnswer(405, 'only GET')
  const path = url?.split('?')[0]
  if (path === '/healthz') return textAnswer(200, 'ok')
  const mayKnow = token.kind === 'none' || (await isBearerOf(token, headers.authorization))
  if (path === '/readyz') {
    const reason = served.notReady()
    // A probe has no token; the reason may name brokers.
    return textAnswer(reason === null ? 200 : 503, reason === null ? 'ok' : mayKnow ? reason : 'not ready')
  }
  if (!mayKnow) return textAnswer(401, 'this needs the token of METRICS_TOKEN')
  switch (path) {
    case '/metrics':
      return metricsAnswer(headers.accept ?? '', await served.metrics())
    case '/status':
      return { code: 200, type: 'application/json', body: JSON.stringify(await served.status()) }
    default:
      return textAnswer(404, 'there is /metrics, /healthz, /readyz and /status')
  }
}

function textAnswer(code: number, text: string): Answer {
  return { code, type: 'text/plain', body: `${text}\n` }
}

/** In the best of the formats that are asked for: native histograms are in protobuf alone. */
function metricsAnswer(accept: string, families: readonly MetricFamily[]): Answer {
  if (/application\/vnd\.google\.protobuf[^,]*encoding=delimited/.test(accept)) {
    const type =
      'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited'
    return { code: 200, type, body: expositionProtobuf(families) }
  }
  if (accept.includes('application/openmetrics-text')) {
    const type = 'application/openmetrics-text; version=1.0.0'
    return { code: 200, type, body: expositionText(families, 'openmetrics') }
  }
  return { code: 200, type: 'text/plain; version=0.0.4', body: expositionText(families, 'prometheus') }
}
