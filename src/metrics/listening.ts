// Where a server of this process listens: at the port that is wanted, or at the next that is free.
import type { Server } from 'node:http'
import { LakehouseError } from '../errors/errors.ts'

/** So many ports from the wanted one on are tried. */
const portsTriedMax = 100

export type Listening = {
  readonly host: string
  readonly port: number
  /** The variable that sets the port; 0 is for no server. */
  readonly variable: string
}

/** How this machine asks what listens there. */
export function addressUrl(host: string, port: number): string {
  const isAll = host === '0.0.0.0' || host === '::' || host === '127.0.0.1'
  return `http://${isAll ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${port}`
}

/** True of what this machine alone can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/**
 * Of the Host of a request. Where whoever reaches the port is let in, the name that is asked for has to be
 * this machine's: else a page of another site could point its own name here.
 */
export function isLocalName(host: string | undefined): boolean {
  return /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i.test(host ?? '')
}

/** The port that it listens at. Fails with CONFIG_INVALID where it can listen at none. */
export async function listenFrom(server: Server, { host, port, variable }: Listening): Promise<number> {
  const address = host === 'localhost' ? '127.0.0.1' : host
  for (let tried = port; tried < port + portsTriedMax && tried <= 65_535; tried++) {
    const failure = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      server.once('error', resolve)
      server.listen(tried, address, () => {
        server.off('error', resolve)
        resolve(null)
      })
    })
    if (failure === null) return tried
    if (failure.code === 'EADDRINUSE' || failure.code === 'EACCES') continue
    const message = `${variable}: cannot listen at ${host}:${tried} (${failure.message}). Set another address, or 0 for none.`
    throw new LakehouseError('CONFIG_INVALID', message, { cause: failure })
  }
  const message = `${variable}: the port ${port} and those behind it are taken. Set another one, or 0 for none.`
  throw new LakehouseError('CONFIG_INVALID', message)
}
