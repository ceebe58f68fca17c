// A proxy for TCP connections that a test can break: by closing them, or by saying nothing any more.
import { createServer, connect as dial, type Socket } from 'node:net'

export type TcpProxy = {
  readonly port: number
  /** How many connections it has accepted so far. */
  accepted(): number
  /** Closes all connections; `hard` by a reset. */
  cut(hard?: boolean): void
  /** From here on the connections of now carry nothing, and stay open. */
  mute(): void
  /** Each connection is closed when it has carried so many bytes to the client; null: never. */
  cutAfter(bytes: number | null): void
  /** A connection that carries nothing for so long is closed; null: never. */
  idleMsMax(ms: number | null): void
  close(): Promise<void>
}

export async function startTcpProxy(host: string, port: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let [acceptedCount, bytesMax, idleMs] = [0, null as number | null, null as number | null]
  const server = createServer((client) => {
    acceptedCount += 1
    const upstream = dial(port, host)
    const pair = [client, upstream] as const
    const [limit, idle] = [bytesMax, idleMs]
    let carried = 0
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of pair) {
      socket.setNoDelay(true).once('error', end).once('close', end)
      if (idle !== null) socket.setTimeout(idle, end)
    }
    client.on('data', (data) => upstream.write(data))
    upstream.on('data', (data) => {
      carried += data.length
      client.write(data)
      if (limit !== null && carried > limit) end()
    })
  })
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    resolve(typeof address === 'object' && address !== null ? address.port : 0)
  })
  const listening = await promise
  const cut = (hard = false) => {
    for (const [client, upstream] of pairs) {
      if (hard) client.resetAndDestroy()
      else client.destroy()
      upstream.destroy()
    }
  }
  return {
    port: listening,
    accepted: () => acceptedCount,
    cut,
    mute: () => {
      for (const pair of pairs) for (const socket of pair) socket.removeAllListeners('data').pause()
    },
    cutAfter: (bytes) => {
      bytesMax = bytes
    },
    idleMsMax: (ms) => {
      idleMs = ms
    },
    close: async () => {
      cut()
      await new Promise<void>((closed) => server.close(() => closed()))
    },
  }
}
