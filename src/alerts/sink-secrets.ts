// The secrets of sinks: read when the sinks are opened, and in no message. What a service answers may repeat
// one, so all that is told of an answer goes through `withoutSecrets`.
import { readFileSync } from 'node:fs'
import type { Environment } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { SecretSource } from './alerts-config.ts'

const lengthMax = 10_000
/** A shorter one holds no secret. */
const pathLengthMin = 12
const hidden = '(not shown)'

export class SinkSecrets {
  readonly #environment: Environment
  readonly #known = new Set<string>()

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** Fails with CONFIG_INVALID where there is none. */
  read(sink: string, source: SecretSource): string {
    const where = source.kind === 'env' ? `the variable ${source.variable}` : `the file ${source.path}`
    const text =
      (source.kind === 'env' ? this.#environment[source.variable] : textOf(sink, source.path)) ?? ''
    const secret = text.trim()
    if (secret === '' || secret.length > lengthMax) {
      const what = secret === '' ? 'is not set or empty' : 'is too long'
      throw new LakehouseError(
        'CONFIG_INVALID',
        `the sink ${sink} has its secret in ${where}, which ${what}.`,
      )
    }
    this.#known.add(secret)
    // Who answers may repeat the path alone.
    const path = URL.parse(secret)?.pathname ?? ''
    if (path.length >= pathLengthMin) this.#known.add(path)
    return secret
  }

  withoutSecrets(text: string): string {
    let shown = text
    for (const secret of this.#known) shown = shown.replaceAll(secret, hidden)
    return shown
  }
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
