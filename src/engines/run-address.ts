// Where a running process can be asked how it is: an address beside the lock of each of its streams. It is a
// hint, as the directory is a cache: who reads it asks whether the process is the one that holds the lock.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addressUrl } from '../metrics/listening.ts'
import { checkpointDirectory } from './lock.ts'

export type RunAddress = { readonly pid: number; readonly url: string }

function addressPath(deltaBasePath: string, stream: string): string {
  return join(checkpointDirectory(deltaBasePath, stream), 'address')
}

/** To be called by the holder of the streams' locks. */
export async function writeAddress(
  deltaBasePath: string,
  streams: readonly string[],
  address: RunAddress,
): Promise<void> {
  for (const stream of streams) {
    // Of a lakehouse in a store there may be no directory here yet.
    await mkdir(checkpointDirectory(deltaBasePath, stream), { recursive: true })
    await writeFile(addressPath(deltaBasePath, stream), JSON.stringify(address))
  }
}

/** Removes those that are still of this process. */
export async function removeAddress(
  deltaBasePath: string,
  streams: readonly string[],
  { pid, url }: RunAddress,
): Promise<void> {
  for (const stream of streams) {
    const found = await writtenAddress(deltaBasePath, stream)
    if (found?.pid === pid && found.url === url) await rm(addressPath(deltaBasePath, stream), { force: true })
  }
}

/** null where there is none, or none that could be ours: here, or at the host that is configured. */
export async function readAddress(
  deltaBasePath: string,
  stream: string,
  host: string,
): Promise<RunAddress | null> {
  const found = await writtenAddress(deltaBasePath, stream)
  if (found === null) return null
  // Nobody else's address is asked, whatever stands there: who is asked is told the token.
  const port = Number(/:(\d{1,5})$/.exec(found.url)?.[1])
  return ['localhost', host].some((known) => found.url === addressUrl(known, port)) ? found : null
}

async function writtenAddress(deltaBasePath: string, stream: string): Promise<RunAddress | null> {
  try {
    const value: unknown = JSON.parse(await readFile(addressPath(deltaBasePath, stream), 'utf8'))
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('url' in value)) return null
    const { pid, url } = value
    return typeof pid === 'number' && typeof url === 'string' ? { pid, url } : null
  } catch {
    return null
  }
}
