// What a failed request means: something to wait for, or an error that has a name.
import { protocolErrors, protocolErrorsCodesById } from '@platformatic/kafka'
import { type ErrorCode, LakehouseError } from '../errors/errors.ts'
import { type FailureFact, securityFailure } from './security-failures.ts'
import { TokenUnavailableError } from './token.ts'

export type KafkaFailure = {
  /** The error codes of the protocol that brokers answered with. */
  readonly apiCodes: ReadonlySet<number>
  /** Of logins, where a listener said which it offers. */
  readonly mechanisms: readonly string[]
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
    const reason = reasonOf([...errorsOf(cause)].map(factOf))
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

export function failureOf(error: unknown): KafkaFailure {
  const errors = [...errorsOf(error)]
  const named = errors.find((each) => each instanceof LakehouseError)
  if (named !== undefined) return { kind: 'final', error: named, apiCodes: new Set(), mechanisms: [] }
  const facts = errors.map(factOf)
  const has = (...codes: readonly string[]) =>
    facts.some(({ code }) => code !== undefined && codes.includes(code))
  const mechanisms = facts.flatMap((fact) => fact.mechanisms ?? [])
  const apiCodes = new Set(facts.flatMap(({ apiCode }) => (apiCode === undefined ? [] : [apiCode])))
  const final = (code: ErrorCode, message: string): KafkaFailure => ({
    kind: 'final',
    error: new LakehouseError(code, message, { cause: error }),
    apiCodes,
    mechanisms,
  })
  const retry = (): KafkaFailure => {
    const told = errors.find(
      (each) => each instanceof AdvertisedListenerError || each instanceof TokenUnavailableError,
    )
    return { kind: 'retry', reason: reasonOf(facts), message: told?.message ?? null, apiCodes, mechanisms }
  }

  const refusal = securityFailure(facts)
  if (refusal !== null) return final(refusal.code, refusal.message)
  if (apiCodes.has(CORRUPT_MESSAGE)) {
    return final(
      'KAFKA_RECORDS_CORRUPT',
      `Kafka refuses: ${reasonOf(facts)} Check the broker's disk and log.`,
    )
  }
  if (apiCodes.size > 0) {
    const refused = [...apiCodes].find((apiCode) => !isTransient(apiCode))
    if (refused === undefined) return retry()
    return final('KAFKA_REQUEST_REFUSED', `Kafka refuses: ${reasonOf(facts)} See the broker's log.`)
  }
  const isWithoutToken = errors.some((each) => each instanceof TokenUnavailableError)
  if (isWithoutToken || has('PLT_KFK_NETWORK', 'PLT_KFK_TIMEOUT')) return retry()
  return { kind: 'final', error, apiCodes, mechanisms }
}

function isTransient(apiCode: number): boolean {
  const id = protocolErrorsCodesById[apiCode]
  if (id === undefined) return false
  return apiCode === BROKER_NOT_AVAILABLE || protocolErrors[id]?.canRetry === true
}

/** An error, its causes and the errors that it bundles, outermost first. */
function* errorsOf(error: unknown): Generator<Error> {
  if (!(error instanceof Error)) return
  yield error
  if (error instanceof AggregateError) for (const inner of error.errors) yield* errorsOf(inner)
  yield* errorsOf(error.cause)
}

function factOf(error: Error): FailureFact {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const apiCode = 'apiCode' in error && typeof error.apiCode === 'number' ? error.apiCode : undefined
  const mechanisms = mechanismsOf(error)
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(apiCode === undefined ? {} : { apiCode }),
    ...(mechanisms === null ? {} : { mechanisms }),
  }
}

/** A listener that refuses a mechanism, or any login, says what it offers. */
function mechanismsOf(error: Error): readonly string[] | null {
  if (!('response' in error)) return null
  const { response } = error
  if (typeof response !== 'object' || response === null || !('mechanisms' in response)) return null
  return Array.isArray(response.mechanisms) ? response.mechanisms.map(String) : null
}

/** The innermost messages say what happened; the outer ones only what was being done. */
function reasonOf(facts: readonly FailureFact[]): string {
  return [...new Set(facts.map(({ message }) => message).filter((message) => message !== ''))]
    .slice(-2)
    .map((message) => (/[.!?]$/.test(message) ? message : `${message}.`))
    .join(' ')
}
