// What every client of the library is opened with.
import { CONNECT_MAX_MS } from './cluster.ts'
import type { Login } from './login.ts'
import { bootstrapAddresses, type KafkaConnectionOptions, tlsServerName } from './options.ts'

const TIMEOUT_MS = 30_000

export function connectionOptions(options: KafkaConnectionOptions, login: Login | null) {
  const addresses = bootstrapAddresses(options)
  return {
    clientId: options.clientId ?? 'assay',
    bootstrapBrokers: addresses,
    connectTimeout: CONNECT_MAX_MS,
    timeout: TIMEOUT_MS,
    ...(options.tls === undefined ? {} : { tls: options.tls, tlsServerName: tlsServerName(addresses) }),
    ...(login === null ? {} : { sasl: login.options }),
  }
}
