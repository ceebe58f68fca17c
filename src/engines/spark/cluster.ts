// The session in which a lakehouse is carried: on a server that runs, or on one that is started for it.
import { createHash, randomUUID } from 'node:crypto'
import { LakehouseError } from '../../errors/errors.ts'
import type { SparkAddress } from './connect/address.ts'
import { SparkSession } from './connect/session.ts'
import { findSpark } from './install.ts'
import type { ClusterSettings, StartableServer } from './options.ts'
import { SparkServer } from './server.ts'
import { sessionSettings } from './settings.ts'

/**
 * Sessions that ended are never opened again under their id. So many ids are tried, then a new one is taken
 * that no later process will find.
 */
const knownIdsMax = 8
/** Well within the time after which a server ends a session that nobody calls. */
const leaseMs = 60_000

export type Cluster = {
  readonly session: SparkSession
  /** Lets go of the session: what it still runs goes on until the server's time-out. */
  close(): Promise<void>
}

/**
 * `owner` names what the session is for (a lakehouse and its streams): the next process of the same owner
 * finds the same session, and in it the bronze query that a vanished one left.
 */
export async function openCluster(
  settings: ClusterSettings,
  owner: string,
  signal: AbortSignal,
): Promise<Cluster> {
  const { server } = settings
  const started = 'master' in server ? await start(server, signal) : null
  try {
    const address = started?.address ?? (server as SparkAddress) // Not started: it is an address.
    const gone = new AbortController()
    void started?.ended.then(() => gone.abort())
    const session = await openSession(address, owner, settings, { signal, gone: gone.signal })
    const lease = setInterval(() => void keepAlive(session), leaseMs).unref()
    return {
      session,
      close: async () => {
        clearInterval(lease)
        session.close()
        await started?.stop()
      },
    }
  } catch (error) {
    await started?.stop()
    throw error
  }
}

/** Where it fails, the next call that matters says why. */
async function keepAlive(session: SparkSession): Promise<void> {
  const call = { signal: AbortSignal.timeout(leaseMs), what: 'The Spark session could not be kept' }
  await session.version(call).catch(() => undefined)
}

async function start(server: StartableServer, signal: AbortSignal): Promise<SparkServer> {
  const { master, packagesDirectory: directory, sparkHome, settings, tokenUrl } = server
  const installation = await findSpark({ directory, sparkHome, signal })
  return SparkServer.start({ installation, master, settings, tokenUrl, signal })
}

async function openSession(
  address: SparkAddress,
  owner: string,
  settings: ClusterSettings,
  { signal, gone }: { readonly signal: AbortSignal; readonly gone: AbortSignal },
): Promise<SparkSession> {
  for (let epoch = 0; ; epoch++) {
    const ownId = epoch < knownIdsMax ? sessionIdOf(owner, epoch) : randomUUID()
    const sessionId = address.sessionId ?? ownId
    const session = new SparkSession({ ...address, sessionId }, { gone })
    try {
      const all = { ...sessionSettings(settings), ...fileSettings }
      await session.setConfig(all, { signal, what: 'The Spark session could not be opened' })
      await demandUtf8(session, signal)
      return session
    } catch (error) {
      session.close()
      const isOver = error instanceof LakehouseError && error.code === 'SPARK_SESSION_LOST'
      if (!isOver || address.sessionId !== null || epoch >= knownIdsMax) throw error
    }
  }
}

/**
 * Spark reads the texts of a variant in the encoding of the JVM. In another than UTF-8 every letter beyond
 * ASCII would be lost without a word, so it is tried on the executors.
 */
async function demandUtf8(session: SparkSession, signal: AbortSignal): Promise<void> {
  const text = `concat('\u00e9', id)`
  const read = `variant_get(parse_json(concat('"', ${text}, '"')), '$', 'string')`
  const [row] = await session.rows(`SELECT count_if(${read} <> ${text}) AS wrong FROM range(8)`, {
    signal,
    what: 'The encoding of Spark could not be tried',
  })
  if (row?.wrong === 0n) return
  throw new LakehouseError(
    'SPARK_NOT_UTF8',
    "the Spark server's JVM does not read texts as UTF-8, so names with other letters than ASCII would be damaged. " +
      'Start driver and executors with -Dfile.encoding=UTF-8 (spark.driver.defaultJavaOptions, ' +
      'spark.executor.defaultJavaOptions) or in a UTF-8 locale.',
  )
}

/** The id of the session that an owner opens after so many have ended. */
export function sessionIdOf(owner: string, epoch: number): string {
  return uuidOf(`${owner}\n${epoch}`)
}

/** Files as the embedded engine writes them: INT96, Spark's default for instants, has no statistics. */
const fileSettings: Readonly<Record<string, string>> = {
  'spark.sql.parquet.outputTimestampType': 'TIMESTAMP_MICROS',
  'spark.sql.parquet.compression.codec': 'zstd',
}

/** True where only another session, perhaps on another server, helps. */
export function isSessionGone(error: LakehouseError): boolean {
  return error.code === 'SPARK_SESSION_LOST' || error.code === 'SPARK_UNREACHABLE'
}

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}
