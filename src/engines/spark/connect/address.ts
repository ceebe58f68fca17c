// Where a Spark Connect server is, and as whom to talk to it: `sc://host:port/;token=..;user_id=..`.
import { LakehouseError } from '../../../errors/errors.ts'

export type SparkAddress = {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly token: string | null
  /** Together with the session's id it identifies the session on the server. */
  readonly userId: string
  /** null: a new one for each connection. */
  readonly sessionId: string | null
  readonly userAgent: string
  /** Parameters that the protocol does not know go along as headers of every request. */
  readonly headers: Readonly<Record<string, string>>
}

export const SPARK_PORT_STANDARD = 15002
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const headerName = /^[a-z0-9_.-]+$/
const headerValue = /^[\x20-\x7e]*$/

export function parseSparkAddress(text: string): SparkAddress {
  const { host, port } = hostAndPort(text)
  const parameters = parametersOf(text)
  const take = (name: string): string | null => {
    const value = parameters.get(name) ?? null
    parameters.delete(name)
    return value
  }
  const token = take('token')
  const tls = tlsOf(take('use_ssl'), token !== null, host)
  const sessionId = take('session_id')?.toLowerCase() ?? null
  if (sessionId !== null && !uuid.test(sessionId)) throw refused('session_id is not a UUID')
  const userId = take('user_id') ?? 'assay'
  const userAgent = take('user_agent') ?? 'assay'
  take('grpc_max_message_size') // Of other clients; this one reads messages of any size.
  for (const [name, value] of parameters) {
    if (!headerName.test(name) || !headerValue.test(value)) throw refused(`the parameter ${name} is not one`)
  }
  return { host, port, tls, token, userId, sessionId, userAgent, headers: Object.fromEntries(parameters) }
}

function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const match = /^sc:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(?:\/(?:;.*)?)?$/s.exec(text)
  if (match === null) throw refused('it does not look like that')
  const port = match[2] === undefined ? SPARK_PORT_STANDARD : Number(match[2])
  if (port < 1 || port > 65_535) throw refused(`there is no port ${port}`)
  return { host: match[1]!, port }
}

function parametersOf(text: string): Map<string, string> {
  const parameters = new Map<string, string>()
  const start = text.indexOf(';')
  const parts = start < 0 ? [] : text.slice(start + 1).split(';')
  for (const part of parts) {
    if (part === '') continue
    const equals = part.indexOf('=')
    if (equals < 1) throw refused('a parameter has no value')
    const name = part.slice(0, equals)
    if (parameters.has(name)) throw refused(`the parameter ${name} stands twice`)
    try {
      parameters.set(name, decodeURIComponent(part.slice(equals + 1)))
    } catch {
      throw refused(`the value of ${name} is not URL-encoded`)
    }
  }
  return parameters
}

/** A token goes over TLS, or stays on this machine. */
function tlsOf(useSsl: string | null, hasToken: boolean, host: string): boolean {
  if (useSsl !== null && !/^(true|false)$/i.test(useSsl)) throw refused('use_ssl is true or false')
  if (useSsl !== null && /true/i.test(useSsl)) return true
  const isLoopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host)
  if (!hasToken || isLoopback) return false
  if (useSsl !== null)
    throw refused('a token is only sent in clear text to this machine: remove use_ssl=false')
  return true
}

/** The address itself is in no message: it may hold a token. */
function refused(reason: string): LakehouseError {
  return new LakehouseError(
    'CONFIG_INVALID',
    `The address of the Spark Connect server is not valid: ${reason}. ` +
      'It is written sc://host:port/;token=..;user_id=..;use_ssl=true.',
  )
}
