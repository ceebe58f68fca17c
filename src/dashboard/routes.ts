// What the pages may ask: each address with who may ask it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../config/config.ts'
import { DeltaTable } from '../delta/index.ts'
import { readableTables } from '../ops/readable.ts'
import { tableDirectory } from '../ops/tables.ts'
import type { TableDefinition } from '../plan/index.ts'
import { tableNamed } from '../query/table-name.ts'
import { csvOf } from './csv.ts'
import { decideRoutes } from './decide-routes.ts'
import {
  type DashboardQuery,
  facetsQuery,
  feedOfRows,
  filtersOf,
  journeysTable,
  personFacetsQuery,
  personHoursQuery,
  personJourneysQuery,
  personRowsQuery,
  transactionsQuery,
} from './fraud-queries.ts'
import { bodyOf, Refusal, sendJson, textOfBody } from './http.ts'
import { qualityRoutes } from './quality-routes.ts'
import { pageLimits, type QueryLimits } from './query-desk.ts'
import { reviewRoutes } from './review-routes.ts'
import type { DashboardRoute, RouteContext } from './route-context.ts'
import { rulesRoutes } from './rules-routes.ts'
import { tableDetail } from './table-detail.ts'
import { versionRoutes } from './version-routes.ts'
import { keyWindowsQuery, windowKeysQuery, windowRowsQuery, windowsQuery } from './window-queries.ts'

const sqlLimits: QueryLimits = { timeMaxMs: 10_000, rowsMax: 1_000, bytesMax: 4 * 2 ** 20 }
const csvLimits: QueryLimits = { timeMaxMs: 30_000, rowsMax: 100_000, bytesMax: 32 * 2 ** 20 }

/** By method and path. */
const routes: Readonly<Record<string, DashboardRoute>> = {
  'GET /api/session': ({ access }, request, response) => access.tellSession(request, response),
  'POST /api/login': ({ access }, request, response) => access.login(request, response),
  'POST /api/logout': ({ access }, request, response) => access.logout(request, response),
  'GET /api/lakehouse': async ({ access, about }, request, response) => {
    await access.allowed(request, 'viewer')
    sendJson(response, about)
  },
  'GET /api/transactions': async ({ access, desk, config }, request, response, url) => {
    const { role } = await access.allowed(request, 'viewer')
    const { sql, parameters } = transactionsQuery(scoredOf(config), ...chosenBy(url))
    const answer = await desk.rows(role, sql, parameters)
    sendJson(response, { feed: feedOfRows(config.lakehouse, answer), asOfMs: answer.asOfMs, ms: answer.ms })
  },
  'GET /api/facets': async (context, request, response, url) => {
    const { lakehouse } = context.config
    await sendRows(
      context,
      request,
      response,
      facetsQuery(lakehouse, scoredOf(context.config), ...chosenBy(url)),
    )
  },
  'GET /api/person': async ({ access, desk, config }, request, response, url) => {
    const { lakehouse, deltaBasePath } = config
    const { role } = await access.allowed(request, 'viewer')
    const id = wantedOf(url, 'id')
    const asked = [personRowsQuery, personFacetsQuery, personHoursQuery].map((query) => query(lakehouse, id))
    const answers = await Promise.all(asked.map(({ sql, parameters }) => desk.rows(role, sql, parameters)))
    const [rows, facets, hours] = answers
    const table = journeysTable(lakehouse)
    const hasJourneys = table !== null && (await DeltaTable.exists(tableDirectory(deltaBasePath, table)))
    const query = hasJourneys ? personJourneysQuery(lakehouse, table, id) : null
    const journeys = query === null ? null : await desk.rows(role, query.sql, query.parameters)
    const { asOfMs } = rows!
    sendJson(response, { feed: feedOfRows(lakehouse, rows!), facets, hours, journeys, asOfMs })
  },
  'GET /api/table': async ({ access, config }, request, response, url) => {
    await access.allowed(request, 'viewer')
    const table = tableNamed(wantedOf(url, 'path'), readableTables(config.lakehouse))
    sendJson(response, await tableDetail(config.deltaBasePath, table))
  },
  'GET /api/windows': async (context, request, response, url) => {
    const { table, hasClosed } = await windowsTable(context, url)
    await sendRows(context, request, response, windowsQuery(table, hasClosed))
  },
  'GET /api/window': async (context, request, response, url) => {
    const { table } = await windowsTable(context, url)
    const isOpen = url.searchParams.get('open') === 'true'
    const of = { start: wantedOf(url, 'start'), by: wantedOf(url, 'by'), isOpen }
    await sendRows(context, request, response, windowKeysQuery(table, of))
  },
  'GET /api/key': async (context, request, response, url) => {
    const { table, hasClosed } = await windowsTable(context, url)
    await sendRows(context, request, response, keyWindowsQuery(table, hasClosed, keysOf(url)))
  },
  'GET /api/window-rows': async (context, request, response, url) => {
    const { table } = await windowsTable(context, url)
    const of = { start: wantedOf(url, 'start'), end: wantedOf(url, 'end'), keys: keysOf(url) }
    await sendRows(context, request, response, windowRowsQuery(context.config.lakehouse, table, of))
  },
  'POST /api/sql': async ({ access, desk }, request, response) => {
    const { role } = await access.allowed(request, 'viewer')
    const sql = textOfBody(await bodyOf(request), 'sql')
    sendJson(response, await desk.rows(role, sql, {}, sqlLimits))
  },
  'POST /api/sql.csv': async ({ access, desk }, request, response) => {
    const { role } = await access.allowed(request, 'viewer')
    const sql = textOfBody(await bodyOf(request), 'sql')
    const answer = await desk.rows(role, sql, {}, csvLimits)
    response.writeHead(200, {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="query.csv"',
      'cache-control': 'no-store',
      'x-assay-cut': String(answer.isCut),
    })
    response.end(csvOf(answer))
  },
  ...decideRoutes,
  ...qualityRoutes,
  ...reviewRoutes,
  ...rulesRoutes,
  ...versionRoutes,
}

