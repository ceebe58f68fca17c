// What a process tells over HTTP, on this machine alone: its metrics, whether it lives, whether it works, and
// its state.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { expositionProtobuf } from './exposition-protobuf.ts'
import { expositionText } from './exposition-text.ts'
import { listenFrom } from './listening.ts'
import type { MetricFamily } from './metric-values.ts'

/** No other address: whoever reaches it needs no password. */
const host = '127.0.0.1'
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

/** Listens on the port, or on the next that is free. Fails with CONFIG_INVALID where a hundred are taken. */
export async function serveMetrics(port: number, served: ServedProcess): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: requestMaxMs }, (request, response) => {
    answer(request, response, served).catch(() => {
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
    url: `http://localhost:${taken}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  served: ServedProcess,
): Promise<void> {
  const { code, type, body } = await answerOf(request, served)
  const charset = type === 'application/json' || type.includes('protobuf') ? '' : '; charset=utf-8'
  response.writeHead(code, {
    'content-type': `${type}${charset}`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(body)
}

type Answer = { readonly code: number; readonly type: string; readonly body: string | Uint8Array }

async function answerOf({ headers, method, url }: IncomingMessage, served: ServedProcess): Promise<Answer> {
  if (!isLocal(headers.host)) return textAnswer(403, 'ask for localhost')
  if (method !== 'GET' && method !== 'HEAD') return textAnswer(405, 'only GET')
  switch (url?.split('?')[0]) {
    case '/metrics':
      return metricsAnswer(headers.accept ?? '', await served.metrics())
    case '/healthz':
      return textAnswer(200, 'ok')
    case '/readyz': {
      const reason = served.notReady()
      return textAnswer(reason === null ? 200 : 503, reason ?? 'ok')
    }
    case '/status':
      return { code: 200, type: 'application/json', body: JSON.stringify(await served.status()) }
    default:
      return textAnswer(404, 'there is /metrics, /healthz, /readyz and /status')
  }
}

function textAnswer(code: number, text: string): Answer {
  return { code, type: 'text/plain', body: `${text}\n` }
}

/** A page of another site whose name was pointed here would ask by that name. */
function isLocal(asked: string | undefined): boolean {
  const name = (asked ?? 'localhost').replace(/:\d+$/, '')
  return name === 'localhost' || name === '127.0.0.1'
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
