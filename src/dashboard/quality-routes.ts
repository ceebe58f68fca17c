// What the Quality page may ask.
import { DeltaTable } from '../delta/index.ts'
import { driftPath } from '../ops/drift.ts'
import { opsDirectory } from '../ops/tables.ts'
import type { TableDefinition } from '../plan/index.ts'
import { figuresTable } from '../query/figures-table.ts'
import type { QualityAnswer } from './api.ts'
import type { DashboardQuery } from './fraud-queries.ts'
import { Refusal, sendJson } from './http.ts'
import {
  anomaliesQuery,
  conservationQuery,
  driftQuery,
  figureQuery,
  newestFiguresQuery,
  refusalsQuery,
  refusedQuery,
} from './quality-queries.ts'
import type { DashboardRoute, RouteContext } from './route-context.ts'

export const qualityRoutes = {
  'GET /api/quality': async ({ access, desk, config }, request, response) => {
    const { role } = await access.allowed(request, 'viewer')
    const rows = ({ sql, parameters }: DashboardQuery) => desk.rows(role, sql, parameters)
    const { lakehouse, deltaBasePath } = config
    const table = figuresTable(lakehouse)
    const hasDrift = await DeltaTable.exists(opsDirectory(deltaBasePath, driftPath))
    const [conservation, refusals, newest, anomalies, drift] = await Promise.all([
      rows(conservationQuery(lakehouse)),
      rows(refusalsQuery(lakehouse)),
      table === null ? null : rows(newestFiguresQuery(table)),
      table === null ? null : rows(anomaliesQuery(table)),
      hasDrift ? rows(driftQuery()) : null,
    ])
    const answer: QualityAnswer = { conservation, refusals, newest, anomalies, drift }
    sendJson(response, answer)
  },
  'GET /api/refused': async ({ access, desk, config: { lakehouse } }, request, response, url) => {
    const { role } = await access.allowed(request, 'viewer')
    const { sql, parameters } = refusedQuery(lakehouse, url.searchParams.get('reason') ?? '')
    sendJson(response, await desk.rows(role, sql, parameters))
  },
  'GET /api/figure': async (context, request, response, url) => {
    const { role } = await context.access.allowed(request, 'viewer')
    const { searchParams: given } = url
    const { sql, parameters } = figureQuery(
      figuresOf(context),
      given.get('column'),
      given.get('metric') ?? '',
    )
    sendJson(response, await context.desk.rows(role, sql, parameters))
  },
} satisfies Readonly<Record<string, DashboardRoute>>

function figuresOf({ config: { lakehouse } }: RouteContext): TableDefinition {
  const table = figuresTable(lakehouse)
  if (table !== null) return table
  throw new Refusal(404, 'NO_FIGURES', 'this lakehouse has no table of figures')
}
