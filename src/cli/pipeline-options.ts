// From the configuration to what an engine takes.
import type { Config } from '../config/config.ts'
import type { DeciderOptions } from '../decisions/decider.ts'
import type { PipelineOptions } from '../engines/engine.ts'

/** How many of a batch's riskiest transactions are shown. */
const alertsMax = 10
const filesBeforeCompaction = 64
const retryFirstMs = 1_000
/** In batches of half the size the embedded engine needs less memory and collects less garbage. */
const recordsPerBatchDefault = { embedded: 100_000, spark: 200_000 } as const

type FromConfig = Omit<PipelineOptions, 'streams' | 'source' | 'once' | 'finalize' | 'signal' | 'tell'>

export function pipelineOptions(config: Config): FromConfig {
  return {
    lakehouse: config.lakehouse,
    deltaBasePath: config.deltaBasePath,
    recordsPerBatchMax: config.recordsPerBatchMax ?? recordsPerBatchDefault[config.engine],
    bytesPerBatchMax: config.bytesPerBatchMax,
    stateRowsMax: config.stateRowsMax,
    latencyTargetMs: config.latencyTargetMs,
    triggerIntervalMs: config.triggerIntervalMs,
    delays: config.watermarkMicros,
    retention: config.retentionMicros,
    parameters: config.parameters,
    tableProperties: {
      'delta.checkpointInterval': '100',
      'delta.logRetentionDuration': interval(config.logRetentionMs),
      'delta.deletedFileRetentionDuration': interval(config.deletedFileRetentionMs),
    },
    filesBeforeCompaction,
    leaseMs: config.writerLeaseMs,
    retryFirstMs,
    smallFileBytes: config.compaction.enabled ? config.compaction.smallFileBytes : null,
    duckdb: config.duckdb,
    clock: () => BigInt(Date.now()) * 1000n,
    alertsMax,
  }
}

export function deciderOptions(config: Config): Omit<DeciderOptions, 'registry' | 'ofGroup'> {
  return { ...pipelineOptions(config), stateBytesMax: config.decisions.stateBytesMax }
}

/** As Delta spells it. */
function interval(ms: number): string {
  return `interval ${Math.ceil(ms / 1000)} seconds`
}
