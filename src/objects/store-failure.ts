// What an object store refuses or fails at, in words: where, why, and what to do about it.
import { type ErrorCode, LakehouseError } from '../errors/errors.ts'

/** What the advice depends on. */
export type StorePlace = { readonly bucket: string; readonly endpoint: string | null }

/** Credentials that were good once. */
const expiredNames: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'RequestExpired',
])

/** Credentials that others may have taken the place of. */
const replacedNames: ReadonlySet<string> = new Set([
  'InvalidAccessKeyId',
  'InvalidToken',
  'SignatureDoesNotMatch',
])

/** True where the credentials are no longer those to use, or never were. */
export function areStale(error: unknown): boolean {
  return isExpired(error) || replacedNames.has(errorName(error))
}

function isExpired(error: unknown): boolean {
  return expiredNames.has(errorName(error))
}

export function errorName(error: unknown): string {
  return error instanceof Error ? error.name : ''
}

/** The status of the HTTP answer; null where there was none. */
export function statusOf(error: unknown): number | null {
  const metadata = propertyOf(error, '$metadata')
  const status = propertyOf(metadata, 'httpStatusCode')
  return typeof status === 'number' ? status : null
}

/** The client's errors bear answers and what was signed, which belong in no log. */
function withoutRequest(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const cause = new Error(error.message)
  cause.name = error.name
  if (error.stack !== undefined) cause.stack = error.stack
  return cause
}

type Judged = readonly [code: ErrorCode, what: string, advice: string]

/** The failure with a name. `where` is the object that was asked for. */
export function storeFailure(error: unknown, where: string, place: StorePlace): LakehouseError {
  const [code, what, advice] =
    judgedByName(error, place) ?? judgedByConnection(error, place) ?? judgedByStatus(error, place)
  return new LakehouseError(code, `${where}: ${what}. ${advice}.`, {
    cause: withoutRequest(error),
    details: { store: errorName(error), status: statusOf(error) },
  })
}

function judgedByName(error: unknown, { bucket, endpoint }: StorePlace): Judged | null {
  const name = errorName(error)
  if (isExpired(error)) {
    const advice =
      'Renew them where they come from (a profile or a token file is read again at the next attempt)'
    return ['STORAGE_FAILED', 'the credentials have expired', advice]
  }
  const refused = refusals(bucket)[name]
  if (refused !== undefined) return ['STORAGE_REFUSED', ...refused]
  if (name === 'RequestTimeTooSkewed') {
    const what = 'the clock of this machine and that of the store are more than 15 minutes apart'
    return ['STORAGE_FAILED', what, 'Set the clock (NTP)']
  }
  if (name === 'SlowDown' || name === 'ThrottlingException' || name === 'TooManyRequests') {
    const advice = 'It is asked again, less often; larger batches (LATENCY_TARGET_MS) need fewer requests'
    return ['STORAGE_FAILED', 'the store asks for fewer requests', advice]
  }
  if (name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed') {
    const advice = `Set AWS_REGION to the region of the bucket${endpoint === null ? '' : ', and see to AWS_ENDPOINT_URL'}`
    return ['STORAGE_REFUSED', `the bucket ${bucket} is in another region`, advice]
  }
  return null
}

const noCredentials = [
  'there are no credentials',
  'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role',
] as const

function refusals(bucket: string): Readonly<Record<string, readonly [what: string, advice: string]>> {
  return {
    NoSuchBucket: [`there is no bucket ${bucket}`, 'Make it, or correct DELTA_BASE_PATH'],
    AccessDenied: [
      'the credentials do not allow that',
      'Give them s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the objects and s3:ListBucket on the bucket',
    ],
    InvalidAccessKeyId: [
      'the store does not know the access key',
      'Correct AWS_ACCESS_KEY_ID, or the profile',
    ],
    InvalidToken: ['the store does not know the session token', 'Correct AWS_SESSION_TOKEN, or the profile'],
    SignatureDoesNotMatch: [
      'the secret access key is wrong',
      'Correct AWS_SECRET_ACCESS_KEY, or the profile',
    ],
    CredentialsProviderError: noCredentials,
  }
}

/** Of Node's network and TLS. */
function judgedByConnection(error: unknown, { endpoint, bucket }: StorePlace): Judged | null {
  const code = connectionCode(error)
  if (code === null) return null
  const at = endpoint ?? 'Amazon S3'
  if (/CERT|SELF_SIGNED|UNABLE_TO|ISSUER|ALTNAME/.test(code)) {
    const advice =
      code === 'ERR_TLS_CERT_ALTNAME_INVALID'
        ? 'Correct AWS_ENDPOINT_URL, or set S3_PATH_STYLE=on where the bucket is in the name of the host'
        : 'Set AWS_CA_BUNDLE to a PEM file with the authority that signed it'
    return ['STORAGE_REFUSED', `the certificate of ${at} is not trusted (${code})`, advice]
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    const advice = 'Correct AWS_ENDPOINT_URL or AWS_REGION, or see to the network'
    return ['STORAGE_FAILED', `there is no host for ${at} and the bucket ${bucket} (${code})`, advice]
  }
  return ['STORAGE_FAILED', `${at} does not answer (${code})`, 'See to the store, and to the network']
}

/** Codes that the network does not have: the file that was to be sent, or to be made, could not be. */
const diskCodes: ReadonlySet<unknown> = new Set(
  'ENOSPC EDQUOT EIO EROFS EACCES EPERM EMFILE ENFILE EFBIG ENOENT EISDIR ENOTDIR'.split(' '),
)

export function isOfDisk(error: unknown): boolean {
  return diskCodes.has(propertyOf(error, 'code'))
}

function connectionCode(error: unknown): string | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = propertyOf(at, 'code')
    if (typeof code === 'string' && /^[A-Z][A-Z_]+$/.test(code)) return code
    if (at.name === 'TimeoutError') return 'TimeoutError'
  }
  return null
}

function judgedByStatus(error: unknown, place: StorePlace): Judged {
  const status = statusOf(error)
  const told = error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]}` : String(error)
  if (status === 403) return ['STORAGE_REFUSED', ...refusals(place.bucket).AccessDenied!]
  if (status === 301) return judgedByName(Object.assign(new Error(), { name: 'PermanentRedirect' }), place)!
  if (status !== null && status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return [
      'STORAGE_REFUSED',
      `the store refuses it (${status} ${told})`,
      'See to DELTA_BASE_PATH and the store',
    ]
  }
  return ['STORAGE_FAILED', `the store failed (${status ?? 'no answer'}, ${told})`, 'See to the store']
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
