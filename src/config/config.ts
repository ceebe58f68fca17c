// The configuration: what .env and the environment say, validated at the start, all mistakes at once.
import { dirname, join } from 'node:path'
import type { Delays, Parameters } from '../batches/plan.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { MetricsAddress } from '../metrics/token.ts'
import { isStoreUrl } from '../objects/address.ts'
import { eventsWatermark, type Lakehouse, namedTables, withDefinitionSettings } from '../plan/index.ts'
import { type DecisionsConfig, decisionsConfigOf, decisionsContradictions } from './decisions-variables.ts'
import { formatDuration } from './duration.ts'
import { readEnvFile } from './env-file.ts'
import { metricsConfigOf, metricsContradictions } from './metrics-variables.ts'
import { retentionVariable } from './retention-variables.ts'
import { type RulesConfig, rulesConfigOf, rulesContradictions } from './rules-variables.ts'
import { spellingHints } from './spelling.ts'
import { type StoreConfig, storeConfigOf, storeContradictions } from './store-variables.ts'
import type { Secret, StartingOffsets } from './values.ts'
import { type Values, type Variable, type VariableName, variablesOf, watermarkVariable } from './variables.ts'

export type { Secret, StartingOffsets } from './values.ts'

export type KafkaSecurity = {
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  /** null exactly where the protocol is without SASL. */
  readonly sasl: KafkaLogin | null
  /** null exactly where the protocol is without TLS. */
  readonly tls: KafkaTls | null
}

export type KafkaLogin = {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER'
  /** With OAUTHBEARER the id of the client and its secret. */
  readonly username: string
  readonly password: Secret
  /** null exactly where the mechanism is another than OAUTHBEARER. */
  readonly token: {
    readonly url: string
    readonly scope: string | null
    readonly caFile: string | null
  } | null
}

export type KafkaTls = {
  /** null for the authorities that Node trusts. */
  readonly ca: PemSource | null
  /** What the client shows; null where it shows nothing. */
  readonly client: {
    readonly cert: PemSource
    readonly key: PemSource
    readonly passphrase: Secret | null
  } | null
}

/** PEM as text, or in a file that may change; `variable` is where it was configured. */
export type PemSource = { readonly variable: VariableName } & (
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'text'; readonly text: Secret }
)

export type RegistryConfig = {
  readonly urls: readonly string[]
  readonly username: string | null
  readonly password: Secret | null
  readonly token: Secret | null
  readonly caFile: string | null
  readonly certFile: string | null
  readonly keyFile: string | null
  readonly keyPassword: Secret | null
}

export type SparkConfig = {
  /** `sc://` with a host is a server that runs; all else is the master of one that is started. */
  readonly master: Secret
  /** null: what was installed. */
  readonly sparkHome: string | null
  /** Where installed things are; null for the user's cache folder. */
  readonly home: string | null
  /** Of a server that is started. */
  readonly serverSettings: Readonly<Record<string, string>>
  readonly shufflePartitions: number
  readonly offsetsPerTriggerMax: number
  /** null: one for each partition of the topic. */
  readonly kafkaPartitionsMin: number | null
}

