// Logins that end. A broker lets a connection live as long as its login: the token of OAUTHBEARER, or
// connections.max.reauth.ms. Logging in again on a connection in use cannot be told from a request between
// its two steps, which a broker answers by closing it; so connections are made anew in good time.
import {
  type Connection,
  type SASLOptions,
  saslOAuthBearer,
  saslPlain,
  saslScramSha,
} from '@platformatic/kafka'
import { LakehouseError } from '../errors/errors.ts'

const { defaultCrypto: scramCrypto } = saslScramSha

type Authenticate = NonNullable<SASLOptions['authenticate']>
type Done = Parameters<Authenticate>[6]

/** The part of a login's life after which nothing new begins on its connections. */
const usedShare = 0.8

export class Login {
  /** For the library, which is not to renew a login itself. */
  readonly options: SASLOptions
  #renewAtMs = Number.POSITIVE_INFINITY

  constructor(options: SASLOptions) {
    this.options = { ...options, authenticate: this.#authenticate }
  }

  /** Whether connections have to be made anew before anything begins on them. */
  get isDue(): boolean {
    return performance.now() >= this.#renewAtMs
  }

  /** All connections are new from now on. */
  renewed(): void {
    this.#renewAtMs = Number.POSITIVE_INFINITY
  }

  readonly #authenticate: Authenticate = (mechanism, connection, send, username, password, token, done) => {
    const judged: Done = (error, response) => {
      if (error !== null || response === undefined) return done(error, response)
      if (mechanism === 'OAUTHBEARER' && response.authBytes.length > 0) return done(tokenRefused(connection))
      const lifetimeMs = Number(response.sessionLifetimeMs)
      if (lifetimeMs > 0) {
        this.#renewAtMs = Math.min(this.#renewAtMs, performance.now() + lifetimeMs * usedShare)
      }
      done(null, { ...response, sessionLifetimeMs: 0n })
    }
    switch (mechanism) {
      case 'PLAIN':
        return saslPlain.authenticate(send, connection, username!, password!, judged)
      case 'SCRAM-SHA-256':
      case 'SCRAM-SHA-512': {
        const algorithm = mechanism === 'SCRAM-SHA-256' ? 'SHA-256' : 'SHA-512'
        return saslScramSha.authenticate(
          send,
          connection,
          algorithm,
          username!,
          password!,
          scramCrypto,
          judged,
        )
      }
      case 'OAUTHBEARER':
        return saslOAuthBearer.authenticate(send, connection, token!, {}, judged)
      case 'GSSAPI':
        throw new LakehouseError('KAFKA_UNSUPPORTED', 'Assay does not log in by GSSAPI (Kerberos).')
    }
  }
}

/** A broker that takes a token answers with nothing, else with the reason; it closes the connection next. */
function tokenRefused({ host, port }: Connection): LakehouseError {
  return new LakehouseError(
    'KAFKA_AUTHENTICATION_FAILED',
    `The broker ${host}:${port} does not take the token: its issuer, audience, scope or keys are others than the ` +
      'broker expects. Compare KAFKA_SASL_TOKEN_URL and KAFKA_SASL_TOKEN_SCOPE with sasl.oauthbearer.* of the broker, ' +
      'and the clocks of both.',
  )
}
