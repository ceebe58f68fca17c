// Real servers that take, refuse, put off, fail, hang and close; and what is told of that holds no secret.
import type { ServerResponse } from 'node:http'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { emailSink } from '../../../src/alerts/email.ts'
import { postJson, retryAfterMs } from '../../../src/alerts/http-post.ts'
import type { AlertNotification } from '../../../src/alerts/notification.ts'
import type { Delivery } from '../../../src/alerts/plan-notifications.ts'
import { validAlerts } from '../../../src/alerts/read-alerts.ts'
import type { SendOutcome, Sink } from '../../../src/alerts/sink.ts'
import { backOffMs, SinkQueue, type SinkQueueContext } from '../../../src/alerts/sink-queue.ts'
import { SinkSecrets } from '../../../src/alerts/sink-secrets.ts'
import { openSinks } from '../../../src/alerts/sinks.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { hostileMerchant, Receiver, WaitedClock } from './alerted-lakehouse.ts'

let receiver: Receiver
beforeAll(async () => {
  receiver = await Receiver.open()
})
afterAll(() => receiver.close())
beforeEach(() => {
  receiver.received.length = 0
})

const notification: AlertNotification = {
  ...{ id: 'a1', kind: 'transactions', route: 'high', severity: 'error', raisedMs: 0, count: 1 },
  transactions: [
    { cells: { merchant: hostileMerchant }, score: 80, level: 'CRITICAL', sentences: ['so it is'] },
  ],
  ...{ levels: [], rules: [], eventTimes: null, health: null },
}
const signal = new AbortController().signal
const nowMs = () => Date.UTC(2026, 0, 1)
const post = (answer: (response: ServerResponse) => void, more = {}): Promise<SendOutcome> => {
  receiver.answer = (_, response) => answer(response)
  return postJson(`${receiver.url}/post`, { body: '{}', signal, nowMs, ...more })
}

const breakOff = (response: ServerResponse, status: number) => {
  response.writeHead(status).write('o', () => response.destroy())
}

