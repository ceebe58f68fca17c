// Every way to log in to Kafka, as the guide shows it, from every command that talks to Kafka; what is said
// of each mistake; and that no secret stands anywhere.
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseEnv } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { check } from '../../../src/cli/check.ts'
import { kafkaConnectionOf } from '../../../src/cli/kafka-connection.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { Cluster } from '../../../src/kafka/cluster.ts'
import { openKafkaProducer } from '../../../src/kafka/producer.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { runAssay, type Settings, startAssay } from '../pipeline/assay.ts'
import { call } from '../spark/harness.ts'
import { silverHas, tablesOf } from '../spark/lakehouse.ts'
import { javaAvailable } from '../tools.ts'
import {
  type Listener,
  type Right,
  readerNames,
  type SecureBroker,
  scope,
  secrets,
  startSecureBroker,
  strangerName,
  tokenLifetimeSeconds,
} from './secure-broker.ts'
import { startTokenServer, type TokenServer } from './token-server.ts'

const guide = join(import.meta.dirname, '../../../docs/guide/secure-kafka.md')
const group = 'watchers'
/** So many records that each partition has some. */
const count = 60

let tokenServer: TokenServer
let secure: SecureBroker
let directory: string
/** The settings of each example of the guide, in its order. */
let examples: Settings[]
/** Everything that the commands have written. */
const outputs: string[] = []

type Way = { readonly example: number; readonly listener: Listener; readonly more?: Settings }

const ways: Readonly<Record<string, Way>> = {
  'SCRAM-SHA-512': { example: 0, listener: 'PASSWORDS' },
  PLAIN: { example: 0, listener: 'PASSWORDS', more: { KAFKA_SASL_MECHANISM: 'PLAIN' } },
  'a certificate of the client': { example: 1, listener: 'CERTIFICATES' },
  tokens: { example: 3, listener: 'TOKENS' },
}

