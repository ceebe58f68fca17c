import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { ReviewAnswer, ReviewCase, ReviewContextAnswer } from '../../../src/dashboard/api.ts'
import type { Dashboard } from '../../../src/dashboard/server.ts'
import { hashPassword, writeUsers } from '../../../src/dashboard/users.ts'
import type { EngineEvent } from '../../../src/engines/events.ts'
import { RunMetrics } from '../../../src/engines/run-metrics.ts'
import { RunWatch } from '../../../src/engines/run-watch.ts'
import { testOptions } from '../engine/pipeline.ts'
import { openByHand, type Reviewed, reviewedLakehouse, verdictRows } from '../review/reviewed.ts'
import { type Asked, Client, observedTest, serve } from './served.ts'

const password = 'correct horse battery'
const users = [
  { name: 'vic', role: 'viewer' },
  { name: 'ann', role: 'analyst' },
  { name: 'bob', role: 'analyst' },
  { name: 'app', role: 'approver' },
] as const

let hash: string
let reviewed: Reviewed
let dashboard: Dashboard
const told: EngineEvent[] = []
beforeAll(async () => {
  hash = await hashPassword(password)
})
beforeEach(async () => {
  reviewed = await reviewedLakehouse()
  await reviewed.add(0, 30)
  const usersFile = join(reviewed.directory, 'users.json')
  await writeUsers(
    usersFile,
    users.map((user) => ({ ...user, hash })),
  )
  const observed = {
    ...observedTest(reviewed.config),
    onEvent: (event: EngineEvent) => void told.push(event),
  }
  dashboard = await serve(reviewed.config, { usersFile, observed })
})
afterEach(async () => {
  await dashboard.close()
  await reviewed.remove()
})
afterAll(() => void told.splice(0))

async function clientOf(name: string): Promise<Client> {
  const client = new Client(dashboard.url)
  await client.post('/api/login', { name, password })
  await client.session()
  return client
}

const answerOf = <T>(asked: Asked): T => (JSON.parse(asked.body) as { readonly answer: T }).answer
const codeOf = ({ status, body }: Asked): string => `${status} ${JSON.parse(body).error?.code}`
const viewOf = async (client: Client): Promise<ReviewAnswer> =>
  JSON.parse((await client.get('/api/review?order=score')).body)
const next = async (client: Client): Promise<ReviewCase> =>
  answerOf(await client.post('/api/review/next', { order: 'score', skip: null }))
const decide = (client: Client, { place }: ReviewCase, more = {}): Promise<Asked> =>
  client.post('/api/review/decide', { place, verdict: 'fraud', reason: '', note: '', ...more })

test('an analyst decides and takes back what is his own; an approver what others said', async () => {
  const [ann, bob, app] = await Promise.all(['ann', 'bob', 'app'].map(clientOf))
  const one = await next(ann!)
  expect(one.heldBy).toBe('ann')
  expect(codeOf(await bob!.post('/api/review/take', { place: one.place }))).toBe('409 REVIEW_HELD')
  expect((await decide(ann!, one, { note: 'seen before' })).status).toBe(200)
  expect(codeOf(await decide(bob!, one))).toBe('409 REVIEW_DECIDED')
  expect(codeOf(await bob!.post('/api/review/undo', { sequence: '1' }))).toBe('409 REVIEW_NOT_YOURS')
  expect(codeOf(await bob!.post('/api/review/undo', {}))).toBe('409 REVIEW_NOTHING_TO_UNDO')
  expect(answerOf(await app!.post('/api/review/undo', { sequence: '1' }))).toMatchObject({ kind: 'undone' })
  expect((await verdictRows(reviewed)).map(({ reviewer }) => reviewer)).toEqual(['ann', 'app'])
  const { own, mayDecide, cases } = await viewOf(ann!)
  expect([own, mayDecide]).toEqual([[], true])
  expect(cases.map(({ cells }) => String(cells.transaction_id)).sort()).toEqual(await openByHand(reviewed))
})

