// Requests for decisions: who is let in, what is refused and why, and that the bytes of a transaction stay.
import { request as httpRequest } from 'node:http'
import { afterEach, expect, test, vi } from 'vitest'
import { cutDecision } from '../../../src/decisions/decision.ts'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import type { PublishedDecision } from '../../../src/decisions/decision-follower.ts'
import { recordsOfBody } from '../../../src/decisions/decision-requests.ts'
import {
  type DecisionServer,
  type DecisionServerOptions,
  serveDecisions,
} from '../../../src/decisions/decision-server.ts'
import { RequestKeys } from '../../../src/decisions/request-keys.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'

let server: DecisionServer | null = null
afterEach(async () => {
  await server?.close()
  server = null
})

const decisionAt = (offset: number): Decision => ({
  ...{ topic: 't', partition: 0, offset: String(offset), decision: 'refused' },
  ...{ id: `t/0/${offset}`, reasons: [], version: 'v' },
})
/** Each server has one of its own: fetch keeps connections to those that are gone. */
let port = 20_000 + (process.pid % 20_000)

function publishedOf(decision: Decision, headers: PublishedDecision['headers'] = null): PublishedDecision {
  const { topic, partition, offset } = decision
  return { topic, partition, offset, headers, text: Buffer.from(JSON.stringify(decision)) }
}

type Produced = Parameters<DecisionServerOptions['produce']>[0]

/** What is produced is decided at once, in another order. */
async function serve(more: Partial<DecisionServerOptions> = {}) {
  const produced: string[] = []
  const keys = new RequestKeys()
  const produce = async (records: Produced): Promise<void> => {
    const decided = records.map(({ value, headers: texts }) => {
      const offset = produced.push(Buffer.from(value).toString()) - 1
      const headers = Object.entries(texts).map(([key, text]) => ({ key, value: Buffer.from(text) }))
      return { decision: decisionAt(offset), key: null, headers, timestampMs: null }
    })
    server!.onDecided(decided.toReversed())
    server!.onPublished(decided.map(({ decision, headers }) => publishedOf(decision, headers)))
  }
  server = await serveDecisions({
    address: { host: 'localhost', port: port++, token: { kind: 'none' } },
    ...{ lakehouse: standardLakehouse, version: '1.0.0' },
    tryOut: (records) => records.map((_, index) => decisionAt(index)),
    ...{ produce, keys, keysRead: Promise.resolve(), ...more },
  })
  const post = (body: string | Buffer, headers: Readonly<Record<string, string>> = {}, query = '') =>
    fetch(`${server!.url}/v1/decisions${query}`, {
      ...{ method: 'POST', body: new Uint8Array(Buffer.from(body)) },
      headers: { 'content-type': 'application/json', ...headers },
    })
  return { produced, post, url: server.url }
}

test('each transaction of a list gets its own decision, and its bytes are those of the request', async () => {
  const { produced, post } = await serve()
  const elements = [
    '{"a": "],[{\\""}',
    '{ "user_id" : 9007199254740993, "b":[1,{"c":[2]}] }',
    '{"d":"\u00e4,"}',
  ]
  const answer = await post(` [${elements[0]} ,\n ${elements[1]},${elements[2]}] `)
  expect(answer.status).toBe(200)
  const { decisions } = (await answer.json()) as { decisions: Decision[] }
  expect(decisions.map(({ offset }) => offset)).toEqual(['0', '1', '2'])
  expect(produced).toEqual(elements)
  expect(await (await post('{"x":1}')).json()).toMatchObject({ offset: '3' })
})

test('the key is what records are keyed by, as text', () => {
  const keys = (body: string) => {
    const read = recordsOfBody(Buffer.from(body), standardLakehouse)
    return read.kind === 'records' ? read.records.map(({ key }) => key && Buffer.from(key).toString()) : read
  }
  expect(
    keys(
      '[{"user_id":7},{"user_id":"a"},{"user_id":null},{"user_id":{}},{"__proto__":1},{"user_id":9007199254740993}]',
    ),
  ).toEqual([...['7', 'a', null, null, null, '9007199254740993']])
})

test.each([
  ['nothing', '', 'no JSON'],
  ['no JSON', '{"a":', 'no JSON'],
  ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'no JSON'],
  ['a number', '7', 'no object'],
  ['an empty list', '[]', 'no transaction'],
  ['a list of lists', '[{}, []]', 'element 1'],
  ['too many', `[${'{},'.repeat(1_000)}{}]`, 'at most 1000'],
])('%s is refused, and nothing is produced', async (_, body, told) => {
  const { produced, post } = await serve()
  const answer = await post(body)
  expect(answer.status).toBe(400)
  expect(await answer.text()).toContain(told)
  expect(produced).toEqual([])
})

