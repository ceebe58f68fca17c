// The recording and alert rules of Prometheus as data: deploy/prometheus, the runbooks and their tests are
// made from them.
import {
  diskFreeMinBytes,
  faultStreakMax,
  freshnessMaxSeconds,
  heldMaxSeconds,
  lagRecordsMax,
  latencyMaxSeconds,
  logCommitsMax,
  objective,
  refusedShareMax,
  silverBatchesBehindMax,
  stalledMaxSeconds,
  unseenMaxSeconds,
} from '../src/metrics/objectives.ts'

export type RecordingRule = { readonly record: string; readonly expr: string }

export type AlertRule = {
  readonly alert: string
  /** The page in docs/runbooks. */
  readonly runbook: string
  readonly expr: string
  readonly for: string | null
  /** page: somebody is woken; ticket: it can wait for the morning. */
  readonly severity: 'page' | 'ticket'
  readonly summary: string
}

/** What somebody who is woken does. */
export type Runbook = {
  readonly title: string
  readonly meaning: string
  readonly look: readonly string[]
  readonly help: readonly string[]
}

const windows = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const
const budget = Number((1 - objective).toFixed(6))

const stale = 'assay:stale:bool'
const slowShare = (window: string): string => {
  const le = `${latencyMaxSeconds}.0`
  const of = (name: string) => `sum by (job, instance) (rate(${name}[${window}]))`
  return `1 - ${of(`assay_commit_latency_seconds_bucket{le="${le}"}`)} / ${of('assay_commit_latency_seconds_count')}`
}

export const recordingRules: readonly RecordingRule[] = [
  { record: 'assay:records:rate5m', expr: 'sum by (job, instance) (rate(assay_records_total[5m]))' },
  {
    record: 'assay:refused:ratio5m',
    expr: 'sum by (job, instance) (rate(assay_quarantined_records_total[5m])) / (sum by (job, instance) (rate(assay_records_total[5m])) > 0)',
  },
  {
    record: 'assay:commit_latency_seconds:p99_5m',
    expr: 'histogram_quantile(0.99, sum by (job, instance, le) (rate(assay_commit_latency_seconds_bucket[5m])))',
  },
  { record: 'assay:lag_seconds:max', expr: 'max by (job, instance) (assay_lag_seconds)' },
  { record: 'assay:lag_records:sum', expr: 'sum by (job, instance) (assay_lag_records)' },
  { record: stale, expr: `max by (job, instance) (assay_lag_seconds) > bool ${freshnessMaxSeconds}` },
  ...windows.map((window) => ({
    record: `assay:stale:ratio${window}`,
    expr: `avg_over_time(${stale}[${window}])`,
  })),
  ...windows.map((window) => ({ record: `assay:slow:ratio${window}`, expr: slowShare(window) })),
]

/** How fast the budget of 30 days may burn, over a long window and a short one that ends the alert soon. */
const burns = {
  page: [
    { factor: 14.4, long: '1h', short: '5m' },
    { factor: 6, long: '6h', short: '30m' },
  ],
  ticket: [
    { factor: 3, long: '1d', short: '2h' },
    { factor: 1, long: '3d', short: '6h' },
  ],
} as const

function burnRules(alert: string, series: string, runbook: string, summary: string): AlertRule[] {
  return (['page', 'ticket'] as const).map((severity) => {
    const parts = burns[severity].map(({ factor, long, short }) => {
      const limit = Number((factor * budget).toFixed(6))
      return `(assay:${series}:ratio${long} > ${limit} and assay:${series}:ratio${short} > ${limit})`
    })
    return { alert, runbook, severity, for: null, expr: parts.join(' or '), summary }
  })
}

