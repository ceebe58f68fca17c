// What a run's events are as metrics, and what is asked of the run's memory when metrics are asked for: no
// disk is read for it but for how much of it is free.
import { statfs } from 'node:fs/promises'
import { holdingPartition } from '../batches/planner.ts'
import { directoryOf } from '../delta/mounts.ts'
import { levelNames } from '../fraud/score.ts'
import { type MetricFamily, MetricValues } from '../metrics/metric-values.ts'
import { setProcessMetrics } from '../metrics/process-metrics.ts'
import { definitionsOf } from '../ops/definitions.ts'
import { eventsWatermark, type Lakehouse, windowOf } from '../plan/index.ts'
import type { BatchReport } from './batch-report.ts'
import type { PipelineOptions } from './engine.ts'
import { type DriftedFigure, listener } from './events.ts'
import { latencyMiddleMs } from './latency.ts'
import type { RunWatch } from './run-watch.ts'

export type MeteredRun = Pick<
  PipelineOptions,
  'lakehouse' | 'deltaBasePath' | 'streams' | 'delays' | 'parameters' | 'recordsPerBatchMax'
> & {
  /** null: none is compacted, and none counts as small. */
  readonly smallFileBytes: number | null
  readonly engine: string
  readonly version: string
}

export class RunMetrics {
  readonly #run: MeteredRun
  readonly #watch: RunWatch
  readonly #values = new MetricValues()
  readonly #windowTables: ReadonlySet<string>
  #ruleVersions: ReadonlyMap<string, string>
  readonly #nowMs: () => number

  constructor(run: MeteredRun, watch: RunWatch, nowMs: () => number = Date.now) {
    this.#run = run
    this.#watch = watch
    this.#nowMs = nowMs
    const { lakehouse, engine, version, streams } = run
    const windows = lakehouse.tables.filter(({ rows }) => windowOf(rows.node) !== null)
    this.#windowTables = new Set(windows.map(({ path }) => path))
    this.#ruleVersions = ruleVersionsOf(run)
    this.#values.set('assay_build_info', { version, engine, streams: streams.join(',') }, 1)
    this.#beginAtZero(lakehouse)
  }

