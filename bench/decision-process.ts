// What the benchmarks of decisions share: a broker of their own, `run decisions` beside it, and what is told of
// times.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Broker, startBroker } from '../test/services/broker.ts'
import { freePorts } from '../test/services/free-ports.ts'

export const topic = 'bench.transactions'
export const decisionsTopic = 'bench.decisions'

/** A process is slower until its code is compiled. */
export const earlyMs = 5_000

export type DecisionBench = {
  readonly bootstrapServers: readonly string[]
  /** Resolves with the address of requests when the process decides. */
  startDecisions(): Promise<string>
  /** A run that writes the tables on the same machine. */
  startTables(): void
  stop(): Promise<void>
}

export async function startDecisionBench(): Promise<DecisionBench> {
  const directory = await mkdtemp(join(tmpdir(), 'assay-decisions-'))
  const broker: Broker = await startBroker()
  const children: ChildProcess[] = []
  const { bootstrapServers } = broker
  const [port] = await freePorts(1)
  await broker.createTopic(topic, 4)
  const start = (args: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../bin/assay.js'), ...args], {
      env: {
        ...process.env,
        ...{ KAFKA_BOOTSTRAP_SERVERS: bootstrapServers.join(','), KAFKA_TOPIC: topic },
        ...{
          DECISIONS_TOPIC: decisionsTopic,
          DECISIONS_PORT: String(port),
          DELTA_BASE_PATH: join(directory, 'tables'),
        },
        ...{ METRICS_PORT: '0', DASHBOARD_PORT: '0', LOG_FORMAT: 'json' },
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    children.push(child)
    return child
  }
  return {
    bootstrapServers,
    startDecisions: () => urlOf(start(['run', 'decisions'])),
    startTables: () => void start(['run']),
    stop: async () => {
      for (const child of children) child.kill('SIGTERM')
      await broker.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Resolves when it has said that it decides. */
function urlOf(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let told = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    if (told.length < 100_000) told += text
    const line = told.split('\n').find((one) => one.includes('decides: ') && one.endsWith('}'))
    if (line !== undefined) resolve((JSON.parse(line) as { readonly url: string }).url)
  })
  child.once('exit', (code) => reject(new Error(`it ended with ${code}:\n${told}`)))
  promise.catch(() => undefined) // A later end is nobody's failure.
  return promise
}

const shares = [0.5, 0.9, 0.99, 0.999, 1]

/** Percentiles of waits, in milliseconds. */
export function percentilesOf(waitsMs: readonly number[]): string {
  const sorted = [...waitsMs].sort((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(1)
  return shares
    .map((share) => `${share === 1 ? 'most' : `p${share * 100}`} ${at(share)}`)
    .join(', ')
    .concat(' ms')
}

const edgesMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]

/** How many waited how long, a line of a Markdown table for each range that has any. */
export function histogramOf(waitsMs: readonly number[]): string {
  const counts = new Array<number>(edgesMs.length + 1).fill(0)
  for (const wait of waitsMs) {
    const index = edgesMs.findIndex((edge) => wait <= edge)
    counts[index < 0 ? edgesMs.length : index]!++
  }
  return counts
    .map((count, index) => ({
      count,
      name: edgesMs[index] === undefined ? 'longer' : `to ${edgesMs[index]} ms`,
    }))
    .filter(({ count }) => count > 0)
    .map(({ count, name }) => `    | ${name} | ${count} | ${((100 * count) / waitsMs.length).toFixed(3)} % |`)
    .join('\n')
}
