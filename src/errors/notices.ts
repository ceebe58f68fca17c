// What an operator should know although the run goes on: warnings of the log. A failure that is met but does
// not end the run is told by its own code.
import type { ErrorCode } from './errors.ts'

/** One sentence each, for docs/reference/errors.md. */
export const noticeCodes = {
  KAFKA_BACK: 'Kafka answers again; reading goes on behind the last record that was taken.',
  KAFKA_PROGRESS_NOT_REPORTED:
    'The offsets could not be committed to KAFKA_GROUP_ID: tools that show lag miss them, the tables go on.',
  KAFKA_GROUP_WENT_ON:
    'The group of those who decide has gone on without this process, which was silent or slow; it joins again.',
  DECISIONS_OWNER_SILENT:
    'A process decided nothing of its partitions although records wait: the others share them.',
  FILES_GONE: 'Files that earlier runs read are gone; whether they had unread lines, nobody knows any more.',
  FILE_TAIL_UNTERMINATED: 'The last line of a file has no line end yet; it is no record until it has one.',
  FILE_LINE_CONTINUED:
    'A last line that was taken without its line end has grown: the rest is a record of its own.',
  LISTENER_FAILED:
    'What shows the work of a run (a view, the metrics) failed: the run goes on without it. Please report it.',
  ALERTS_FAILED:
    'Risky transactions could not be looked for, or what was told could not be noted: batches go on, and it is tried again.',
  ALERT_NOT_SENT:
    'A sink did not take an alert, and it is not tried again by itself: "assay alerts list" shows it, "assay alerts replay" sends it.',
  AUDIT_FAILED: 'Who changed what could not be written to ops/audit; the change itself was made.',
  MODEL_DRIFTED:
    'On a day transactions were others than those that the model learned from: "assay model drift" and quality.drift tell which features.',
  DRIFT_FAILED:
    'How far a day is from what the model learned from could not be measured; batches go on, and it is tried again.',
  NEARLY_ALL_REFUSED:
    'Nearly every record was refused; the message names the commonest reason and a record that has it.',
  DEFINITIONS_CHANGED:
    'Rules, lists, tables or settings are others than in the last batch: rows that are there stay as they are.',
  RULES_ACTIVE: 'Another version of the rules decides from the next batch on.',
  RULES_PROPOSED:
    'The file of rules was changed, and its rules are not active: "assay rules list" shows their version, and who may approve it.',
  RULES_SHADOWS: 'Other versions of the rules run as shadows from the next batch on, or none does.',
  RULES_SHADOW_FAILED:
    'A version of the rules should run as a shadow, and does not go with the lakehouse any more. The other shadows, and what decides, go on.',
  RULES_ROWS_IGNORED:
    'Rows of rules/versions were written, altered or removed by hand, or say what is not allowed: they count for nothing.',
  DAYS_DROPPED: 'Rows of a table went whose days are over, as RETENTION_<TABLE> says.',
  DAYS_HELD:
    'Days of a table are over, and something still needs them: they are dropped when it no longer does.',
  BATCHES_PASSED_OVER:
    'A table lacks batches of days that silver has dropped: it goes on behind them, without their rows.',
  ERASURE_AWAITED: 'An erasure is at work: the run has paused between two batches until it has ended.',
  ERASURE_OVER: 'The erasure that the run paused for has ended; it goes on from the tables.',
  SCHEMA_REGISTRY_BACK: 'The schema registry answers again; the batch that waited for it goes on.',
  SCHEMA_REGISTRY_UNSET:
    'Records name schemas of a registry, and SCHEMA_REGISTRY_URL is not set: they are refused as malformed.',
  SCHEMA_UNKNOWN:
    'Records name a schema that the registry does not have: they are refused as schema_unknown.',
  SCHEMA_UNREADABLE: 'The text of a schema is none: its records are refused as undecodable.',
  SILVER_MISSING: 'The stream reads silver, which nobody has written yet; it waits.',
  SPARK_TIMESTAMPS_UNREADABLE:
    'Records have timestamps that Spark cannot read; Assay brings them to bronze by itself, which is slower.',
  TABLE_ROWS_REMOVED:
    'Another program deleted, updated or replaced rows of a table; the run goes on, and verify will report what is missing.',
  VACUUM_FAILED:
    'Files that a table no longer needs could not be deleted; batches go on, and it is tried again.',
  RETENTION_FAILED: 'The old days of a table could not be dropped; batches go on, and it is tried again.',
  CHECKPOINT_FAILED:
    "A checkpoint of a table's log could not be written; batches go on, and the next commit tries again. Starts read more until then.",
  COMPACTION_FAILED:
    'Small files of a table could not be put together; batches go on, and it is tried again.',
} as const satisfies Readonly<Record<string, string>>

export type NoticeCode = keyof typeof noticeCodes | ErrorCode