/** Fails with what is wrong where there is none. */
export function routeOf(request: IncomingMessage, url: URL): DashboardRoute {
  const route = routes[`${request.method} ${url.pathname}`]
  if (route !== undefined) return route
  const isOtherMethod = Object.keys(routes).some((known) => known.endsWith(` ${url.pathname}`))
  if (isOtherMethod) throw new Refusal(405, 'METHOD_UNKNOWN', 'this address has another method')
  throw new Refusal(404, 'ADDRESS_UNKNOWN', 'there is no such address')
}

async function sendRows(
  { access, desk }: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
  { sql, parameters }: DashboardQuery,
): Promise<void> {
  const { role } = await access.allowed(request, 'viewer')
  sendJson(response, await desk.rows(role, sql, parameters, pageLimits))
}

function scoredOf({ lakehouse }: Config): TableDefinition {
  if (lakehouse.scored !== null) return lakehouse.scored
  throw new Refusal(404, 'NOTHING_SCORED', 'this lakehouse scores no transactions')
}

async function windowsTable(
  { config }: RouteContext,
  url: URL,
): Promise<{ readonly table: TableDefinition; readonly hasClosed: boolean }> {
  const { lakehouse, deltaBasePath } = config
  const table = tableNamed(wantedOf(url, 'path'), lakehouse.tables)
  if (table.watermark === null) throw new Refusal(400, 'NO_WINDOWS', `${table.path} has no windows`)
  return { table, hasClosed: await DeltaTable.exists(tableDirectory(deltaBasePath, table)) }
}

function chosenBy(url: URL): [ReturnType<typeof filtersOf>, string | null] {
  return [filtersOf(url.searchParams.get('filters')), url.searchParams.get('text')]
}

function wantedOf(url: URL, name: string): string {
  const value = url.searchParams.get(name)
  if (value !== null && value !== '') return value
  throw new Refusal(400, 'FIELD_MISSING', `${name} is missing`)
}

function keysOf(url: URL): Readonly<Record<string, string | null>> {
  try {
    const parsed: unknown = JSON.parse(url.searchParams.get('keys') ?? '{}')
    const isText = (value: unknown): boolean => value === null || typeof value === 'string'
    if (typeof parsed === 'object' && parsed !== null && Object.values(parsed).every(isText)) {
      return parsed as Readonly<Record<string, string | null>> // As just seen.
    }
  } catch {
    // Told below.
  }
  throw new Refusal(400, 'KEY_UNKNOWN', 'keys are an object of texts')
}
