// A real Kafka broker (KRaft, one node) for tests and benchmarks: started from its jars, in a directory of
// its own. From the shell: `npx node test/services/broker.ts --port 9092 [--topic name:partitions]`, until
// Ctrl-C.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { Admin } from '@platformatic/kafka'
import { freePorts } from './free-ports.ts'
import { mavenJars } from './tools.ts'

const run = promisify(execFile)

export const KAFKA_COORDINATES = ['org.apache.kafka:kafka_2.13:4.4.0', 'org.slf4j:slf4j-simple:1.7.36']
/** The only user of the listener with passwords. */
export const SASL_USER = { username: 'assay', password: 'assay-secret' }

const START_MAX_MS = 300_000
const STOP_MAX_MS = 30_000
const POLL_MS = 50
const LOG_TOLD_CHARACTERS = 4_000
// Short-lived and small: a quick start matters more here than the last percent of the optimising compiler.
const JVM_OPTIONS = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']

export type BrokerTopics = {
  createTopic(name: string, partitions: number, configs?: Record<string, string>): Promise<void>
  addPartitions(topic: string, total: number): Promise<void>
  deleteTopic(name: string): Promise<void>
  /** Deletes the records before `offset`, as retention would. */
  deleteRecordsBefore(topic: string, partition: number, offset: bigint): Promise<void>
  /** All but Kafka's own. */
  deleteAllTopics(): Promise<void>
}

export type Broker = BrokerTopics & {
  readonly bootstrapServers: string[]
  /** The same broker behind SASL/PLAIN without TLS. */
  readonly saslBootstrapServers: string[]
  /** The ports of the listeners that were asked for, by their names. */
  readonly ports: Readonly<Record<string, number>>
  readonly directory: string
  readonly pid: number
  isRunning(): boolean
  /** Ends the process without warning; its data stay. */
  kill(): Promise<void>
  /** Starts it again on the same ports with the same data. */
  restart(): Promise<void>
  /** Stops it and deletes its data. */
  stop(): Promise<void>
}

export type BrokerOptions = {
  readonly port?: number
  /** The address that the listener with passwords gives for itself. */
  readonly saslAdvertised?: string
  /** Further listeners by their names, each with its protocol. */
  readonly listeners?: Readonly<Record<string, 'SSL' | 'SASL_SSL' | 'SASL_PLAINTEXT'>>
  /** Further lines of server.properties. */
  readonly properties?: string
  readonly formatArguments?: readonly string[]
  readonly jvmOptions?: readonly string[]
}

/** Starts a broker on free ports (or on `port`) and waits until it answers. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const jars = await mavenJars('kafka', KAFKA_COORDINATES)
  const directory = await mkdtemp(join(tmpdir(), 'assay-kafka-'))
  const names = Object.keys(options.listeners ?? {})
  const [port, saslPort, controllerPort, ...others] = await freePorts(3 + names.length, options.port)
  const ports = Object.fromEntries(names.map((name, index) => [name, others[index]!]))
  const classPath = jars.join(':')
  const config = join(directory, 'server.properties')
  const properties = serverProperties(directory, [port!, saslPort!, controllerPort!], ports, options)
  await writeFile(config, properties)
  const format = [
    'kafka.tools.StorageTool',
    'format',
    '-t',
    'YXNzYXktdGVzdC1jbHVzdA',
    '-c',
    config,
    '--standalone',
    ...(options.formatArguments ?? []),
  ]
  await run('java', [...JVM_OPTIONS, '-cp', classPath, ...format])
  const bootstrapServers = [`127.0.0.1:${port}`]
  let isEnding = false
  const start = async (): Promise<ChildProcess> => {
    const started = await launch([...(options.jvmOptions ?? []), '-cp', classPath], config, directory, port!)
    isEnding = false
    started.once('exit', (code, signal) => {
      if (!isEnding) tellUnexpectedEnd(signal ?? code, directory)
    })
    return started
  }
  let child = await start()

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    isEnding = true
    const exited = once(child, 'exit')
    child.kill(signal)
    const forced = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS)
    await exited
    clearTimeout(forced)
  }
  return {
    bootstrapServers,
    saslBootstrapServers: [`127.0.0.1:${saslPort}`],
    ports,
    directory,
    get pid() {
      return child.pid!
    },
    ...topicsAt(bootstrapServers),
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async kill() {
      await end('SIGKILL')
    },
    async restart() {
      await end('SIGKILL')
      child = await start()
    },
    async stop() {
      await end('SIGTERM')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** What can be done to the topics of a broker that runs there. */
export function topicsAt(bootstrapServers: string[]): BrokerTopics {
  const withAdmin = async <Result>(use: (admin: Admin) => Promise<Result>): Promise<Result> => {
    const admin = new Admin({ clientId: 'assay-test', bootstrapBrokers: bootstrapServers })
    try {
      return await use(admin)
    } finally {
      await admin.close()
    }
  }
  return {
    async createTopic(name, partitions, configs = {}) {
      const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
      await withAdmin(async (admin) => {
        await admin.createTopics({ topics: [name], partitions, replicas: 1, configs: entries })
        await waitForLeaders(admin, name, partitions)
      })
    },
    async addPartitions(topic, total) {
      await withAdmin((admin) =>
        admin.createPartitions({ topics: [{ name: topic, count: total, assignments: null }] }),
      )
    },
    async deleteTopic(name) {
      await withAdmin((admin) => admin.deleteTopics({ topics: [name] }))
    },
    async deleteRecordsBefore(topic, partition, offset) {
      const topics = [{ name: topic, partitions: [{ partition, offset }] }]
      await withAdmin((admin) => admin.deleteRecords({ topics }))
    },
    async deleteAllTopics() {
      await withAdmin(async (admin) => {
        const topics = await admin.listTopics()
        if (topics.length === 0) return
        await admin.deleteTopics({ topics })
        while ((await admin.listTopics()).length > 0) await sleep(POLL_MS)
      })
    },
  }
}

