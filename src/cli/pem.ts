// Certificates and keys from files or variables. Each mistake is told with the variable that holds it, and
// none with what it holds.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { KafkaTls, PemSource } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'

export type Pems = {
  /** null for the authorities that the machine trusts. */
  readonly ca: string | null
  /** The key as PKCS8 that is not encrypted, which every client reads. */
  readonly client: { readonly cert: string; readonly key: string } | null
}

/** Fails with CONFIG_INVALID where one of them is not what it has to be. */
export function readPems({ ca, client }: KafkaTls): Pems {
  return { ca: ca && readAuthorities(ca), client: client && readClient(client) }
}

/** Fails with CONFIG_INVALID where the file cannot be read or holds no certificate. */
export function readAuthorities(source: PemSource): string {
  const text = readPem(source)
  certificateOf(text, source)
  return text
}

function readClient({ cert, key, passphrase }: NonNullable<KafkaTls['client']>): Pems['client'] {
  const chain = readPem(cert)
  const certificate = certificateOf(chain, cert)
  const privateKey = keyOf(readPem(key), key, passphrase?.reveal())
  if (!certificate.checkPrivateKey(privateKey)) {
    throw invalid(
      `the key in ${key.variable} is not that of the certificate in ${cert.variable}: set both of one pair.`,
    )
  }
  const validTo = certificate.validToDate
  if (validTo.getTime() < Date.now()) {
    const when = validTo.toISOString().slice(0, 10)
    throw invalid(`the certificate of the client in ${cert.variable} has expired on ${when}: renew it.`)
  }
  return { cert: chain, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

function readPem(source: PemSource): string {
  if (source.kind === 'text') return source.text.reveal()
  try {
    return readFileSync(source.path, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw invalid(
      `${source.variable} cannot be read: ${reason}. Name a PEM file that this user can read.`,
      cause,
    )
  }
}

function certificateOf(text: string, { variable }: PemSource): X509Certificate {
  try {
    return new X509Certificate(text)
  } catch (cause) {
    throw invalid(
      `${variable} holds no certificate in PEM: it has to begin with -----BEGIN CERTIFICATE-----.`,
      cause,
    )
  }
}

function keyOf(key: string, { variable }: PemSource, passphrase: string | undefined): KeyObject {
  const isEncrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(key)
  if (isEncrypted && passphrase === undefined) {
    throw invalid(`the key in ${variable} is encrypted: set KAFKA_SSL_KEY_PASSPHRASE.`)
  }
  try {
    return createPrivateKey({ key, ...(isEncrypted && { passphrase }) })
  } catch (cause) {
    if (isEncrypted)
      throw invalid(`KAFKA_SSL_KEY_PASSPHRASE is not the passphrase of the key in ${variable}.`, cause)
    throw invalid(
      `${variable} holds no private key in PEM: it has to begin with -----BEGIN PRIVATE KEY-----.`,
      cause,
    )
  }
}

function invalid(message: string, cause?: unknown): LakehouseError {
  return new LakehouseError('CONFIG_INVALID', message, { cause })
}