export type Config = {
  readonly lakehouse: Lakehouse
  readonly kafka: {
    /** Each host:port. */
    readonly bootstrapServers: readonly string[]
    /** Several with commas between them. */
    readonly topic: string
    readonly groupId: string
    readonly security: KafkaSecurity
    readonly startingOffsets: StartingOffsets
    readonly onDataLoss: 'fail' | 'continue'
  }
  /** null where no registry is set. */
  readonly registry: RegistryConfig | null
  /** Absolute, or the address of a store. */
  readonly deltaBasePath: string
  /** null where the tables are on a disk. */
  readonly store: StoreConfig | null
  readonly engine: 'embedded' | 'spark'
  readonly latencyTargetMs: number
  /** null leaves it to the engine. */
  readonly triggerIntervalMs: number | null
  /** null leaves it to the engine. */
  readonly recordsPerBatchMax: number | null
  readonly bytesPerBatchMax: number
  readonly stateRowsMax: number
  /** How far each watermark of the lakehouse stays behind, by its name. */
  readonly watermarkMicros: Delays
  /** The settings of the lakehouse, by their parameters. */
  readonly parameters: Parameters
  /** How long rows stay, by the path of their table; of the others all do. */
  readonly retentionMicros: Readonly<Record<string, bigint>>
  /** null leaves the choice to DuckDB. */
  readonly duckdb: { readonly memoryLimitBytes: number | null; readonly threads: number | null }
  readonly spark: SparkConfig
  readonly compaction: { readonly enabled: boolean; readonly smallFileBytes: number }
  readonly logRetentionMs: number
  readonly deletedFileRetentionMs: number
  readonly writerLeaseMs: number
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error'
    readonly format: 'auto' | 'pretty' | 'json'
  }
  readonly metrics: MetricsAddress
  readonly decisions: DecisionsConfig
  readonly rules: RulesConfig
  readonly labelMaturityMicros: bigint
  /** null: nobody is told. */
  readonly alertsFile: string | null
  readonly dashboard: {
    readonly host: string
    /** 0 for none. */
    readonly port: number
    /** null: nobody has to log in. */
    readonly usersFile: string | null
    /** How long a case is held for the reviewer who has taken it. */
    readonly reviewLockMs: number
  }
  /** One sentence for each variable that is not ours but looks like one, and for each odd line of .env. */
  readonly hints: readonly string[]
}

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads `envFile` (it may be absent) and the environment, which wins; an empty value means the default. A
 * relative path in `envFile` begins at its folder. Fails with CONFIG_INVALID, whose message has one line for each mistake.
 */
export function loadConfig(
  lakehouse: Lakehouse,
  environment: Environment = process.env,
  envFile = '.env',
  defaults: Readonly<Record<string, string>> = {},
): Config {
  const file = readEnvFile(envFile)
  const variables = variablesOf(lakehouse, defaults)
  const settings = withPathsFrom(dirname(envFile), withoutEmpty(file.settings))
  const texts = { ...settings, ...withoutEmpty(environment) }
  const mistakes: string[] = []
  const parsed = parseValues(variables, texts, mistakes)
  const delays = delaysOf(lakehouse, parsed, texts, mistakes)
  // The variables of every lakehouse are among them.
  mistakes.push(...contradictions(parsed as Partial<Values>), ...sharedRetentions(lakehouse, parsed))
  const hints = [
    ...file.hints,
    ...spellingHints([...variables.keys()], Object.keys(texts), Object.keys(file.settings)),
  ]
  if (mistakes.length > 0) throw invalid([...mistakes, ...hints])
  const parameters = lakehouse.settings.map(({ parameter, variable }) => [parameter, parsed[variable]])
  // Without a mistake each has a value of the kind that its variable says.
  const ofLakehouse = {
    ...{ delays, parameters: Object.fromEntries(parameters) as Parameters },
    lakehouse: withDefinitionSettings(lakehouse, parsed),
    retentionMicros: retentionsOf(lakehouse, parsed),
  }
  return configOf(parsed as Values, ofLakehouse, hints)
}

/** The mistakes of a CONFIG_INVALID failure, one sentence each. */
function invalid(lines: readonly string[]): LakehouseError {
  const heading = 'the configuration is not valid (docs/reference/configuration.md lists every variable):'
  return new LakehouseError('CONFIG_INVALID', [heading, ...lines].join('\n  '), {
    details: { mistakes: lines },
  })
}

function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, text]) => text?.trim()))
}

const pathVariables: readonly VariableName[] = [
  'ASSAY_HOME',
  'ALERTS_CONFIG',
  'AWS_CA_BUNDLE',
  'CACHE_DIR',
  'DASHBOARD_USERS_FILE',
  'DECISIONS_TOKEN_FILE',
  'DELTA_BASE_PATH',
  'KAFKA_SASL_TOKEN_CA_FILE',
  'KAFKA_SSL_CA_FILE',
  'KAFKA_SSL_CERT_FILE',
  'KAFKA_SSL_KEY_FILE',
  'METRICS_TOKEN_FILE',
  'RULES_KEY_FILE',
  'SCHEMA_REGISTRY_SSL_CA_FILE',
  'SCHEMA_REGISTRY_SSL_CERT_FILE',
  'SCHEMA_REGISTRY_SSL_KEY_FILE',
  'SPARK_HOME',
]

