// The broker and the Spark server that the files of these tests share. vitest runs this beside them; the
// first file that asks starts a server, and both end with the run. A file that kills its server has its own.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SparkServer } from '../../src/engines/spark/server.ts'
import { type Broker, startBroker } from './broker.ts'
import { sharedServersVariable } from './shared.ts'
import { addressText, startTestServer } from './spark/harness.ts'

/** vitest calls it before the first test file, and what it returns after the last one. */
export default async function serveShared(): Promise<() => Promise<void>> {
  let broker: Promise<Broker> | null = null
  let spark: Promise<SparkServer> | null = null
  const find = async (path: string | undefined): Promise<unknown> => {
    if (path === '/broker') {
      // Nobody kills it: it may be long without a word where the machine is busy.
      broker ??= startBroker({ properties: 'broker.session.timeout.ms=60000' })
      const { bootstrapServers, saslBootstrapServers } = await broker
      return { bootstrapServers, saslBootstrapServers }
    }
    spark ??= startTestServer()
    return addressText(await spark)
  }
  const server = createServer((request, response) => {
    find(request.url).then(
      (found) => response.end(JSON.stringify(found)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.env[sharedServersVariable] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return async () => {
    server.close()
    server.closeAllConnections()
    const started = await Promise.allSettled([broker, spark])
    for (const one of started) if (one.status === 'fulfilled') await one.value?.stop()
  }
}
