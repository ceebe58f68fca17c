// What an address of the dashboard is answered with.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../config/config.ts'
import type { IdMask } from '../query/masking.ts'
import type { Access } from './access.ts'
import type { LakehouseAnswer } from './api.ts'
import type { QueryDesk } from './query-desk.ts'
import type { ServedReview } from './served-review.ts'

export type RouteContext = {
  readonly config: Config
  readonly access: Access
  readonly desk: QueryDesk
  readonly about: LakehouseAnswer
  readonly mask: IdMask
  readonly review: ServedReview
  /** Where the run itself decides; null where it does not, or not yet. */
  readonly decidesAt: () => string | null
}

export type DashboardRoute = (
  context: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
) => Promise<void>