/** Absolute, with ~ or with a scheme a path says itself where it begins. */
function withPathsFrom(directory: string, settings: Environment): Environment {
  const paths = pathVariables.flatMap((name) => {
    const text = settings[name]?.trim()
    const isRelative = text !== undefined && !/^([~/]|[A-Za-z][A-Za-z0-9+.-]*:)/.test(text)
    return isRelative ? [[name, join(directory, text)]] : []
  })
  return { ...settings, ...Object.fromEntries(paths) }
}

type ParsedValues = Readonly<Record<string, unknown>>

function parseValues(
  variables: ReadonlyMap<string, Variable<unknown>>,
  texts: Environment,
  mistakes: string[],
): ParsedValues {
  const values: Record<string, unknown> = {}
  for (const [name, { schema, default: standard, secret }] of variables) {
    const text = texts[name] ?? standard
    if (text === null) {
      values[name] = null
      continue
    }
    const result = schema.safeParse(secret ? text : text.trim())
    if (result.success) values[name] = result.data
    else
      mistakes.push(
        `${name} is ${secret ? '(not shown)' : quoted(text)}: it ${result.error.issues[0]!.message}`,
      )
  }
  return values
}

const quotedLengthMax = 80

/** A value in a message: control characters are escaped and a long one is cut. */
function quoted(text: string): string {
  const cut = text.length > quotedLengthMax ? `${text.slice(0, quotedLengthMax)}..` : text
  return JSON.stringify(cut).replace(/[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, '?')
}

/**
 * The delays of the watermarks, of those that could be parsed. Who sets only that of the events means that
 * the others follow where their default would be too small.
 */
function delaysOf(
  lakehouse: Lakehouse,
  values: ParsedValues,
  texts: Environment,
  mistakes: string[],
): Delays {
  const events = watermarkVariable(eventsWatermark(lakehouse))
  const least = values[events] as bigint | undefined // As its schema gives it.
  const delays: Record<string, bigint> = {}
  for (const { name } of lakehouse.watermarks) {
    const variable = watermarkVariable(name)
    const own = values[variable] as bigint | undefined
    if (own === undefined) continue
    const isShort = least !== undefined && own < least
    if (isShort && texts[variable] !== undefined) {
      mistakes.push(
        `${variable} is ${formatDuration(own)}: it must not be less than ${events} (${formatDuration(least)}), ` +
          'or rows would be late for their windows',
      )
    }
    delays[name] = isShort ? least : own
  }
  return delays
}

function retentionsOf(lakehouse: Lakehouse, values: ParsedValues): Readonly<Record<string, bigint>> {
  const set = namedTables(lakehouse).flatMap(({ path }) => {
    const micros = values[retentionVariable(path)] as bigint | null // As its schema gives it.
    return micros === null ? [] : [[path, micros] as const]
  })
  return Object.fromEntries(set)
}

/** Of two tables whose paths make one name nobody knows which is meant. */
function sharedRetentions(lakehouse: Lakehouse, values: ParsedValues): string[] {
  const paths = namedTables(lakehouse).map(({ path }) => path)
  return [...new Set(paths.map(retentionVariable))].flatMap((name) => {
    const ofName = paths.filter((path) => retentionVariable(path) === name)
    const isSet = values[name] !== null && values[name] !== undefined
    return isSet && ofName.length > 1
      ? [`${name} is set, and is the name for ${ofName.join(' and ')}: give one of these tables another path`]
      : []
  })
}

/** What is wrong between variables, of those that could be parsed. */
function contradictions(values: Partial<Values>): string[] {
  const path = values.DELTA_BASE_PATH
  const isSparkInStore = values.ENGINE === 'spark' && path !== undefined && isStoreUrl(path)
  const ofEngine = isSparkInStore ? [`ENGINE is spark: ${sparkNeedsDisk}`] : []
  return [
    ...storeContradictions(values),
    ...kafkaContradictions(values),
    ...metricsContradictions(values),
    ...decisionsContradictions(values),
    ...rulesContradictions(values),
    ...ofEngine,
  ]
}

function kafkaContradictions(values: Partial<Values>): string[] {
  const { KAFKA_SECURITY_PROTOCOL: protocol = 'PLAINTEXT', KAFKA_SASL_MECHANISM: mechanism } = values
  const missing = (name: VariableName, by: string): string[] =>
    values[name] === null ? [`${name} is not set: ${by} needs it`] : []
  const login = protocol.startsWith('SASL_')
    ? [
        ...missing('KAFKA_SASL_USERNAME', `KAFKA_SECURITY_PROTOCOL=${protocol}`),
        ...missing('KAFKA_SASL_PASSWORD', `KAFKA_SECURITY_PROTOCOL=${protocol}`),
        ...(mechanism === 'OAUTHBEARER'
          ? missing('KAFKA_SASL_TOKEN_URL', 'KAFKA_SASL_MECHANISM=OAUTHBEARER')
          : []),
      ]
    : []
  const ofKafka = usesTls(protocol) ? [...login, ...tlsContradictions(values)] : login
  return [...ofKafka, ...registryContradictions(values)]
}

function tlsContradictions(values: Partial<Values>): string[] {
  const has = (name: VariableName): boolean => (values[name] ?? null) !== null
  const twice = pemNames.flatMap((name) =>
    has(name) && has(`${name}_FILE`) ? [`${name} and ${name}_FILE are both set: keep one of them`] : [],
  )
  const [cert, key] = (['KAFKA_SSL_CERT', 'KAFKA_SSL_KEY'] as const).map(
    (name) => has(name) || has(`${name}_FILE`),
  )
  if (cert && !key) twice.push('KAFKA_SSL_KEY_FILE is not set: the certificate of the client needs its key')
  if (key && !cert) twice.push('KAFKA_SSL_CERT_FILE is not set: the key of the client needs its certificate')
  return twice
}

const pemNames = ['KAFKA_SSL_CA', 'KAFKA_SSL_CERT', 'KAFKA_SSL_KEY'] as const

function usesTls(protocol: KafkaSecurity['protocol']): boolean {
  return protocol === 'SSL' || protocol === 'SASL_SSL'
}

function registryContradictions(values: Partial<Values>): string[] {
  const mistakes: string[] = []
  const goTogether = [
    ['SCHEMA_REGISTRY_USERNAME', 'SCHEMA_REGISTRY_PASSWORD'],
    ['SCHEMA_REGISTRY_SSL_CERT_FILE', 'SCHEMA_REGISTRY_SSL_KEY_FILE'],
  ] as const
  for (const [one, other] of goTogether) {
    if (values[one] && values[other] === null) mistakes.push(`${other} is not set: ${one} needs it`)
    if (values[other] && values[one] === null) mistakes.push(`${one} is not set: ${other} needs it`)
  }
  return mistakes
}

/** Why Spark does not write a lakehouse in an object store. */
export const sparkNeedsDisk =
  'Delta on Spark commits to S3 without a condition, so that a second writer would overwrite commits unseen. ' +
  'Set ENGINE=embedded, or DELTA_BASE_PATH to a directory that this process shares with Spark'

function configOf(
  values: Values,
  {
    lakehouse,
    delays,
    parameters,
    retentionMicros,
  }: Pick<Config, 'lakehouse' | 'parameters' | 'retentionMicros'> & { readonly delays: Delays },
  hints: readonly string[],
): Config {
  return {
    lakehouse,
    kafka: {
      bootstrapServers: values.KAFKA_BOOTSTRAP_SERVERS,
      topic: values.KAFKA_TOPIC,
      groupId: values.KAFKA_GROUP_ID,
      security: securityOf(values),
      startingOffsets: values.STARTING_OFFSETS,
      onDataLoss: values.ON_DATA_LOSS,
    },
    registry: registryOf(values),
    deltaBasePath: values.DELTA_BASE_PATH,
    store: storeConfigOf(values.DELTA_BASE_PATH, values),
    engine: values.ENGINE,
    latencyTargetMs: values.LATENCY_TARGET_MS,
    triggerIntervalMs: values.TRIGGER_INTERVAL_MS,
    recordsPerBatchMax: values.MAX_RECORDS_PER_BATCH,
    bytesPerBatchMax: values.MAX_BYTES_PER_BATCH,
    stateRowsMax: values.STATE_ROWS_MAX,
    watermarkMicros: delays,
    parameters,
    retentionMicros,
    duckdb: { memoryLimitBytes: values.DUCKDB_MEMORY_LIMIT, threads: values.DUCKDB_THREADS },
    spark: sparkOf(values),
    compaction: { enabled: values.COMPACTION === 'on', smallFileBytes: values.COMPACTION_SMALL_FILE_SIZE },
    logRetentionMs: Number(values.DELTA_LOG_RETENTION / 1000n),
    deletedFileRetentionMs: Number(values.DELETED_FILE_RETENTION / 1000n),
    writerLeaseMs: values.WRITER_LEASE_MS,
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT },
    metrics: metricsConfigOf(values),
    decisions: decisionsConfigOf(values),
    rules: rulesConfigOf(values),
    labelMaturityMicros: values.LABEL_MATURITY,
    alertsFile: values.ALERTS_CONFIG,
    dashboard: {
      host: values.DASHBOARD_HOST,
      port: values.DASHBOARD_PORT,
      usersFile: values.DASHBOARD_USERS_FILE,
      reviewLockMs: Number(values.REVIEW_LOCK_TIMEOUT / 1000n),
    },
    hints,
  }
}

