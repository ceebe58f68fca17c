import { expect, test } from 'vitest'
import { storeFailure } from '../../../src/objects/store-failure.ts'

const place = { bucket: 'bucket', endpoint: 'https://store:9000' }

function failed(name: string, status: number | null, code?: string): Error {
  const error = new Error('as the store says it')
  const $metadata = status === null ? {} : { httpStatusCode: status }
  return Object.assign(error, { name, $metadata }, code && { code })
}

test.each([
  ['ExpiredToken', 400, 'STORAGE_FAILED', /expired.*Renew/],
  ['RequestTimeTooSkewed', 403, 'STORAGE_FAILED', /clock.*NTP/],
  ['SlowDown', 503, 'STORAGE_FAILED', /fewer requests/],
  ['InternalError', 500, 'STORAGE_FAILED', /the store failed \(500/],
  ['NoSuchBucket', 404, 'STORAGE_REFUSED', /no bucket bucket.*DELTA_BASE_PATH/],
  ['AccessDenied', 403, 'STORAGE_REFUSED', /s3:PutObject/],
  ['InvalidAccessKeyId', 403, 'STORAGE_REFUSED', /AWS_ACCESS_KEY_ID/],
  ['SignatureDoesNotMatch', 403, 'STORAGE_REFUSED', /AWS_SECRET_ACCESS_KEY/],
  ['CredentialsProviderError', null, 'STORAGE_REFUSED', /no credentials.*AWS_PROFILE/],
  ['PermanentRedirect', 301, 'STORAGE_REFUSED', /AWS_REGION/],
  ['InvalidRequest', 400, 'STORAGE_REFUSED', /400 InvalidRequest/],
])('%s (%s) is %s and says what to do', (name, status, code, text) => {
  const failure = storeFailure(failed(name, status), 's3://bucket/a/key', place)
  expect(failure.code).toBe(code)
  expect(failure.message).toMatch(/^s3:\/\/bucket\/a\/key: /)
  expect(failure.message).toMatch(text)
})

test.each([
  ['ECONNREFUSED', 'STORAGE_FAILED', /https:\/\/store:9000 does not answer/],
  ['ENOTFOUND', 'STORAGE_FAILED', /no host.*AWS_ENDPOINT_URL/],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'STORAGE_REFUSED', /AWS_CA_BUNDLE/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'STORAGE_REFUSED', /S3_PATH_STYLE/],
])('a connection that fails with %s is %s', (connection, code, text) => {
  const failure = storeFailure(failed('Error', null, connection), 's3://bucket/key', place)
  expect(failure.code).toBe(code)
  expect(failure.message).toMatch(text)
})
