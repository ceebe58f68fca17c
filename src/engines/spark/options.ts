// What the Spark engine needs beside the pipeline's options.
import type { KafkaPositions } from '../../kafka/source.ts'
import type { SparkAddress } from './connect/address.ts'

export type SparkEngineOptions = {
  readonly cluster: ClusterSettings
  /** null for streams that do not read Kafka. */
  readonly kafka: StreamedKafka | null
}

export type ClusterSettings = {
  /** A server that runs, or what one is started with. */
  readonly server: SparkAddress | StartableServer
  readonly shufflePartitions: number
}

export type StartableServer = {
  readonly master: string
  /** Where "assay spark install" puts things. */
  readonly packagesDirectory: string
  /** A Spark of the user's own. */
  readonly sparkHome: string | null
  readonly settings: Readonly<Record<string, string>>
  /** Where Kafka's Java client may ask for tokens; null where it logs in otherwise. */
  readonly tokenUrl: string | null
}

export type StreamedKafka = {
  readonly positions: KafkaPositions
  readonly topics: readonly string[]
  readonly bootstrapServers: string
  /** How the cluster logs in to the brokers, as options of Spark's Kafka source: read for each start of a query. */
  readonly security: () => Readonly<Record<string, string>>
  readonly offsetsPerTriggerMax: number
  /** null: one task for each partition of the topic. */
  readonly partitionsMin: number | null
}
