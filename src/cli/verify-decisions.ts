// assay verify --decisions: what was decided of transactions as they came, against the rows of the tables.
import { mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { type ComparedDecisions, compareDecisions } from '../decisions/compare-decisions.ts'
import { differenceCauses } from '../decisions/difference-causes.ts'
import { writeDecisions } from '../decisions/read-decisions.ts'
import { settingsOf } from '../engines/batch-rules.ts'
import { Database } from '../engines/database.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { openKafkaSource } from '../kafka/source.ts'
import { expositionText } from '../metrics/exposition-text.ts'
import { MetricValues } from '../metrics/metric-values.ts'
import { definitionsOf } from '../ops/definitions.ts'
import type { CheckResult } from '../verify/check.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'
import { pipelineOptions } from './pipeline-options.ts'

/** How long brokers may be away. */
const brokersMaxMs = 30_000

export type VerifiedDecisions = Pick<ComparedDecisions, 'compared' | 'withoutRow' | 'differing'> & {
  readonly check: CheckResult
}

/** Of the decisions from that instant on, or of all that the topic has. */
export async function verifyDecisions(
  config: Config,
  sinceMicros: bigint | null,
): Promise<VerifiedDecisions> {
  const directory = await mkdtemp(join(tmpdir(), 'assay-verify-decisions-'))
  try {
    const file = join(directory, 'decisions.ndjson')
    const counts = await readTopic(config, file, sinceMicros)
    const database = await Database.open({ ...config.duckdb, spillDirectory: directory })
    try {
      const { lakehouse, deltaBasePath, watermarkMicros: delays } = config
      const current = definitionsOf(lakehouse, settingsOf(pipelineOptions(config)))
      const options = { lakehouse, deltaBasePath, delays, current, file }
      const comparison = await compareDecisions(database.load, options)
      const { compared, withoutRow, differing } = comparison
      return { compared, withoutRow, differing, check: checkOf(config, comparison, counts) }
    } finally {
      database.close()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** For the textfile collector of Prometheus' node exporter, which must not read half a file. */
export async function writeDecisionMetrics(
  path: string,
  { compared, differing }: Pick<VerifiedDecisions, 'compared' | 'differing'>,
  nowMs: number,
): Promise<void> {
  const values = new MetricValues()
  values.set('assay_decisions_compared', {}, compared)
  for (const cause of differenceCauses)
    values.set('assay_decision_differences', { cause }, differing[cause] ?? 0)
  values.set('assay_decisions_verified_timestamp_seconds', {}, nowMs / 1000)
  const told = values.families().filter(({ samples }) => samples.length > 0)
  const draft = `${path}.${process.pid}`
  try {
    await writeFile(draft, expositionText(told, 'prometheus'))
    await rename(draft, path)
  } catch (cause) {
    await rm(draft, { force: true })
    const message = `${path} could not be written: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new LakehouseError('CONFIG_INVALID', message, { cause })
  }
}

async function readTopic(config: Config, file: string, sinceMicros: bigint | null) {
  const { kafka, decisions } = config
  const source = await openKafkaSource({
    ...kafkaConnectionOf(kafka),
    ...{ topic: decisions.topic, groupId: decisions.groupId, untilNow: true },
    ...{ onDataLoss: 'continue', giveUpAfterMs: brokersMaxMs },
    startingOffsets:
      sinceMicros === null
        ? { kind: 'earliest' }
        : { kind: 'time', timestampMs: Number(sinceMicros / 1000n) },
  })
  const out = await open(file, 'w')
  try {
    return await writeDecisions(source, out, decisions.groupId, new AbortController().signal)
  } finally {
    await out.close()
    await source.close()
  }
}

function checkOf(
  { lakehouse, decisions }: Config,
  comparison: ComparedDecisions,
  { ofOthers, others }: { readonly ofOthers: number; readonly others: number },
): CheckResult {
  const { compared, withoutRow, differing, unexplained, isVersionKnown } = comparison
  const failures = differing.unexplained ?? 0
  const causes = differenceCauses.flatMap((cause) => {
    const count = differing[cause]
    return count === undefined || cause === 'unexplained' ? [] : [`${count} ${cause}`]
  })
  const told = causes.length === 0 ? 'none differs' : `that differ: ${causes.join(', ')}`
  const notes = [
    ...(withoutRow === 0
      ? []
      : [`${counted(withoutRow, 'decision')} of records that are in no table: not yet, or not any more`]),
    ...(ofOthers === 0
      ? []
      : [`${counted(ofOthers, 'decision')} of other groups than ${decisions.groupId} left out`]),
    ...(others === 0 ? [] : [`${counted(others, 'record')} of the topic that are no decisions`]),
    ...(isVersionKnown
      ? []
      : ['the log does not go back to the first batch: by what rows were decided is not known']),
  ]
  return {
    ...{ table: lakehouse.scored?.path ?? '', check: 'decisions', ok: failures === 0 },
    message:
      failures === 0
        ? `${counted(compared, 'decision')} compared with rows, ${told}`
        : `${counted(failures, 'decision')} of ${compared} that differ from rows without a cause; ${told}`,
    failures: BigInt(failures),
    findings: unexplained.map(({ topic, partition, offset, column, decided, written }) => ({
      ...{ at: { topic, partition, offset }, problem: 'decided otherwise', column },
      ...{ found: decided, expected: written },
    })),
    ...{ notes, hint: null },
  }
}
