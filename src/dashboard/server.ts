// The dashboard's server: pages, the event stream and the queries of the pages, over plain HTTP of Node.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { OnNotice } from '../batches/notice.ts'
import type { Config } from '../config/config.ts'
import type { OnEvent } from '../engines/events.ts'
import { LakehouseError } from '../errors/errors.ts'
import { addressUrl, isLoopback, listenFrom } from '../metrics/listening.ts'
import { createMask, type IdMask } from '../query/masking.ts'
import { Access } from './access.ts'
import type { FeedRow, LakehouseAnswer, LiveState } from './api.ts'
import { type Asset, readAssets } from './assets.ts'
import { Audit } from './audit.ts'
import { EventStream } from './event-stream.ts'
import { feedKept, feedRows, maskedFeedRow } from './feed.ts'
import { Refusal, sendFailure, setHeadersOfAll } from './http.ts'
import { lakehouseAnswer } from './lakehouse-answer.ts'
import { type InputUnit, LiveRun } from './live-run.ts'
import { QueryDesk } from './query-desk.ts'
import { seesIds } from './roles.ts'
import type { RouteContext } from './route-context.ts'
import { routeOf } from './routes.ts'
import { type Observed, withFigures } from './run-figures.ts'
import { ServedReview } from './served-review.ts'
import { UsersFile } from './users.ts'

export type DashboardOptions = {
  readonly config: Config
  readonly streams: readonly string[]
  readonly engine: string
  /** What is read, in words. */
  readonly reads: string
  readonly inputUnit: InputUnit
  readonly title: string
  readonly onNotice: OnNotice
  readonly observed: Observed
  /** Where the run itself answers requests for decisions; null where it does not, or not yet. */
  readonly decidesAt?: () => string | null
}

export type Dashboard = {
  readonly url: string
  /** The port that was wanted, where another one was taken; null else. */
  readonly movedFrom: number | null
  readonly onEvent: OnEvent
  /** The batch at hand is the last. */
  stopping(): void
  close(): Promise<void>
}

const tickEveryMs = 1_000
const requestMaxMs = 30_000

