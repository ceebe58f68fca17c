// Every variable of the configuration, once, but for what a lakehouse adds: the validation, .env.example, the
// reference page and `assay run --help` are made from this table.
import type { Lakehouse } from '../plan/index.ts'
import { alertVariables } from './alert-variables.ts'
import { dashboardVariables } from './dashboard-variables.ts'
import { decisionsVariables } from './decisions-variables.ts'
import { definitionVariables } from './definition-variables.ts'
import { labelVariables } from './label-variables.ts'
import { metricsVariables } from './metrics-variables.ts'
import { registryVariables } from './registry-variables.ts'
import { retentionVariables } from './retention-variables.ts'
import { rulesVariables } from './rules-variables.ts'
import { storeVariables } from './store-variables.ts'
import {
  byteSize,
  duration,
  hostsAndPorts,
  httpUrl,
  localPath,
  names,
  oneOf,
  pem,
  pemExample,
  secret,
  sparkMaster,
  sparkSettings,
  startingOffsets,
  tablesPath,
  textMatching,
  topicList,
  type ValueKind,
  wholeNumber,
} from './values.ts'

export const groups = [
  'Kafka',
  'Schema registry',
  'Tables',
  'Object store',
  'Batches',
  'Time',
  'Fraud rules',
  'Engine',
  'Spark',
  'Log',
  'Metrics',
  'Alerts',
  'Dashboard',
  'Decisions',
] as const

export type Variable<T> = ValueKind<T> & {
  readonly group: (typeof groups)[number]
  /** One sentence, without its full stop where it is short. */
  readonly meaning: string
  /**
   * As it would stand in .env; null where the variable is optional and `absent` says what happens without it.
   */
  readonly default: string | null
  readonly absent?: string
  readonly example: string
  /** Its value is in no message. */
  readonly secret?: true
}

const kafka = { group: 'Kafka' } as const
const tables = { group: 'Tables' } as const
const batches = { group: 'Batches' } as const
const time = { group: 'Time' } as const
const engine = { group: 'Engine' } as const
const spark = { group: 'Spark' } as const
const log = { group: 'Log' } as const

