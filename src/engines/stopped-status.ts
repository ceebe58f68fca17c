// What the tables say of streams whose process cannot be asked: how far they are, and since when.
import type { Progress } from '../batches/progress.ts'
import { DeltaTable } from '../delta/index.ts'
import { progressOf, tableDirectory } from '../ops/tables.ts'
import { type Lakehouse, tablesOf } from '../plan/index.ts'
import type { Holder } from './lock-holder.ts'
import type { RunFinding } from './run-findings.ts'
import { type RunStatus, type TableStatus, watermarkOf, watermarkStatus } from './run-status.ts'

export type StoppedFacts = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly streams: readonly string[]
  /** Who holds their locks, where somebody does that cannot be asked. */
  readonly holder: Holder | null
  readonly nowMs: number
}

export async function stoppedStatus(facts: StoppedFacts): Promise<RunStatus> {
  const { lakehouse, deltaBasePath, streams, holder, nowMs } = facts
  const found: { readonly status: TableStatus; readonly progress: Progress | null }[] = []
  const findings: RunFinding[] = []
  for (const table of tablesOf(lakehouse, streams)) {
    const directory = tableDirectory(deltaBasePath, table)
    try {
      if (!(await DeltaTable.exists(directory))) continue
      found.push(await statusOf(lakehouse, table.path, await DeltaTable.open(directory), nowMs))
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      findings.push({ kind: 'fault', severity: 'error', text, help: 'docs/guide/recovery.md' })
    }
  }
  const batches = found.flatMap(({ progress }) => (progress === null ? [] : [Number(progress.batch)]))
  const ages = found.flatMap(({ status }) => status.commitAgeSeconds ?? [])
  return {
    asOf: new Date(nowMs).toISOString(),
    streams,
    state: holder === null ? 'not running' : 'unknown',
    writer: holder === null ? null : { pid: holder.pid, host: holder.host, since: holder.since, url: null },
    ...{ engine: null, version: null, reads: null, deltaBasePath },
    batch: batches.length === 0 ? null : Math.max(...batches),
    lastBatchAgeSeconds: ages.length === 0 ? null : Math.min(...ages),
    ...{ recordsPerSecond: null, lag: null },
    tables: found.map(({ status }) => status),
    findings: [...findings, stoppedFinding(streams, holder)],
  }
}

/** A holder of their locks cannot be asked. */
export function stoppedFinding(streams: readonly string[], holder: Holder | null): RunFinding {
  if (holder === null) {
    const text = `no process carries ${streams.join(', ')}`
    return { kind: 'stopped', severity: 'error', text, help: `assay run ${streams.join(' ')}` }
  }
  const text = `process ${holder.pid} on ${holder.host} holds the lock and cannot be asked from here: it is on another machine, paused, has METRICS_PORT=0, or is gone`
  return { kind: 'stopped', severity: 'warn', text, help: 'docs/runbooks/down.md' }
}

async function statusOf(lakehouse: Lakehouse, path: string, delta: DeltaTable, nowMs: number) {
  const snapshot = await delta.snapshot()
  const progress = await progressOf(delta, snapshot)
  const { version, rows, committedMs } = delta.figures()
  const name = watermarkOf(lakehouse, path)
  const status = {
    table: path,
    batch: progress === null ? null : Number(progress.batch),
    version: Number(version),
    rows,
    commitAgeSeconds: committedMs === null ? null : Math.max(0, nowMs - committedMs) / 1000,
    ...watermarkStatus(name === null ? undefined : progress?.watermarks[name], nowMs),
  }
  return { status, progress }
}