export const alertRules: readonly AlertRule[] = [
  {
    alert: 'AssayDown',
    runbook: 'down',
    expr: 'up{job=~"assay.*"} == 0',
    for: '1m',
    severity: 'page',
    summary: 'The process does not answer: it is gone, paused, or its machine is',
  },
  {
    alert: 'AssayInputUnreachable',
    runbook: 'input-unreachable',
    expr: `time() - assay_input_seen_timestamp_seconds > ${unseenMaxSeconds}`,
    for: null,
    severity: 'page',
    summary: 'No Kafka broker has said for a while what waits in the topic',
  },
  {
    alert: 'AssayStalled',
    runbook: 'stalled',
    expr: `assay:lag_records:sum > 0 and on (job, instance) increase(assay_batches_total[${stalledMaxSeconds}s]) == 0`,
    for: '1m',
    severity: 'page',
    summary: 'Records wait, and no batch ends',
  },
  {
    alert: 'AssayLagGrows',
    runbook: 'lag-grows',
    expr: `assay:lag_records:sum > ${lagRecordsMax} and on (job, instance) max by (job, instance) (assay_lag_drain_seconds) == +Inf`,
    for: '5m',
    severity: 'ticket',
    summary: 'More records come than are carried',
  },
  {
    alert: 'AssayBehindSilver',
    runbook: 'behind-silver',
    expr: `assay_silver_batches_behind > ${silverBatchesBehindMax}`,
    for: '10m',
    severity: 'ticket',
    summary: 'A stream of its own does not follow silver',
  },
  ...burnRules(
    'AssayFreshnessBurn',
    'stale',
    'freshness-burn',
    `Records waited longer than ${freshnessMaxSeconds} s for more time than the objective allows`,
  ),
  ...burnRules(
    'AssayLatencyBurn',
    'slow',
    'latency-burn',
    `More records than the objective allows took longer than ${latencyMaxSeconds} s to their commit`,
  ),
  {
    alert: 'AssayRefusals',
    runbook: 'refusals',
    expr: `assay:refused:ratio5m > ${refusedShareMax}`,
    for: '5m',
    severity: 'ticket',
    summary: 'Many records are refused',
  },
  {
    alert: 'AssayWatermarkHeld',
    runbook: 'watermark-held',
    expr:
      `max by (job, instance) (assay_partition_event_timestamp_seconds) - on (job, instance) ` +
      `min by (job, instance) (assay_partition_event_timestamp_seconds and (assay_partition_holds_watermark == 1)) > ${heldMaxSeconds}`,
    for: '10m',
    severity: 'ticket',
    summary: 'A partition holds the watermark back: windows stay open',
  },
  {
    alert: 'AssayFaults',
    runbook: 'faults',
    expr: `assay_fault_streak >= ${faultStreakMax}`,
    for: null,
    severity: 'page',
    summary: 'The run fails again and again without a batch between',
  },
  {
    alert: 'AssayWriterFenced',
    runbook: 'writer-fenced',
    expr: 'increase(assay_writer_fenced_total[10m]) > 0',
    for: null,
    severity: 'ticket',
    summary: 'Another process took the tables over',
  },
  {
    alert: 'AssayRecordsLost',
    runbook: 'records-lost',
    expr: 'increase(assay_lost_records_total[1h]) > 0',
    for: null,
    severity: 'page',
    summary: 'Kafka deleted records before they were read',
  },
  {
    alert: 'AssayDiskFull',
    runbook: 'disk-full',
    expr: `assay_disk_free_bytes < ${diskFreeMinBytes}`,
    for: '1m',
    severity: 'page',
    summary: 'The disk under the tables is nearly full',
  },
  {
    alert: 'AssayLogGrows',
    runbook: 'log-grows',
    expr: `assay_table_log_commits > ${logCommitsMax}`,
    for: '10m',
    severity: 'ticket',
    summary: "A table's log gets no checkpoint",
  },
  {
    alert: 'AssayModelDrifted',
    runbook: 'model-drift',
    expr: 'max by (job, instance) (assay_drift_level) >= 2',
    for: null,
    severity: 'ticket',
    summary: 'Transactions are others than those that the model learned from',
  },
]

const status = '`assay status` says what the process waits for, and what limits it.'

