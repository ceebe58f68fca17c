// From the configuration to what the Spark engine takes.
import type { Config, KafkaLogin, KafkaSecurity } from '../config/config.ts'
import { parseSparkAddress } from '../engines/spark/connect/address.ts'
import type { SparkEngineOptions } from '../engines/spark/options.ts'
import { topicNames } from '../kafka/options.ts'
import type { KafkaPositions } from '../kafka/source.ts'
import { packagesDirectory } from '../packages/packages.ts'
import { tokenAuthorities } from './kafka-connection.ts'
import { readPems } from './pem.ts'

export function sparkOptions(config: Config, positions: KafkaPositions | null): SparkEngineOptions {
  const { spark, kafka } = config
  return {
    cluster: { server: serverOf(config), shufflePartitions: spark.shufflePartitions },
    kafka: positions && {
      positions,
      topics: topicNames(kafka.topic),
      bootstrapServers: kafka.bootstrapServers.join(','),
      security: () => securityOptions(kafka.security),
      offsetsPerTriggerMax: spark.offsetsPerTriggerMax,
      partitionsMin: spark.kafkaPartitionsMin,
    },
  }
}

function serverOf({ spark, kafka }: Config): SparkEngineOptions['cluster']['server'] {
  const master = spark.master.reveal()
  if (master.startsWith('sc://')) return parseSparkAddress(master)
  return {
    master,
    packagesDirectory: packagesDirectory(spark.home),
    sparkHome: spark.sparkHome,
    settings: spark.serverSettings,
    tokenUrl: kafka.security.sasl?.token?.url ?? null,
  }
}

/** As Kafka's Java client takes them; the cluster gets certificates as text, for it has not our files. */
function securityOptions({ protocol, sasl, tls }: KafkaSecurity): Record<string, string> {
  const { ca, client } = tls === null ? { ca: null, client: null } : readPems(tls)
  return {
    'kafka.security.protocol': protocol,
    ...(sasl !== null && loginOptions(sasl)),
    ...(ca !== null && { 'kafka.ssl.truststore.type': 'PEM', 'kafka.ssl.truststore.certificates': ca }),
    ...(client !== null && {
      'kafka.ssl.keystore.type': 'PEM',
      'kafka.ssl.keystore.certificate.chain': client.cert,
      'kafka.ssl.keystore.key': client.key,
    }),
  }
}

const security = 'org.apache.kafka.common.security'

function loginOptions({ mechanism, username, password, token }: KafkaLogin): Record<string, string> {
  const login = (module: string, options: Readonly<Record<string, string>>) => ({
    'kafka.sasl.mechanism': mechanism,
    'kafka.sasl.jaas.config': `${security}.${module} required ${jaasOptions(options)};`,
  })
  if (token === null) {
    const module = mechanism === 'PLAIN' ? 'plain.PlainLoginModule' : 'scram.ScramLoginModule'
    return login(module, { username, password: password.reveal() })
  }
  const authorities = tokenAuthorities(token.caFile)
  return {
    ...login('oauthbearer.OAuthBearerLoginModule', {
      clientId: username,
      clientSecret: password.reveal(),
      ...(token.scope !== null && { scope: token.scope }),
      ...(authorities !== null && {
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.certificates': authorities,
      }),
    }),
    'kafka.sasl.login.callback.handler.class': `${security}.oauthbearer.OAuthBearerLoginCallbackHandler`,
    'kafka.sasl.oauthbearer.token.endpoint.url': token.url,
    'kafka.sasl.oauthbearer.header.urlencode': 'true',
  }
}

function jaasOptions(options: Readonly<Record<string, string>>): string {
  return Object.entries(options)
    .map(([name, text]) => `${name}=${jaasQuoted(text)}`)
    .join(' ')
}

/** Java reads such a text with the escapes of C; an end of a line would end it. */
function jaasQuoted(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return `"${escaped.replaceAll('\n', '\\n').replaceAll('\r', '\\r')}"`
}