test('a viewer sees the queue without ids and without what was written, and decides nothing', async () => {
  const [ann, vic] = await Promise.all(['ann', 'vic'].map(clientOf))
  const one = await next(ann!)
  await decide(ann!, one, { reason: 'user 103 called', note: 'ask user 103' })
  const { cases, mayDecide } = await viewOf(vic!)
  expect(mayDecide).toBe(false)
  const masked = cases[0]!
  expect(masked.cells.user_id).toMatch(/^id-[0-9a-f]{10}$/)
  expect(masked.cells.device_id).toMatch(/^id-[0-9a-f]{10}$/)
  for (const what of ['next', 'take', 'release', 'decide', 'undo']) {
    expect(codeOf(await vic!.post(`/api/review/${what}`, {}))).toBe('403 ROLE_NEEDED')
  }
  const { topic, partition, offset } = masked.place
  const place = new URLSearchParams({ topic, partition: String(partition), offset })
  const context: ReviewContextAnswer = JSON.parse((await vic!.get(`/api/review/context?${place}`)).body)
  const seen: ReviewContextAnswer = JSON.parse((await ann!.get(`/api/review/context?${place}`)).body)
  expect(context.before).toEqual(seen.before)
  expect(context.facts.map(({ count }) => count)).toEqual(seen.facts.map(({ count }) => count))
  expect(context.history.map(({ cells }) => cells.user_id)).toEqual(
    context.history.map(() => masked.cells.user_id),
  )
  const sql = 'select reviewer, reason, note, money is null from review.verdicts'
  const rows = async (client: Client) => JSON.parse((await client.post('/api/sql', { sql })).body).rows
  expect(await rows(vic!)).toEqual([['ann', null, null, 'false']])
  expect(await rows(ann!)).toEqual([['ann', 'user 103 called', 'ask user 103', 'false']])
})

test('what came before a case is told as the tables have it', async () => {
  const ann = await clientOf('ann')
  const late = (await viewOf(ann)).cases.find(({ cells }) => cells.transaction_id === 't-27')!
  const { topic, partition, offset } = late.place
  const place = new URLSearchParams({ topic, partition: String(partition), offset })
  const { before, facts, history }: ReviewContextAnswer = JSON.parse(
    (await ann.get(`/api/review/context?${place}`)).body,
  )
  const earlier = `silver.transactions where user_id = 107 and event_time < '${late.cells.event_time}'`
  const [[count, usual, most]] = (await reviewed.rows(
    `select count(*), median(amount)::double, max(amount) from ${earlier}`,
  )) as [readonly string[]]
  expect([String(before!.count), String(before!.usual), before!.most]).toEqual([count, usual, most])
  expect(facts.map(({ column }) => column)).toEqual([
    ...['merchant', 'payment_method', 'location', 'country', 'device_id'],
  ])
  for (const { column, value, count: same } of facts) {
    const [[found]] = (await reviewed.rows(`select count(*) from ${earlier} and ${column} = '${value}'`)) as [
      readonly string[],
    ]
    expect([column, String(same)]).toEqual([column, found])
  }
  expect(history.map(({ cells }) => cells.transaction_id)).toEqual(['t-27', 't-7'])
})

test('what is no case, no verdict or too long is refused with its reason', async () => {
  const ann = await clientOf('ann')
  const one = await next(ann)
  const place = { topic: 'nothing', partition: 0, offset: '1' }
  expect(codeOf(await decide(ann, { ...one, place }))).toBe('409 REVIEW_GONE')
  expect(codeOf(await decide(ann, one, { verdict: 'maybe' }))).toBe('400 VERDICT_INVALID')
  expect(codeOf(await decide(ann, one, { note: 'x'.repeat(2_001) }))).toBe('400 TEXT_TOO_LONG')
  expect(codeOf(await decide(ann, one, { note: 7 }))).toBe('400 FIELD_MISSING')
  for (const wrong of [{}, { ...place, offset: '1; drop' }, { ...place, partition: 0.5 }, null]) {
    expect(codeOf(await ann.post('/api/review/take', { place: wrong }))).toBe('400 PLACE_INVALID')
  }
  expect(codeOf(await ann.post('/api/review/undo', { sequence: "1' or" }))).toBe('400 FIELD_MISSING')
  expect(await verdictRows(reviewed)).toEqual([])
})

test('its figures are metrics', async () => {
  told.splice(0)
  const ann = await clientOf('ann')
  for (const verdict of ['fraud', 'legitimate', 'fraud', 'unsure']) {
    await decide(ann, await next(ann), { verdict })
  }
  const counts = { fraud: 2, legitimate: 1, unsure: 1 }
  const isTold = (event: EngineEvent): boolean => event.kind === 'reviewed' && event.open === 7
  await expect
    .poll(() => told.findLast(isTold), { timeout: 40_000 })
    .toEqual({
      ...{ kind: 'reviewed', open: 7, unsure: 1, verdicts: counts },
    })
  const run = { ...testOptions, deltaBasePath: reviewed.base, engine: 'embedded', version: 'test' }
  const metrics = new RunMetrics(run, new RunWatch())
  metrics.onEvent(told.findLast(isTold)!)
  const families = await metrics.collect()
  const samples = (name: string) =>
    Object.fromEntries(
      families
        .find((family) => family.name === name)!
        .samples.map(({ labels, value }) => [Object.values(labels)[0], value]),
    )
  expect(samples('assay_review_cases')).toEqual({ new: 6, unsure: 1 })
  expect(samples('assay_review_verdicts')).toEqual(counts)
}, 60_000)
