// Requests for decisions while clients are slow and broken, the broker goes away and the process is killed:
// what was accepted is in bronze once, and what was not says why.
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import { Random } from '../../../src/produce/random.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { turnSeed as seed } from '../../turns.ts'
import { type Broker, startBroker } from '../broker.ts'
import { freePorts } from '../free-ports.ts'
import { javaAvailable } from '../tools.ts'
import { type Assay, runAssay, type Settings, startAssay, temporaryDirectory } from './assay.ts'
import { settingsFor } from './lakehouse.ts'

let broker: Broker

describe.skipIf(javaAvailable !== null)(`requests in trouble (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    broker = await startBroker()
  })
  afterAll(async () => {
    await broker?.stop()
  })

  test('each accepted transaction is in bronze once, each refused one says why', async () => {
    await broker.createTopic('troubled', 3)
    const [port] = await freePorts(1)
    const base = await temporaryDirectory()
    const settings = settingsFor(broker.bootstrapServers, 'troubled', base, {
      ...{ DECISIONS_TOPIC: 'troubled-decisions', DECISIONS_PORT: String(port), LOG_FORMAT: 'json' },
    })
    const url = `http://localhost:${port}/v1/decisions`
    const asked: Asked[] = []
    const done = new AbortController()
    let assay = await started(settings)
    const clients = [
      ...Array.from({ length: 6 }, (_, index) =>
        keyedClient(url, new Random(seed, `client ${index}`), asked, done.signal),
      ),
      ...Array.from({ length: 3 }, () => plainClient(url, asked, done.signal)),
      ...[
        wrongClient(url, asked, done.signal),
        brokenClient(port!, done.signal),
        slowClient(port!, done.signal),
      ],
    ]
    const acceptedBeyond = async (count: number): Promise<void> => {
      const before = acceptedOf(asked).length
      const enough = (): boolean => acceptedOf(asked).length >= before + count
      await expect.poll(enough, { timeout: 120_000, interval: 50 }).toBe(true)
    }
    await acceptedBeyond(200)
    await broker.kill()
    const isRefused = (): boolean => asked.some(({ answer }) => answer !== null && answer.status >= 500)
    await expect.poll(isRefused, { timeout: 60_000 }).toBe(true)
    await broker.restart()
    await acceptedBeyond(200)
    await assay.end('SIGKILL')
    assay = await started(settings)
    await acceptedBeyond(200)
    done.abort()
    await Promise.all(clients)
    expect((await assay.end('SIGTERM')).code).toBe(0)

    await runAssay(['run', '--once'], settings)
    const { 'bronze/transactions': bronze } = await readTables(base)
    const times = new Map<string, number>()
    for (const { value } of bronze) {
      const { transaction_id: id } = JSON.parse(Buffer.from(String(value), 'base64').toString()) as {
        readonly transaction_id: string
      }
      times.set(id, (times.get(id) ?? 0) + 1)
    }
    const accepted = new Set(acceptedOf(asked))
    expect([...accepted].filter((id) => times.get(id) !== 1)).toEqual([])
    expect([...times].filter(([, count]) => count !== 1)).toEqual([])
    for (const { answer, id } of asked) {
      if (answer === null || answer.status === 200) continue
      expect(answer.body).toMatchObject({ error: { code: expect.any(String), message: expect.any(String) } })
      // A body that is wrong is nobody's transaction.
      if (answer.status < 500) expect(times.has(id)).toBe(false)
    }
    const statuses = new Set(asked.map(({ answer }) => answer?.status ?? null))
    expect([...statuses].filter((status) => ![null, 200, 400, 413, 503, 504].includes(status))).toEqual([])
    // All of these were met.
    expect(statuses).toEqual(new Set([...statuses, null, 200, 400, 413]))
  })
})

/** A transaction that was asked about; null where the connection broke before an answer. */
type Asked = {
  readonly id: string
  readonly answer: { readonly status: number; readonly body: unknown } | null
}

function acceptedOf(asked: readonly Asked[]): string[] {
  return asked.filter(({ answer }) => answer?.status === 200).map(({ id }) => id)
}

let lastId = 0

function transaction(): { readonly id: string; readonly body: string } {
  lastId++
  const id = `t-${lastId}`
  const timestamp = new Date().toISOString()
  const body = { transaction_id: id, user_id: lastId % 50, amount: 12.5, timestamp, payment_method: 'crypto' }
  return { id, body: JSON.stringify(body) }
}

async function ask(url: string, body: string, key?: string): Promise<Asked['answer']> {
  try {
    const answer = await fetch(url, {
      ...{ method: 'POST', body, signal: AbortSignal.timeout(30_000) },
      headers: {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
    })
    return { status: answer.status, body: await answer.json() }
  } catch {
    return null
  }
}

/** Repeats a request under its key until it is answered, and now and then afterwards, too. */
async function keyedClient(url: string, random: Random, asked: Asked[], done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    const { id, body } = transaction()
    let first: Decision | null = null
    while (first === null) {
      const answer = await ask(url, body, `key-${id}`)
      asked.push({ id, answer })
      if (answer?.status === 200) first = answer.body as Decision
      else await sleep(50)
    }
    if (random.float() > 0.2) continue
    const again = await ask(url, body, `key-${id}`)
    if (again?.status === 200) expect(again.body).toEqual(first)
  }
}

/** Asks once. */
async function plainClient(url: string, asked: Asked[], done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    const { id, body } = transaction()
    const answer = await ask(url, body)
    asked.push({ id, answer })
    if (answer?.status !== 200) await sleep(50)
  }
}

/** Sends bodies that are no transactions, or too large. */
async function wrongClient(url: string, asked: Asked[], done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    const { id, body } = transaction()
    const wrong = [
      body.slice(0, -1),
      `[${body}`,
      '[]',
      '7',
      `{"transaction_id":"${id}","x":"${'y'.repeat(2_000_000)}"}`,
    ]
    for (const one of wrong) asked.push({ id, answer: await ask(url, one) })
    await sleep(20)
  }
}

/** Goes away in the middle of a request. */
async function brokenClient(port: number, done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    const { body } = transaction()
    await written(port, (socket) => socket.write(`${head(body.length)}${body.slice(0, 20)}`))
    await sleep(20)
  }
}

/** Sends a byte now and then, and holds its connections. */
async function slowClient(port: number, done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    await written(port, async (socket) => {
      const text = head(1_000)
      for (let index = 0; index < 20 && !done.aborted && socket.writable; index++) {
        socket.write(text.slice(index, index + 1))
        await sleep(20)
      }
    })
  }
}

function head(length: number): string {
  return `POST /v1/decisions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
}

async function written(port: number, write: (socket: Socket) => unknown): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  const closed = new Promise<false>((resolve) => socket.once('close', () => resolve(false)))
  const opened = new Promise<true>((resolve) => socket.once('connect', () => resolve(true)))
  if (await Promise.race([opened, closed])) await write(socket)
  socket.destroy()
  await closed
}

async function started(settings: Settings): Promise<Assay> {
  const assay = startAssay(['run', 'decisions'], settings)
  onTestFinished(async () => void (await assay.end('SIGKILL')))
  const decides = (): boolean => {
    if (assay.hasEnded()) throw new Error(`it ended:\n${assay.log()}`)
    return assay.log().includes('decides: ')
  }
  await expect.poll(decides, { timeout: 60_000, interval: 50 }).toBe(true)
  return assay
}
