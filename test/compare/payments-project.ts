// examples/payments as tests run it, and its tables judged by its own oracle and by the proof.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/config.ts'
import { openProject } from '../../src/project/project.ts'
import type { CheckResult } from '../../src/verify/check.ts'
import { verifyLakehouse } from '../../src/verify/verify.ts'
import { paymentsConfig, paymentsShape, paymentTables } from '../oracle/payments.ts'
import type { RawRecord, Tables } from '../oracle/rows.ts'
import { batchesOfLog } from './batches-of-log.ts'
import { judgeLakehouse, judgeStreamedLakehouse } from './judge-lakehouse.ts'
import { readTables } from './read-in-process.ts'

export const paymentsDirectory = join(import.meta.dirname, '../../examples/payments')

export const { lakehouse: paymentsLakehouse } = await openProject(paymentsDirectory, null)

const config = loadConfig(paymentsLakehouse, {}, join(tmpdir(), 'assay-no-such-env-file'))

/** As its variables say where nobody sets them. */
export const paymentsOptions = {
  lakehouse: paymentsLakehouse,
  streams: paymentsLakehouse.streams,
  delays: config.watermarkMicros,
  parameters: config.parameters,
}

export function readPayments(base: string): Promise<Tables> {
  return readTables(base, paymentTables)
}

/** Where the tables are not what the oracle makes of the records, in the batches that silver's log tells of. */
export async function judgePayments(
  base: string,
  records: readonly RawRecord[],
  isStreamed = false,
): Promise<string[]> {
  const [tables, batches] = [await readPayments(base), await batchesOfLog(base)]
  const shape = { shape: paymentsShape }
  return isStreamed
    ? judgeStreamedLakehouse(records, tables, batches, paymentsConfig, shape)
    : judgeLakehouse(records, tables, paymentsConfig, batches, shape)
}

export async function failedProofs(base: string): Promise<readonly CheckResult[]> {
  const duckdb = { memoryLimitBytes: null, threads: 1 }
  const { checks } = await verifyLakehouse({ ...paymentsOptions, deltaBasePath: base, duckdb }, null)
  return checks.filter(({ ok }) => !ok)
}