export const runbooks: Readonly<Record<string, Runbook>> = {
  down: {
    title: 'The process does not answer',
    meaning:
      'Prometheus could not scrape the process for a minute. Nothing is lost: the next start goes on where the tables are.',
    look: [
      status,
      'Is it there (`ps`, `systemctl status`, `kubectl get pods`)? The end of its log says why it ended, with a code of docs/reference/errors.md.',
      'Was it paused (state `T` in `ps`), or killed for its memory (`dmesg`)?',
    ],
    help: [
      'Start it again; it needs no other step.',
      'A process that was paused longer than WRITER_LEASE_MS may have been replaced: it stops by itself with WRITER_FENCED.',
    ],
  },
  'input-unreachable': {
    title: 'No broker answers',
    meaning:
      'For a while nobody has said what waits in the topic. The run waits for the brokers, and goes on behind the last record that it took.',
    look: [
      '`assay check` tries each step of the connection.',
      'Are the brokers up? Did a certificate or a password expire?',
    ],
    help: [
      'Bring the brokers back. Nothing has to be done here: reading goes on by itself.',
      'docs/guide/kafka.md says what each failure means.',
    ],
  },
  stalled: {
    title: 'Records wait, and no batch ends',
    meaning: 'The process lives and sees records, but has ended no batch for minutes.',
    look: [
      status,
      'The log: does a failure come again and again? Is an erasure or a rebuild at work (ERASURE_AWAITED)?',
      'Is the disk slow or full (`iostat`, `df`)? On Spark: what does the cluster do?',
    ],
    help: [
      'Mend what is named. If nothing is, stop the process (SIGTERM) and start it: it goes on from the tables.',
      'A large batch takes its time: MAX_RECORDS_PER_BATCH makes the next ones smaller.',
    ],
  },
  'lag-grows': {
    title: 'More records come than are carried',
    meaning:
      'The lag is large and does not shrink: the machine is too small for the load, or something slows it down.',
    look: [
      `${status} It names the phase that takes the most time.`,
      'Is one partition far behind the others (`assay_lag_records`)? Then its key is skewed.',
    ],
    help: [
      'docs/guide/performance.md says what each phase depends on.',
      'Give streams a process of their own, or the process more cores; a larger LATENCY_TARGET_MS makes larger batches, which cost less a record.',
    ],
  },
  'behind-silver': {
    title: 'A stream of its own does not follow silver',
    meaning: 'A process behind silver has many batches yet to carry. Its tables are right, but old.',
    look: [status, 'Are its windows large (memory, spilling to disk)?'],
    help: [
      'Give the process more memory (DUCKDB_MEMORY_LIMIT) or a disk of its own.',
      'Silver keeps its log for DELTA_LOG_RETENTION; a stream that was away longer goes on from the files.',
    ],
  },
  'freshness-burn': {
    title: 'Records wait too long',
    meaning: `The oldest waiting record waited longer than ${freshnessMaxSeconds} s for more time than the objective of ${100 * objective} % allows.`,
    look: [status, 'Which of the other alerts came first: brokers, faults, lag?'],
    help: [
      'Follow the runbook of the cause.',
      'Where there is none, the process is too small: see lag-grows.',
    ],
  },
  'latency-burn': {
    title: 'Records take too long to their commit',
    meaning: `More records than the objective of ${100 * objective} % allows took longer than ${latencyMaxSeconds} s from their timestamp in Kafka to the commit.`,
    look: [
      '`assay_batch_phase_duration_seconds` by phase: which one became slower?',
      'Are the timestamps right? Old records that a producer sends late count as slow.',
    ],
    help: [
      'See lag-grows. A backlog that is caught up makes this alert too, and ends it.',
      'LATENCY_TARGET_MS and TRIGGER_INTERVAL_MS bound what batches wait for.',
    ],
  },
  refusals: {
    title: 'Many records are refused',
    meaning: 'More records than usual went to quarantine, each with its reasons; none is lost.',
    look: [
      '`assay query "select reason, count(*) from (select unnest(reasons) as reason from silver.quarantine) group by 1"` shows why.',
      'Did a producer change its format? Is a clock wrong (late, from the future)?',
    ],
    help: [
      'Mend the producer, or the mapping of fields (docs/guide/your-own-topic.md).',
      'docs/guide/records.md says what each reason means.',
    ],
  },
  'watermark-held': {
    title: 'A partition holds the watermark back',
    meaning:
      'A partition has records that wait, and its event time is far behind the others: windows stay open for it.',
    look: [
      '`assay_partition_holds_watermark == 1` names it, `assay_partition_delay_seconds` says how far it is.',
      'Is its producer behind, or is the lag in that partition alone?',
    ],
    help: [
      'Wait where it catches up: such a partition is read first.',
      'docs/decisions/holds.md says why no row may be late because another partition was read first.',
    ],
  },
  faults: {
    title: 'The run fails again and again',
    meaning:
      'Several attempts in a row failed, and no batch ended between. The tables are whole; each attempt begins with them.',
    look: [
      '`assay_faults_total` by code, and the log, which has the message.',
      'docs/reference/errors.md says who has to act.',
    ],
    help: [
      'Do what the message says. A full disk: see disk-full.',
      'An outage is waited for as long as it lasts; other failures end the run after ten in a row.',
    ],
  },
  'writer-fenced': {
    title: 'Another process took the tables over',
    meaning:
      'This process found that another one writes its tables, and stopped before it wrote anything twice.',
    look: ['`assay status` says who holds the streams.', 'Was this process paused, or its machine?'],
    help: ['Let one process run for each stream; stop the other one.'],
  },
  'records-lost': {
    title: 'Kafka deleted records before they were read',
    meaning:
      'The retention of the topic was shorter than the time that the run was away or behind. ON_DATA_LOSS=continue let it go on behind the hole.',
    look: ['The log names topic, partition and offsets (KAFKA_OFFSETS_LOST).'],
    help: [
      'Make the retention of the topic longer.',
      'Bring the records again from where they came from, as new records.',
    ],
  },
  'disk-full': {
    title: 'The disk under the tables is nearly full',
    meaning:
      'What cannot be written is tried again for as long as it takes; nothing is lost, but records wait.',
    look: [
      '`assay_table_size_bytes` by table, and `df`.',
      'Files that compaction replaced stay for DELETED_FILE_RETENTION.',
    ],
    help: [
      'Make room: `assay table vacuum <table>` removes files that no version within the retention needs.',
      'A shorter DELETED_FILE_RETENTION or DELTA_LOG_RETENTION keeps less.',
    ],
  },
  'log-grows': {
    title: "A table's log gets no checkpoint",
    meaning:
      'Who opens the table reads all commits after its newest checkpoint one by one: starts become slow.',
    look: ['CHECKPOINT_FAILED in the log says why; most often the disk.'],
    help: ['Mend the cause: the next commit tries again.'],
  },
  'model-drift': {
    title: 'Transactions are others than those that the model learned from',
    meaning:
      'On the last complete day (of event time, in UTC) a feature of the model, or its score, was spread otherwise than in training: PSI above 0.25 and above what chance makes of so many rows. The model still gives scores, and they may mean less.',
    look: [
      '`assay_drift_level == 2` and `assay query "from quality.drift where level = \'drifted\' order by day desc, psi desc"` say which features, and since when.',
      'Is it the data (a producer changed its format or its units, a new country), or the customers? docs/guide/quality.md shows the figures of the columns.',
      'Does the score find fraud as before? `assay backtest`, and the precision of its rules on the Review page, say so when labels come.',
    ],
    help: [
      'Mend a producer or a mapping that is wrong.',
      'Where the world has changed: `assay model train` with newer transactions, a back-test, and a new version of the rules (docs/guide/model.md).',
    ],
  },
}
