// What the Review page may ask.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type VerdictName, verdictNames } from '../ops/verdicts.ts'
import { noteLengthMax, type ReviewDesk, reasonLengthMax } from '../review/desk.ts'
import { isQueueOrder, type QueueOrder } from '../review/queue-sql.ts'
import {
  type CasePlace,
  isRefused,
  type OpenCase,
  type ReviewRefusal,
  refusalText,
} from '../review/review-answers.ts'
import type { ReviewAnswer, ReviewCase } from './api.ts'
import { feedRow, maskedFeedRow } from './feed.ts'
import { bodyOf, Refusal, sendJson } from './http.ts'
import { reviewContext } from './review-context.ts'
import { mayDo, seesIds, type UserRole } from './roles.ts'
import type { DashboardRoute, RouteContext } from './route-context.ts'
import type { DashboardSession } from './sessions.ts'

type Body = Readonly<Record<string, unknown>>

export const reviewRoutes = {
  'GET /api/review': async (context, request, response, url) => {
    const { user, role } = await context.access.allowed(request, 'viewer')
    const desk = await context.review.desk()
    const view = await desk.view(user, orderOf(url.searchParams.get('order')))
    const caseOf = (one: OpenCase): ReviewCase => reviewCase(context, role, one)
    const answer: ReviewAnswer = {
      ...view,
      cases: view.cases.map(caseOf),
      mine: view.mine === null ? null : caseOf(view.mine),
      mayDecide: mayDo(role, 'analyst'),
    }
    sendJson(response, answer)
  },
  'GET /api/review/context': async (context, request, response, url) => {
    const { role } = await context.access.allowed(request, 'viewer')
    const { searchParams: given } = url
    const [topic, partition, offset] = ['topic', 'partition', 'offset'].map((name) => given.get(name))
    const place = placeOf({ topic, partition: Number(partition), offset })
    const desk = await context.review.desk()
    const found = await desk.look(place)
    if (isRefused(found)) throw refusalOf(found)
    sendJson(response, await reviewContext(context, desk, role, found))
  },
  'POST /api/review/next': async (context, request, response) => {
    await act(context, request, response, async ({ desk, user, body }) => {
      const skip = body.skip == null ? null : placeOf(body.skip)
      return await desk.next(user, orderOf(body.order), skip)
    })
  },
  'POST /api/review/take': async (context, request, response) => {
    await act(context, request, response, ({ desk, user, body }) => desk.take(user, placeOf(body.place)))
  },
  'POST /api/review/release': async (context, request, response) => {
    await act(context, request, response, ({ desk, user }) => desk.release(user))
  },
  'POST /api/review/decide': async (context, request, response) => {
    await act(context, request, response, async ({ desk, user, role, body }) => {
      const given = {
        verdict: verdictOf(body.verdict),
        reason: textOf(body, 'reason', reasonLengthMax),
        note: textOf(body, 'note', noteLengthMax),
      }
      const decided = await desk.decide(user, placeOf(body.place), given)
      context.review.changed()
      if (isRefused(decided)) return decided
      const next = body.next == null ? null : await desk.next(user, orderOf(body.next))
      // Whoever gets none now may ask again: the verdict stands.
      const isCase = next !== null && !isRefused(next)
      return { ...decided, next: isCase ? reviewCase(context, role, next) : null }
    })
  },
  'POST /api/review/undo': async (context, request, response) => {
    await act(context, request, response, async ({ desk, user, role, body }) => {
      const sequence = body.sequence == null ? null : numberOf(body.sequence)
      const undone = await desk.undo(user, sequence, mayDo(role, 'approver'))
      context.review.changed()
      return undone
    })
  },
} satisfies Readonly<Record<string, DashboardRoute>>

type Acting = DashboardSession & { readonly desk: ReviewDesk; readonly body: Body }

async function act(
  context: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
  work: (acting: Acting) => Promise<unknown>,
): Promise<void> {
  const session = await context.access.allowed(request, 'analyst')
  const body = await bodyOf(request)
  const answer = await work({ ...session, desk: await context.review.desk(), body })
  if (isRefused(answer)) throw refusalOf(answer)
  const isCase = typeof answer === 'object' && answer !== null && 'cells' in answer
  const told = isCase ? reviewCase(context, session.role, answer as OpenCase) : answer // As just seen.
  sendJson(response, { answer: told })
}

function reviewCase({ config, mask }: RouteContext, role: UserRole, one: OpenCase): ReviewCase {
  const { cells, ...more } = one
  const row = feedRow(config.lakehouse, cells)
  return { ...more, ...(seesIds(role) ? row : maskedFeedRow(config.lakehouse, mask, row)) }
}

function refusalOf(refusal: ReviewRefusal): Refusal {
  const code = `REVIEW_${refusal.why.toUpperCase().replaceAll(' ', '_')}`
  return new Refusal(409, code, refusalText(refusal))
}

function orderOf(given: unknown): QueueOrder {
  return typeof given === 'string' && isQueueOrder(given) ? given : 'score'
}

function placeOf(given: unknown): CasePlace {
  const { topic, partition, offset } = Object(given) as Partial<Record<keyof CasePlace, unknown>>
  const isPlace =
    typeof topic === 'string' &&
    Number.isInteger(partition) &&
    typeof offset === 'string' &&
    /^\d{1,18}$/.test(offset)
  if (isPlace) return { topic, partition: Number(partition), offset }
  throw new Refusal(400, 'PLACE_INVALID', 'a case is named by topic, partition and offset')
}

function verdictOf(given: unknown): VerdictName {
  const found = verdictNames.find((name) => name === given)
  if (found !== undefined) return found
  throw new Refusal(400, 'VERDICT_INVALID', `a verdict is ${verdictNames.join(', ')}`)
}

function numberOf(given: unknown): bigint {
  if (typeof given === 'string' && /^\d{1,18}$/.test(given)) return BigInt(given)
  throw new Refusal(400, 'FIELD_MISSING', 'sequence has to be a number in digits')
}

/** What is empty is null. */
function textOf(body: Body, name: string, lengthMax: number): string | null {
  const value = body[name] ?? ''
  if (typeof value !== 'string') throw new Refusal(400, 'FIELD_MISSING', `${name} has to be a text`)
  const text = value.toWellFormed().trim()
  if (text.length > lengthMax)
    throw new Refusal(400, 'TEXT_TOO_LONG', `${name} has at most ${lengthMax} characters`)
  return text === '' ? null : text
}
