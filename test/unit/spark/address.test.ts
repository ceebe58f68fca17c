import { expect, test } from 'vitest'
import { parseSparkAddress } from '../../../src/engines/spark/connect/address.ts'

test.each([
  ['sc://host', { host: 'host', port: 15002, tls: false, token: null, userId: 'assay', sessionId: null }],
  ['sc://host:7/', { host: 'host', port: 7 }],
  ['sc://[::1]:7/;user_id=me%20too', { host: '[::1]', port: 7, userId: 'me too' }],
  ['sc://host/;token=a%3Bb', { token: 'a;b', tls: true }],
  ['sc://127.0.0.1/;token=t', { token: 't', tls: false }],
  ['sc://localhost/;token=t;use_ssl=true', { tls: true }],
  ['sc://host/;use_ssl=true;', { tls: true, token: null }],
  ['sc://host/;x-tenant=7', { headers: { 'x-tenant': '7' } }],
  [
    'sc://host/;session_id=00112233-4455-6677-8899-AABBCCDDEEFF',
    { sessionId: '00112233-4455-6677-8899-aabbccddeeff' },
  ],
])('%s', (text, parts) => {
  expect(parseSparkAddress(text)).toMatchObject(parts)
})

test.each([
  ['http://host', /looks? like/],
  ['sc://', /looks? like/],
  ['sc://host:99999', /no port 99999/],
  ['sc://host/path', /looks? like/],
  ['sc://host/;token', /no value/],
  ['sc://host/;token=a;token=b', /token stands twice/],
  ['sc://host/;token=%', /not URL-encoded/],
  ['sc://host/;session_id=1', /session_id is not a UUID/],
  ['sc://host/;token=hidden;use_ssl=false', /clear text/],
  ['sc://host/;use_ssl=yes', /true or false/],
  ['sc://host/;x=a%0Ab', /the parameter x/],
])('%s is refused, and the message does not hold the token', (text, reason) => {
  const refused = () => parseSparkAddress(text)
  expect(refused).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  expect(refused).toThrow(reason)
  expect(refused).not.toThrow(/hidden/)
})