/** They differ from one of the others by a word, or by where it stands. */
const variants: Readonly<Record<string, Way>> = {
  'SCRAM-SHA-256': { example: 0, listener: 'PASSWORDS', more: { KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256' } },
  'a certificate as text': { example: 2, listener: 'CERTIFICATES' },
}

describe.skipIf(javaAvailable !== null)('secure Kafka', () => {
  beforeAll(async () => {
    tokenServer = await startTokenServer()
    secure = await startSecureBroker(tokenServer)
    directory = await mkdtemp(join(tmpdir(), 'assay-security-'))
    await secure.broker.createTopic('seen', 1)
    const blocks = (await readFile(guide, 'utf8')).matchAll(/^```env\n(.*?)^```/gms)
    examples = [...blocks].map(([, text]) => parseEnv(text!) as Settings) // No name occurs without a value.
  })
  afterAll(async () => {
    await secure?.stop()
    await tokenServer?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  test.each(Object.entries(ways))('%s: produce, check, infer and run', async (name, way) => {
    const topic = `by.${name.replaceAll(' ', '-')}`
    const mine = await settingsOf(way, { KAFKA_TOPIC: topic, DELTA_BASE_PATH: join(directory, topic) })
    await grant(topic, ['create', 'write', 'read', 'describe'])
    await assay(['produce', '--count', String(count), '--partitions', '2'], mine)
    const [checked, inferred] = await Promise.all([
      assay(['check'], mine),
      assay(['infer'], mine),
      assay(['run', '--once', '--finalize'], mine),
    ])
    expect(checked).toContain(`topic ${topic}: 2 partitions on 1 broker, ${count} offsets readable`)
    expect(checked).toContain(`group ${group}: progress may be reported to it`)
    expect(inferred).toContain('transaction_id')
    expect((await tablesOf(mine))['bronze/transactions']).toHaveLength(count)
  })

  test.each(Object.entries(variants))('%s: check logs in', async (_, way) => {
    await grant('seen', ['read', 'describe'])
    const said = await checked(
      await settingsOf(way, { KAFKA_TOPIC: 'seen', DELTA_BASE_PATH: join(directory, 'none') }),
    )
    expect(said).toMatch(/^ok +kafka +topic seen: 1 partition/m)
    expect(said).not.toContain('FAIL')
  })

  test('a run and a producer outlive several tokens, and nothing is told of it', async () => {
    const topic = 'by.lasting'
    const mine = await settingsOf(ways.tokens!, {
      KAFKA_TOPIC: topic,
      DELTA_BASE_PATH: join(directory, topic),
    })
    await grant(topic, ['create', 'write', 'read', 'describe'])
    const producer = await openKafkaProducer({
      ...kafkaConnectionOf(configOf(mine).kafka),
      topic,
      compression: 'none',
      createPartitions: 2,
    })
    const runs = [startAssay(['run'], mine)]
    const tokensBefore = tokenServer.tokens.length
    const lives = 3
    const records = lives * tokenLifetimeSeconds * 4
    for (let sent = 0; sent < records; sent += 1) {
      await producer.send([{ key: null, value: Buffer.from(transaction(sent)) }])
      await sleep(250)
    }
    await producer.close()
    await silverHas(mine, records, runs[0])
    const ended = await Promise.all(runs.map((run) => run.end('SIGTERM')))
    for (const { code, stdout, log } of ended) {
      outputs.push(stdout, log)
      expect(code, log).toBe(0)
      expect(log).not.toMatch(/KAFKA_|SPARK_EXECUTION/)
    }
    // The producer and the engine.
    expect(tokenServer.tokens.length - tokensBefore).toBeGreaterThanOrEqual(2 * lives)
  })

  type Mistake = readonly [what: string, way: () => Promise<Settings>, says: RegExp]
  const of =
    (name: string, more: Settings = {}) =>
    async () =>
      await settingsOf({ ...ways, ...variants }[name]!, { KAFKA_TOPIC: 'seen', ...more })
  const at =
    (listener: Listener, name: string, more: Settings = {}) =>
    async () => ({
      ...(await of(name, more)()),
      KAFKA_BOOTSTRAP_SERVERS: secure.address(listener),
    })
  const withFile = (name: string, variable: string, file: () => string) => async () => ({
    ...(await of(name)()),
    [variable]: file(),
  })
  const byCertificate = 'a certificate of the client'
  const mistakes: readonly Mistake[] = [
    [
      'a wrong password',
      of('PLAIN', { KAFKA_SASL_PASSWORD: 'wrong' }),
      /correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/,
    ],
    [
      'a wrong password with SCRAM',
      of('SCRAM-SHA-256', { KAFKA_SASL_PASSWORD: 'wrong' }),
      /correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/,
    ],
    [
      'an unknown authority',
      withFile('PLAIN', 'KAFKA_SSL_CA_FILE', () => secure.otherAuthority.file),
      /authority that is not trusted here: set KAFKA_SSL_CA_FILE/,
    ],
    [
      'another host name',
      at('OTHERNAME', 'PLAIN', { KAFKA_SECURITY_PROTOCOL: 'SSL' }),
      /certificate of the broker is for another host.*127\.0\.0\.1/,
    ],
    [
      'an expired certificate',
      at('EXPIRED', 'PLAIN', { KAFKA_SECURITY_PROTOCOL: 'SSL' }),
      /certificate of the broker has expired/,
    ],
    [
      'no certificate of the client',
      at('CERTIFICATES', 'PLAIN', { KAFKA_SECURITY_PROTOCOL: 'SSL' }),
      /set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE/,
    ],
    [
      'a certificate of the client by another authority',
      async () => ({ ...(await of(byCertificate)()), ...filesOf(secure.readerOfOther) }),
      /does not trust the certificate of the client/,
    ],
    [
      'an expired certificate of the client',
      async () => ({ ...(await of(byCertificate)()), ...filesOf(secure.readerOfLastYear) }),
      /certificate of the client in KAFKA_SSL_CERT_FILE has expired on 2020-01-02/,
    ],
    [
      'a key of another certificate',
      withFile(byCertificate, 'KAFKA_SSL_KEY_FILE', () => secure.readerOfOther.keyFile),
      /KAFKA_SSL_KEY_FILE is not that of the certificate/,
    ],
    [
      'a wrong passphrase',
      of(byCertificate, { KAFKA_SSL_KEY_PASSPHRASE: 'wrong' }),
      /KAFKA_SSL_KEY_PASSPHRASE is not the passphrase/,
    ],
    [
      'no TLS where it is wanted',
      of('PLAIN', { KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT' }),
      /this listener speaks SASL_SSL, and KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT/,
    ],
    [
      'nothing where TLS with certificates is wanted',
      of(byCertificate, { KAFKA_SECURITY_PROTOCOL: 'PLAINTEXT' }),
      /this listener speaks SSL, and KAFKA_SECURITY_PROTOCOL is PLAINTEXT/,
    ],
    [
      'TLS where there is none',
      async () => ({
        ...(await of('PLAIN')()),
        KAFKA_BOOTSTRAP_SERVERS: secure.broker.saslBootstrapServers[0]!,
      }),
      /this listener speaks SASL_PLAINTEXT, and KAFKA_SECURITY_PROTOCOL is SASL_SSL/,
    ],
    [
      'no login where one is wanted',
      of('PLAIN', { KAFKA_SECURITY_PROTOCOL: 'SSL' }),
      /this listener speaks SASL_SSL, and KAFKA_SECURITY_PROTOCOL is SSL/,
    ],
    [
      'a login where there is none',
      at('OTHERNAME', 'PLAIN'),
      /this listener speaks SSL, and KAFKA_SECURITY_PROTOCOL is SASL_SSL/,
    ],
    [
      'a mechanism that there is not',
      at('TOKENS', 'PLAIN'),
      /does not offer the mechanism of KAFKA_SASL_MECHANISM: set it to OAUTHBEARER/,
    ],
    [
      'no right on the topic',
      of('PLAIN', { KAFKA_SASL_USERNAME: strangerName }),
      /--allow-principal User:stranger --operation Read --operation Describe --topic seen/,
    ],
    [
      'only the right to see the topic',
      of('PLAIN', { KAFKA_TOPIC: 'shown' }),
      /may not read it.*--topic shown/,
    ],
    [
      'no right on the group',
      of('PLAIN', { KAFKA_GROUP_ID: 'others' }),
      /warn .*group others: .*--operation Read --group others/,
    ],
    [
      'no right on the cluster to create',
      of('PLAIN', { KAFKA_TOPIC: 'absent' }),
      /There is no topic absent.*no right on the cluster to create topics.*--operation Create --topic absent/,
    ],
    [
      'a wrong secret of the client',
      of('tokens', { KAFKA_SASL_PASSWORD: 'wrong' }),
      /status 401 \(invalid_client\): correct KAFKA_SASL_USERNAME/,
    ],
    [
      'a wrong scope',
      of('tokens', { KAFKA_SASL_TOKEN_SCOPE: 'other' }),
      /\(invalid_scope\): correct KAFKA_SASL_TOKEN_SCOPE/,
    ],
    [
      'no server of tokens',
      async () => ({
        ...(await of('tokens')()),
        KAFKA_SASL_TOKEN_URL: tokenServer.tokenUrl.replace('/token', '/other'),
      }),
      /is no server of tokens.*status 404.*Correct KAFKA_SASL_TOKEN_URL/,
    ],
    [
      'a server of tokens that is away',
      of('tokens', { KAFKA_SASL_TOKEN_URL: 'http://127.0.0.1:1/token' }),
      /server of tokens at http:\/\/127\.0\.0\.1:1\/token gives none now/,
    ],
    [
      'a token of another audience',
      of('tokens', { KAFKA_SASL_TOKEN_SCOPE: `${scope} elsewhere` }),
      /does not take the token/,
    ],
    [
      'no broker',
      of('PLAIN', { KAFKA_BOOTSTRAP_SERVERS: '127.0.0.1:1' }),
      /127\.0\.0\.1:1: .*Check that the brokers run/,
    ],
  ]

  test('each mistake is told by what mends it, and no two alike', async () => {
    await secure.broker.createTopic('shown', 1)
    await grant('shown', ['describe'])
    await grant('absent', ['describe'])
    await secure.allow(readerNames.password, [
      { resource: 'cluster', name: 'kafka-cluster', operation: 'describe' },
    ])
    for (const [what, way, says] of mistakes) {
      const settings = { ...(await way()), DELTA_BASE_PATH: join(directory, 'none') }
      const said = await checked(settings)
      const [line, ...others] = said.split('\n').filter((one) => /^(FAIL|warn) +kafka /.test(one))
      expect(line, `${what}:\n${said}`).toMatch(says)
      expect(others, what).toEqual([])
    }
    const own = mistakes.map(([, , says]) => says.source)
    expect(new Set(own).size).toBe(own.length - 1) // PLAIN and SCRAM have the same password.
  })

  test('a run ends with what the check says, and a producer that may not create a topic says so', async () => {
    const mine = { ...(await of('PLAIN')()), DELTA_BASE_PATH: join(directory, 'none') }
    const refused = startAssay(['run', '--once'], { ...mine, KAFKA_SASL_PASSWORD: 'wrong' })
    const uncreated = startAssay(['produce', '--count', '1'], { ...mine, KAFKA_TOPIC: 'absent' })
    const [{ code, log }, produced] = await Promise.all([refused.ended, uncreated.ended])
    outputs.push(log, produced.stdout, produced.log)
    expect({ code, log }).toMatchObject({
      code: 1,
      log: expect.stringMatching(/KAFKA_AUTHENTICATION_FAILED.*correct KAFKA_SASL_USERNAME/s),
    })
    expect(produced.log).toMatch(
      /KAFKA_NOT_AUTHORIZED.*may not create it.*--operation Create --topic absent/s,
    )
  })

  test('a certificate that is renewed on the disk counts for the next connection, once its key is there', async () => {
    const [certFile, keyFile] = [join(directory, 'client.pem'), join(directory, 'client.key')]
    await copyFile(secure.reader.certFile, certFile)
    await copyFile(secure.reader.keyFile, keyFile)
    const files = { KAFKA_SSL_CERT_FILE: certFile, KAFKA_SSL_KEY_FILE: keyFile }
    const options = kafkaConnectionOf(configOf(await of(byCertificate, files)()).kafka)
    const seen = async (): Promise<string> => {
      const cluster = new Cluster(options)
      const view = cluster.describe(['seen'], call.signal).then(
        () => 'reader',
        (error: Error) => error.message,
      )
      return await view.finally(() => cluster.close())
    }
    expect(await seen()).toBe('reader')
    await copyFile(secure.stranger.certFile, certFile)
    expect(await seen()).toBe('reader')
    await copyFile(secure.stranger.keyFile, keyFile)
    expect(await seen()).toContain('TOPIC_AUTHORIZATION_FAILED')
  })

  test("no secret is in a command's output, a table or a checkpoint", async () => {
    const words = await secretWords()
    for (const word of words)
      for (const text of outputs) expect(text.includes(word), `${word} in ${text.slice(0, 400)}`).toBe(false)
    for (const file of await everyFileOf(directory)) {
      const bytes = await readFile(file)
      if (file.endsWith('.key')) continue // Ours, of the test before.
      for (const word of words) expect(bytes.includes(word), `${word} in ${file}`).toBe(false)
    }
    expect(outputs.length).toBeGreaterThan(20)
  })
})

async function settingsOf({ example, listener, more = {} }: Way, further: Settings): Promise<Settings> {
  const { authority, reader } = secure
  const isToken = listener === 'TOKENS'
  const real: Settings = {
    KAFKA_BOOTSTRAP_SERVERS: secure.address(listener),
    KAFKA_SASL_USERNAME: isToken ? readerNames.token : readerNames.password,
    KAFKA_SASL_PASSWORD: isToken ? secrets.clientSecret : secrets.password,
    KAFKA_SASL_TOKEN_URL: tokenServer.tokenUrl,
    KAFKA_SASL_TOKEN_SCOPE: scope,
    KAFKA_SSL_CA_FILE: authority.file,
    ...filesOf(reader),
    KAFKA_SSL_KEY_PASSPHRASE: secrets.passphrase,
    // In one line, as in a store of secrets.
    KAFKA_SSL_CA: (await readFile(authority.file, 'utf8')).replaceAll('\n', '\\n'),
    KAFKA_SSL_CERT: await readFile(reader.certFile, 'utf8'),
    KAFKA_SSL_KEY: await readFile(reader.keyFile, 'utf8'),
  }
  const written = Object.entries(examples[example]!).map(([name, value]) => [name, real[name] ?? value])
  return { KAFKA_GROUP_ID: group, LOG_LEVEL: 'debug', ...Object.fromEntries(written), ...more, ...further }
}

function filesOf({ certFile, keyFile }: SecureBroker['reader']): Settings {
  return { KAFKA_SSL_CERT_FILE: certFile, KAFKA_SSL_KEY_FILE: keyFile }
}

async function grant(topic: string, operations: readonly Right['operation'][]): Promise<void> {
  const rights = operations.map((operation): Right => ({ resource: 'topic', name: topic, operation }))
  const ofGroup: Right = { resource: 'group', name: group, operation: 'read' }
  for (const principal of Object.values(readerNames)) await secure.allow(principal, [...rights, ofGroup])
}

async function assay(args: readonly string[], settings: Settings): Promise<string> {
  const { stdout, log } = await runAssay(args, settings)
  outputs.push(stdout, log)
  return stdout
}

function configOf(settings: Settings) {
  return loadConfig(standardLakehouse, settings, join(directory, 'absent'))
}

async function checked(settings: Settings): Promise<string> {
  let text = ''
  await check(
    (line) => {
      text += line
    },
    () => configOf(settings),
  )
  outputs.push(text)
  return text
}

/** Each secret as it is, and as it may stand in another text. */
async function secretWords(): Promise<string[]> {
  const plain = Object.values(secrets)
  const escaped = plain.map((text) => JSON.stringify(text).slice(1, -1))
  const keys = await Promise.all(
    [secure.reader.plainKeyFile, secure.reader.keyFile].map((file) => readFile(file, 'utf8')),
  )
  const lines = keys.map((key) => key.split('\n')[2]!)
  const tokens = tokenServer.tokens.map((token) => token.split('.')[2]!.slice(0, 40))
  return [...plain, ...escaped, ...lines, ...tokens]
}

async function everyFileOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

function transaction(index: number): string {
  const at = new Date(Date.parse('2024-03-10T10:00:00Z') + index * 1_000).toISOString()
  return `{"transaction_id":"lasting-${index}","user_id":${index % 7},"amount":5,"timestamp":"${at}"}`
}