  readonly onEvent = listener({
    // The tables are opened anew where other rules decide.
    opened: () => {
      this.#ruleVersions = ruleVersionsOf(this.#run)
    },
    phase: (event) => {
      this.#values.observe('assay_batch_phase_duration_seconds', this.#phaseOf(event), event.ms / 1000)
    },
    batch: ({ report }) => this.#addBatch(report),
    fault: ({ code, failures }) => {
      if (code === 'WRITER_FENCED') this.#values.add('assay_writer_fenced_total', {})
      this.#values.set('assay_fault_streak', {}, failures)
      this.#values.add('assay_faults_total', { code })
    },
    notice: ({ code, details: { lost, version } }) => {
      if (code === 'RULES_SHADOW_FAILED')
        this.#values.add('assay_shadow_faults_total', { version: String(version), cause: 'invalid' })
      if (code === 'KAFKA_OFFSETS_LOST' && typeof lost === 'bigint')
        this.#values.add('assay_lost_records_total', {}, Number(lost))
      this.#values.add('assay_notices_total', { code })
    },
    alert: ({ sink, outcome }) =>
      this.#values.add(outcome === 'sent' ? 'assay_alerts_sent_total' : 'assay_alerts_failed_total', {
        sink,
      }),
    reviewed: ({ open, unsure, verdicts }) => {
      this.#values.set('assay_review_cases', { state: 'new' }, open - unsure)
      this.#values.set('assay_review_cases', { state: 'unsure' }, unsure)
      for (const [verdict, count] of Object.entries(verdicts))
        this.#values.set('assay_review_verdicts', { verdict }, count)
    },
    drift: ({ figures }) => this.#setDrift(figures),
    compacted: ({ table }) => this.#values.add('assay_compactions_total', { table }),
    checkpointed: ({ table }) => this.#values.add('assay_checkpoints_total', { table }),
    waiting: () => this.#values.set('assay_fault_streak', {}, 0),
  })

  /** As they are now. */
  async collect(): Promise<readonly MetricFamily[]> {
    const nowMs = this.#nowMs()
    this.#values.set('assay_records_per_second', {}, this.#watch.recordsPerSecond)
    this.#values.set('assay_backlog', {}, this.isBehind ? 1 : 0)
    this.#setTables(nowMs)
    this.#setLag(nowMs)
    this.#setTimes(nowMs)
    setProcessMetrics(this.#values)
    await this.#setDisk()
    return this.#values.families()
  }

  /** What is expected to count is there from the start: a rate needs a first value. */
  #beginAtZero(lakehouse: Lakehouse): void {
    const { tables, reasons, rules } = lakehouse
    const values = this.#values
    for (const name of [
      'assay_batches_total',
      'assay_records_total',
      'assay_quarantined_records_total',
    ] as const)
      values.add(name, {}, 0)
    for (const name of ['assay_review_transactions_total', 'assay_lost_records_total'] as const)
      values.add(name, {}, 0)
    values.add('assay_writer_fenced_total', {}, 0)
    values.set('assay_fault_streak', {}, 0)
    for (const { path, stream } of tables)
      if (this.#run.streams.includes(stream)) values.add('assay_rows_total', { table: path }, 0)
    for (const level of levelNames(lakehouse))
      values.add('assay_transactions_total', { risk_level: level }, 0)
    for (const reason of Object.keys(reasons)) values.add('assay_refused_records_total', { reason }, 0)
    for (const { name } of rules) values.add('assay_rule_firings_total', this.#ruleOf(name), 0)
  }

  #addBatch(report: BatchReport): void {
    const values = this.#values
    values.set('assay_fault_streak', {}, 0)
    values.add('assay_batches_total', {})
    values.add('assay_records_total', {}, report.records)
    values.add('assay_quarantined_records_total', {}, report.quarantinedRows)
    values.add('assay_review_transactions_total', {}, report.reviewRows)
    values.observe('assay_batch_duration_seconds', {}, report.batchMs / 1000)
    for (const [table, rows] of Object.entries(report.rowsByTable))
      values.add('assay_rows_total', { table }, rows)
    for (const [reason, count] of Object.entries(report.quarantineReasons))
      values.add('assay_refused_records_total', { reason }, count)
    for (const [level, count] of Object.entries(report.riskLevels))
      values.add('assay_transactions_total', { risk_level: level }, count)
    for (const [rule, count] of Object.entries(report.firings))
      values.add('assay_rule_firings_total', this.#ruleOf(rule), count)
    for (const { version, rows, reviewRows, failedRows } of report.shadows) {
      const of = { version: String(version) }
      values.add('assay_shadow_rows_total', of, rows)
      values.add('assay_shadow_review_rows_total', of, reviewRows)
      values.add('assay_shadow_faults_total', { ...of, cause: 'calculation' }, failedRows)
    }
    for (const [bucket, count] of report.latencies)
      values.observe('assay_commit_latency_seconds', {}, latencyMiddleMs(bucket) / 1000, count)
  }

  #setDrift(figures: readonly DriftedFigure[]): void {
    const values = this.#values
    for (const name of ['assay_drift_psi', 'assay_drift_ks', 'assay_drift_level'] as const) values.clear(name)
    for (const { feature, psi, ks, level } of figures) {
      values.set('assay_drift_psi', { feature }, psi)
      values.set('assay_drift_ks', { feature }, ks)
      values.set('assay_drift_level', { feature }, level === 'drifted' ? 2 : level === 'moderate' ? 1 : 0)
    }
  }

  #ruleOf(rule: string): { readonly rule: string; readonly version: string } {
    return { rule, version: this.#ruleVersions.get(rule) ?? 'unknown' }
  }

  /** Windows of several tables are one phase. */
  #phaseOf({ phase }: { readonly phase: string }): { readonly phase: string } {
    return { phase: this.#windowTables.has(phase) ? 'windows' : phase }
  }

  /** More is waiting than what one batch takes, or a batch took all that one may. */
  get isBehind(): boolean {
    const { last, opened, progress } = this.#watch
    if (last === null || opened === null) return progress !== null && this.#watch.waitingSinceMs === null
    if (opened.silverBatch !== null) return opened.silverBatch() > last.report.batch
    const { input, records } = last.report
    if (input === null || input.lag === 0n) return false
    // The lag of files is in bytes, so it is measured by what the batch took of it.
    return input.lag > input.consumed || records >= this.#run.recordsPerBatchMax
  }

  #setTables(nowMs: number): void {
    const values = this.#values
    const { opened } = this.#watch
    if (opened === null) return
    for (const { definition, delta } of opened.tables) {
      const table = { table: definition.path }
      const { version, files, bytes, rows, committedMs, checkpointed, smallFiles } = delta.figures()
      values.set('assay_table_version', table, Number(version))
      values.set('assay_table_files', table, files)
      values.set('assay_table_size_bytes', table, bytes)
      values.set('assay_table_log_commits', table, Number(version - checkpointed))
      values.set('assay_table_small_files', table, smallFiles(this.#run.smallFileBytes ?? 0))
      if (rows !== null) values.set('assay_table_rows', table, rows)
      if (committedMs !== null)
        values.set('assay_table_commit_age_seconds', table, Math.max(0, nowMs - committedMs) / 1000)
    }
    const { rows, bytes } = opened.state()
    values.set('assay_state_rows', {}, rows)
    values.set('assay_state_bytes', {}, bytes)
    if (opened.silverBatch === null) return
    const behind = opened.silverBatch() - (this.#watch.progress?.batch ?? 0n)
    values.set('assay_silver_batches_behind', {}, Math.max(0, Number(behind)))
  }

  #setLag(nowMs: number): void {
    const values = this.#values
    const { lags, last } = this.#watch
    for (const name of ['assay_lag_records', 'assay_lag_seconds', 'assay_lag_drain_seconds'] as const)
      values.clear(name)
    for (const { topic, partition, records, seconds, drainSeconds } of lags.lags(nowMs)) {
      const of = { topic, partition: String(partition) }
      values.set('assay_lag_records', of, records)
      if (seconds !== null) values.set('assay_lag_seconds', of, seconds)
      if (drainSeconds !== null) values.set('assay_lag_drain_seconds', of, drainSeconds)
    }
    if (lags.seenMs !== null) values.set('assay_input_seen_timestamp_seconds', {}, lags.seenMs / 1000)
    const isOfFiles = last?.recorded.plan?.ranges.some(({ isFile }) => isFile === true) === true
    if (isOfFiles && last?.report.input)
      values.set('assay_input_lag_bytes', {}, Number(last.report.input.lag))
  }

  #setTimes(nowMs: number): void {
    const values = this.#values
    const { progress, last } = this.#watch
    if (progress === null) return
    const { lakehouse, streams } = this.#run
    for (const { path: table, stream, watermark } of lakehouse.tables) {
      // That of the events stands in no table: it judges which rows come to them.
      const name = table === lakehouse.events.path ? eventsWatermark(lakehouse) : watermark
      const micros = name === null ? undefined : progress.watermarks[name]
      if (micros === undefined || !streams.includes(stream)) continue
      const seconds = Number(micros) / 1e6
      values.set('assay_watermark_timestamp_seconds', { table }, seconds)
      values.set('assay_watermark_delay_seconds', { table }, nowMs / 1000 - seconds)
    }
    const plan = last?.recorded.plan ?? null
    const holding = plan === null ? null : holdingPartition(plan, progress.partitions)
    for (const { topic, partition, eventTimeMaxMicros } of progress.partitions.values()) {
      const of = { topic, partition: String(partition) }
      const isHolding = holding?.topic === topic && holding.partition === partition
      values.set('assay_partition_holds_watermark', of, isHolding ? 1 : 0)
      if (eventTimeMaxMicros === null) continue
      const seconds = Number(eventTimeMaxMicros) / 1e6
      values.set('assay_partition_event_timestamp_seconds', of, seconds)
      values.set('assay_partition_delay_seconds', of, nowMs / 1000 - seconds)
    }
  }

  async #setDisk(): Promise<void> {
    const found = await statfs(directoryOf(this.#run.deltaBasePath)).catch(() => null) // Not there yet.
    if (found !== null) this.#values.set('assay_disk_free_bytes', {}, found.bavail * found.bsize)
  }
}

/** A short hash of what each rule says. */
function ruleVersionsOf({
  lakehouse,
  delays,
  parameters,
  recordsPerBatchMax,
}: MeteredRun): ReadonlyMap<string, string> {
  const { stored } = definitionsOf(lakehouse, { delays, parameters, recordsPerBatchMax })
  const rules = stored.filter(({ kind }) => kind === 'rule')
  return new Map(rules.map(({ name, hash }) => [name, hash.slice(0, 8)]))
}
