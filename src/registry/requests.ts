// Requests to a schema registry: one at a time to each of its addresses until one answers, with limits of
// time and size. A redirect is not followed: it would take the credentials elsewhere.
import { type Agent, request as httpRequest, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { LakehouseError } from '../errors/errors.ts'

export type RegistryConnection = {
  /** Tried in this order. */
  readonly urls: readonly string[]
  readonly login:
    | { readonly kind: 'none' }
    | { readonly kind: 'basic'; readonly username: string; readonly password: string }
    | { readonly kind: 'bearer'; readonly token: string }
  /** PEM texts. */
  readonly tls: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly passphrase?: string
  }
}

/** What a registry said: a document of JSON, or the code of an error that it names. */
export type RegistryAnswer =
  | { readonly kind: 'found'; readonly body: unknown }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }

const answerMaxMs = 10_000
export const answerBytesMax = 16 * 1024 * 1024
const messageShownMax = 300
const mediaTypes = 'application/vnd.schemaregistry.v1+json, application/json'
/** What waiting does not heal: the certificate of one side is not what the other takes. */
const tlsCodes = /^(CERT_|ERR_TLS|ERR_SSL|ERR_OSSL|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO)/

/** Fails with SCHEMA_REGISTRY_UNREACHABLE or, where waiting does not help, SCHEMA_REGISTRY_REFUSED. */
export class RegistryRequests {
  readonly #connection: RegistryConnection
  readonly #agent: Agent | undefined

  constructor(connection: RegistryConnection) {
    this.#connection = connection
    const isTls = connection.urls.some((url) => url.startsWith('https:'))
    this.#agent = isTls ? new HttpsAgent({ ...connection.tls, keepAlive: true }) : undefined
  }

  get where(): string {
    return this.#connection.urls.join(', ')
  }

  close(): void {
    this.#agent?.destroy()
  }

  async get(path: string, signal: AbortSignal): Promise<RegistryAnswer> {
    return await this.#ask('GET', path, null, signal)
  }

  async post(path: string, body: unknown, signal: AbortSignal): Promise<RegistryAnswer> {
    return await this.#ask('POST', path, JSON.stringify(body), signal)
  }

  async #ask(
    method: string,
    path: string,
    body: string | null,
    signal: AbortSignal,
  ): Promise<RegistryAnswer> {
    let failure: unknown = null
    for (const url of this.#connection.urls) {
      try {
        const { status, text } = await this.#send(url, method, path, body, signal)
        const answer = answerOf(status, text)
        if (answer !== null) return answer
        failure = new Error(`${url} answered with status ${status}`)
      } catch (error) {
        signal.throwIfAborted()
        failure = error
      }
    }
    throw this.#failed(failure)
  }

  #send(
    base: string,
    method: string,
    path: string,
    body: string | null,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const url = new URL(`${base.replace(/\/+$/, '')}${path}`)
    const isTls = url.protocol === 'https:'
    const options: RequestOptions = {
      method,
      ...(isTls && this.#agent !== undefined ? { agent: this.#agent } : {}),
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerMaxMs)]),
      headers: {
        accept: mediaTypes,
        ...(body === null ? {} : { 'content-type': 'application/vnd.schemaregistry.v1+json' }),
        ...this.#credentials(),
      },
    }
    return new Promise((resolve, reject) => {
      const request = (isTls ? httpsRequest : httpRequest)(url, options, (response) => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > answerBytesMax) {
            request.destroy()
            resolve({ status: 200, text: '' }) // The caller takes it for a schema that cannot be read.
          } else chunks.push(chunk)
        })
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') })
        })
        response.on('error', reject)
      })
      request.on('error', reject)
      request.end(body ?? undefined)
    })
  }

  #credentials(): Readonly<Record<string, string>> {
    const { login } = this.#connection
    switch (login.kind) {
      case 'none':
        return {}
      case 'bearer':
        return { authorization: `Bearer ${login.token}` }
      case 'basic': {
        const pair = Buffer.from(`${login.username}:${login.password}`).toString('base64')
        return { authorization: `Basic ${pair}` }
      }
    }
  }

  #failed(cause: unknown): LakehouseError {
    const { code = '', message = String(cause) } = cause as { code?: string; message?: string } // Any error.
    const reason = (message === '' ? code : message).slice(0, messageShownMax)
    if (tlsCodes.test(code)) {
      return registryRefused(
        this.where,
        `the certificates do not fit (${reason}). Set SCHEMA_REGISTRY_SSL_CA_FILE to the authority that signed ` +
          'its certificate, and, where it asks for one, SCHEMA_REGISTRY_SSL_CERT_FILE and ' +
          'SCHEMA_REGISTRY_SSL_KEY_FILE to yours',
        cause,
      )
    }
    return new LakehouseError(
      'SCHEMA_REGISTRY_UNREACHABLE',
      `The schema registry at ${this.where} does not answer: ${reason}. Check that it runs and that ` +
        'SCHEMA_REGISTRY_URL is right.',
      { cause },
    )
  }
}

export function registryRefused(where: string, why: string, cause?: unknown): LakehouseError {
  return new LakehouseError('SCHEMA_REGISTRY_REFUSED', `The schema registry at ${where}: ${why}.`, { cause })
}

/** null for what time may heal. Only an error that a registry names says that something is not there. */
function answerOf(status: number, text: string): RegistryAnswer | null {
  if (status >= 500 || status === 429 || status === 408 || status === 0) return null
  const body = parsed(text)
  if (status >= 200 && status < 300) return { kind: 'found', body }
  const { error_code: code, message } = (body ?? {}) as { error_code?: unknown; message?: unknown }
  if (status === 404 && typeof code === 'number' && String(code).startsWith('404')) return { kind: 'missing' }
  const said = typeof message === 'string' ? message.slice(0, messageShownMax) : 'it says no more'
  return { kind: 'refused', status, message: said }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // No registry, or too long.
  }
}
