// From the configuration to what the Kafka client takes: one place for every command that talks to Kafka.
import { createSecureContext, type SecureContext, type ConnectionOptions as TlsOptions } from 'node:tls'
import type { Config, KafkaLogin, KafkaTls } from '../config/config.ts'
import type { KafkaConnectionOptions } from '../kafka/options.ts'
import { tokenProvider } from '../kafka/token.ts'
import { type Pems, readAuthorities, readPems } from './pem.ts'

/** Fails with CONFIG_INVALID where a certificate or a key cannot be read. */
export function kafkaConnectionOf({ bootstrapServers, security }: Config['kafka']): KafkaConnectionOptions {
  const { sasl, tls } = security
  return {
    bootstrapServers,
    ...(tls === null ? {} : { tls: tlsOptionsOf(tls) }),
    ...(sasl === null ? {} : { sasl: saslOptionsOf(sasl) }),
  }
}

function saslOptionsOf({ mechanism, username, password, token }: KafkaLogin) {
  if (token === null) return { mechanism, username, password: password.reveal() }
  const { url, scope, caFile } = token
  const ca = () => tokenAuthorities(caFile)
  ca()
  return {
    mechanism,
    token: tokenProvider({ url, clientId: username, clientSecret: password.reveal(), scope, ca }),
  }
}

/** Of the server of tokens. Fails with CONFIG_INVALID where they cannot be read. */
export function tokenAuthorities(caFile: string | null): string | null {
  if (caFile === null) return null
  return readAuthorities({ kind: 'file', variable: 'KAFKA_SASL_TOKEN_CA_FILE', path: caFile })
}

/**
 * Each connection asks for the context, so a certificate that was renewed on the disk counts from the next
 * one on. While the files do not fit together, being replaced one after the other, the last that did counts.
 */
function tlsOptionsOf(tls: KafkaTls): TlsOptions {
  let pems = readPems(tls)
  let context = contextOf(pems)
  const renew = (): void => {
    const read = readPems(tls)
    if (JSON.stringify(read) === JSON.stringify(pems)) return
    context = contextOf(read)
    pems = read
  }
  return {
    get secureContext(): SecureContext {
      try {
        renew()
      } catch {
        // The connection tells it where what there is does not serve any more.
      }
      return context
    },
  }
}

function contextOf({ ca, client }: Pems): SecureContext {
  return createSecureContext({ ...(ca !== null && { ca }), ...client })
}
