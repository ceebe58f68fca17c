// What the pages ask the server.
import type {
  BacktestAnswer,
  FailureAnswer,
  FeedRow,
  LakehouseAnswer,
  QualityAnswer,
  ReviewAnswer,
  ReviewCase,
  ReviewContextAnswer,
  ReviewPlace,
  RowsAnswer,
  RulesAnswer,
  RulesCheckAnswer,
  SessionAnswer,
  ShadowsAnswer,
  TableDetailAnswer,
  VersionsAnswer,
  WhatIfAnswer,
  WhatIfStart,
} from '../src/dashboard/api.ts'
import { createStore } from './store.ts'

/** An answer that is no success; its message is for people. */
export class Failure extends Error {
  readonly code: string
  readonly status: number

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export const session = createStore<SessionAnswer | null>(null)

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, { credentials: 'same-origin', ...init }).catch(() => {
    throw new Failure(0, 'AWAY', 'the process does not answer')
  })
  if (response.ok) return response
  const answer = (await response.json().catch(() => null)) as FailureAnswer | null
  const { code, message } = answer?.error ?? {
    code: 'FAILED',
    message: `the server answered ${response.status}`,
  }
  if (response.status === 401 && path !== '/api/login') await loadSession()
  throw new Failure(response.status, code, message)
}

async function answerOf<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await ask(path, signal === undefined ? {} : { signal })
  return (await response.json()) as T
}

/** A request that changes something, or costs something: it carries the token of the session. */
async function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'x-assay-token': session.get()?.token ?? '' }
  return await ask(path, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  })
}

export async function loadSession(): Promise<void> {
  session.set(await answerOf<SessionAnswer>('/api/session'))
}

export async function login(name: string, password: string): Promise<void> {
  session.set((await (await post('/api/login', { name, password })).json()) as SessionAnswer)
}

export async function logout(): Promise<void> {
  session.set((await (await post('/api/logout', {})).json()) as SessionAnswer)
}

export const loadLakehouse = (): Promise<LakehouseAnswer> => answerOf('/api/lakehouse')

export const loadTable = (path: string): Promise<TableDetailAnswer> =>
  answerOf(`/api/table?${new URLSearchParams({ path })}`)

export const loadRules = (): Promise<RulesAnswer> => answerOf('/api/rules')

export const loadVersions = (): Promise<VersionsAnswer> => answerOf('/api/rules/versions')

export type VersionAction = 'propose' | 'approve' | 'reject' | 'activate' | 'shadow' | 'unshadow' | 'rollback'

export async function changeVersion(
  action: VersionAction,
  of: { readonly version?: number; readonly text?: string; readonly reason: string },
): Promise<VersionsAnswer> {
  return (await (await post(`/api/rules/${action}`, of)).json()) as VersionsAnswer
}

export async function checkRules(text: string, signal: AbortSignal): Promise<RulesCheckAnswer> {
  return (await (await post('/api/rules/check', { text }, signal)).json()) as RulesCheckAnswer
}

export type WantedBacktest = {
  readonly text: string
  /** Days, or nothing. */
  readonly from: string
  readonly to: string
  readonly capacity: number | null
}

export async function runBacktest(wanted: WantedBacktest, signal: AbortSignal): Promise<BacktestAnswer> {
  return (await (await post('/api/backtest', wanted, signal)).json()) as BacktestAnswer
}

export async function compareShadows(): Promise<ShadowsAnswer> {
  return (await (await post('/api/shadows', {})).json()) as ShadowsAnswer
}

export const loadExample = (): Promise<WhatIfStart> => answerOf('/api/decide')

export async function tryOut(text: string, signal: AbortSignal): Promise<WhatIfAnswer> {
  return (await (await post('/api/decide', { text }, signal)).json()) as WhatIfAnswer
}

export type RowFilter = { readonly column: string; readonly operator: string; readonly value: string }

export type FeedAnswer = { readonly feed: readonly FeedRow[]; readonly asOfMs: number }

