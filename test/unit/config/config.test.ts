import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { type Environment, loadConfig } from '../../../src/config/config.ts'
import { variablesOf } from '../../../src/config/variables.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'assay-config-'))
afterAll(() => rmSync(directory, { recursive: true }))
const noFile = join(directory, 'absent')

const load = (environment: Environment) => loadConfig(standardLakehouse, environment, noFile)

function mistakes(environment: Environment): readonly string[] {
  try {
    load(environment)
  } catch (error) {
    if (error instanceof LakehouseError && error.code === 'CONFIG_INVALID')
      return error.message.split('\n  ').slice(1)
    throw error
  }
  return []
}

test('without any variable the defaults are a valid configuration', () => {
  const config = load({})
  expect(config.kafka).toMatchObject({
    bootstrapServers: ['localhost:9092'],
    topic: 'ecommerce.transactions',
  })
  expect(config.watermarkMicros.hourly_summary).toBe(3_600_000_000n)
  expect(config.hints).toEqual([])
})

test('a retention whose name two tables have is refused', () => {
  const gold = standardLakehouse.tables.find(({ path }) => path === 'gold/transactions')!
  const tables = [...standardLakehouse.tables, { ...gold, path: 'gold_transactions' }]
  const environment = { RETENTION_GOLD_TRANSACTIONS: '90 days' }
  const twice = { ...standardLakehouse, tables }
  expect(() => loadConfig(twice, environment, noFile)).toThrow('gold/transactions and gold_transactions')
  expect(loadConfig(twice, {}, noFile).retentionMicros).toEqual({})
})

test.each([...variablesOf(standardLakehouse)])(
  'the default and the example of %s are valid',
  (_, variable) => {
    const { schema, default: standard, example } = variable
    for (const text of [standard, example])
      if (text !== null) expect(schema.safeParse(text).success).toBe(true)
  },
)

test('all mistakes are told at once, each with its variable, its value and what is allowed', () => {
  const told = mistakes({
    KAFKA_TOPIC: 'a b',
    TRIGGER_INTERVAL_MS: '1.5',
    WATERMARK_USER: '10',
    LOG_LEVEL: 'INFO',
  })
  expect(told).toHaveLength(4)
  expect(told[0]).toMatch(/^KAFKA_TOPIC is "a b": it must be a topic name/)
  expect(told.join('\n')).toMatch(/LOG_LEVEL is "INFO": it must be debug, info, warn or error/)
})

test('control characters of a wrong value are escaped', () => {
  expect(mistakes({ ENGINE: 'x\x1b[2J\x9b\u202e' }).join()).not.toMatch(/[\p{Cc}\p{Cf}]/u)
})

describe('watermarks', () => {
  test('one below that of silver is refused', () => {
    expect(mistakes({ WATERMARK_SILVER: '10 minutes', WATERMARK_GOLD: '9 minutes 59 seconds' })).toEqual([
      expect.stringMatching(/^WATERMARK_GOLD is 9 minutes 59 seconds: .*WATERMARK_SILVER \(10 minutes\)/),
    ])
  })

  test('one that is not set is at least that of silver', () => {
    expect(load({ WATERMARK_SILVER: '45 min' }).watermarkMicros).toMatchObject({
      gold: 2_700_000_000n,
      country: 2_700_000_000n,
      user: 3_600_000_000n,
    })
  })
})

test.each([
  ['10 minutes', 600_000_000n],
  ['1 h', 3_600_000_000n],
  ['90s', 90_000_000n],
  ['1 Hour 30 MIN', 5_400_000_000n],
  ['0 s', 0n],
  ['250ms', 250_000n],
])('%s is a duration', (text, micros) => {
  expect(load({ DEDUP_WINDOW: text }).parameters.dedup_micros).toBe(micros)
})