export const variables = {
  KAFKA_BOOTSTRAP_SERVERS: {
    ...kafka,
    ...hostsAndPorts(),
    meaning: 'Brokers to ask first; they name the others',
    default: 'localhost:9092',
    example: 'kafka-1:9092,kafka-2:9092',
  },
  KAFKA_TOPIC: {
    ...kafka,
    ...topicList(),
    meaning: 'Topic that holds the transactions, or several',
    default: 'ecommerce.transactions',
    example: 'payments.transactions',
  },
  KAFKA_GROUP_ID: {
    ...kafka,
    ...textMatching('1 to 249 printable characters', /^[\x20-\x7e]{1,249}$/),
    meaning: 'Consumer group to which progress is reported, for lag tools only; the tables hold the progress',
    default: 'spark-streaming-consumer',
    example: 'assay-production',
  },
  KAFKA_SECURITY_PROTOCOL: {
    ...kafka,
    ...oneOf('PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'),
    meaning: 'How to talk to the brokers',
    default: 'PLAINTEXT',
    example: 'SASL_SSL',
  },
  KAFKA_SASL_MECHANISM: {
    ...kafka,
    ...oneOf('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'),
    meaning: 'How to log in, with SASL_PLAINTEXT and SASL_SSL',
    default: 'PLAIN',
    example: 'SCRAM-SHA-512',
  },
  KAFKA_SASL_USERNAME: {
    ...kafka,
    ...textMatching('a name of 1 to 255 characters', /^.{1,255}$/u),
    meaning: 'User to log in as; with OAUTHBEARER the id of the client',
    default: null,
    absent: 'needed with SASL',
    example: 'assay',
  },
  KAFKA_SASL_PASSWORD: {
    ...kafka,
    ...secret('a password'),
    meaning: 'Password of the user, with OAUTHBEARER the secret of the client; never printed',
    default: null,
    absent: 'needed with SASL',
    example: 'secret',
    secret: true,
  },
  KAFKA_SASL_TOKEN_URL: {
    ...kafka,
    ...httpUrl(),
    meaning: 'Where the client gets its tokens for its id and secret (OAuth 2, client credentials)',
    default: null,
    absent: 'needed with OAUTHBEARER',
    example: 'https://login.example.com/oauth2/token',
  },
  KAFKA_SASL_TOKEN_SCOPE: {
    ...kafka,
    ...textMatching('1 to 1000 printable characters', /^[\x20-\x7e]{1,1000}$/),
    meaning: 'Scope to ask tokens for, several with spaces between them',
    default: null,
    absent: 'none is asked for',
    example: 'kafka',
  },
  KAFKA_SASL_TOKEN_CA_FILE: {
    ...kafka,
    ...localPath(),
    meaning: 'PEM file with the authorities that signed the certificate of the server of tokens',
    default: null,
    absent: 'those that Node trusts, on Spark those of Java',
    example: '/etc/ssl/login-ca.pem',
  },
  KAFKA_SSL_CA_FILE: {
    ...kafka,
    ...localPath(),
    meaning: 'PEM file with the authorities that signed the certificates of the brokers',
    default: null,
    absent: 'those that Node trusts, on Spark those of Java',
    example: '/etc/ssl/kafka-ca.pem',
  },
  KAFKA_SSL_CA: {
    ...kafka,
    ...pem('CERTIFICATE'),
    meaning: 'The same as text, in place of the file',
    default: null,
    absent: 'KAFKA_SSL_CA_FILE counts',
    example: pemExample('CERTIFICATE'),
  },
  KAFKA_SSL_CERT_FILE: {
    ...kafka,
    ...localPath(),
    meaning:
      'PEM file with the certificate that the client shows, and with those between it and its authority',
    default: null,
    absent: 'the client shows none',
    example: '/etc/ssl/assay.pem',
  },
  KAFKA_SSL_CERT: {
    ...kafka,
    ...pem('CERTIFICATE'),
    meaning: 'The same as text, in place of the file',
    default: null,
    absent: 'KAFKA_SSL_CERT_FILE counts',
    example: pemExample('CERTIFICATE'),
  },
  KAFKA_SSL_KEY_FILE: {
    ...kafka,
    ...localPath(),
    meaning: 'PEM file with the key of that certificate',
    default: null,
    absent: 'needed with a certificate of the client',
    example: '/etc/ssl/assay.key',
  },
  KAFKA_SSL_KEY: {
    ...kafka,
    ...pem('PRIVATE KEY'),
    meaning: 'The same as text, in place of the file; never printed',
    default: null,
    absent: 'KAFKA_SSL_KEY_FILE counts',
    example: pemExample('PRIVATE KEY'),
    secret: true,
  },
  KAFKA_SSL_KEY_PASSPHRASE: {
    ...kafka,
    ...secret('a passphrase'),
    meaning: 'Passphrase of the key; never printed',
    default: null,
    absent: 'the key is not encrypted',
    example: 'secret',
    secret: true,
  },
  STARTING_OFFSETS: {
    ...kafka,
    ...startingOffsets(),
    meaning:
      'Where to start reading a partition of which the tables hold nothing yet; a time without zone is UTC',
    default: 'earliest',
    example: '2024-03-10T00:00:00Z',
  },
  ON_DATA_LOSS: {
    ...kafka,
    ...oneOf('fail', 'continue'),
    meaning: 'What to do when Kafka no longer has records that were not read: stop, or go on behind the hole',
    default: 'fail',
    example: 'continue',
  },
  ...registryVariables,
  DELTA_BASE_PATH: {
    ...tables,
    ...tablesPath(),
    meaning: 'Directory of all tables and of their checkpoints, or their place in an object store',
    default: '/tmp/delta-lake',
    example: '/var/lib/assay',
  },
  COMPACTION: {
    ...tables,
    ...oneOf('on', 'off'),
    meaning: 'Whether small files are merged in the background',
    default: 'on',
    example: 'off',
  },
  COMPACTION_SMALL_FILE_SIZE: {
    ...tables,
    ...byteSize(2 ** 20),
    meaning: 'A file below this size is small',
    default: '16 MiB',
    example: '64 MiB',
  },
  DELTA_LOG_RETENTION: {
    ...tables,
    ...duration(),
    meaning:
      'How long the logs of the tables keep old versions, for time travel and for streams of their own that were away; at most about a file for each batch and table',
    default: '1 day',
    example: '7 days',
  },
  DELETED_FILE_RETENTION: {
    ...tables,
    ...duration(),
    meaning:
      'How long files stay that compaction has replaced: no query may run, and no other program that follows a table may lag behind, for longer',
    default: '1 hour',
    example: '7 days',
  },
  WRITER_LEASE_MS: {
    ...tables,
    ...wholeNumber(1_000, 3_600_000),
    meaning:
      'A writer that gave no sign of life for so many milliseconds is replaced by the next that starts',
    default: '30000',
    example: '120000',
  },
  ...storeVariables,
  LATENCY_TARGET_MS: {
    ...batches,
    ...wholeNumber(0, 86_400_000),
    meaning:
      'Milliseconds within which the embedded engine has a record in the tables, in as few batches as that allows; where the load is too much for it, batches grow',
    default: '150',
    example: '5000',
  },
  TRIGGER_INTERVAL_MS: {
    ...batches,
    ...wholeNumber(0, 86_400_000),
    meaning:
      'Least milliseconds between the starts of two batches, whatever LATENCY_TARGET_MS is; higher makes fewer files',
    default: null,
    absent: '0 on the embedded engine, which goes by LATENCY_TARGET_MS, and 200 on Spark',
    example: '5000',
  },
  MAX_RECORDS_PER_BATCH: {
    ...batches,
    ...wholeNumber(1, 10_000_000),
    meaning: 'Most records that a batch takes when more is waiting',
    default: null,
    absent: '100000 on the embedded engine and 200000 on Spark',
    example: '50000',
  },
  MAX_BYTES_PER_BATCH: {
    ...batches,
    ...byteSize(2 ** 20),
    meaning:
      'Most bytes of keys and values that a batch of the embedded engine takes, one record at least; memory grows with it',
    default: '128 MiB',
    example: '64 MiB',
  },
  STATE_ROWS_MAX: {
    ...batches,
    ...wholeNumber(0, 2 ** 31 - 1),
    meaning:
      'Most rows that the embedded engine keeps in memory for one operator that looks back; beyond, those of the keys of each batch are read from the tables, which is slower',
    default: '25000000',
    example: '100000000',
  },
  ENGINE: {
    ...engine,
    ...oneOf('embedded', 'spark'),
    meaning: 'What computes the tables: this process, or Spark',
    default: 'embedded',
    example: 'spark',
  },
  DUCKDB_MEMORY_LIMIT: {
    ...engine,
    ...byteSize(64 * 2 ** 20),
    meaning:
      'Most memory of DuckDB, which computes windows and answers queries; beyond it work spills to disk',
    default: null,
    absent: '1 GiB for the pipeline and for verify, 80 % of the machine for other commands',
    example: '2 GB',
  },
  DUCKDB_THREADS: {
    ...engine,
    ...wholeNumber(1, 1024),
    meaning: 'Threads of DuckDB',
    default: null,
    absent: 'one for each core',
    example: '2',
  },
  SPARK_MASTER: {
    ...spark,
    ...sparkMaster(),
    meaning:
      'A running Spark Connect server (sc://host:port/;token=..;user_id=..), or the master with which one is started',
    default: 'local[*]',
    example: 'sc://spark.example.com:15002/;token=secret',
    secret: true, // It may hold a token.
  },
  SPARK_DRIVER_MEMORY: {
    ...spark,
    ...byteSize(512 * 2 ** 20),
    meaning: 'Memory of the driver of a server that is started; with a local master it does all the work',
    default: '2 GiB',
    example: '8 GiB',
  },
  SPARK_EXECUTOR_MEMORY: {
    ...spark,
    ...byteSize(512 * 2 ** 20),
    meaning: 'Memory of each executor of a server that is started',
    default: null,
    absent: "the cluster's default",
    example: '8 GiB',
  },
  SPARK_EXECUTOR_CORES: {
    ...spark,
    ...wholeNumber(1, 1024),
    meaning: 'Cores of each executor of a server that is started',
    default: null,
    absent: "the cluster's default",
    example: '4',
  },
  SPARK_SHUFFLE_PARTITIONS: {
    ...spark,
    ...wholeNumber(1, 100_000),
    meaning: 'Parts into which Spark divides rows to group or join them; about the number of cores',
    default: '8',
    example: '64',
  },
  SPARK_MAX_OFFSETS_PER_TRIGGER: {
    ...spark,
    ...wholeNumber(1, 1_000_000_000),
    meaning: 'Most records that one trigger of the bronze query reads from Kafka',
    default: '1000000',
    example: '200000',
  },
  SPARK_MIN_PARTITIONS: {
    ...spark,
    ...wholeNumber(1, 100_000),
    meaning: 'Least tasks that read from Kafka, where the topic has fewer partitions than the cluster cores',
    default: null,
    absent: 'one for each partition of the topic',
    example: '16',
  },
  SPARK_SETTINGS: {
    ...spark,
    ...sparkSettings(),
    meaning: 'Further settings of a server that is started, with ; between them',
    default: null,
    absent: 'none',
    example: 'spark.ui.enabled=true;spark.kubernetes.container.image=spark:4.1.1',
  },
  SPARK_HOME: {
    ...spark,
    ...localPath(),
    meaning: 'A Spark 4.1.1 of your own, for servers that are started',
    default: null,
    absent: 'what "assay spark install" brought',
    example: '/opt/spark',
  },
  ASSAY_HOME: {
    ...spark,
    ...localPath(),
    meaning: 'Directory into which "assay spark install" puts Spark and its jars',
    default: null,
    absent: '$XDG_CACHE_HOME/assay or ~/.cache/assay',
    example: '/opt/assay',
  },
  LOG_LEVEL: {
    ...log,
    ...oneOf('debug', 'info', 'warn', 'error'),
    meaning: 'Least severity that is logged; debug adds stack traces',
    default: 'info',
    example: 'debug',
  },
  LOG_FORMAT: {
    ...log,
    ...oneOf('auto', 'pretty', 'json'),
    meaning: 'Log for people, or one JSON object a line; auto is pretty on a terminal and json elsewhere',
    default: 'auto',
    example: 'json',
  },
  ...metricsVariables,
  ...labelVariables,
  ...alertVariables,
  ...dashboardVariables,
  ...decisionsVariables,
  ...rulesVariables,
} as const satisfies Record<string, Variable<unknown>>