export const loadTransactions = (filters: readonly RowFilter[], text: string): Promise<FeedAnswer> =>
  answerOf(`/api/transactions?${chosen(filters, text)}`)

export const loadFacets = (filters: readonly RowFilter[], text: string): Promise<RowsAnswer> =>
  answerOf(`/api/facets?${chosen(filters, text)}`)

export type PersonAnswer = FeedAnswer & {
  readonly facets: RowsAnswer
  readonly hours: RowsAnswer
  /** null where the lakehouse has no such table, or nobody has written it. */
  readonly journeys: RowsAnswer | null
}

export const loadPerson = (id: string): Promise<PersonAnswer> =>
  answerOf(`/api/person?${new URLSearchParams({ id })}`)

function chosen(filters: readonly RowFilter[], text: string): string {
  return String(new URLSearchParams({ filters: JSON.stringify(filters), text }))
}

export type Keys = Readonly<Record<string, string | null>>

export const loadWindows = (path: string): Promise<RowsAnswer> =>
  answerOf(`/api/windows?${new URLSearchParams({ path })}`)

export type ShownWindow = { readonly start: string; readonly end: string; readonly isOpen: boolean }

export const loadWindow = (path: string, { start, isOpen }: ShownWindow, by: string): Promise<RowsAnswer> =>
  answerOf(`/api/window?${new URLSearchParams({ path, start, by, open: String(isOpen) })}`)

export const loadKey = (path: string, keys: Keys): Promise<RowsAnswer> =>
  answerOf(`/api/key?${new URLSearchParams({ path, keys: JSON.stringify(keys) })}`)

export const loadWindowRows = (path: string, start: string, end: string, keys: Keys): Promise<RowsAnswer> =>
  answerOf(`/api/window-rows?${new URLSearchParams({ path, start, end, keys: JSON.stringify(keys) })}`)

export const loadQuality = (): Promise<QualityAnswer> => answerOf('/api/quality')

export const loadRefused = (reason: string): Promise<RowsAnswer> =>
  answerOf(`/api/refused?${new URLSearchParams({ reason })}`)

export const loadFigure = (column: string | null, metric: string): Promise<RowsAnswer> =>
  answerOf(`/api/figure?${new URLSearchParams({ metric, ...(column === null ? {} : { column }) })}`)

export async function runSql(sql: string, signal: AbortSignal): Promise<RowsAnswer> {
  return (await (await post('/api/sql', { sql }, signal)).json()) as RowsAnswer
}

export async function sqlCsv(sql: string): Promise<Blob> {
  return await (await post('/api/sql.csv', { sql })).blob()
}

export const loadReview = (order: string): Promise<ReviewAnswer> =>
  answerOf(`/api/review?${new URLSearchParams({ order })}`)

export const loadReviewContext = ({ place }: ReviewCase): Promise<ReviewContextAnswer> => {
  const { topic, partition, offset } = place
  return answerOf(
    `/api/review/context?${new URLSearchParams({ topic, partition: String(partition), offset })}`,
  )
}

async function postReview<T>(what: string, body: unknown): Promise<T> {
  const { answer } = (await (await post(`/api/review/${what}`, body)).json()) as { readonly answer: T }
  return answer
}

/** null where nothing is open for who asks. */
export const nextCase = (order: string, skip: ReviewCase | null): Promise<ReviewCase | null> =>
  postReview('next', { order, skip: skip?.place ?? null })

export const takeCase = (place: ReviewPlace): Promise<ReviewCase> => postReview('take', { place })

/** The next case by that order; null where nothing is open for who asks. */
export async function decideCase(
  { place }: ReviewCase,
  given: { readonly verdict: string; readonly reason: string; readonly note: string },
  order: string,
): Promise<ReviewCase | null> {
  type Decided = { readonly next: ReviewCase | null }
  return (await postReview<Decided>('decide', { place, ...given, next: order })).next
}

/** Where the transaction stands whose verdict was taken back. */
export async function undoVerdict(sequence: string | null): Promise<ReviewPlace> {
  const { place } = await postReview<{ readonly place: ReviewPlace }>('undo', { sequence })
  return place
}