test.each(['10', 'minutes', '-1 s', '1.5 h', '10 fortnights', '1 h x', 'PT10M', '4000 days', '1 month'])(
  '%s is no duration',
  (text) => expect(mistakes({ DEDUP_WINDOW: text })).toHaveLength(1),
)

test.each([
  ['2024-03-10', Date.UTC(2024, 2, 10)],
  ['2024-03-10 12:30', Date.UTC(2024, 2, 10, 12, 30)],
  ['2024-03-10T12:30:01.5+02:00', Date.UTC(2024, 2, 10, 10, 30, 1, 500)],
])('%s is a starting time', (text, timestampMs) => {
  expect(load({ STARTING_OFFSETS: text }).kafka.startingOffsets).toEqual({ kind: 'time', timestampMs })
})

test.each(['2024-02-30', '2024-03-10T25:00', 'now', '1710028800', 'Earliest'])(
  '%s is no starting position',
  (text) => {
    expect(mistakes({ STARTING_OFFSETS: text })).toHaveLength(1)
  },
)

test('a certificate needs its key, tokens their server, and each comes from one place', () => {
  const [begin, end] = ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----']
  const text = `${begin}\\nMIIB\\n${end}`
  expect(mistakes({ KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SSL_CERT: text })).toEqual([
    expect.stringContaining('KAFKA_SSL_KEY_FILE is not set'),
  ])
  expect(mistakes({ KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SSL_KEY_FILE: 'key.pem' })).toEqual([
    expect.stringContaining('KAFKA_SSL_CERT_FILE is not set'),
  ])
  expect(
    mistakes({ KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SSL_CA: text, KAFKA_SSL_CA_FILE: 'ca.pem' }),
  ).toEqual([expect.stringContaining('KAFKA_SSL_CA and KAFKA_SSL_CA_FILE are both set')])
  expect(mistakes({ KAFKA_SSL_KEY: 'my key' })).toEqual([
    'KAFKA_SSL_KEY is (not shown): it must be PEM that begins with -----BEGIN PRIVATE KEY-----',
  ])
  const login = { KAFKA_SECURITY_PROTOCOL: 'SASL_SSL', KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p' }
  expect(mistakes({ ...login, KAFKA_SASL_MECHANISM: 'OAUTHBEARER' })).toEqual([
    expect.stringContaining('KAFKA_SASL_TOKEN_URL is not set'),
  ])
  const { tls } = loadConfig(standardLakehouse, { ...login, KAFKA_SSL_CA: text }, noFile).kafka.security
  const ca = tls?.ca?.kind === 'text' ? tls.ca.text.reveal() : null
  expect(ca).toBe(`${begin}\nMIIB\n${end}\n`)
})

test('with SASL a user and a password are needed', () => {
  expect(mistakes({ KAFKA_SECURITY_PROTOCOL: 'SASL_SSL' })).toEqual([
    expect.stringContaining('KAFKA_SASL_USERNAME'),
    expect.stringContaining('KAFKA_SASL_PASSWORD'),
  ])
})

test('a password is in no printed form of the configuration', () => {
  const config = load({
    KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
    KAFKA_SASL_USERNAME: 'u',
    KAFKA_SASL_PASSWORD: ' hunter2 ',
  })
  expect(config.kafka.security.sasl?.password.reveal()).toBe(' hunter2 ')
  const printed = inspect(config, { depth: 9 }) + JSON.stringify(config.kafka)
  expect(printed).not.toContain('hunter2')
})

test('the environment wins over the file, and an empty value is the default', () => {
  const file = join(directory, '.env')
  writeFileSync(file, 'KAFKA_TOPIC=from-file # why\nKAFKA_GROUP_ID="from file"\nLOG_LEVEL=\n')
  const config = loadConfig(standardLakehouse, { KAFKA_TOPIC: 'from-env', KAFKA_GROUP_ID: '' }, file)
  expect(config.kafka).toMatchObject({ topic: 'from-env', groupId: 'from file' })
  expect(config.log.level).toBe('info')
})

test('a directory named .env is the Python environment of somebody, not a mistake', () => {
  expect(loadConfig(standardLakehouse, {}, directory).hints).toEqual([])
})

test.each([
  ['WATERMARK_GLOD', 'WATERMARK_GOLD'],
  ['KAFKA_TOPICS', 'KAFKA_TOPIC'],
  ['kafka_topic', 'KAFKA_TOPIC'],
  ['DELTA_BASEPATH', 'DELTA_BASE_PATH'],
])('%s gets the hint %s', (name, meant) => {
  expect(load({ [name]: 'x' }).hints).toEqual([expect.stringContaining(`did you mean ${meant}?`)])
})

test('variables of other programs get no hint', () => {
  expect(load({ KAFKA_HOME: 'x', KAFKA_OPTS: 'x', SPARK_HOME: 'x', PATH: 'x', LOGNAME: 'x' }).hints).toEqual(
    [],
  )
})

test('in the file, what begins as ours do is told, with what is meant or what there is', () => {
  const file = join(directory, 'misspelt.env')
  const names = ['DELTA_PATH', 'DUCKDB_TEMP', 'KAFKA_BROKERS', 'OTHER_APP', 'SPARK_MASTR', 'WATERMARK_HOURLY']
  writeFileSync(file, names.map((name) => `${name}=x\n`).join(''))
  expect(loadConfig(standardLakehouse, {}, file).hints).toEqual([
    expect.stringContaining('did you mean DELTA_BASE_PATH?'),
    expect.stringMatching(/^DUCKDB_TEMP is not .*DUCKDB_MEMORY_LIMIT, DUCKDB_THREADS/),
    expect.stringMatching(/^KAFKA_BROKERS is not .* no effect.*KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC/),
    expect.stringContaining('did you mean SPARK_MASTER?'),
    expect.stringContaining('did you mean WATERMARK_HOURLY_SUMMARY?'),
  ])
})

test('lines of the file that are no settings are told by their numbers, without what may be secret', () => {
  const file = join(directory, 'odd.env')
  const lines = [
    ...['\ufeffKAFKA_TOPIC=first', '', '# KAFKA_GROUP_ID', 'KAFKA_SASL_PASSWORD hunter2', 'hunter3'],
    ...['export LOG_LEVEL=debug', 'OF_ANOTHER="two', 'lines"', 'LOG_FORMAT: json', 'A B=c'],
    ...['ENGINE="embedded', 'COMPACTION=off', 'HIGH_RISK_COUNTRIES="none"', "DELTA_BASE_PATH='/lake"],
  ]
  writeFileSync(file, lines.join('\r\n'))
  const told = loadConfig(standardLakehouse, { ENGINE: 'embedded' }, file)
  expect(told.kafka.topic).toBe('first')
  expect(told.hints).toEqual([
    `${file}, line 4, which begins with KAFKA_SASL_PASSWORD, is not a setting: write NAME=value`,
    `${file}, line 5 is not a setting: write NAME=value`,
    `${file}, line 9, which begins with LOG_FORMAT, is not a setting: write NAME=value`,
    `${file}, line 10 is not a setting: write NAME=value`,
    `${file}, line 11: the quote of ENGINE is closed only in line 13, so all up to there is its value`,
    `${file}, line 14: the quote of DELTA_BASE_PATH is not closed: close it, or put other quotes around the value`,
  ])
})

test('a path is absolute or in an object store that keeps commits apart', () => {
  expect(load({ DELTA_BASE_PATH: 'lake' }).deltaBasePath).toBe(join(process.cwd(), 'lake'))
  expect(load({ DELTA_BASE_PATH: 'file:///a%20b' }).deltaBasePath).toBe('/a b')
  expect(load({ DELTA_BASE_PATH: '~/lake' }).deltaBasePath).toBe(join(homedir(), 'lake'))
  expect(load({ DELTA_BASE_PATH: '~' }).deltaBasePath).toBe(homedir())
  expect(load({ DELTA_BASE_PATH: './~/lake' }).deltaBasePath).toBe(join(process.cwd(), '~', 'lake'))
  expect(load({ DELTA_BASE_PATH: 's3://bucket/x/' }).deltaBasePath).toBe('s3://bucket/x')
  for (const path of ['gs://bucket/x', 's3://b', 'hdfs://h/x', 'abfss://c@h/x', '~somebody/lake']) {
    expect(mistakes({ DELTA_BASE_PATH: path })).toHaveLength(1)
  }
})

test('others than this machine are told how a process is only with a token', () => {
  expect(load({ METRICS_HOST: '127.0.0.1' }).metrics).toMatchObject({ token: { kind: 'none' } })
  const METRICS_HOST = '0.0.0.0'
  expect(mistakes({ METRICS_HOST })[0]).toContain('which others can reach, and there is no token')
  expect(load({ METRICS_HOST, METRICS_PORT: '0' }).metrics.port).toBe(0)
  const METRICS_TOKEN = 'long-enough-token'
  const { metrics } = load({ METRICS_HOST, METRICS_TOKEN })
  expect(metrics).toMatchObject({ host: '0.0.0.0', port: 9464, token: { kind: 'text' } })
  expect(JSON.stringify(metrics)).not.toContain(METRICS_TOKEN)
  const METRICS_TOKEN_FILE = '/run/secrets/token'
  expect(load({ METRICS_HOST, METRICS_TOKEN_FILE }).metrics.token).toEqual({
    ...{ kind: 'file', variable: 'METRICS_TOKEN_FILE', path: METRICS_TOKEN_FILE },
  })
  expect(mistakes({ METRICS_HOST, METRICS_TOKEN, METRICS_TOKEN_FILE })[0]).toContain('both set')
  expect(mistakes({ METRICS_HOST, METRICS_TOKEN: 'short' })[0]).toMatch(/^METRICS_TOKEN is \(not shown\)/)
})

test('the group of decisions is not the one that reports how far the tables are', () => {
  const of = { KAFKA_GROUP_ID: 'one', DECISIONS_GROUP_ID: 'one' }
  expect(mistakes(of)).toEqual([
    expect.stringContaining('DECISIONS_GROUP_ID is one, which is KAFKA_GROUP_ID'),
  ])
  expect(mistakes({ KAFKA_GROUP_ID: 'one' })).toEqual([])
})

test('what a store needs is read together, and Spark writes to none', () => {
  expect(load({}).store).toBeNull()
  const DELTA_BASE_PATH = 's3://bucket/x'
  const keys = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'hidden' }
  const { store } = load({ DELTA_BASE_PATH, ...keys, AWS_ENDPOINT_URL: 'http://127.0.0.1:9000' })
  expect(store).toMatchObject({ bucket: 'bucket', prefix: 'x', region: 'us-east-1', pathStyle: true })
  expect(JSON.stringify(store)).not.toContain('hidden')
  expect(load({ DELTA_BASE_PATH }).store).toMatchObject({ region: null, pathStyle: false, credentials: null })
  expect(mistakes({ AWS_ACCESS_KEY_ID: 'key' })[0]).toContain('AWS_SECRET_ACCESS_KEY')
  expect(mistakes({ DELTA_BASE_PATH, ENGINE: 'spark' })[0]).toContain('without a condition')
  expect(mistakes({ AWS_ENDPOINT_URL: 'https://user:pass@host' })).toHaveLength(1)
})

test('none is the empty list of countries', () => {
  expect(load({ HIGH_RISK_COUNTRIES: 'none' }).parameters.high_risk_countries).toEqual([])
  expect(load({ HIGH_RISK_COUNTRIES: ' Nigeria , Côte d’Ivoire,' }).parameters.high_risk_countries).toEqual([
    'Nigeria',
    'Côte d’Ivoire',
  ])
})