function securityOf(values: Values): KafkaSecurity {
  const protocol = values.KAFKA_SECURITY_PROTOCOL
  return {
    protocol,
    sasl: protocol.startsWith('SASL_') ? loginOf(values) : null,
    tls: usesTls(protocol) ? tlsOf(values) : null,
  }
}

/** null only where it was told as a mistake. */
function loginOf(values: Values): KafkaLogin | null {
  const {
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD: password,
  } = values
  const {
    KAFKA_SASL_TOKEN_URL: url,
    KAFKA_SASL_TOKEN_SCOPE: scope,
    KAFKA_SASL_TOKEN_CA_FILE: caFile,
  } = values
  if (username === null || password === null) return null
  const token = mechanism === 'OAUTHBEARER' && url !== null ? { url, scope, caFile } : null
  return { mechanism, username, password, token }
}

function tlsOf(values: Values): KafkaTls {
  const [ca, cert, key] = pemNames.map((name): PemSource | null => {
    const [text, path] = [values[name], values[`${name}_FILE`]]
    if (text !== null) return { kind: 'text', variable: name, text }
    return path === null ? null : { kind: 'file', variable: `${name}_FILE`, path }
  })
  const passphrase = values.KAFKA_SSL_KEY_PASSPHRASE
  return { ca: ca!, client: cert && key ? { cert, key, passphrase } : null }
}

