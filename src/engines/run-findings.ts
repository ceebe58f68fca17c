// What is wrong with a run, in words, and what helps: a pure decision from what the run knows of itself.
import type { TopicPartition } from '../batches/offsets.ts'
import { counted } from '../errors/counted.ts'
import {
  freshnessMaxSeconds,
  heldMaxSeconds,
  lagRecordsMax,
  refusedShareMax,
  silverBatchesBehindMax,
  stalledMaxSeconds,
  unseenMaxSeconds,
} from '../metrics/objectives.ts'

/** What a finding is about, by a name that stays: its text tells figures. */
export const findingKinds = [
  'away',
  'fault',
  'stalled',
  'disk',
  'refusals',
  'lag',
  'watermark',
  'stopped',
  'anomaly',
  'shadow',
] as const

export type FindingKind = (typeof findingKinds)[number]

export type RunFinding = {
  readonly kind: FindingKind
  readonly severity: 'error' | 'warn'
  readonly text: string
  /** A page of the documentation, or a command. */
  readonly help: string
}

export type HealthFacts = {
  readonly nowMs: number
  readonly outage: { readonly code: string; readonly message: string; readonly sinceMs: number } | null
  readonly fault: { readonly code: string; readonly message: string; readonly failures: number } | null
  readonly lag: { readonly records: number; readonly seconds: number | null } | null
  readonly lagGrows: boolean
  /** Since the ends of the input's partitions were seen; null where there are none. */
  readonly unseenSeconds: number | null
  /** Since the last batch, or since the start. */
  readonly idleSeconds: number
  /** Of the last minute. */
  readonly records: number
  readonly quarantined: number
  readonly refusedTable: string
  readonly reasons: Readonly<Record<string, number>>
  /** Of each batch of the last minute, by phase. */
  readonly phasesMs: readonly Readonly<Record<string, number>>[]
  readonly held: (TopicPartition & { readonly seconds: number }) | null
  readonly batchesBehind: number | null
  /** What is wrong with versions that should run as shadows. */
  readonly shadowFaults: readonly string[]
  /** null where there is enough. */
  readonly diskFreeBytes: number | null
}

/** The worst first. */
export function runFindings(facts: HealthFacts): RunFinding[] {
  return [
    ...awayFindings(facts),
    ...faultFindings(facts),
    ...stalledFindings(facts),
    ...diskFindings(facts),
    ...refusalFindings(facts),
    ...lagFindings(facts),
    ...heldFindings(facts),
    ...shadowFindings(facts),
  ]
}

function awayFindings({ outage, unseenSeconds, nowMs }: HealthFacts): RunFinding[] {
  const help = 'assay check; docs/guide/kafka.md'
  if (outage !== null) {
    const since = seconds((nowMs - outage.sinceMs) / 1000)
    return [
      { kind: 'away', severity: 'error', text: `for ${since}: ${outage.message} [${outage.code}]`, help },
    ]
  }
  if (unseenSeconds === null || unseenSeconds < unseenMaxSeconds) return []
  const text = `no broker has said for ${seconds(unseenSeconds)} what waits in the topic`
  return [{ kind: 'away', severity: 'error', text, help }]
}

function faultFindings({ fault }: HealthFacts): RunFinding[] {
  if (fault === null) return []
  const text = `${fault.message} [${fault.code}] (${fault.failures} in a row)`
  return [
    { kind: 'fault', severity: 'error', text, help: `docs/reference/errors.md; docs/guide/recovery.md` },
  ]
}

function stalledFindings({ lag, batchesBehind, idleSeconds, outage, fault }: HealthFacts): RunFinding[] {
  const waits = (lag?.records ?? 0) > 0 || (batchesBehind ?? 0) > 0
  if (!waits || idleSeconds < stalledMaxSeconds || outage !== null || fault !== null) return []
  const text = `records wait, and no batch has ended for ${seconds(idleSeconds)}`
  return [{ kind: 'stalled', severity: 'error', text, help: 'docs/runbooks/stalled.md' }]
}