export async function openDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { config } = options
  const users = await usersOf(config)
  const served = new ServedRun(options, users, await readAssets())
  const server = createServer((request, response) => void served.answer(request, response))
  server.requestTimeout = requestMaxMs
  server.headersTimeout = requestMaxMs
  const { host, port: wanted } = config.dashboard
  const port = await listenFrom(server, { host, port: wanted, variable: 'DASHBOARD_PORT' })
  const timer = setInterval(() => void served.tick(), tickEveryMs)
  timer.unref()
  return {
    url: addressUrl(host, port),
    movedFrom: port === wanted ? null : wanted,
    onEvent: served.onEvent,
    stopping: () => served.live.stopping(),
    async close() {
      clearInterval(timer)
      served.close()
      await served.audit.flush()
      await served.review.close()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

/** null where everybody on this machine is let in. Fails where others could come and there are no users. */
async function usersOf({ dashboard }: Config): Promise<UsersFile | null> {
  const { host, usersFile } = dashboard
  const file = usersFile === null ? null : new UsersFile(usersFile)
  const count = file === null ? 0 : (await file.all()).length
  if (count > 0) return file
  if (isLoopback(host)) {
    if (file === null) return null
    throw new LakehouseError(
      'CONFIG_INVALID',
      `DASHBOARD_USERS_FILE has no users: "assay users add" makes one, or leave the variable out.`,
    )
  }
  throw new LakehouseError(
    'CONFIG_INVALID',
    `DASHBOARD_HOST is ${host}, which others can reach, and there are no users: set DASHBOARD_USERS_FILE and make one ` +
      'with "assay users add", or leave DASHBOARD_HOST out.',
  )
}

type Sight = 'all' | 'masked'

class ServedRun {
  readonly live: LiveRun
  readonly audit: Audit
  readonly review: ServedReview
  readonly onEvent: OnEvent
  readonly #options: DashboardOptions
  readonly #assets: ReadonlyMap<string, Asset>
  readonly #context: RouteContext
  readonly #mask: IdMask
  readonly #stream = new EventStream<Sight>()
  #feed: FeedRow[] = []
  #newFeed: FeedRow[] = []
  #state: LiveState
  #isTicking = false

  constructor(options: DashboardOptions, users: UsersFile | null, assets: ReadonlyMap<string, Asset>) {
    const { config, onNotice, title, streams, engine, reads } = options
    const { lakehouse, deltaBasePath } = config
    this.#options = options
    this.#assets = assets
    this.live = new LiveRun(lakehouse, options.inputUnit)
    this.audit = new Audit(deltaBasePath, onNotice)
    this.#mask = createMask(lakehouse)
    const about: LakehouseAnswer = lakehouseAnswer(lakehouse, { deltaBasePath, reads, engine, streams })
    const desk = new QueryDesk(config, this.#mask)
    const access = new Access(users, this.audit, title)
    this.review = new ServedReview(config, options.observed.onEvent)
    const { decidesAt = () => null } = options
    this.#context = { config, access, desk, about, mask: this.#mask, review: this.review, decidesAt }
    this.#state = this.live.state()
    this.onEvent = (event) => {
      this.live.onEvent(event)
      if (event.kind === 'batch') this.#take(feedRows(lakehouse, event.report.alerts))
    }
  }

  #take(rows: readonly FeedRow[]): void {
    this.#newFeed = [...rows, ...this.#newFeed].slice(0, feedKept)
    this.#feed = [...rows, ...this.#feed].slice(0, feedKept)
  }

  async tick(): Promise<void> {
    if (this.#isTicking) return
    this.#isTicking = true
    this.review.tick(Date.now())
    try {
      const { state, point } = this.live.tick()
      this.#state = await withFigures(state, this.#options.observed)
      const batches = this.live.takeNewBatches()
      const feed = this.#newFeed
      this.#newFeed = []
      const tick = { state: this.#state, points: [point], batches }
      this.#stream.send('tick', (sight) => JSON.stringify({ ...tick, feed: this.#seen(feed, sight) }))
    } finally {
      this.#isTicking = false
    }
  }

  #seen(feed: readonly FeedRow[], sight: Sight): readonly FeedRow[] {
    const { lakehouse } = this.#options.config
    return sight === 'all' ? feed : feed.map((row) => maskedFeedRow(lakehouse, this.#mask, row))
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    setHeadersOfAll(response)
    try {
      this.#context.access.checkSite(request)
      const url = new URL(request.url ?? '/', 'http://localhost')
      if (url.pathname === '/api/events') await this.#listen(request, response)
      else if (url.pathname.startsWith('/api/'))
        await routeOf(request, url)(this.#context, request, response, url)
      else this.#sendAsset(request, response, url.pathname)
    } catch (error) {
      sendFailure(response, error)
    }
  }

  async #listen(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { role } = await this.#context.access.allowed(request, 'viewer')
    const sight = seesIds(role) ? 'all' : 'masked'
    const { points, batches } = this.live
    const hello = { state: this.#state, points, batches, feed: this.#seen(this.#feed, sight) }
    this.#stream.open(response, sight, JSON.stringify(hello))
  }

  #sendAsset(request: IncomingMessage, response: ServerResponse, path: string): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new Refusal(405, 'METHOD_UNKNOWN', 'there is GET alone')
    }
    const asset = this.#assets.get(path)
    if (asset === undefined) {
      const isMissing = this.#assets.size === 0
      const message = isMissing ? 'the pages are not built: npm run dashboard' : 'there is no such page'
      throw new Refusal(isMissing ? 503 : 404, 'PAGE_UNKNOWN', message)
    }
    const isGzip = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
    response.writeHead(200, {
      'content-type': asset.type,
      // Names of files have the hash of what they hold.
      'cache-control': path === '/' ? 'no-cache' : 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      ...(isGzip ? { 'content-encoding': 'gzip' } : {}),
    })
    response.end(isGzip ? asset.gzipped : asset.bytes)
  }

  close(): void {
    this.#stream.close()
  }
}