test('other methods, paths, types and sizes are refused by their status', async () => {
  const { post, url } = await serve()
  expect((await fetch(`${url}/v1/decisions`)).status).toBe(405)
  expect((await fetch(`${url}/v2`, { method: 'POST' })).status).toBe(404)
  expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415)
  expect((await post(`{"a":"${'x'.repeat(1_048_576)}"}`)).status).toBe(413)
})

test('a page of another site cannot ask by a name of its own', async () => {
  const { url } = await serve()
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const headers = { host: 'evil.example', 'content-type': 'application/json' }
    const asked = httpRequest(`${url}/v1/decisions`, { method: 'POST', headers }, ({ statusCode }) =>
      resolve(statusCode),
    )
    asked.on('error', reject).end('{}')
  })
  expect(status).toBe(403)
})

test('where others can ask, the token is needed', async () => {
  const token = { kind: 'text', text: { reveal: () => 'a-token-of-some-length' } } as const
  const { post } = await serve({ address: { host: '0.0.0.0', port: port++, token } })
  expect((await post('{}')).status).toBe(401)
  expect((await post('{}', { authorization: 'Bearer another-token-of-it' })).status).toBe(401)
  expect((await post('{}', { authorization: 'Bearer a-token-of-some-length' })).status).toBe(200)
})

test('a dry run produces nothing', async () => {
  const { produced, post } = await serve()
  expect(await (await post('[{},{}]', {}, '?dry_run=true')).json()).toMatchObject({
    decisions: [{ offset: '0' }, { offset: '1' }],
  })
  expect(produced).toEqual([])
})

test.each(['?dry_run=1', '?dryrun=true', '?dry_run=true&dry_run=no'])(
  '%s is no dry run, and none else',
  async (query) => {
    const { produced, post } = await serve()
    expect((await post('{}', {}, query)).status).toBe(400)
    expect(produced).toEqual([])
    expect((await post('{}', {}, '?dry_run=false')).status).toBe(200)
  },
)

test('a request that is repeated under its key has the answer of the first, and is produced once', async () => {
  const { produced, post } = await serve()
  const under = (key: string) => ({ 'idempotency-key': key })
  const first = await (await post('[{"a":1},{"a":2}]', under('k-1'))).json()
  expect(await (await post('[{"a":1}, {"a":2}]', under('k-1'))).json()).toEqual(first)
  expect(produced).toEqual(['{"a":1}', '{"a":2}'])
  for (const other of ['[{"a":1},{"a":3}]', '[{"a":1}]', '{"a":1}']) {
    const answer = await post(other, under('k-1'))
    expect(answer.status).toBe(422)
    expect(await answer.text()).toContain('another body')
  }
  expect(produced).toHaveLength(2)
  expect(await (await post('[{"a":1},{"a":2}]', under('k-2'))).json()).not.toEqual(first)
  for (const bad of ['', 'a b', 'x'.repeat(256)]) expect((await post('{}', under(bad))).status).toBe(400)
})

test('a repeated request waits for the first, and takes its place where brokers did not take it', async () => {
  const sent = Promise.withResolvers<void>()
  const calls: Produced[] = []
  const keys = new RequestKeys()
  const produce = (records: Produced): Promise<void> => {
    calls.push(records)
    return calls.length === 1 ? sent.promise : Promise.resolve()
  }
  const { post } = await serve({ produce, keys })
  const ask = () => post('{"a":1}', { 'idempotency-key': 'k' })
  const begun = vi.spyOn(keys, 'begin')
  const both = [ask(), ask()]
  await expect.poll(() => begun.mock.calls.length).toBe(2)
  expect(calls).toHaveLength(1)
  sent.reject(new LakehouseError('KAFKA_UNREACHABLE', 'no broker answers'))
  expect((await Promise.all(both)).map(({ status }) => status)).toEqual([503, 503])
  const third = ask()
  await expect.poll(() => calls.length).toBe(2)
  const headers = Object.entries(calls[1]![0]!.headers)
  const asRead = headers.map(([key, text]) => ({ key, value: Buffer.from(text) }))
  keys.onPublished(asRead, () => decisionAt(3), Date.now())
  expect(await (await third).json()).toMatchObject({ offset: '3' })
})

