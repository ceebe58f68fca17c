import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { failureOf } from '../../../src/kafka/failures.ts'
import { tokenProvider } from '../../../src/kafka/token.ts'

const clientSecret = 'a:b &%+é'

async function serverOf(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
}

const clientOf = (url: string) => ({ url, clientId: 'id 1', clientSecret, scope: null, ca: () => null })

/** What a command is told of a failure. */
async function said(answer: RequestListener): Promise<string> {
  const failure = failureOf(
    await tokenProvider(clientOf(await serverOf(answer)))().catch((error: unknown) => error),
  )
  if (failure.kind === 'retry') return `retry: ${failure.message}`
  return failure.error instanceof Error ? failure.error.message : String(failure.error)
}

test('one token serves all who ask, and a new one those who come late in its life', async () => {
  let asked = 0
  const url = await serverOf((_, response) => {
    asked += 1
    response.end(JSON.stringify({ access_token: `token-${asked}`, expires_in: 0.2 }))
  })
  const token = tokenProvider(clientOf(url))
  expect(await Promise.all([token(), token(), token()])).toEqual(['token-1', 'token-1', 'token-1'])
  await expect.poll(token, { interval: 10 }).toBe('token-2')
})

test('id and secret are encoded as in a form', async () => {
  const url = await serverOf((request, response) => {
    const login = Buffer.from(request.headers.authorization!.slice('Basic '.length), 'base64').toString()
    response.end(JSON.stringify({ access_token: Buffer.from(login).toString('base64url') }))
  })
  const login = Buffer.from(await tokenProvider(clientOf(url))(), 'base64url').toString()
  expect(login).toBe('id+1:a%3Ab+%26%25%2B%C3%A9')
})

test('a failure is asked again, and not kept', async () => {
  let asked = 0
  const url = await serverOf((_, response) => {
    asked += 1
    if (asked === 1) response.writeHead(503).end()
    else response.end(JSON.stringify({ access_token: 'later' }))
  })
  const token = tokenProvider(clientOf(url))
  await expect(token()).rejects.toThrow('status 503')
  expect(await token()).toBe('later')
})

test.each<readonly [string, RequestListener, RegExp]>([
  [
    'a server that is overloaded is waited for',
    (_, response) => response.writeHead(429).end(),
    /^retry: .*status 429/,
  ],
  ['a page is no token', (_, response) => response.end('<html>'), /holds no token/],
  [
    'a token that would break a header is none',
    (_, response) => response.end('{"access_token":"a\\u0001b"}'),
    /holds no token/,
  ],
  [
    'a redirection is not followed',
    (_, response) => response.writeHead(302, { location: '/' }).end(),
    /status 302/,
  ],
  [
    'what a server says freely is not repeated',
    (_, response) => response.writeHead(401).end('{"error":"x\\u001b[31m"}'),
    /status 401: correct KAFKA_SASL_USERNAME/,
  ],
  [
    'an endless answer is given up',
    (_, response) => void response.end(Buffer.alloc(2 ** 21, 32)),
    /longer than 1 MiB/,
  ],
])('%s', async (_, answer, expected) => {
  const message = await said(answer)
  expect(message).toMatch(expected)
  expect(message).not.toContain('\u001b')
  expect(message).not.toContain(clientSecret)
})
