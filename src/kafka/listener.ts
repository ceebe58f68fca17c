// What a listener speaks, found by trying: no secret is sent, and no certificate is judged, for nothing is
// read but whether it answers.
import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { Connection, saslHandshakeV1 } from '@platformatic/kafka'
import { failureOf } from './failures.ts'
import type { BrokerAddress, KafkaConnectionOptions } from './options.ts'
import { abortable } from './retry.ts'
import { isHandshakeCut } from './security-failures.ts'

export type Listener = {
  readonly tls: boolean
  /** The mechanisms of its login; null where it asks for none; undefined where it does not say. */
  readonly mechanisms: readonly string[] | null | undefined
}

const probeMaxMs = 3_000

/** null where nothing answers. */
export async function probeListener(address: BrokerAddress, signal: AbortSignal): Promise<Listener | null> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(probeMaxMs)])
  const tls = await speaksTls(address, limit)
  if (tls === null) return null
  return { tls, mechanisms: await mechanismsOf(address, tls, limit) }
}

/** As KAFKA_SECURITY_PROTOCOL names it; null where it is not clear. */
export function protocolOf({ tls, mechanisms }: Listener): string | null {
  if (mechanisms === undefined) return null
  if (mechanisms === null) return tls ? 'SSL' : 'PLAINTEXT'
  return tls ? 'SASL_SSL' : 'SASL_PLAINTEXT'
}

export function protocolOfOptions({ tls, sasl }: KafkaConnectionOptions): string {
  return protocolOf({ tls: tls !== undefined, mechanisms: sasl === undefined ? null : [] })!
}

/** null where nothing answers. */
async function speaksTls({ host, port }: BrokerAddress, signal: AbortSignal): Promise<boolean | null> {
  const name = isIP(host) === 0 ? { servername: host } : {}
  const socket = connect({ host, port, ...name, rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect', { signal })
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code.startsWith('ERR_SSL_')) return !/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST/.test(code)
    return isHandshakeCut({ message: '', code }) ? false : null
  } finally {
    socket.destroy()
  }
}

async function mechanismsOf(
  { host, port }: BrokerAddress,
  tls: boolean,
  signal: AbortSignal,
): Promise<Listener['mechanisms']> {
  const limits = { connectTimeout: probeMaxMs, requestTimeout: probeMaxMs }
  const connection = new Connection('assay', {
    ...limits,
    ...(tls && { tls: { rejectUnauthorized: false } }),
  })
  connection.on('error', () => undefined) // Whoever waits for an answer gets it.
  try {
    await abortable(connection.connect(host, port) ?? Promise.resolve(), signal)
    const { mechanisms } = await abortable(saslHandshakeV1.api.async(connection, 'PLAIN'), signal)
    return mechanisms
  } catch (error) {
    const { apiCodes, mechanisms } = failureOf(error)
    if (apiCodes.has(UNSUPPORTED_MECHANISM)) return mechanisms
    return apiCodes.has(ILLEGAL_STATE) ? null : undefined
  } finally {
    await connection.close()
  }
}

const UNSUPPORTED_MECHANISM = 33
const ILLEGAL_STATE = 34
