// From the configuration to what the Spark engine takes.
import { readFileSync } from 'node:fs'
import type { Config, KafkaSecurity } from '../config/config.ts'
import { parseSparkAddress } from '../engines/spark/connect/address.ts'
import type { SparkEngineOptions } from '../engines/spark/options.ts'
import { packagesDirectory } from '../engines/spark/packages.ts'
import { LakehouseError } from '../errors/errors.ts'
import { topicNames } from '../kafka/options.ts'
import type { KafkaPositions } from '../kafka/source.ts'

export function sparkOptions(config: Config, positions: KafkaPositions | null): SparkEngineOptions {
  const { spark, kafka } = config
  return {
    cluster: { server: serverOf(config), shufflePartitions: spark.shufflePartitions },
    kafka: positions && {
      positions,
      topics: topicNames(kafka.topic),
      connection: {
        'kafka.bootstrap.servers': kafka.bootstrapServers.join(','),
        ...securityOptions(kafka.security),
      },
      offsetsPerTriggerMax: spark.offsetsPerTriggerMax,
      partitionsMin: spark.kafkaPartitionsMin,
    },
  }
}

function serverOf({ spark }: Config): SparkEngineOptions['cluster']['server'] {
  const master = spark.master.reveal()
  if (master.startsWith('sc://')) return parseSparkAddress(master)
  return {
    master,
    packagesDirectory: packagesDirectory(spark.home),
    sparkHome: spark.sparkHome,
    settings: spark.serverSettings,
  }
}

/** As Kafka's Java client takes them; the cluster gets the authorities as text, for it has not our files. */
function securityOptions({ protocol, sasl, caFile }: KafkaSecurity): Record<string, string> {
  return {
    'kafka.security.protocol': protocol,
    ...(sasl === null
      ? {}
      : { 'kafka.sasl.mechanism': sasl.mechanism, 'kafka.sasl.jaas.config': loginOf(sasl) }),
    ...(caFile === null
      ? {}
      : { 'kafka.ssl.truststore.type': 'PEM', 'kafka.ssl.truststore.certificates': readAuthorities(caFile) }),
  }
}

function loginOf({ mechanism, username, password }: NonNullable<KafkaSecurity['sasl']>): string {
  const module =
    mechanism === 'PLAIN'
      ? 'org.apache.kafka.common.security.plain.PlainLoginModule'
      : 'org.apache.kafka.common.security.scram.ScramLoginModule'
  return `${module} required username=${quoted(username)} password=${quoted(password.reveal())};`
}

const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`

function readAuthorities(caFile: string): string {
  try {
    return readFileSync(caFile, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `KAFKA_SSL_CA_FILE cannot be read: ${reason}. Name a PEM file that this user can read.`
    throw new LakehouseError('CONFIG_INVALID', message, { cause, details: { caFile } })
  }
}
