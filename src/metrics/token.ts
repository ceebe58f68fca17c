// The bearer token that others than this machine need, and where they meet it.
import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { LakehouseError } from '../errors/errors.ts'

/** Long enough that nobody gets it by trying, and sendable in a header as it is. */
export const metricsToken = /^[\x21-\x7e]{16,1000}$/

export type MetricsAddress = {
  readonly host: string
  /** 0 for none. */
  readonly port: number
  readonly token: TokenSource
}

export type TokenSource =
  | { readonly kind: 'none' }
  | { readonly kind: 'text'; readonly text: { readonly reveal: () => string } }
  | { readonly kind: 'file'; readonly variable: string; readonly path: string }

/** null where none is asked for. Fails with CONFIG_INVALID where the file has none that is long enough. */
export async function tokenOf(source: TokenSource): Promise<string | null> {
  if (source.kind === 'none') return null
  if (source.kind === 'text') return source.text.reveal()
  const text = await readFile(source.path, 'utf8').catch((cause) => {
    throw new LakehouseError('CONFIG_INVALID', `${source.variable} cannot be read: ${cause.message}`, {
      cause,
    })
  })
  if (metricsToken.test(text.trim())) return text.trim()
  const message = `${source.variable}: ${source.path} has to hold one token of 16 to 1000 printable characters without spaces`
  throw new LakehouseError('CONFIG_INVALID', message)
}

/** How long this takes tells nothing of the token. */
export async function isBearerOf(source: TokenSource, authorization: string | undefined): Promise<boolean> {
  const shown = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  const token = await tokenOf(source)
  return shown !== undefined && token !== null && timingSafeEqual(digest(shown), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