export type VariableName = keyof typeof variables

/** What the text of each variable was parsed to; null where an optional one is absent. */
export type Values = {
  readonly [Name in VariableName]: (typeof variables)[Name] extends Variable<infer T> & {
    readonly default: infer D
  }
    ? T | (D extends null ? null : never)
    : never
}

/**
 * All variables of a lakehouse by name: those of every lakehouse, its watermarks and its settings.
 * `defaults` of a project are in place of those that every lakehouse has.
 */
export function variablesOf(
  lakehouse: Lakehouse,
  defaults: Readonly<Record<string, string>> = {},
): ReadonlyMap<string, Variable<unknown>> {
  const KAFKA_TOPIC = { ...variables.KAFKA_TOPIC, default: lakehouse.topic }
  const watermarks = lakehouse.watermarks.map(({ name }) => [
    watermarkVariable(name),
    watermarkOf(lakehouse, name),
  ])
  const settings = lakehouse.settings.map(({ kind, parameter: _, variable, ...about }) => [
    variable,
    { ...about, ...(kind === 'duration' ? duration() : names()) },
  ])
  const own: Readonly<Record<string, Variable<unknown>>> = Object.fromEntries([
    ...retentionVariables(lakehouse),
    ...watermarks,
    ...settings,
    ...definitionVariables(lakehouse),
  ])
  const all: Readonly<Record<string, Variable<unknown>>> = { ...variables, KAFKA_TOPIC, ...own }
  const ofProject = Object.entries(all).map(([name, variable]): [string, Variable<unknown>] => {
    return [name, { ...variable, default: defaults[name] ?? variable.default }]
  })
  return new Map(ofProject)
}

export function watermarkVariable(name: string): string {
  return `WATERMARK_${name.toUpperCase().replaceAll('-', '_')}`
}

function watermarkOf({ watermarks, tables }: Lakehouse, name: string): Variable<bigint> {
  const [events, ...others] = watermarks
  if (name === events!.name) {
    return {
      ...{ ...time, ...duration(), default: events!.default, example: '30 minutes' },
      meaning: 'How far a transaction may be behind the latest one before it is late and goes to quarantine',
    }
  }
  const closed = tables.filter(({ watermark }) => watermark === name).map(({ path }) => path)
  const { default: standard } = others.find((one) => one.name === name)!
  return {
    ...{ ...time, ...duration(), default: standard, example: '2 hours' },
    meaning:
      `How long after their ends windows, or sessions, of ${closed.join(', ')} stay open; never less than ` +
      `${watermarkVariable(events!.name)}, to which it is raised where unset`,
  }
}
