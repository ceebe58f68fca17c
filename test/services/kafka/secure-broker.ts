// One broker that is reached in every way that can be configured: with passwords, with certificates, with
// tokens, and with certificates of its own that a client must not trust.
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Admin } from '@platformatic/kafka'
import { type Broker, startBroker } from '../broker.ts'
import { type Authority, makeAuthority, type Signed } from './authority.ts'
import type { TokenServer } from './token-server.ts'

/** What has to be quoted somewhere on the way stands in each secret. */
export const secrets = {
  password: `pa"ss\\w'ör d,=;#$\{x}%s`,
  passphrase: `phrase "of\\ the' key`,
  clientSecret: `client:s%cr+t &="é\\`,
}
/** May read and write the topics, as each kind of login names it. */
export const readerNames = { password: 'reader', certificate: 'CN=reader', token: 'reader-client' }
/** May do nothing at all. */
export const strangerName = 'stranger'
export const tokenLifetimeSeconds = 4
export const audience = 'kafka'
export const scope = 'read write'

export type SecureBroker = {
  readonly broker: Broker
  readonly authority: Authority
  /** One whose certificates the broker does not trust. */
  readonly otherAuthority: Authority
  readonly reader: Signed
  readonly stranger: Signed
  readonly readerOfOther: Signed
  readonly readerOfLastYear: Signed
  /** host:port of a listener. */
  address(listener: Listener): string
  allow(principal: string, rights: readonly Right[]): Promise<void>
  stop(): Promise<void>
}

export type Right = {
  readonly resource: 'topic' | 'group' | 'cluster'
  readonly name: string
  readonly operation: Operation
}
export type Operation = keyof typeof operations

export type Listener = keyof typeof listeners

const listeners = {
  PASSWORDS: 'SASL_SSL',
  CERTIFICATES: 'SSL',
  TOKENS: 'SASL_SSL',
  OTHERNAME: 'SSL',
  EXPIRED: 'SSL',
} as const

export async function startSecureBroker(tokenServer: TokenServer): Promise<SecureBroker> {
  const directory = await mkdtemp(join(tmpdir(), 'assay-secure-'))
  const [authority, otherAuthority] = [
    await makeAuthority(directory, 'ours'),
    await makeAuthority(directory, 'theirs'),
  ]
  const here = { subject: '/CN=broker', names: ['IP:127.0.0.1', 'DNS:localhost'] }
  const server = await authority.sign({ name: 'server', ...here })
  const elsewhere = await authority.sign({
    name: 'elsewhere',
    subject: '/CN=elsewhere',
    names: ['DNS:elsewhere.example'],
  })
  const expired = await authority.sign({ name: 'expired', ...here, isExpired: true })
  const client = { subject: '/CN=reader', passphrase: secrets.passphrase }
  const reader = await authority.sign({ name: 'reader', ...client })
  const readerOfOther = await otherAuthority.sign({ name: 'reader-of-other', ...client })
  const readerOfLastYear = await authority.sign({ name: 'reader-expired', ...client, isExpired: true })
  const stranger = await authority.sign({ name: 'stranger', ...client, subject: '/CN=stranger' })
  const scramUsers = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${readerNames.password},${scramCredentials(mechanism)}]`,
  ])
  const broker = await startBroker({
    listeners,
    properties: properties({ authority, server, elsewhere, expired, tokenServer }),
    formatArguments: scramUsers,
    jvmOptions: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${tokenServer.keysUrl}`],
  })
  return {
    broker,
    authority,
    otherAuthority,
    reader,
    stranger,
    readerOfOther,
    readerOfLastYear,
    address: (listener) => `127.0.0.1:${broker.ports[listener]}`,
    async allow(principal, rights) {
      const admin = new Admin({ clientId: 'assay-test', bootstrapBrokers: broker.bootstrapServers })
      try {
        await admin.createAcls({
          creations: rights.map(({ resource, name, operation }) => ({
            resourceType: resources[resource],
            resourceName: name,
            resourcePatternType: 3,
            principal: `User:${principal}`,
            host: '*',
            operation: operations[operation],
            permissionType: 3,
          })),
        })
      } finally {
        await admin.close()
      }
    },
    async stop() {
      await broker.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** As the protocol numbers them. */
const resources = { topic: 2, group: 3, cluster: 4 } as const
const operations = { read: 3, write: 4, create: 5, describe: 8, describeConfigs: 10 } as const

type Parts = Pick<SecureBroker, 'authority'> & { readonly tokenServer: TokenServer } & Readonly<
    Record<'server' | 'elsewhere' | 'expired', Signed>
  >

function properties({ authority, server, elsewhere, expired, tokenServer }: Parts): string {
  const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule'
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule'
  const bearer = 'org.apache.kafka.common.security.oauthbearer'
  const token = `${bearer}.OAuthBearerLoginModule`
  const validator = `${bearer}.OAuthBearerValidatorCallbackHandler`
  const users = [readerNames.password, strangerName].map(
    (name) => `user_${name}="${quoted(secrets.password)}"`,
  )
  return `authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location=${server.bothFile}
ssl.truststore.type=PEM
ssl.truststore.location=${authority.file}
listener.name.certificates.ssl.client.auth=required
listener.name.othername.ssl.keystore.type=PEM
listener.name.othername.ssl.keystore.location=${elsewhere.bothFile}
listener.name.expired.ssl.keystore.type=PEM
listener.name.expired.ssl.keystore.location=${expired.bothFile}
listener.name.passwords.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.passwords.plain.sasl.jaas.config=${inProperties(`${plain} required ${users.join(' ')};`)}
listener.name.passwords.scram-sha-256.sasl.jaas.config=${scram} required;
listener.name.passwords.scram-sha-512.sasl.jaas.config=${scram} required;
listener.name.tokens.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.tokens.oauthbearer.sasl.jaas.config=${token} required unsecuredLoginStringClaim_sub="broker";
listener.name.tokens.oauthbearer.sasl.server.callback.handler.class=${validator}
listener.name.tokens.sasl.oauthbearer.jwks.endpoint.url=${tokenServer.keysUrl}
listener.name.tokens.sasl.oauthbearer.expected.audience=${audience}
listener.name.tokens.sasl.oauthbearer.expected.issuer=${tokenServer.issuer}
listener.name.tokens.oauthbearer.connections.max.reauth.ms=${tokenLifetimeSeconds * 1_000}
listener.name.passwords.connections.max.reauth.ms=60000
`
}

/** Salted here: what stands in brackets takes no password with a comma or a quote. */
function scramCredentials(mechanism: string): string {
  const digest = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512'
  const [salt, iterations] = [randomBytes(16), 4096]
  const salted = pbkdf2Sync(secrets.password, salt, iterations, digest === 'sha256' ? 32 : 64, digest)
  return `salt="${salt.toString('base64')}",saltedpassword="${salted.toString('base64')}",iterations=${iterations}`
}

function quoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
}

/** A file of properties is read as Latin-1 with escapes. */
function inProperties(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll(/[^\x20-\x7e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
