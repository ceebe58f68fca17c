import { createPrivateKey } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readPems } from '../../../src/cli/pem.ts'
import type { KafkaTls } from '../../../src/config/config.ts'
import { makeAuthority, type Signed } from '../../services/kafka/authority.ts'

const passphrase = 'what "opens"\\it'
let directory: string
let one: Signed
let ca: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-pem-'))
  const authority = await makeAuthority(directory, 'ours')
  ca = authority.file
  one = await authority.sign({ name: 'one', subject: '/CN=one', passphrase })
})
afterAll(() => rm(directory, { recursive: true, force: true }))

function tlsOf(keyFile: string, opens: string | null): KafkaTls {
  return {
    ca: { kind: 'file', variable: 'KAFKA_SSL_CA_FILE', path: ca },
    client: {
      cert: { kind: 'file', variable: 'KAFKA_SSL_CERT_FILE', path: one.certFile },
      key: { kind: 'file', variable: 'KAFKA_SSL_KEY_FILE', path: keyFile },
      passphrase: opens === null ? null : { reveal: () => opens },
    },
  }
}

test('keys of every kind become one that is not encrypted', async () => {
  const key = createPrivateKey(await readFile(one.plainKeyFile, 'utf8'))
  const cipher = { cipher: 'aes-256-cbc', passphrase } as const
  const kinds = [
    key.export({ type: 'pkcs8', format: 'pem' }),
    key.export({ type: 'sec1', format: 'pem' }),
    key.export({ type: 'pkcs8', format: 'pem', ...cipher }),
    key.export({ type: 'sec1', format: 'pem', ...cipher }),
    await readFile(one.keyFile, 'utf8'),
  ]
  const expected = key.export({ type: 'pkcs8', format: 'pem' })
  for (const [index, text] of kinds.entries()) {
    const file = join(directory, `kind-${index}.key`)
    await writeFile(file, text)
    expect(readPems(tlsOf(file, passphrase)).client?.key).toBe(expected)
  }
})

test('a mistake names its variable, and nothing of what is secret', async () => {
  const other = join(directory, 'other.key')
  await writeFile(other, 'no key')
  const said = (keyFile: string, opens: string | null): string => {
    try {
      readPems(tlsOf(keyFile, opens))
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    return ''
  }
  expect(said(one.keyFile, null)).toContain('is encrypted: set KAFKA_SSL_KEY_PASSPHRASE')
  expect(said(one.keyFile, 'wrong')).toContain('KAFKA_SSL_KEY_PASSPHRASE is not the passphrase')
  expect(said(other, null)).toContain('KAFKA_SSL_KEY_FILE holds no private key')
  expect(said(join(directory, 'absent.key'), null)).toContain('KAFKA_SSL_KEY_FILE cannot be read')
  expect(said(join(directory, 'ours.key'), null)).toContain('is not that of the certificate')
  expect(said(one.keyFile, 'wrong')).not.toContain('wrong')
})