test('who follows decisions is told of those that come, and of how many were missed', async () => {
  const { post, url } = await serve()
  const asked = await fetch(`${url}/v1/decisions/stream`)
  expect(asked.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const reader = asked.body!.pipeThrough(new TextDecoderStream()).getReader()
  let told = ''
  const until = async (text: string): Promise<void> => {
    while (!told.includes(text)) {
      const { value, done } = await reader.read()
      if (done) throw new Error(`it ended before ${text}`)
      told += value
    }
  }
  await until('from now on')
  await post('[{"a":1},{"a":2}]')
  await until('id: t/0/1\n')
  const events = [...told.matchAll(/^event: decision\nid: (.*)\ndata: (.*)$/gm)]
  expect(events.map(([, id]) => id)).toEqual(['t/0/0', 't/0/1'])
  expect(JSON.parse(events[0]![2]!)).toEqual(decisionAt(0))
  // More than sockets hold, while nobody reads.
  const large = publishedOf({ ...decisionAt(7), topic: 'x'.repeat(900_000) })
  for (let index = 0; index < 40; index++) server!.onPublished([large])
  await until('/0/7')
  await expect
    .poll(
      async () => {
        server!.onPublished([publishedOf(decisionAt(8))])
        await Promise.race([until('event: missed'), new Promise((resolve) => setTimeout(resolve, 20))])
        return told.includes('event: missed')
      },
      { timeout: 10_000 },
    )
    .toBe(true)
  expect(Number(/event: missed\ndata: \{"count":(\d+)\}/.exec(told)![1])).toBeGreaterThan(0)
  await reader.cancel()
})

test('keys that are still being read are waited for', async () => {
  const read = Promise.withResolvers<void>()
  const { produced, post } = await serve({ keysRead: read.promise })
  const asked = post('{"a":1}', { 'idempotency-key': 'k' })
  expect((await post('{"a":2}')).status).toBe(200)
  expect(produced).toEqual(['{"a":2}'])
  read.resolve()
  expect((await asked).status).toBe(200)
})

test('a request that is answered leaves nothing behind', async () => {
  const { post } = await serve()
  const heard = vi.spyOn(EventTarget.prototype, 'addEventListener')
  const gone = vi.spyOn(EventTarget.prototype, 'removeEventListener')
  try {
    await (await post('[{},{}]')).text()
    const closings = heard.mock.calls.filter(([, listener]) => String(listener).includes('over.resolve'))
    const listeners = gone.mock.calls.map(([, listener]) => listener)
    expect(closings).toHaveLength(1)
    expect(listeners).toContain(closings[0]![1])
  } finally {
    vi.restoreAllMocks()
  }
})

test('a broker that is away is told as that, with when to come again', async () => {
  const produce = () => Promise.reject(new LakehouseError('KAFKA_UNREACHABLE', 'no broker answers'))
  const { post } = await serve({ produce })
  const answer = await post('{}')
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await answer.json()).toEqual({ error: { code: 'KAFKA_UNREACHABLE', message: 'no broker answers' } })
})

test('what was not foreseen tells nothing of itself', async () => {
  const { post } = await serve({ produce: () => Promise.reject(new Error('secret of the house')) })
  const answer = await post('{}')
  expect(answer.status).toBe(500)
  expect(await answer.text()).not.toContain('secret')
})

test('a transaction that no broker takes is refused before it is sent, and brokers that do not answer hold up nobody', async () => {
  const { produced, post } = await serve()
  expect((await post(`{"a":"${'x'.repeat(950_000)}"}`)).status).toBe(413)
  expect(produced).toEqual([])
  await server!.close()
  const { post: waiting } = await serve({ produce: () => new Promise(() => undefined) })
  expect((await waiting('{}')).status).toBe(504)
})

test('what was given up and is still on its way to the topic counts among what may wait', async () => {
  const { post } = await serve({ produce: () => new Promise(() => undefined) })
  const large = `{"a":"${'x'.repeat(890_000)}"}`
  const statuses: number[] = []
  for (let round = 0; round < 3; round++) {
    const asked = await Promise.all(Array.from({ length: 30 }, () => post(large)))
    statuses.push(...asked.map(({ status }) => status))
  }
  // 64 MiB are some 75 of them.
  expect(statuses.filter((status) => status === 504).length).toBeLessThanOrEqual(75)
  expect(new Set(statuses)).toEqual(new Set([503, 504]))
}, 60_000)

test('dry runs wait for each other, and only so many', async () => {
  const { post } = await serve({
    tryOut: (records) => {
      const endMs = performance.now() + 5
      while (performance.now() < endMs);
      return records.map((_, index) => decisionAt(index))
    },
  })
  const asked = await Promise.all(Array.from({ length: 200 }, () => post('{}', {}, '?dry_run=true')))
  const statuses = asked.map(({ status }) => status)
  expect(new Set(statuses)).toEqual(new Set([200, 503]))
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(64)
  expect((await post('{}', {}, '?dry_run=true')).status).toBe(200)
})

test('a transaction that is nested too deeply is refused where its key is no whole number', async () => {
  const { post } = await serve()
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const answer = await post(`{"user_id":7.5,"deep":${deep}}`)
  expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: 'BODY_INVALID' } }])
})

test('a decision that is too large has its long texts cut', () => {
  const decision = { ...decisionAt(1), topic: 'x'.repeat(2_000) }
  expect(cutDecision(decision)).toEqual({ ...decision, topic: `${'x'.repeat(1_000)}…` })
})
