// A lakehouse with risky transactions, what is told of them, and a clock that goes on when everybody waits.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AlertTeller, type AlertTellerOptions } from '../../../src/alerts/alert-teller.ts'
import { validAlerts } from '../../../src/alerts/read-alerts.ts'
import { SinkSecrets } from '../../../src/alerts/sink-secrets.ts'
import { openSinks } from '../../../src/alerts/sinks.ts'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import type { AlertEvent, EngineEvent } from '../../../src/engines/events.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { progressOf, tableDirectory } from '../../../src/ops/tables.ts'
import { type Lakehouse, runOnce, writeInput } from '../engine/pipeline.ts'

export const hostileMerchant = '<!channel> *Shop* & \u202egnp.exe\u2066 \u001b[2J `x`\nline'

/** Every third one is risky (HIGH, 50): more than 5000, paid with crypto, by day, on a Thursday. */
export function transactions(count: number, isRisky = (index: number) => index % 3 === 0): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const timestamp = new Date(Date.UTC(2026, 9, 1, 10) + index * 1_000).toISOString()
    const risk = isRisky(index) ? { amount: 6_000 + index, payment_method: 'crypto' } : { amount: 12 }
    const who = { transaction_id: `t${index}`, user_id: 100 + index, device_id: `device-${index}` }
    const merchant = index === 0 ? hostileMerchant : `m${index % 2}`
    return Buffer.from(JSON.stringify({ ...who, merchant, location: 'Oslo, Norway', timestamp, ...risk }))
  })
}

/** The input has these transactions from now on, and the run ends when the tables have them. */
export async function carry(lakehouse: Lakehouse, values: readonly Buffer[], more = {}): Promise<void> {
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax: 100_000, ...more })
}

/** What a webhook and a topic are told, as far as tests look at it. */
export type ToldBody = {
  readonly id: string
  readonly kind: string
  readonly count: number
  readonly title: string
  readonly levels: Readonly<Record<string, number>>
  readonly transactions: readonly { readonly transaction_id: string; readonly user_id: string | number }[]
}

export type Received = {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A server that answers as it is told, with 202 when it is told nothing. */
export class Receiver {
  readonly received: Received[] = []
  readonly #server: Server
  answer: (received: Received, response: ServerResponse) => void = (_, response) => {
    response.writeHead(202).end('ok')
  }

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(): Promise<Receiver> {
    const server = createServer()
    const receiver = new Receiver(server)
    server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      const body = Buffer.concat(chunks).toString('utf8')
      const one = { path: request.url ?? '', headers: request.headers, body }
      receiver.received.push(one)
      receiver.answer(one, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The bodies of what came to a path. */
  bodies(path: string): ToldBody[] {
    return this.received.filter((one) => one.path === path).map(({ body }) => JSON.parse(body))
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }
}

/** Time goes on to the end of the next wait, after a moment in which what can be done is done. */
export class WaitedClock {
  nowMs = Date.UTC(2026, 10, 3)
  readonly #waits = new Set<{ readonly atMs: number; readonly done: () => void }>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#goOn(), 2)
  }

  readonly wait = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const wait = { atMs: this.nowMs + ms, done: resolve }
      const onAbort = (): void => {
        this.#waits.delete(wait)
        reject(signal.reason)
      }
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waits.add(wait)
    })

  #goOn(): void {
    const [next] = [...this.#waits].sort((a, b) => a.atMs - b.atMs)
    if (next === undefined) return
    this.#waits.delete(next)
    this.nowMs = Math.max(this.nowMs, next.atMs)
    next.done()
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

export type Told = {
  readonly teller: AlertTeller
  readonly clock: WaitedClock
  readonly notices: SourceNotice[]
  readonly events: AlertEvent[]
  /** Until it is true. */
  until(isTrue: () => boolean | Promise<boolean>): Promise<void>
  close(waitMaxMs?: number): Promise<void>
}

export const environment = {
  HOOK_SECRET: 'hook-secret-4711',
  SLACK_URL: '',
  PAGER_KEY: 'pager-key-0123456789',
}

/** `yaml` may name the receiver as RECEIVER. */
export async function tellOf(
  lakehouse: Lakehouse,
  receiver: Receiver,
  yaml: string,
  more: Partial<AlertTellerOptions> = {},
): Promise<Told> {
  const clock = new WaitedClock()
  const notices: SourceNotice[] = []
  const events: AlertEvent[] = []
  const config = validAlerts(yaml.replaceAll('RECEIVER', receiver.url), 'alerts.yaml', standardLakehouse)
  const secrets = new SinkSecrets({
    ...environment,
    SLACK_URL: `${receiver.url}/services/T0/B0/slack-secret`,
  })
  const kafka = () => ({ bootstrapServers: [] })
  const sinks = await openSinks(config, { secrets, kafka, nowMs: () => clock.nowMs })
  const teller = await AlertTeller.open({
    ...{ lakehouse: standardLakehouse, deltaBasePath: lakehouse.base, config, sinks },
    openedMicros: await headMicros(lakehouse),
    health: async () => [],
    tell: (event: EngineEvent) => event.kind === 'alert' && events.push(event),
    onNotice: (notice) => notices.push(notice),
    ...{ nowMs: () => clock.nowMs, random: () => 0.5, wait: clock.wait },
    ...more,
  })
  teller.start()
  return {
    ...{ teller, clock, notices, events },
    async until(isTrue) {
      while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    async close(waitMaxMs = 0) {
      await teller.close(waitMaxMs)
      clock.close()
    },
  }
}

async function headMicros(lakehouse: Lakehouse): Promise<bigint> {
  const directory = tableDirectory(lakehouse.base, standardLakehouse.scored!)
  if (!(await DeltaTable.exists(directory))) return 0n
  const table = await DeltaTable.open(directory)
  return (await progressOf(table, await table.snapshot()))?.timeMicros ?? 0n
}
