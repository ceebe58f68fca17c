// A Spark Connect server of one's own: started as a child with the master that is asked for, on a free port
// and with a token of its own, and never left behind.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LakehouseError } from '../../errors/errors.ts'
import { parseSparkAddress, type SparkAddress } from './connect/address.ts'
import { SparkSession } from './connect/session.ts'
import type { SparkInstallation } from './install.ts'

export type SparkServerOptions = {
  readonly installation: SparkInstallation
  /** `local[*]`, `local[N]`, `spark://..`, `yarn`, `k8s://..`. */
  readonly master: string
  /** Settings of Spark (`spark.driver.memory`, ..). They win over the standard ones. */
  readonly settings: Readonly<Record<string, string>>
  /** Where Kafka's Java client may ask for tokens. */
  readonly tokenUrl?: string | null
  readonly signal: AbortSignal
}

/** A cluster has to bring up containers for the driver's first executors; a local one is ready in seconds. */
const START_MS_MAX = 5 * 60_000
const pollMs = 250
const probeMsMax = 5_000
/** Between asking the server to stop and ending it. */
const STOP_SECONDS_MAX = 20
const logReadMax = 64 * 1024
const logShownMax = 1_500
const javaVersionMin = 17

/**
 * The server runs for as long as the standard input of this shell is open. The kernel closes it when Assay
 * ends, however it ends, so not even a SIGKILL leaves a server behind. A process group of its own keeps the
 * terminal's Ctrl-C from the server, which is still needed to finish the batch.
 */
const keeper = `
scratch=$1; shift
exec 3<&0 </dev/null
"$@" & server=$!
(
  cat <&3 >/dev/null
  kill -TERM $server 2>/dev/null
  left=${STOP_SECONDS_MAX}
  while kill -0 $server 2>/dev/null && [ $left -gt 0 ]; do sleep 1; left=$((left - 1)); done
  kill -KILL $server 2>/dev/null
) & exec 3<&-
wait $server; code=$?
rm -rf "$scratch"
exit $code
`