test.each<[string, (response: ServerResponse) => void, Partial<SendOutcome>]>([
  ['200', (response) => response.writeHead(200).end('ok'), { kind: 'sent' }],
  ['202', (response) => response.writeHead(202).end('{"status":"success"}'), { kind: 'sent' }],
  [
    '400',
    (response) => response.writeHead(400).end('invalid_blocks'),
    { kind: 'refused', reason: 'it answered 400', said: 'invalid_blocks' },
  ],
  ['404', (response) => response.writeHead(404).end('no_service'), { kind: 'refused' }],
  ['a redirect', (response) => response.writeHead(302, { location: '/other' }).end(), { kind: 'refused' }],
  [
    '429',
    (response) => response.writeHead(429, { 'retry-after': '30' }).end(),
    { kind: 'later', waitMs: 30_000 },
  ],
  [
    '500',
    (response) => response.writeHead(500).end('\u001b[2J'),
    { kind: 'later', waitMs: null, reason: 'it answered 500', said: '\ufffd[2J' },
  ],
  [
    '503',
    (response) => response.writeHead(503, { 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' }).end(),
    { kind: 'later', waitMs: 60_000 },
  ],
  ['200 that is never whole', (response) => response.writeHead(200).write('o'), { kind: 'sent' }],
  ['400 that breaks', (response) => breakOff(response, 400), { kind: 'refused', reason: 'it answered 400' }],
  ['a close', (response) => response.destroy(), { kind: 'later', waitMs: null }],
])('an answer of %s', async (_, answer, outcome) => {
  expect(await post(answer)).toMatchObject(outcome)
  expect(receiver.received).toHaveLength(1)
})

test('a service that hangs is waited for up to a limit, and not at all once the run ends', async () => {
  const late = await post(() => undefined, { answerMaxMs: 100 })
  expect(late).toEqual({ kind: 'later', reason: 'it did not answer in time', waitMs: null })
  const stop = new AbortController()
  const waiting = post(() => stop.abort(new Error('the run ends')), { signal: stop.signal })
  await expect(waiting).rejects.toThrow('the run ends')
})

test('nobody listens', async () => {
  const gone = await Receiver.open()
  const { url } = gone
  await gone.close()
  const outcome = await postJson(`${url}/secret-path`, { body: '{}', signal, nowMs })
  expect(outcome).toEqual({ kind: 'later', reason: 'it could not be reached: ECONNREFUSED', waitMs: null })
})

test('a wait is seconds or a date, and nothing else', () => {
  const waits = ['7', 'soon', '-1', '', 'Wed, 31 Dec 2025 00:00:00 GMT'].map((text) =>
    retryAfterMs(text, nowMs()),
  )
  expect(waits).toEqual([7_000, null, null, null, 0])
})

const sinkOf = async (yaml: string, secrets = {}): Promise<Sink> => {
  const text = `sinks:\n  s: ${yaml}\nroutes: [{ name: r, level: HIGH, to: s }]\n`
  const config = validAlerts(text, 'alerts.yaml', standardLakehouse)
  const context = { secrets: new SinkSecrets(secrets), nowMs, kafka: () => ({ bootstrapServers: [] }) }
  return (await openSinks(config, context))[0]!
}

test.each([
  ['{ slack: { url: { env: U } } }', { U: 'hooks.slack.com/very-secret' }],
  ['{ slack: { url: { env: U } } }', { U: 'http://hooks.slack.com/very-secret' }],
  ['{ slack: { url: { env: U } } }', { U: 'https://very-secret:x@hooks.slack.com/' }],
  ['{ webhook: { url: https://host, secret: { env: U } } }', { U: 'whsec_' }],
  ['{ webhook: { url: https://host, secret: { env: U } } }', { U: 'whsec_very-secret' }],
])('a secret that is none ends the start, and is not repeated: %s %j', async (yaml, secrets) => {
  const failure = await sinkOf(yaml, secrets).catch((error: Error) => error.message)
  expect(failure).toMatch(/^the sink s has its secret in the variable U, where .* is expected\.$/)
  expect(failure).not.toContain('very-secret')
})

test('what a service repeats of a secret is not told', async () => {
  const url = `${receiver.url}/services/T000/B000/very-secret`
  receiver.answer = ({ path }, response) => response.writeHead(400).end(`${path} ${receiver.url}${path}`)
  const slack = await sinkOf('{ slack: { url: { env: U } } }', { U: url })
  const refused = await slack.send(notification, signal)
  expect(refused).toMatchObject({ kind: 'refused' })
  expect(JSON.stringify(refused)).not.toContain('very-secret')
  receiver.answer = ({ body }, response) => response.writeHead(400).end(body)
  const pager = await sinkOf(`{ pagerduty: { routing_key: { env: K }, url: "${receiver.url}" } }`, {
    K: 'r0uting-key',
  })
  const said = JSON.stringify(await pager.send(notification, signal))
  expect(said).toContain('not shown')
  expect(said).not.toContain('r0uting-key')
})

test.each([
  ['{ slack: { url: { env: ABSENT } } }', 'the variable ABSENT, which is not set'],
  ['{ slack: { url: { file: /no/such/file } } }', 'the file /no/such/file, which cannot be read: ENOENT'],
])('a secret that is missing ends the start: %s', async (yaml, message) => {
  await expect(sinkOf(yaml)).rejects.toThrow(message)
})

class Mailbox {
  readonly mails: string[] = []
  readonly #server: SMTPServer

  constructor(options: Partial<SMTPServerOptions> = {}) {
    this.#server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      closeTimeout: 100,
      onData: (stream, _session, done) => {
        let mail = ''
        stream.on('data', (chunk: Buffer) => {
          mail += chunk.toString('utf8')
        })
        stream.on('end', () => {
          this.mails.push(mail)
          done()
        })
      },
      ...options,
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const address = this.#server.server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

const mailTo = async (mailbox: Mailbox, security = 'none', to = 'a@example.com', times = 1) => {
  const server = `127.0.0.1:${await mailbox.listen()}`
  const sink = await sinkOf(
    `{ email: { server: "${server}", security: ${security}, from: assay@example.com, to: [${to}] } }`,
  )
  try {
    for (let time = 1; time < times; time++) await sink.send(notification, signal)
    return await sink.send(notification, signal)
  } finally {
    await sink.close()
    await mailbox.close()
  }
}
const refusing = (responseCode: number) =>
  new Mailbox({
    onRcptTo: (_address, _session, done) => done(Object.assign(new Error('no'), { responseCode })),
  })

test('a mail has the same id each time, and text alone', async () => {
  const mailbox = new Mailbox()
  expect(await mailTo(mailbox)).toEqual({ kind: 'sent' })
  const [mail] = mailbox.mails
  expect(mail).toMatch(/^Message-ID: <a1@example\.com>\r$/m)
  expect(mail).toMatch(/^Subject: \[Assay error\] CRITICAL 80 \(high\)\r$/m)
  expect(mail).toMatch(/^Content-Type: text\/plain/m)
  expect(mail).not.toContain('\u202e')
})

test.each([
  [550, 'refused'],
  [450, 'later'],
])('a mail server that answers %i', async (code, kind) => {
  expect(await mailTo(refusing(code))).toMatchObject({ kind })
})

test('a mail goes again to those alone whom the server did not take', async () => {
  const asked: string[] = []
  const mailbox = new Mailbox({
    onRcptTo: ({ address }, _session, done) => {
      asked.push(address)
      const isBusy = address === 'b@example.com' && asked.length === 2
      done(isBusy ? Object.assign(new Error('busy'), { responseCode: 450 }) : null)
    },
  })
  expect(await mailTo(mailbox, 'none', 'a@example.com, b@example.com', 2)).toEqual({ kind: 'sent' })
  expect(asked).toEqual(['a@example.com', 'b@example.com', 'b@example.com'])
  const gone = Object.assign(new Error('gone'), { responseCode: 550 })
  const refused = new Mailbox({ onRcptTo: ({ address }, _, done) => done(address[0] === 'b' ? gone : null) })
  expect(await mailTo(refused, 'none', 'a@example.com, b@example.com')).toMatchObject({
    ...{ kind: 'refused', reason: 'it answered 550, to 1 of 2 recipients' },
  })
})

test('a mail server that only hangs is waited for up to a limit', async () => {
  const mailbox = new Mailbox({ onConnect: () => undefined })
  const config = { host: '127.0.0.1', port: await mailbox.listen(), security: 'none', login: null } as const
  const addresses = { from: 'assay@example.com', to: ['a@example.com'] }
  const sink = emailSink('s', { kind: 'email', ...config, ...addresses }, null, 50)
  const late = { kind: 'later', reason: 'it did not take the mail in time', waitMs: null }
  expect(await sink.send(notification, signal)).toEqual(late)
  await sink.close()
  await mailbox.close()
})

test('a mail does not go over a line without TLS where TLS is asked for', async () => {
  const mailbox = new Mailbox()
  expect(await mailTo(mailbox, 'starttls')).toMatchObject({ kind: 'refused' })
  expect(mailbox.mails).toEqual([])
})

const delivery = (name: string, trouble: string | null = null): Delivery => {
  return { notification: name, kind: 'alerts', route: 'r', sink: 's', first: 1, last: 1, trouble }
}

/** What became of each, and when, of a sink that answers so. */
async function queued(
  answers: (attempt: number) => SendOutcome | Promise<SendOutcome>,
  count: number,
  gapMs = 0,
): Promise<string[]> {
  const clock = new WaitedClock()
  const startMs = clock.nowMs
  const ends: string[] = []
  let attempt = 0
  const stop = new AbortController()
  const end = (what: string) => async (): Promise<void> => {
    ends.push(`${what} after ${Math.round((clock.nowMs - startMs) / 1000)} s`)
    if (ends.length === count) stop.abort()
  }
  const context: SinkQueueContext = {
    ...{ nowMs: () => clock.nowMs, wait: clock.wait, random: () => 1 },
    load: async () => notification,
    onTaken: end('sent'),
    onDead: (_delivery, attempts, reason) => end(`dead by ${attempts}: ${reason}`)(),
    onFailure: (error) => expect.unreachable(String(error)),
  }
  const send = async () => await answers(++attempt)
  const queue = new SinkQueue({ name: 's', gapMs, send, close: async () => undefined }, context)
  for (let index = 0; index < count; index++) queue.add(delivery(`n${index}`))
  await queue.run(stop.signal)
  clock.close()
  return ends
}
const later = (waitMs: number | null): SendOutcome => ({ kind: 'later', reason: 'busy', waitMs })

test('a service says how long to wait, for all that wait for it', async () => {
  const ends = await queued((attempt) => (attempt === 1 ? later(30_000) : { kind: 'sent' }), 2)
  expect(ends).toEqual(['sent after 30 s', 'sent after 30 s'])
})

test('what fails waits longer each time, and is a dead letter in the end; what comes behind it goes on', async () => {
  const ends = await queued((attempt) => (attempt === 2 ? { kind: 'sent' } : later(null)), 2)
  const seconds =
    Array.from({ length: 13 }, (_, at) => backOffMs(at + 1, 1)).reduce((sum, ms) => sum + ms, 0) / 1000
  expect(ends).toEqual(['sent after 0 s', `dead by 14: busy after ${seconds} s`])
  expect(seconds).toBeLessThan(3_600)
})

test('what is refused is a dead letter at once; a service gets no more than it takes', async () => {
  const ends = await queued(
    (attempt) => (attempt === 1 ? { kind: 'refused', reason: 'no' } : { kind: 'sent' }),
    3,
    1_000,
  )
  expect(ends).toEqual(['dead by 1: no after 0 s', 'sent after 1 s', 'sent after 2 s'])
})

/** In which order a sink takes what waits for it; what the log alone knows comes when there is room. */
async function takenOrder(
  deliveries: readonly Delivery[],
  answer: (id: string, attempt: number) => SendOutcome = () => ({ kind: 'sent' }),
): Promise<{ readonly taken: readonly string[]; readonly seconds: number }> {
  const clock = new WaitedClock()
  const startMs = clock.nowMs
  const taken: string[] = []
  let attempt = 0
  const stop = new AbortController()
  const context: SinkQueueContext = {
    ...{ nowMs: () => clock.nowMs, wait: clock.wait, random: () => 1 },
    load: async ({ notification: id }) => ({ ...notification, id }),
    onTaken: async ({ notification: id }) => {
      taken.push(id)
      if (taken.length === deliveries.length) stop.abort()
      if (queue.isDrained) queue.takeUp(deliveries.filter((one) => !taken.includes(one.notification)))
    },
    onDead: async (_delivery, _attempts, reason) => expect.unreachable(reason),
    onFailure: (error) => expect.unreachable(String(error)),
  }
  const send: Sink['send'] = async ({ id }) => answer(id, ++attempt)
  const queue = new SinkQueue({ name: 's', gapMs: 0, send, close: async () => undefined }, context)
  for (const one of deliveries) queue.add(one)
  await queue.run(stop.signal)
  clock.close()
  return { taken, seconds: (clock.nowMs - startMs) / 1000 }
}

test('that trouble is over does not overtake that it is there; a wait of nothing is no wait for the next attempt', async () => {
  const deliveries = [delivery('there', 'lag/a'), delivery('over', 'lag/a'), delivery('other', 'lag/b')]
  const { taken, seconds } = await takenOrder(deliveries, (_, attempt) => {
    return attempt === 1 ? later(0) : { kind: 'sent' }
  })
  expect(taken).toEqual(['other', 'there', 'over'])
  expect(seconds).toBe(1)
})

test('what there is no room for waits in the log, and comes in its order', async () => {
  const deliveries = Array.from({ length: 250 }, (_, index) => delivery(`n${index}`))
  const { taken } = await takenOrder(deliveries)
  expect(taken).toEqual(deliveries.map((one) => one.notification))
})

test('waits differ by chance, from half of the whole on', () => {
  expect([backOffMs(1, 0), backOffMs(1, 1), backOffMs(4, 0), backOffMs(50, 1)]).toEqual([
    500, 1_000, 4_000, 300_000,
  ])
})
