// From the configuration to what the Kafka client takes: one place for every command that talks to Kafka.
import { readFileSync } from 'node:fs'
import type { Config, KafkaSecurity } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { KafkaConnectionOptions } from '../kafka/options.ts'

/** Fails with CONFIG_INVALID where the file of the authorities cannot be read. */
export function kafkaConnectionOf({ bootstrapServers, security }: Config['kafka']): KafkaConnectionOptions {
  const { protocol, sasl } = security
  const usesTls = protocol === 'SSL' || protocol === 'SASL_SSL'
  return {
    bootstrapServers,
    ...(usesTls ? { tls: tlsOf(security) } : {}),
    ...(sasl === null ? {} : { sasl: { ...sasl, password: sasl.password.reveal() } }),
  }
}

function tlsOf({ caFile }: KafkaSecurity): { ca?: string } {
  if (caFile === null) return {}
  try {
    return { ca: readFileSync(caFile, 'utf8') }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `KAFKA_SSL_CA_FILE cannot be read: ${reason}. Name a PEM file that this user can read.`
    throw new LakehouseError('CONFIG_INVALID', message, { cause, details: { caFile } })
  }
}