export class SparkServer {
  readonly address: SparkAddress
  /** Resolves when the server has ended, for whatever reason. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #directory: string

  private constructor(child: ChildProcess, ended: Promise<void>, address: SparkAddress, directory: string) {
    this.#child = child
    this.ended = ended
    this.address = address
    this.#directory = directory
  }

  /** Starts a server and waits until it answers. */
  static async start(options: SparkServerOptions): Promise<SparkServer> {
    options.signal.throwIfAborted()
    demandJava()
    const directory = await mkdtemp(join(tmpdir(), 'assay-spark-'))
    const token = randomBytes(24).toString('base64url')
    const port = await freePort()
    const child = await spawnServer(options, directory, token, port)
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
    const address = parseSparkAddress(`sc://127.0.0.1:${port}/;token=${token}`)
    const server = new SparkServer(child, ended, address, directory)
    try {
      await server.#waitUntilReady(options)
      return server
    } catch (error) {
      await server.#end()
      // The log stays for whoever wants to know more than the end of it.
      if (options.signal.aborted) await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  get logFile(): string {
    return join(this.#directory, 'server.log')
  }

  /** The process that keeps the server; ending it ends the server. */
  get pid(): number {
    return this.#child.pid!
  }

  /** Stops the server and removes what it left on the disk. */
  async stop(): Promise<void> {
    await this.#end()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #end(): Promise<void> {
    this.#child.stdin?.destroy()
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.ended
  }

  async #waitUntilReady({ signal, master }: SparkServerOptions): Promise<void> {
    const session = new SparkSession(this.address)
    const deadline = performance.now() + START_MS_MAX
    const hasEnded = this.ended.then(() => true)
    const what = 'The Spark server was asked for its version'
    try {
      for (;;) {
        signal.throwIfAborted()
        const answer = session
          .version({ signal, what, timeoutMs: probeMsMax })
          .catch((error: unknown) => error)
        const outcome = await Promise.race([answer, hasEnded])
        signal.throwIfAborted()
        if (outcome === true) throw await this.#notStarted(master, 'it ended')
        if (typeof outcome === 'string') return
        if (!mayComeUp(outcome)) throw outcome
        if (performance.now() > deadline) throw await this.#notStarted(master, 'it does not answer')
        await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    } finally {
      session.close()
    }
  }

  async #notStarted(master: string, how: string): Promise<LakehouseError> {
    const handle = await open(this.logFile)
    const { size } = await handle.stat()
    const start = Math.max(0, size - logReadMax)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(logReadMax), 0, logReadMax, start)
    await handle.close()
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n')
    // The reason stands above its stack frames, of which there may be hundreds.
    const told = lines.filter((line) => !/^\s+(at |\.\.\. )/.test(line)).join('\n')
    const tail = told.slice(-logShownMax).trim()
    return new LakehouseError(
      'SPARK_NOT_STARTED',
      `The Spark Connect server for the master ${master} did not start: ${how}. Its log (${this.logFile}) ends:\n${tail}`,
    )
  }
}

function mayComeUp(failure: unknown): boolean {
  return failure instanceof LakehouseError && ['SPARK_UNREACHABLE', 'SPARK_TIMEOUT'].includes(failure.code)
}

async function spawnServer(
  { installation, master, settings, tokenUrl = null }: SparkServerOptions,
  directory: string,
  token: string,
  port: number,
): Promise<ChildProcess> {
  const { sparkHome, jars } = installation
  const scratch = join(directory, 'scratch')
  const isLocal = master.startsWith('local')
  const all = {
    ...standardSettings,
    ...(tokenUrl !== null && javaOptions(`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${tokenUrl}`)),
    ...(isLocal && { 'spark.driver.host': '127.0.0.1' }),
    'spark.sql.warehouse.dir': join(scratch, 'warehouse'),
    ...(isLocal && { 'spark.local.dir': scratch }),
    ...settings,
    'spark.connect.grpc.binding.address': '127.0.0.1',
    'spark.connect.grpc.binding.port': String(port),
  }
  const conf = Object.entries(all).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
  const submit = [join(sparkHome, 'bin', 'spark-submit'), '--master', master, '--name', 'assay']
  const main = ['--class', 'org.apache.spark.sql.connect.service.SparkConnectServer', 'spark-internal']
  const command = [...submit, '--jars', jars.join(','), ...conf, ...main]
  const log = await open(join(directory, 'server.log'), 'a')
  try {
    return spawn('/bin/sh', ['-c', keeper, 'assay-spark', scratch, ...command], {
      cwd: directory,
      detached: true,
      stdio: ['pipe', log.fd, log.fd],
      env: {
        ...process.env,
        SPARK_HOME: sparkHome,
        TZ: 'UTC',
        // Other users of the machine see the arguments of a process, not its environment.
        SPARK_CONNECT_AUTHENTICATE_TOKEN: token,
        ...(isLocal && { SPARK_LOCAL_IP: '127.0.0.1' }),
      },
    })
  } finally {
    await log.close()
  }
}

/** Spark reads the texts of a variant in the encoding that the JVM takes from the locale. */
function javaOptions(...further: readonly string[]): Readonly<Record<string, string>> {
  const options = ['-Duser.timezone=UTC', '-Dfile.encoding=UTF-8', ...further].join(' ')
  return { 'spark.driver.defaultJavaOptions': options, 'spark.executor.defaultJavaOptions': options }
}

const standardSettings: Readonly<Record<string, string>> = {
  'spark.sql.extensions': 'io.delta.sql.DeltaSparkSessionExtension',
  'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.delta.catalog.DeltaCatalog',
  'spark.sql.session.timeZone': 'UTC',
  ...javaOptions(),
  // Batches wait for throughput, nobody for a pause: the parallel collector takes less of the processors.
  'spark.driver.extraJavaOptions': '-XX:+UseParallelGC',
  // At INFO every call and every plan is a line: gigabytes in a day.
  'spark.log.level': 'WARN',
  // A batch needs more classes than the 100 that are kept; what is compiled anew starts interpreted.
  'spark.sql.codegen.cache.maxEntries': '2000',
  'spark.ui.enabled': 'false',
  'spark.ui.showConsoleProgress': 'false',
}

function demandJava(): void {
  const java = process.env.JAVA_HOME === undefined ? 'java' : join(process.env.JAVA_HOME, 'bin', 'java')
  const { status, stderr } = spawnSync(java, ['-XshowSettings:properties', '-version'], { encoding: 'utf8' })
  const version = /java\.specification\.version = (\d+)/.exec(stderr ?? '')?.[1]
  if (status === 0 && Number(version) >= javaVersionMin) return
  const found = version === undefined ? `${java} does not run` : `${java} is Java ${version}`
  throw new LakehouseError(
    'TOOL_MISSING',
    `Spark needs Java 17 or 21, but ${found}. Install one, or point JAVA_HOME at it.`,
  )
}

/**
 * A port that nobody listens on now. Should another process take it before Spark does, the start fails and
 * says so.
 */
async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
  })
  return await promise
}
