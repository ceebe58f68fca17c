// From the configuration to a schema registry; null where none is set.
import { readFileSync } from 'node:fs'
import type { OnNotice } from '../batches/notice.ts'
import type { Config, RegistryConfig } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type RegistryOptions, SchemaRegistry } from '../registry/registry.ts'

/** Fails with CONFIG_INVALID where a file of it cannot be read. */
export function schemaRegistryOf(
  { registry }: Pick<Config, 'registry'>,
  options: { readonly onNotice?: OnNotice; readonly giveUpAfterMs?: number } = {},
): SchemaRegistry | null {
  return registry === null ? null : new SchemaRegistry({ ...options, connection: connectionOf(registry) })
}

function connectionOf(registry: RegistryConfig): RegistryOptions['connection'] {
  const { urls, caFile, certFile, keyFile, keyPassword } = registry
  const pem = (name: string, variable: string, file: string | null) => {
    return file === null ? {} : { [name]: pemText(variable, file) }
  }
  return {
    urls,
    login: loginOf(registry),
    tls: {
      ...pem('ca', 'SCHEMA_REGISTRY_SSL_CA_FILE', caFile),
      ...pem('cert', 'SCHEMA_REGISTRY_SSL_CERT_FILE', certFile),
      ...pem('key', 'SCHEMA_REGISTRY_SSL_KEY_FILE', keyFile),
      ...(keyPassword === null ? {} : { passphrase: keyPassword.reveal() }),
    },
  }
}

function loginOf({ username, password, token }: RegistryConfig): RegistryOptions['connection']['login'] {
  if (token !== null) return { kind: 'bearer', token: token.reveal() }
  if (username === null || password === null) return { kind: 'none' }
  return { kind: 'basic', username, password: password.reveal() }
}

function pemText(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${variable} cannot be read: ${reason}. Name a PEM file that this user can read.`
    throw new LakehouseError('CONFIG_INVALID', message, { cause, details: { file } })
  }
}
