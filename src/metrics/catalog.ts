// Every metric, once: /metrics gives these and no others; the reference page, the Grafana dashboard and the
// rules of Prometheus are made from them. Labels are bounded: names of tables, reasons, rules, partitions.

export type MetricKind = 'counter' | 'gauge' | 'histogram'

export type MetricDefinition = {
  readonly kind: MetricKind
  readonly group: (typeof metricGroups)[number]
  readonly labels: readonly string[]
  /** One sentence, without its full stop. */
  readonly help: string
}

export const metricGroups = ['Work', 'Input', 'Time', 'Tables', 'Fraud', 'Trouble', 'Process'] as const

const work = { group: 'Work' } as const
const input = { group: 'Input', kind: 'gauge', labels: ['topic', 'partition'] } as const
const time = { group: 'Time', kind: 'gauge' } as const
const tables = { group: 'Tables', kind: 'gauge', labels: ['table'] } as const
const fraud = { group: 'Fraud', kind: 'counter' } as const
const trouble = { group: 'Trouble' } as const
const ofProcess = { group: 'Process', kind: 'gauge', labels: [] } as const

export const metricCatalog = {
  assay_build_info: {
    ...{ group: 'Work', kind: 'gauge', labels: ['version', 'engine', 'streams'] },
    help: 'Always 1; the labels say which version runs which streams on which engine',
  },
  assay_batches_total: {
    ...{ ...work, kind: 'counter', labels: [] },
    help: 'Batches that are in all tables of the process',
  },
  assay_records_total: {
    ...{ ...work, kind: 'counter', labels: [] },
    help: 'Records that batches carried; in a process behind silver, rows of silver',
  },
  assay_records_per_second: {
    ...{ ...work, kind: 'gauge', labels: [] },
    help: 'Records that batches carried a second, over the last minute',
  },
  assay_rows_total: {
    ...{ ...work, kind: 'counter', labels: ['table'] },
    help: 'Rows that batches brought to a table',
  },
  assay_batch_duration_seconds: {
    ...{ ...work, kind: 'histogram', labels: [] },
    help: 'From the start of a batch to the commit of its rows',
  },
  assay_batch_phase_duration_seconds: {
    ...{ ...work, kind: 'histogram', labels: ['phase'] },
    help: 'How long each part of a batch took; phases overlap those of other batches',
  },
  assay_commit_latency_seconds: {
    ...{ ...work, kind: 'histogram', labels: [] },
    help: "From the record's timestamp in Kafka (the event time, for files) to the commit of its row",
  },
  assay_state_rows: {
    ...{ ...work, kind: 'gauge', labels: [] },
    help: 'Rows that operators remember in the memory of this process',
  },
  assay_state_bytes: {
    ...{ ...work, kind: 'gauge', labels: [] },
    help: 'Memory of what operators and open windows remember in this process',
  },
  assay_lag_records: {
    ...input,
    help: 'Records that wait in a partition behind what the tables have',
  },
  assay_lag_seconds: {
    ...input,
    help: 'How long the oldest record that waits in a partition has waited, at most',
  },
  assay_lag_drain_seconds: {
    ...input,
    help: 'When a partition will have nothing waiting, at the pace of the last minutes; +Inf where it grows',
  },
  assay_input_seen_timestamp_seconds: {
    ...{ group: 'Input', kind: 'gauge', labels: [] },
    help: 'When the ends of the partitions were last seen: it stands still while no broker answers',
  },
  assay_input_lag_bytes: {
    ...{ group: 'Input', kind: 'gauge', labels: [] },
    help: 'Bytes of files that wait to be read',
  },
  assay_backlog: {
    ...{ group: 'Input', kind: 'gauge', labels: [] },
    help: '1 while more is waiting than a batch takes, 0 when the process is live',
  },
  assay_silver_batches_behind: {
    ...{ group: 'Input', kind: 'gauge', labels: [] },
    help: 'Batches of silver that a process behind it has yet to carry',
  },
  assay_watermark_timestamp_seconds: {
    ...{ ...time, labels: ['table'] },
    help: 'The watermark of a table: rows of silver before it are late, windows up to it are closed',
  },
  assay_watermark_delay_seconds: {
    ...{ ...time, labels: ['table'] },
    help: 'How far the watermark of a table is behind the present',
  },
  assay_partition_event_timestamp_seconds: {
    ...{ ...time, labels: ['topic', 'partition'] },
    help: 'The greatest event time of the valid records of a partition',
  },
  assay_partition_delay_seconds: {
    ...{ ...time, labels: ['topic', 'partition'] },
    help: 'How far the event time of a partition is behind the present',
  },
  assay_partition_holds_watermark: {
    ...{ ...time, labels: ['topic', 'partition'] },
    help: '1 for the partition that holds the watermark back, 0 for the others',
  },
  assay_table_commit_age_seconds: { ...tables, help: 'How old the newest version of a table is' },
  assay_table_version: { ...tables, help: 'The newest version of a table' },
  assay_table_rows: { ...tables, help: 'Rows of a table' },
  assay_table_files: { ...tables, help: 'Files of a table' },
  assay_table_size_bytes: { ...tables, help: 'Bytes of the files of a table' },
  assay_table_small_files: { ...tables, help: 'Files of a table that a compaction would save' },
  assay_table_log_commits: {
    ...tables,
    help: "Commits after the newest checkpoint of a table's log, which who opens the table reads one by one",
  },
  assay_compactions_total: {
    ...{ ...tables, kind: 'counter' },
    help: 'Times that small files of a table were put together, or looked through for that',
  },
  assay_checkpoints_total: {
    ...{ ...tables, kind: 'counter' },
    help: "Checkpoints that were written of a table's log",
  },
  assay_disk_free_bytes: {
    ...{ group: 'Tables', kind: 'gauge', labels: [] },
    help: 'Free bytes of the file system under the tables',
  },
  assay_transactions_total: {
    ...{ ...fraud, labels: ['risk_level'] },
    help: 'Scored transactions',
  },
  assay_review_transactions_total: {
    ...{ ...fraud, labels: [] },
    help: 'Scored transactions that require review',
  },
  assay_review_cases: {
    ...{ group: 'Fraud', kind: 'gauge', labels: ['state'] },
    help: 'Cases that await a verdict, those of which a reviewer was unsure apart; told once somebody reviews',
  },
  assay_review_verdicts: {
    ...{ group: 'Fraud', kind: 'gauge', labels: ['verdict'] },
    help: 'Verdicts of reviewers that stand, by what they say; told once somebody reviews',
  },
  assay_drift_psi: {
    ...{ group: 'Fraud', kind: 'gauge', labels: ['feature'] },
    help: 'Of the last complete day, how far a feature of the model, or model_score, is from what it learned from: PSI',
  },
  assay_drift_ks: {
    ...{ group: 'Fraud', kind: 'gauge', labels: ['feature'] },
    help: 'The same as KS, the greatest distance of the cumulative shares',
  },
  assay_drift_level: {
    ...{ group: 'Fraud', kind: 'gauge', labels: ['feature'] },
    help: '2 where a feature has drifted on the last complete day, 1 where it has moved, 0 where it is the same, or has too few rows',
  },
  assay_rule_firings_total: {
    ...{ ...fraud, labels: ['rule', 'version'] },
    help: 'Transactions in which a rule fired; the version is the hash of what the rule says',
  },
  assay_shadow_rows_total: {
    ...{ ...fraud, labels: ['version'] },
    help: 'Transactions of which a version of the rules said something that runs as a shadow, by its number',
  },
  assay_shadow_review_rows_total: {
    ...{ ...fraud, labels: ['version'] },
    help: 'Transactions that a shadow would have sent to review',
  },
  assay_shadow_faults_total: {
    ...{ ...fraud, labels: ['version', 'cause'] },
    help: 'Faults of shadows, which harm nothing else: transactions of which a rule could not be calculated (calculation), times that the tables were opened without it because it does not go with the lakehouse (invalid)',
  },
  assay_decisions_total: {
    ...{ ...fraud, labels: ['decision'] },
    help: 'Decisions that "assay run decisions" has written to their topic: scored or refused',
  },
  assay_decision_latency_seconds: {
    ...{ group: 'Fraud', kind: 'histogram', labels: [] },
    help: "From the record's timestamp in Kafka to when its decision is in the topic of decisions",
  },
  assay_decision_requests_total: {
    ...{ ...fraud, labels: ['status'] },
    help: 'Requests for decisions that were answered, by the status of the answer',
  },
  assay_decision_keys: {
    ...{ group: 'Fraud', kind: 'gauge', labels: [] },
    help: 'Idempotency keys of requests for decisions that are remembered',
  },
  assay_decision_partitions: {
    ...{ group: 'Fraud', kind: 'gauge', labels: [] },
    help: 'Partitions of the topic that this process decides; those of all processes together are the topic',
  },
  assay_decision_processes: {
    ...{ group: 'Fraud', kind: 'gauge', labels: [] },
    help: 'Processes that share the partitions, as this one knows',
  },
  assay_decisions_awaited: {
    ...{ group: 'Fraud', kind: 'gauge', labels: [] },
    help: 'Records of any partition whose decisions are not on their topic yet',
  },
  assay_decisions_compared: {
    ...{ group: 'Fraud', kind: 'gauge', labels: [] },
    help: 'Decisions that "assay verify --decisions --metrics" compared with the rows of their records',
  },
  assay_decision_differences: {
    ...{ group: 'Fraud', kind: 'gauge', labels: ['cause'] },
    help: 'Those that differ, by cause; what is unexplained is a fault',
  },
  assay_decisions_verified_timestamp_seconds: {
    ...{ group: 'Fraud', kind: 'gauge', labels: [] },
    help: 'When they were compared, in seconds since the epoch',
  },
  assay_refused_records_total: {
    ...{ ...trouble, kind: 'counter', labels: ['reason'] },
    help: 'Records that went to quarantine, by reason; one with several reasons counts for each',
  },
  assay_quarantined_records_total: {
    ...{ ...trouble, kind: 'counter', labels: [] },
    help: 'Records that went to quarantine',
  },
  assay_lost_records_total: {
    ...{ ...trouble, kind: 'counter', labels: [] },
    help: 'Offsets that Kafka deleted before they were read',
  },
  assay_notices_total: {
    ...{ ...trouble, kind: 'counter', labels: ['code'] },
    help: 'Warnings of the log, by code',
  },
  assay_faults_total: {
    ...{ ...trouble, kind: 'counter', labels: ['code'] },
    help: 'Failures after which the run went on from the tables, by the code of the error',
  },
  assay_fault_streak: {
    ...{ ...trouble, kind: 'gauge', labels: [] },
    help: 'Failures in a row without a batch between; 0 when the run is well',
  },
  assay_alerts_sent_total: {
    ...{ ...trouble, kind: 'counter', labels: ['sink'] },
    help: 'Notifications that a sink of alerts has taken',
  },
  assay_alerts_failed_total: {
    ...{ ...trouble, kind: 'counter', labels: ['sink'] },
    help: 'Notifications that a sink of alerts did not take, and that are not tried again by themselves',
  },
  assay_writer_fenced_total: {
    ...{ ...trouble, kind: 'counter', labels: [] },
    help: 'Times that another process had taken the tables over from this one',
  },
  process_cpu_seconds_total: {
    ...{ ...ofProcess, kind: 'counter' },
    help: 'Processor time of the process, of user and system',
  },
  process_resident_memory_bytes: { ...ofProcess, help: 'Resident memory of the process' },
  process_start_time_seconds: { ...ofProcess, help: 'When the process started' },
  nodejs_heap_size_used_bytes: { ...ofProcess, help: 'Memory of the JavaScript heap that is used' },
  nodejs_heap_size_total_bytes: { ...ofProcess, help: 'Memory that the JavaScript heap takes' },
  nodejs_external_memory_bytes: { ...ofProcess, help: 'Memory of buffers outside of the JavaScript heap' },
} as const satisfies Readonly<Record<string, MetricDefinition>>

export type MetricName = keyof typeof metricCatalog

/** The labels of a metric, each with a value. */
export type LabelsOf<Name extends MetricName> = {
  readonly [Label in (typeof metricCatalog)[Name]['labels'][number]]: string
}

/** The metrics of a kind. */
export type NameOf<Kind extends MetricKind> = {
  [Name in MetricName]: (typeof metricCatalog)[Name]['kind'] extends Kind ? Name : never
}[MetricName]

/** By the end of its name, as is usual in Prometheus. */
export function unitOfMetric(name: string): 'seconds' | 'bytes' | null {
  const family = name.replace(/_total$/, '')
  return family.endsWith('_seconds') ? 'seconds' : family.endsWith('_bytes') ? 'bytes' : null
}
