// What a failed request means: something to wait for, or an error that has a name.
import { protocolErrors, protocolErrorsCodesById } from '@platformatic/kafka'
import { LakehouseError } from '../errors/errors.ts'

export type KafkaFailure = {
  /** The error codes of the protocol that brokers answered with. */
  readonly apiCodes: ReadonlySet<number>
} /** It may succeed later, with fresh metadata. `message` says all, where more is known than a reason. */ & (
  | { readonly kind: 'retry'; readonly reason: string; readonly message: string | null }
  | { readonly kind: 'final'; readonly error: unknown }
)

/** A broker answered with an error code; thrown by our own decoders as the library throws its errors. */
export class BrokerError extends Error {
  readonly apiCode: number

  constructor(apiCode: number, where: string) {
    super(`${protocolErrorsCodesById[apiCode] ?? `error ${apiCode}`} (${where})`)
    this.name = 'BrokerError'
    this.apiCode = apiCode
  }
}

/** A broker names an address for itself, or for another, that does not answer from here. */
export class AdvertisedListenerError extends Error {
  constructor(answering: string, advertised: string, nodeId: number, cause: unknown) {
    const reason = reasonOf([...factsOf(cause)])
    super(
      `Kafka at ${answering} answers, but it gives ${advertised} as the address of broker ${nodeId}, and that ` +
        `does not answer from here: ${reason} Set advertised.listeners of the broker to an address that this ` +
        'machine reaches, or make that one reachable; where it is right, that broker is down.',
      { cause },
    )
    this.name = 'AdvertisedListenerError'
  }
}

export const OFFSET_OUT_OF_RANGE = 1
const CORRUPT_MESSAGE = 2
export const UNKNOWN_TOPIC_OR_PARTITION = 3
export const LEADER_NOT_AVAILABLE = 5
const BROKER_NOT_AVAILABLE = 8
export const TOPIC_ALREADY_EXISTS = 36
const authorizationCodes = new Set([29, 30, 31, 53])
const authenticationCodes = new Set([33, 34, 58])

/** Codes of Node's TLS and OpenSSL for a certificate that is not trusted. */
const certificateCode =
  /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_|HOSTNAME_MISMATCH)/

export function failureOf(error: unknown): KafkaFailure {
  if (error instanceof LakehouseError) return { kind: 'final', error, apiCodes: new Set() }
  const facts = [...factsOf(error)]
  const find = (matches: (fact: Fact) => boolean) => facts.find(matches)
  const apiCodes = new Set(facts.flatMap(({ apiCode }) => (apiCode === undefined ? [] : [apiCode])))
  const final = (code: Parameters<typeof named>[0], what: string): KafkaFailure => ({
    kind: 'final',
    error: named(code, what, error),
    apiCodes,
  })
  const retry = (): KafkaFailure => {
    const message = error instanceof AdvertisedListenerError ? error.message : null
    return { kind: 'retry', reason: reasonOf(facts), message, apiCodes }
  }

  const certificate = find(({ code }) => code !== undefined && certificateCode.test(code))
  if (certificate !== undefined) return final('KAFKA_AUTHENTICATION_FAILED', certificate.message)
  if (hasAny(apiCodes, authenticationCodes)) return final('KAFKA_AUTHENTICATION_FAILED', reasonOf(facts))
  if (hasAny(apiCodes, authorizationCodes)) return final('KAFKA_NOT_AUTHORIZED', reasonOf(facts))
  if (apiCodes.has(CORRUPT_MESSAGE)) return final('KAFKA_RECORDS_CORRUPT', reasonOf(facts))
  if (apiCodes.size > 0) {
    const refused = [...apiCodes].find((apiCode) => !isTransient(apiCode))
    if (refused === undefined) return retry()
    return final('KAFKA_REQUEST_REFUSED', reasonOf(facts))
  }
  // The library's own mistakes of use: a listener that wants TLS, an unknown SASL mechanism.
  if (find(({ code }) => code === 'PLT_KFK_USER'))
    return final('KAFKA_AUTHENTICATION_FAILED', reasonOf(facts))
  const network = find(({ code }) => code === 'PLT_KFK_NETWORK' || code === 'PLT_KFK_TIMEOUT')
  if (network !== undefined) return retry()
  if (find(({ code }) => code === 'PLT_KFK_AUTHENTICATION')) {
    return final('KAFKA_AUTHENTICATION_FAILED', reasonOf(facts))
  }
  return { kind: 'final', error, apiCodes }
}

function isTransient(apiCode: number): boolean {
  const id = protocolErrorsCodesById[apiCode]
  if (id === undefined) return false
  return apiCode === BROKER_NOT_AVAILABLE || protocolErrors[id]?.canRetry === true
}

function hasAny(codes: ReadonlySet<number>, wanted: ReadonlySet<number>): boolean {
  return [...codes].some((code) => wanted.has(code))
}

type Fact = { readonly message: string; readonly code?: string; readonly apiCode?: number }

/** An error, its causes and the errors that it bundles, outermost first. */
function* factsOf(error: unknown): Generator<Fact> {
  if (!(error instanceof Error)) return
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const apiCode = 'apiCode' in error && typeof error.apiCode === 'number' ? error.apiCode : undefined
  yield {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(apiCode === undefined ? {} : { apiCode }),
  }
  if (error instanceof AggregateError) for (const inner of error.errors) yield* factsOf(inner)
  yield* factsOf(error.cause)
}

/** The innermost messages say what happened; the outer ones only what was being done. */
function reasonOf(facts: readonly Fact[]): string {
  return [...new Set(facts.map(({ message }) => message).filter((message) => message !== ''))]
    .slice(-2)
    .map((message) => (/[.!?]$/.test(message) ? message : `${message}.`))
    .join(' ')
}

const advice = {
  KAFKA_AUTHENTICATION_FAILED:
    'Check KAFKA_SECURITY_PROTOCOL, the SASL mechanism, user and password, and the certificate authority.',
  KAFKA_NOT_AUTHORIZED: 'Grant the user Read and Describe on the topic and Read on the consumer group.',
  KAFKA_RECORDS_CORRUPT: "Check the broker's disk and log.",
  KAFKA_REQUEST_REFUSED: "See the broker's log.",
} as const

function named(code: keyof typeof advice, what: string, cause: unknown): LakehouseError {
  return new LakehouseError(code, `Kafka refuses: ${what} ${advice[code]}`, { cause })
}