const logOf = (directory: string): string => join(directory, 'broker.log')

async function launch(
  javaArguments: readonly string[],
  config: string,
  directory: string,
  port: number,
): Promise<ChildProcess> {
  const logPath = logOf(directory)
  const log = openSync(logPath, 'a')
  const logLevel = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'
  const child = spawn('java', [...JVM_OPTIONS, logLevel, ...javaArguments, 'kafka.Kafka', config], {
    stdio: ['ignore', log, log],
  })
  // The broker must not outlive a test process that ends without calling stop().
  const endWithParent = () => child.kill('SIGKILL')
  process.once('exit', endWithParent)
  child.once('exit', () => process.removeListener('exit', endWithParent))
  const deadline = Date.now() + START_MAX_MS
  while (!(await answers(port))) {
    const ended = child.exitCode !== null || child.signalCode !== null
    if (ended || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(
        `Kafka did not start:\n${(await readFile(logPath, 'utf8')).slice(-LOG_TOLD_CHARACTERS)}`,
      )
    }
    await sleep(POLL_MS)
  }
  return child
}

/** What a test that waits for the broker in vain would not tell. */
function tellUnexpectedEnd(cause: string | number | null, directory: string): void {
  const log = readFileSync(logOf(directory), 'utf8').slice(-LOG_TOLD_CHARACTERS)
  console.error(`the broker ended by itself (${cause}):\n${log}`)
}

/**
 * A topic is created by the controller; the broker's own metadata follow a moment later, and only then is it
 * the leader of the partitions. A producer that comes in between, with several requests under way, is stuck:
 * the first is refused, the second written, and the first is then out of order for ever.
 */
async function waitForLeaders(admin: Admin, topic: string, partitions: number): Promise<void> {
  const deadline = Date.now() + START_MAX_MS
  const asked = Array.from({ length: partitions }, (_, partitionIndex) => ({
    partitionIndex,
    timestamp: -1n,
  }))
  while (Date.now() < deadline) {
    try {
      const metadata = await admin.metadata({ topics: [topic], forceUpdate: true })
      const leaders = metadata.topics.get(topic)?.partitions.filter(({ leader }) => leader >= 0) ?? []
      if (leaders.length >= partitions) {
        // Leaders alone answer it.
        await admin.listOffsets({ topics: [{ name: topic, partitions: asked }] })
        return
      }
    } catch {
      // Not known yet: asked again until the deadline.
    }
    await sleep(POLL_MS)
  }
  throw new Error(`the topic ${topic} got no leaders`)
}

async function answers(port: number): Promise<boolean> {
  if (!(await listens(port))) return false
  const admin = new Admin({ clientId: 'assay-test', bootstrapBrokers: [`127.0.0.1:${port}`], retries: 0 })
  try {
    const metadata = await admin.metadata({ topics: [] })
    return metadata.brokers.size > 0
  } catch {
    return false // Not ready yet: the caller asks again until its deadline.
  } finally {
    await admin.close()
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  })
  socket.destroy()
  return connected
}

/** Records of tests are often years old: retention by time would delete them in the middle of a test. */
function serverProperties(
  directory: string,
  [port, saslPort, controllerPort]: readonly [number, number, number],
  ports: Readonly<Record<string, number>>,
  { saslAdvertised = `127.0.0.1:${saslPort}`, listeners = {}, properties = '' }: BrokerOptions,
): string {
  const { username, password } = SASL_USER
  const further = Object.entries(ports)
    .map(([name, at]) => `,${name}://127.0.0.1:${at}`)
    .join('')
  const protocols = Object.entries(listeners)
    .map(([name, protocol]) => `,${name}:${protocol}`)
    .join('')
  const controller = `CONTROLLER://127.0.0.1:${controllerPort}`
  return `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},SASL://127.0.0.1:${saslPort},${controller}${further}
advertised.listeners=PLAINTEXT://127.0.0.1:${port},SASL://${saslAdvertised}${further}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT${protocols}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  user_${username}="${password}";
log.dirs=${join(directory, 'data')}
auto.create.topics.enable=false
log.retention.ms=-1
message.max.bytes=33554432
replica.fetch.max.bytes=33554432
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
log.cleaner.backoff.ms=100
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.threads=1
num.network.threads=2
num.io.threads=4
${properties}`
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { port: { type: 'string' }, topic: { type: 'string', multiple: true } },
  })
  const broker = await startBroker({ port: Number(values.port ?? 9092) })
  for (const topic of values.topic ?? []) {
    const [name, partitions] = topic.split(':')
    await broker.createTopic(name!, Number(partitions ?? 1))
  }
  console.log(`Kafka is ready at ${broker.bootstrapServers[0]} (pid ${broker.pid}, ${broker.directory}).`)
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort())
  // The timer keeps the process alive; a signal ends the wait.
  await sleep(2 ** 31 - 1, undefined, { signal: ended.signal }).catch(() => {})
  await broker.stop()
}

if (import.meta.main) await main()
