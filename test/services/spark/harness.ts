// Sessions, with the settings of the engine, on the Spark Connect server that all test files share, and
// servers of a test's own.

import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import {
  InterruptRequest_InterruptType,
  SparkConnectService,
} from '../../../src/engines/spark/connect/gen/spark/connect/spark_connect_pb.ts'
import { type CallOptions, SparkSession } from '../../../src/engines/spark/connect/session.ts'
import { installSpark } from '../../../src/engines/spark/install.ts'
import { SparkServer } from '../../../src/engines/spark/server.ts'
import { sessionSettings } from '../../../src/engines/spark/settings.ts'
import { sharedSpark } from '../shared.ts'
import { cacheDirectory, javaAvailable, pythonAvailable } from '../tools.ts'

/** null where Spark can run; otherwise why the tests that need it are skipped. */
export const sparkAbsent: string | null = javaAvailable ?? pythonAvailable

export const call: CallOptions = { signal: new AbortController().signal, what: 'The test' }

export type TestSpark = {
  /** As SPARK_MASTER names it. */
  readonly address: string
  readonly session: SparkSession
  readonly close: () => Promise<void>
}

/**
 * Little code is compiled, and that quickly: for many small plans. Java gives the one compiler 48 MB for its
 * code, which some minutes of plans fill; then it compiles nothing more, or ends.
 */
export const smallServer = {
  'spark.driver.extraJavaOptions': '-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC',
  'spark.sql.codegen.wholeStage': 'false',
}

/**
 * A session on the server that all files share (outside of vitest: on one of its own). `compilesStages` is what
 * a server does unless it is told otherwise; where plans are many and small it costs more than all else.
 * ASSAY_TEST_SPARK=sc://.. is a server that runs already: for who runs one test again and again.
 */
export async function startTestSpark({ compilesStages = false } = {}): Promise<TestSpark> {
  const running = process.env.ASSAY_TEST_SPARK ?? (await sharedSpark())
  const server = running === null ? await startTestServer() : null
  const address = running ?? addressText(server!)
  const session = new SparkSession(address)
  const compiled = { 'spark.sql.codegen.wholeStage': String(compilesStages) }
  await session.setConfig({ ...sessionSettings({ shufflePartitions: 2 }), ...compiled }, call)
  return {
    address,
    session,
    close: async () => {
      await session.release(call)
      await server?.stop()
    },
  }
}

export async function startTestServer(settings: Readonly<Record<string, string>> = {}): Promise<SparkServer> {
  const { signal } = call
  const installation = await installSpark({ directory: cacheDirectory, sparkHome: null, signal })
  const all = { 'spark.driver.memory': '1g', ...smallServer, ...settings }
  return await SparkServer.start({ installation, master: 'local[2]', settings: all, signal })
}

export function addressText({ address }: SparkServer): string {
  return `sc://${address.host}:${address.port}/;token=${address.token}`
}

/** Stops all that runs in the session, and tells the ids of the executions that did. */
export async function interruptAll({ channel }: SparkSession): Promise<readonly string[]> {
  const { address, sessionId } = channel
  const baseUrl = `${address.tls ? 'https' : 'http'}://${address.host}:${address.port}`
  const client = createClient(SparkConnectService, createGrpcTransport({ baseUrl }))
  const headers: Record<string, string> = { ...address.headers, 'user-agent': address.userAgent }
  if (address.token !== null) headers.authorization = `Bearer ${address.token}`
  const userContext = { userId: address.userId, userName: address.userId }
  const interruptType = InterruptRequest_InterruptType.ALL
  const { interruptedIds } = await client.interrupt({ sessionId, userContext, interruptType }, { headers })
  return interruptedIds
}
