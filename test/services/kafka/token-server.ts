// A server that gives tokens to a client with its secret (RFC 6749, client credentials) and publishes the key
// that they are signed with.
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { audience, readerNames, scope, secrets, tokenLifetimeSeconds } from './secure-broker.ts'

export type TokenServer = {
  readonly tokenUrl: string
  readonly keysUrl: string
  readonly issuer: string
  /** Every token that it gave. */
  readonly tokens: readonly string[]
  stop(): Promise<void>
}

export async function startTokenServer(): Promise<TokenServer> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const kid = randomUUID()
  const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }] }
  const issuer = `urn:test:${kid}`
  const tokens: string[] = []
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = (asked: string): string => {
    const iat = Math.floor(Date.now() / 1000)
    const aud = asked === scope ? audience : 'elsewhere'
    const times = { iat, exp: iat + tokenLifetimeSeconds }
    const claims = { iss: issuer, aud, sub: readerNames.token, scope: asked, jti: randomUUID(), ...times }
    const signed = `${encoded({ alg: 'RS256', kid, typ: 'JWT' })}.${encoded(claims)}`
    const made = `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
    tokens.push(made)
    return made
  }
  /** Each is encoded as in a form (RFC 6749, 2.3.1). */
  const isClient = (login: string | undefined): boolean => {
    const [, encodedLogin = ''] = /^Basic (\S+)$/.exec(login ?? '') ?? []
    const parts = Buffer.from(encodedLogin, 'base64').toString().split(':')
    const [name, word] = parts.map((part) => new URLSearchParams(`_=${part}`).get('_'))
    return parts.length === 2 && name === readerNames.token && word === secrets.clientSecret
  }
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.url === '/keys') return answer(200, keys)
    if (request.url !== '/token' || request.method !== 'POST') return answer(404, { error: 'not_found' })
    const form = new URLSearchParams((await Array.fromAsync(request)).join(''))
    if (form.get('grant_type') !== 'client_credentials')
      return answer(400, { error: 'unsupported_grant_type' })
    const asked = form.get('scope') ?? ''
    if (!asked.startsWith(scope)) return answer(400, { error: 'invalid_scope' })
    if (!isClient(request.headers.authorization)) return answer(401, { error: 'invalid_client' })
    return answer(200, {
      access_token: token(asked),
      token_type: 'Bearer',
      expires_in: tokenLifetimeSeconds,
      scope: asked,
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    tokenUrl: `${at}/token`,
    keysUrl: `${at}/keys`,
    issuer,
    tokens,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
