// The broker that the files of these tests share: vitest runs this beside them. The first file that asks
// starts it, and it ends with the run. A file that kills its broker has one of its own.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Broker, startBroker } from './broker.ts'
import { sharedServersVariable } from './shared.ts'

/** vitest calls it before the first test file, and what it returns after the last one. */
export default async function serveShared(): Promise<() => Promise<void>> {
  let broker: Promise<Broker> | null = null
  const find = async () => {
    broker ??= startBroker()
    const { bootstrapServers, saslBootstrapServers } = await broker
    return { bootstrapServers, saslBootstrapServers }
  }
  const server = createServer((_, response) => {
    find().then(
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
    const started = await Promise.resolve(broker).catch(() => null)
    await started?.stop()
  }
}