function registryOf(values: Values): RegistryConfig | null {
  const { SCHEMA_REGISTRY_URL: urls } = values
  if (urls === null) return null
  return {
    urls,
    username: values.SCHEMA_REGISTRY_USERNAME,
    password: values.SCHEMA_REGISTRY_PASSWORD,
    token: values.SCHEMA_REGISTRY_TOKEN,
    caFile: values.SCHEMA_REGISTRY_SSL_CA_FILE,
    certFile: values.SCHEMA_REGISTRY_SSL_CERT_FILE,
    keyFile: values.SCHEMA_REGISTRY_SSL_KEY_FILE,
    keyPassword: values.SCHEMA_REGISTRY_SSL_KEY_PASSWORD,
  }
}

function sparkOf(values: Values): SparkConfig {
  const memory = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)}m`
  const [executorMemory, executorCores] = [values.SPARK_EXECUTOR_MEMORY, values.SPARK_EXECUTOR_CORES]
  return {
    master: values.SPARK_MASTER,
    sparkHome: values.SPARK_HOME,
    home: values.ASSAY_HOME,
    serverSettings: {
      'spark.driver.memory': memory(values.SPARK_DRIVER_MEMORY),
      ...(executorMemory !== null && { 'spark.executor.memory': memory(executorMemory) }),
      ...(executorCores !== null && { 'spark.executor.cores': String(executorCores) }),
      ...values.SPARK_SETTINGS,
    },
    shufflePartitions: values.SPARK_SHUFFLE_PARTITIONS,
    offsetsPerTriggerMax: values.SPARK_MAX_OFFSETS_PER_TRIGGER,
    kafkaPartitionsMin: values.SPARK_MIN_PARTITIONS,
  }
}
