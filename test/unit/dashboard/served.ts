// A dashboard over the tables of a test, with a client that has a cookie and the token of its session.
import { createServer } from 'node:net'
import type { Config } from '../../../src/config/config.ts'
import type { SessionAnswer } from '../../../src/dashboard/api.ts'
import { type Dashboard, type DashboardOptions, openDashboard } from '../../../src/dashboard/server.ts'
import { runStatus } from '../../../src/engines/run-status.ts'
import { RunWatch } from '../../../src/engines/run-watch.ts'

export type Asked = { readonly status: number; readonly headers: Headers; readonly body: string }

export class Client {
  readonly url: string
  cookie = ''
  token = ''

  constructor(url: string) {
    this.url = url
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Asked> {
    return await this.#ask(path, { headers })
  }

  async post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Asked> {
    const own = { 'content-type': 'application/json', 'x-assay-token': this.token, ...headers }
    return await this.#ask(path, { method: 'POST', headers: own, body: JSON.stringify(body) })
  }

  /** What the page asks first; its cookie and token count from then on. */
  async session(): Promise<SessionAnswer> {
    const answer = JSON.parse((await this.get('/api/session')).body) as SessionAnswer
    this.token = answer.token ?? ''
    return answer
  }

  async #ask(path: string, init: RequestInit): Promise<Asked> {
    const response = await fetch(this.url + path, {
      ...init,
      headers: { ...init.headers, ...(this.cookie === '' ? {} : { cookie: this.cookie }) },
    })
    const set = response.headers.get('set-cookie')
    if (set !== null) this.cookie = set.split(';')[0]!
    return { status: response.status, headers: response.headers, body: await response.text() }
  }
}

export async function serve(
  config: Config,
  options: Partial<Config['dashboard']> & Partial<Pick<DashboardOptions, 'onNotice' | 'observed'>> = {},
): Promise<Dashboard> {
  const { onNotice, observed: _, ...dashboard } = options
  return await openDashboard({
    config: { ...config, dashboard: { ...config.dashboard, port: await freePort(), ...dashboard } },
    ...{ streams: config.lakehouse.streams, engine: 'embedded', reads: 'a test', inputUnit: 'bytes' },
    title: 'Assay test',
    observed: options.observed ?? observedTest(config),
    onNotice: onNotice ?? (() => undefined),
  })
}

/** What a run tells of itself: nothing, until its events are told to the watch. */
export function observedTest({ lakehouse, deltaBasePath }: Config): DashboardOptions['observed'] {
  const watch = new RunWatch()
  const about = { engine: 'embedded', version: 'test', reads: 'a test', url: null, diskFreeBytes: null }
  const facts = { lakehouse, deltaBasePath, streams: lakehouse.streams, ...about }
  return { watch, onEvent: watch.onEvent, status: async () => runStatus(facts, watch, false, Date.now()) }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address === 'object' && address !== null) return address.port
  throw new Error('no port was given')
}
