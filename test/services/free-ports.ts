import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { promisify } from 'node:util'

/** Of this machine, held open together until all are known, so that they differ; the first may be chosen. */
export async function freePorts(count: number, first?: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(async (server, index) => {
      server.listen(index === 0 ? (first ?? 0) : 0, '127.0.0.1')
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    }),
  )
  await Promise.all(servers.map((server) => promisify(server.close.bind(server))()))
  return ports
}