function diskFindings({ diskFreeBytes }: HealthFacts): RunFinding[] {
  if (diskFreeBytes === null) return []
  const text = `the disk under the tables has ${Math.round(diskFreeBytes / 2 ** 20)} MiB left`
  return [{ kind: 'disk', severity: 'error', text, help: 'docs/runbooks/disk-full.md; assay table vacuum' }]
}

function refusalFindings({ records, quarantined, refusedTable, reasons }: HealthFacts): RunFinding[] {
  if (records === 0 || quarantined / records <= refusedShareMax) return []
  const [reason] = Object.entries(reasons).toSorted(([, a], [, b]) => b - a)
  const why = reason === undefined ? '' : `, most of them as ${reason[0]}`
  const text = `${percent(quarantined / records)} of the records of the last minute were refused${why}`
  const query = `assay query "from ${refusedTable.replaceAll('/', '.')}"`
  return [{ kind: 'refusals', severity: 'warn', text, help: `${query}; docs/guide/records.md` }]
}

function lagFindings({ lag, lagGrows, batchesBehind, phasesMs }: HealthFacts): RunFinding[] {
  const help = 'docs/guide/performance.md'
  if (batchesBehind !== null && batchesBehind > silverBatchesBehindMax) {
    const text = `${counted(batchesBehind, 'batch', 'batches')} of silver are not carried yet; ${limitOf(phasesMs)}`
    return [{ kind: 'lag', severity: 'warn', text, help }]
  }
  if (lag === null || (lag.seconds ?? 0) <= freshnessMaxSeconds) return []
  if (!lagGrows && lag.records <= lagRecordsMax) return []
  const how = lagGrows ? 'and they become more' : 'and they become fewer'
  const text = `${counted(lag.records, 'record')} wait, the oldest for ${seconds(lag.seconds ?? 0)}, ${how}; ${limitOf(phasesMs)}`
  return [{ kind: 'lag', severity: lagGrows ? 'error' : 'warn', text, help }]
}

/** Which part of the batches takes the most time, and what that depends on. */
function limitOf(batches: HealthFacts['phasesMs']): string {
  const sums = new Map<string, number>()
  for (const phasesMs of batches) {
    for (const [phase, ms] of Object.entries(phasesMs)) sums.set(phase, (sums.get(phase) ?? 0) + ms)
  }
  const total = [...sums.values()].reduce((sum, ms) => sum + ms, 0)
  const [most] = [...sums].toSorted(([, a], [, b]) => b - a)
  if (most === undefined || total === 0) return 'no batch ended in the last minute'
  const [phase, ms] = most
  return `${percent(ms / total)} of the time goes to ${phase}: ${dependsOn[phase] ?? dependsOn.windows}`
}

/** What each phase waits for. */
const dependsOn: Readonly<Record<string, string>> = {
  fetch: 'the brokers or the network are the limit',
  judge: 'the processor is the limit; larger batches (LATENCY_TARGET_MS) cost less a record',
  write: 'the disk or the processor is the limit; larger batches (LATENCY_TARGET_MS) write fewer files',
  commit: 'the disk is the limit (fsync); larger batches (LATENCY_TARGET_MS) commit less often',
  state: 'the processor or the memory is the limit',
  windows: 'windows that close are the limit; DUCKDB_MEMORY_LIMIT gives them more memory',
}

function heldFindings({ held }: HealthFacts): RunFinding[] {
  if (held === null || held.seconds < heldMaxSeconds) return []
  const { topic, partition, seconds: behind } = held
  const text = `partition ${partition} of ${topic} holds the watermark back: its event time is ${seconds(behind)} behind the newest`
  return [{ kind: 'watermark', severity: 'warn', text, help: 'docs/runbooks/watermark-held.md' }]
}

function shadowFindings({ shadowFaults }: HealthFacts): RunFinding[] {
  const help = 'assay rules unshadow; docs/guide/shadows.md'
  return shadowFaults.map((text) => ({ kind: 'shadow', severity: 'warn', text, help }))
}

function seconds(count: number): string {
  if (count < 120) return `${Math.round(count)} s`
  return count < 7_200 ? `${Math.round(count / 60)} min` : `${(count / 3_600).toFixed(1)} h`
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}
