// The secrets of sinks: read when the sinks are opened, and in no message. What a service answers may repeat
// one, so all that is told of an answer goes through `withoutSecrets`.
import { readFileSync } from 'node:fs'
import type { Environment } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { SecretSource } from './alerts-config.ts'

const lengthMax = 10_000
/** A shorter one holds no secret. */
const partLengthMin = 12
const hidden = '(not shown)'
const localHosts: readonly string[] = ['localhost', '127.0.0.1', '[::1]']
/** Before bytes as a key, as the Standard Webhooks specification says. */
const base64Prefix = 'whsec_'
const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=?|[A-Za-z0-9+/]{2}(?:==)?)$/

export class SinkSecrets {
  readonly #environment: Environment
  readonly #known = new Set<string>()

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** Fails with CONFIG_INVALID where there is none. */
  read(sink: string, source: SecretSource): string {
    const text =
      (source.kind === 'env' ? this.#environment[source.variable] : textOf(sink, source.path)) ?? ''
    const secret = text.trim()
    if (secret === '' || secret.length > lengthMax) {
      const what = secret === '' ? 'is not set or empty' : 'is too long'
      throw new LakehouseError(
        'CONFIG_INVALID',
        `the sink ${sink} has its secret in ${placeOf(source)}, which ${what}.`,
      )
    }
    this.#known.add(secret)
    // Who answers may repeat a part alone.
    const { pathname = '', search = '' } = URL.parse(secret) ?? {}
    for (const part of [pathname, search]) if (part.length >= partLengthMin) this.#known.add(part)
    return secret
  }

  /**
   * An address that is a secret: its path and its query say who may write there, so it goes over TLS or does
   * not leave the machine. Fails with CONFIG_INVALID, and does not repeat it.
   */
  readUrl(sink: string, source: SecretSource): string {
    const text = this.read(sink, source)
    const url = URL.parse(text)
    const isHere = url?.protocol === 'http:' && localHosts.includes(url.hostname)
    if (url !== null && (url.protocol === 'https:' || isHere) && `${url.username}${url.password}` === '')
      return text
    throw notOfForm(sink, source, 'https://host/path without a login, or http://localhost')
  }

  /** What a webhook is signed with. Fails with CONFIG_INVALID, and does not repeat it. */
  readSigningKey(sink: string, source: SecretSource): Buffer {
    const text = this.read(sink, source)
    if (!text.startsWith(base64Prefix)) return Buffer.from(text)
    const encoded = text.slice(base64Prefix.length)
    if (base64Form.test(encoded)) return Buffer.from(encoded, 'base64')
    throw notOfForm(sink, source, `${base64Prefix} and base64 behind it, or a text that does not begin so`)
  }

  withoutSecrets(text: string): string {
    let shown = text
    for (const secret of this.#known) shown = shown.replaceAll(secret, hidden)
    return shown
  }
}

function placeOf(source: SecretSource): string {
  return source.kind === 'env' ? `the variable ${source.variable}` : `the file ${source.path}`
}

function notOfForm(sink: string, source: SecretSource, form: string): LakehouseError {
  const message = `the sink ${sink} has its secret in ${placeOf(source)}, where ${form} is expected.`
  return new LakehouseError('CONFIG_INVALID', message)
}

function textOf(sink: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    const message = `the sink ${sink} has its secret in the file ${path}, which cannot be read: ${code}.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
}
