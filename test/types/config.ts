// Checked by the compiler alone: what must not compile.
import type { Config } from '../../src/config/config.ts'
import type { Values } from '../../src/config/variables.ts'

declare const config: Config
declare const values: Values

// @ts-expect-error A configuration does not change while the pipeline runs.
config.latencyTargetMs = 1

// @ts-expect-error A duration in microseconds is a bigint; a number would lose its unit.
export const delay: number = config.watermarkMicros.silver

// @ts-expect-error An optional variable may be absent.
export const threads: number = values.DUCKDB_THREADS

export const interval: number = values.LATENCY_TARGET_MS
