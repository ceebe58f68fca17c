// What it means when broker and client do not come together, and what mends it: each cause has a sentence of
// its own.
import type { ErrorCode } from '../errors/errors.ts'

/** What an error says of itself. */
export type FailureFact = {
  readonly message: string
  readonly code?: string
  /** Of the protocol. */
  readonly apiCode?: number
  /** What a listener offers, where it was asked for. */
  readonly mechanisms?: readonly string[]
}

type Refusal = {
  readonly code: Extract<ErrorCode, 'KAFKA_AUTHENTICATION_FAILED' | 'KAFKA_NOT_AUTHORIZED'>
  readonly message: string
}

/** null where the failure is another one. */
export function securityFailure(facts: readonly FailureFact[]): Refusal | null {
  const login = (message: string): Refusal => ({ code: 'KAFKA_AUTHENTICATION_FAILED', message })
  for (const { code, message } of facts) {
    const advice = code === undefined ? null : certificateAdvice(code, message, 'broker')
    if (advice !== null) return login(advice)
  }
  const apiCodes = new Set(facts.map(({ apiCode }) => apiCode))
  const mechanisms = facts.flatMap(({ mechanisms: offered }) => offered ?? [])
  if (apiCodes.has(SASL_AUTHENTICATION_FAILED)) return login(wrongLogin)
  if (apiCodes.has(UNSUPPORTED_SASL_MECHANISM)) return login(mechanismAdvice(mechanisms))
  if (apiCodes.has(ILLEGAL_SASL_STATE))
    return login(facts.some((fact) => fact.mechanisms) ? noLogin : lostLogin)
  for (const [apiCode, message] of missingRights) {
    const fact = facts.find((one) => one.apiCode === apiCode)
    if (fact !== undefined)
      return { code: 'KAFKA_NOT_AUTHORIZED', message: `${message} Kafka says: ${fact.message}` }
  }
  // The library's own mistakes of use: what answered began to speak TLS.
  if (facts.some(({ code }) => code === 'PLT_KFK_USER') && !facts.some(isHandshakeCut)) return login(needsTls)
  return null
}

/** The other side went away in the middle of the handshake: it speaks no TLS, or it has just been stopped. */
export function isHandshakeCut({ code }: FailureFact): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE'
}

const UNSUPPORTED_SASL_MECHANISM = 33
const ILLEGAL_SASL_STATE = 34
const SASL_AUTHENTICATION_FAILED = 58

const wrongLogin =
  'The broker does not take the login: correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD. With SCRAM the user needs ' +
  'a password on the broker for that very mechanism (kafka-configs.sh --alter --add-config).'
const noLogin =
  'The listener asks for no login: set KAFKA_SECURITY_PROTOCOL to SSL where it speaks TLS, else to PLAINTEXT, or use ' +
  'the port of a listener with a login.'
const lostLogin =
  'The broker does not take the login as it is. Check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.'
const needsTls =
  'The listener speaks TLS: set KAFKA_SECURITY_PROTOCOL to SSL, or to SASL_SSL where it asks for a login.'

export function mechanismAdvice(offered: readonly string[]): string {
  const which = offered.length === 0 ? 'one that it offers' : offered.join(' or ')
  return `The listener does not offer the mechanism of KAFKA_SASL_MECHANISM: set it to ${which}.`
}

/** Rights by the error of the protocol that says they are missing. */
const missingRights: ReadonlyMap<number, string> = new Map([
  [
    29,
    `The user may not use the topic, or it does not exist. ${grantAdvice('<user>', ['Read', 'Describe'], { kind: 'topic', name: '<topic>' })}`,
  ],
  [
    30,
    `The user may not use the consumer group. ${grantAdvice('<user>', ['Read'], { kind: 'group', name: '<group>' })}`,
  ],
  [
    31,
    `The user has no right on the cluster. ${grantAdvice('<user>', ['Create', 'IdempotentWrite'], { kind: 'cluster' })}`,
  ],
  [53, 'The user may not use the transactional id.'],
])

/** How an administrator of the cluster gives the rights. */
export function grantAdvice(
  principal: string,
  operations: readonly string[],
  resource: GrantedResource,
): string {
  const each = operations.map((operation) => `--operation ${operation}`).join(' ')
  const on = resource.kind === 'cluster' ? '--cluster' : `--${resource.kind} ${shellWord(resource.name)}`
  const who = `--allow-principal ${shellWord(`User:${principal}`)}`
  return `Grant it: kafka-acls.sh --bootstrap-server <broker> --add ${who} ${each} ${on}`
}

export type GrantedResource =
  | { readonly kind: 'topic' | 'group'; readonly name: string }
  | { readonly kind: 'cluster' }

/** For a command that is copied from a message; what stands for a name is left as it is. */
function shellWord(text: string): string {
  return /^[\w.:@/+=,<>-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** What a code of Node's TLS or of OpenSSL means; null where it is none of a handshake. */
export function certificateAdvice(
  code: string,
  message: string,
  side: 'broker' | 'server of tokens',
): string | null {
  const authorities = side === 'broker' ? 'KAFKA_SSL_CA_FILE' : 'KAFKA_SASL_TOKEN_CA_FILE'
  if (code === 'CERT_HAS_EXPIRED') {
    return `The certificate of the ${side} has expired: renew it there, or set the clock of this machine right.`
  }
  if (code === 'CERT_NOT_YET_VALID') {
    return `The certificate of the ${side} is not valid yet: set the clock of this machine right, or renew it there.`
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    const setting =
      side === 'broker' ? 'KAFKA_BOOTSTRAP_SERVERS and advertised.listeners' : 'KAFKA_SASL_TOKEN_URL'
    return `The certificate of the ${side} is for another host. ${message.trim().replace(/:$/, '')}. Use a name that it is for in ${setting}, or have it issued for this one.`
  }
  if (/^(SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|CERT_UNTRUSTED|INVALID_CA)/.test(code)) {
    return `The certificate of the ${side} is signed by an authority that is not trusted here: set ${authorities} to the PEM file with the certificate of that authority.`
  }
  if (!/^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_)/.test(code)) return null
  if (/ALERT_(BAD_CERTIFICATE|CERTIFICATE_REQUIRED|NO_CERTIFICATE)$/.test(code)) {
    return `The ${side} wants a certificate of the client and got none: set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE.`
  }
  if (/ALERT_(CERTIFICATE_|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)/.test(code)) {
    return `The ${side} does not trust the certificate of the client: show one in KAFKA_SSL_CERT_FILE that is signed by an authority of the broker's trust store and has not expired.`
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST/.test(code)) {
    return `The ${side} speaks no TLS at this port: set KAFKA_SECURITY_PROTOCOL to PLAINTEXT or SASL_PLAINTEXT, or use its port for TLS.`
  }
  if (/PROTOCOL|CIPHER|HANDSHAKE_FAILURE|VERSION/.test(code)) {
    return `The ${side} and this client have no version of TLS or no cipher in common, or it wants a certificate of the client: allow TLS 1.2 or 1.3 there, or set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE.`
  }
  return `TLS with the ${side} failed (${code}): check the certificates of both sides.`
}
