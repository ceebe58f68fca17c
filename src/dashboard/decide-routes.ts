// What if: a transaction that an analyst makes up is decided without a trace, by the process that decides.
import type { Config } from '../config/config.ts'
import type { Decision } from '../decisions/decision-answer.ts'
import { exampleTransaction } from '../decisions/open-api.ts'
import { addressUrl } from '../metrics/listening.ts'
import { tokenOf } from '../metrics/token.ts'
import type { WhatIfAnswer, WhatIfStart } from './api.ts'
import { bodyOf, Refusal, sendJson, textOfBody } from './http.ts'
import type { DashboardRoute } from './route-context.ts'

const textMaxBytes = 2 ** 20
const answerMaxMs = 10_000

export const decideRoutes = {
  'GET /api/decide': async ({ access, config }, request, response) => {
    await access.allowed(request, 'viewer')
    const example = exampleTransaction(config.lakehouse, new Date().toISOString())
    const start: WhatIfStart = { example: example === null ? '{}' : JSON.stringify(example, null, 2) }
    sendJson(response, start)
  },
  'POST /api/decide': async ({ access, config, decidesAt }, request, response) => {
    await access.allowed(request, 'analyst')
    const text = textOfBody(await bodyOf(request, textMaxBytes), 'text')
    const startedMs = performance.now()
    const decisions = await dryRun(decidesAt() ?? addressOf(config), config, text)
    const answer: WhatIfAnswer = { decisions, ms: Math.round(performance.now() - startedMs) }
    sendJson(response, answer)
  },
} satisfies Readonly<Record<string, DashboardRoute>>

/** Of a process of its own on this machine, by the same settings. */
function addressOf({ decisions }: Config): string {
  const { host, port } = decisions.http
  if (port === 0) throw new Refusal(503, 'NO_DECISIONS', `DECISIONS_PORT is 0: ${howToDecide}`)
  return addressUrl(host, port)
}

const howToDecide = 'set DECISIONS_IN_RUN=on, or start "assay run decisions" on this machine'

async function dryRun(url: string, { decisions }: Config, text: string): Promise<readonly Decision[]> {
  const token = await tokenOf(decisions.http.token)
  const answer = await fetch(`${url}/v1/decisions?dry_run=true`, {
    ...{ method: 'POST', body: text, redirect: 'error', signal: AbortSignal.timeout(answerMaxMs) },
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
  }).catch(() => {
    throw new Refusal(503, 'NO_DECISIONS', `nobody decides at ${url}: ${howToDecide}`)
  })
  const body = (await answer.json().catch(() => null)) as Answered | null
  if (answer.ok && body !== null) return 'decisions' in body ? body.decisions : [body as Decision]
  const message = body !== null && 'error' in body ? body.error.message : `${url} answered ${answer.status}`
  throw new Refusal(answer.status === 400 ? 400 : 503, 'NOT_DECIDED', message)
}

/** As the requests for decisions are answered. */
type Answered =
  | Decision
  | { readonly decisions: readonly Decision[] }
  | { readonly error: { readonly message: string } }
