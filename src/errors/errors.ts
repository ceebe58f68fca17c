// Every failure that Assay can name. The code fixes who has to act and whether a retry helps; the message
// says what is wrong, where, and what to do. Nothing branches on message text.

/**
 * Whether doing the same again can help. `wait`: an outage, which is waited for as long as it lasts. `backoff`: it
 * may be gone the next time; what still fails after some attempts does not heal. `never`: it is the same each time.
 */
export type Retry = 'never' | 'backoff' | 'wait'

/** Who has to act, and whether doing the same again can help. */
export type ErrorPolicy = {
  /** user: the configuration or the data set; external: a service or the machine; bug: Assay itself. */
  readonly blame: 'user' | 'external' | 'bug'
  readonly retry: Retry
  /** One sentence for docs/reference/errors.md. */
  readonly meaning: string
}

export const errorCodes = {
  CONFIG_INVALID: {
    blame: 'user',
    retry: 'never',
    meaning: 'A setting is missing, malformed or contradicts another.',
  },
  LAKEHOUSE_INVALID: {
    blame: 'user',
    retry: 'never',
    meaning: 'The definition of a lakehouse contradicts itself; the message has a line for each mistake.',
  },
  PROJECT_INVALID: {
    blame: 'user',
    retry: 'never',
    meaning: 'A project has no config, or one that cannot be read; the message names the file and the line.',
  },
  DEFINITION_INCOMPATIBLE: {
    blame: 'user',
    retry: 'never',
    meaning:
      'A table cannot go on by its new definition; the message says what changed and which command helps. Nothing was written.',
  },
  RULES_INVALID: {
    blame: 'user',
    retry: 'never',
    meaning: 'A file of rules has mistakes; the message tells each with its line and column.',
  },
  RULES_LOG_BROKEN: {
    blame: 'user',
    retry: 'never',
    meaning:
      'rules/versions is not as it was sealed, or its key is another: nothing becomes active before somebody has seen to it.',
  },
  RULES_VERSION_REFUSED: {
    blame: 'user',
    retry: 'never',
    meaning:
      'A version of the rules cannot be approved, rejected or activated; the message says why, and nothing was written.',
  },
  LABELS_INVALID: {
    blame: 'user',
    retry: 'never',
    meaning: 'A file of labels has mistakes; the message tells each with its row, and nothing was imported.',
  },
  MODEL_INVALID: {
    blame: 'user',
    retry: 'never',
    meaning: 'The file of a model is damaged or of a kind that is not read; the message tells where.',
  },
  TRAINING_FAILED: {
    blame: 'external',
    retry: 'never',
    meaning: 'LightGBM could not train a model; the message is its own.',
  },
  ALERTS_INVALID: {
    blame: 'user',
    retry: 'never',
    meaning: 'The file of ALERTS_CONFIG has mistakes; the message tells each with its line and column.',
  },
  QUERY_FAILED: {
    blame: 'user',
    retry: 'never',
    meaning: 'DuckDB refused the SQL of a query; the message is its own, with the position.',
  },
  QUERY_NOT_READ_ONLY: {
    blame: 'user',
    retry: 'never',
    meaning: 'A query is not one SELECT statement.',
  },
  TRANSACTION_NOT_FOUND: {
    blame: 'user',
    retry: 'never',
    meaning: 'No table of the lakehouse knows the transaction.',
  },
  TABLE_UNKNOWN: {
    blame: 'user',
    retry: 'never',
    meaning: 'The lakehouse has no table of that name.',
  },
  TABLE_LOST: {
    blame: 'user',
    retry: 'never',
    meaning: 'A table was deleted that cannot be computed again from silver.',
  },
  DECISIONS_STATE_FULL: {
    blame: 'user',
    retry: 'never',
    meaning:
      'The rows that decisions look back at take more memory than they may: without one of them a decision were wrong.',
  },
  STREAM_LOCKED: {
    blame: 'user',
    retry: 'never',
    meaning: 'Another process runs the same stream of the same lakehouse, or does not pause for an erasure.',
  },
  WRITER_FENCED: {
    blame: 'user',
    retry: 'never',
    meaning: 'Another process has taken the stream over; this one stopped before it wrote anything twice.',
  },
  TABLE_RESTORED: {
    blame: 'user',
    retry: 'never',
    meaning: 'Another program put a table back to an older version while a run wrote it; the run stopped.',
  },
  SILVER_RESTORED: {
    blame: 'user',
    retry: 'wait',
    meaning:
      'Another program put silver back to an older version, and a stream behind it waits until its batches are carried again.',
  },
  BATCHES_LEFT: {
    blame: 'user',
    retry: 'never',
    meaning: 'Batches are not in all tables yet, and rows are only erased where all of them are.',
  },
  BACKUP_REFUSED: {
    blame: 'user',
    retry: 'never',
    meaning: 'A copy of a lakehouse cannot be made at that place, or brought back from it.',
  },
  BACKUP_BROKEN: {
    blame: 'external',
    retry: 'never',
    meaning: 'A file of a lakehouse, or of its copy, is missing or has another size than the log says.',
  },
  COPY_NOT_WRITABLE: {
    blame: 'user',
    retry: 'never',
    meaning: 'DELTA_BASE_PATH is the copy of a lakehouse, or is not wholly brought back from one yet.',
  },
  BACKUP_OVERTAKEN: {
    blame: 'user',
    retry: 'backoff',
    meaning: 'Files of a running lakehouse were deleted before they were copied.',
  },
  ADOPTION_REFUSED: {
    blame: 'user',
    retry: 'never',
    meaning: 'The version of the table is no deletion by another program that can be adopted.',
  },
  BATCH_FAILED: {
    blame: 'external',
    retry: 'backoff',
    meaning: 'DuckDB could not compute or write a batch; its own message says why.',
  },
  STORAGE_FAILED: {
    blame: 'external',
    retry: 'wait',
    meaning: 'The file system or the object store under the tables cannot read or write now.',
  },
  STORAGE_REFUSED: {
    blame: 'user',
    retry: 'never',
    meaning:
      'The file system or the object store under the tables does not allow to read or write there, or the store does not keep commits apart.',
  },
  PROGRESS_UNKNOWN: {
    blame: 'user',
    retry: 'never',
    meaning: 'The log of a table no longer says how far it is.',
  },
  DELTA_TABLE_NOT_FOUND: {
    blame: 'user',
    retry: 'never',
    meaning: 'There is no Delta table in the directory.',
  },
  DELTA_VERSION_NOT_FOUND: {
    blame: 'user',
    retry: 'never',
    meaning: 'The table does not have the version or time asked for.',
  },
  DELTA_SCHEMA_MISMATCH: {
    blame: 'user',
    retry: 'never',
    meaning: 'The data or the definition does not fit the schema of the Delta table.',
  },
  DELTA_FEATURE_UNSUPPORTED: {
    blame: 'user',
    retry: 'never',
    meaning: 'The Delta table uses a feature that Assay does not know.',
  },
  DELTA_VALUE_REFUSED: {
    blame: 'user',
    retry: 'never',
    meaning: 'A row holds a value that the Delta table may not hold.',
  },
  DELTA_LOG_TRUNCATED: {
    blame: 'user',
    retry: 'never',
    meaning: 'The log of the Delta table no longer has the versions to read.',
  },
  DELTA_LOG_CORRUPT: {
    blame: 'external',
    retry: 'never',
    meaning: 'The log of the Delta table cannot be read.',
  },
  DELTA_COMMIT_CONFLICT: {
    blame: 'external',
    retry: 'backoff',
    meaning: 'Other writers changed the Delta table in a way the commit cannot follow.',
  },
  DELTA_RETENTION_TOO_SHORT: {
    blame: 'user',
    retry: 'never',
    meaning: 'A vacuum would delete files that readers may still need.',
  },
  // Kafka
  KAFKA_UNREACHABLE: {
    blame: 'external',
    retry: 'wait',
    meaning: 'No Kafka broker answers.',
  },
  KAFKA_TOPIC_MISSING: {
    blame: 'user',
    retry: 'wait',
    meaning: 'The topic does not exist.',
  },
  KAFKA_OFFSETS_LOST: {
    blame: 'external',
    retry: 'never',
    meaning: 'Records that were not read yet are no longer in the topic.',
  },
  KAFKA_TOPIC_CHANGED: {
    blame: 'user',
    retry: 'never',
    meaning: 'The topic is no longer the one that the tables were read from: its offsets mean other records.',
  },
  KAFKA_AUTHENTICATION_FAILED: {
    blame: 'user',
    retry: 'never',
    meaning: 'Kafka refuses the TLS connection or the credentials.',
  },
  KAFKA_NOT_AUTHORIZED: {
    blame: 'user',
    retry: 'never',
    meaning: 'Kafka does not allow the user what is asked for.',
  },
  KAFKA_UNSUPPORTED: {
    blame: 'user',
    retry: 'never',
    meaning: 'The broker does not offer what Assay needs.',
  },
  KAFKA_RECORDS_CORRUPT: {
    blame: 'external',
    retry: 'never',
    meaning: 'Records in Kafka cannot be decoded.',
  },
  KAFKA_RECORD_TOO_LARGE: {
    blame: 'user',
    retry: 'never',
    meaning: 'A record is larger than the topic takes, or than Assay holds in memory.',
  },
  KAFKA_REQUEST_REFUSED: {
    blame: 'external',
    retry: 'never',
    meaning: 'Kafka refuses a request for a reason that a retry does not change.',
  },
  // Spark
  SPARK_UNREACHABLE: {
    blame: 'external',
    retry: 'wait',
    meaning: 'No Spark Connect server answers.',
  },
  SPARK_AUTHENTICATION_FAILED: {
    blame: 'user',
    retry: 'never',
    meaning: 'The Spark Connect server refuses the token.',
  },
  SPARK_UNSUPPORTED: {
    blame: 'user',
    retry: 'never',
    meaning: 'The server is not a Spark Connect server of a version that Assay knows.',
  },
  SPARK_NOT_UTF8: {
    blame: 'user',
    retry: 'never',
    meaning: "The server's JVM reads texts in another encoding than UTF-8.",
  },
  SPARK_TIMEOUT: {
    blame: 'external',
    retry: 'backoff',
    meaning: 'Spark did not answer in time.',
  },
  SPARK_SESSION_LOST: {
    blame: 'external',
    retry: 'backoff',
    meaning: 'The session ended: the server was started anew, or did not hear of the client for too long.',
  },
  SPARK_OPERATION_CANCELED: {
    blame: 'external',
    retry: 'backoff',
    meaning: 'Somebody interrupted what Spark was doing.',
  },
  SPARK_BRONZE_QUERY_FAILED: {
    blame: 'external',
    retry: 'never',
    meaning:
      'The bronze query failed again and again without bringing a record; the message ends with its cause.',
  },
  SPARK_STREAM_NOT_FOUND: {
    blame: 'external',
    retry: 'backoff',
    meaning: 'The session knows no streaming query of that id.',
  },
  SPARK_EXECUTION_FAILED: {
    blame: 'external',
    retry: 'backoff',
    meaning: 'Spark failed to run a plan; the message is its own, with the class of the error.',
  },
  SPARK_SQL_REFUSED: {
    blame: 'bug',
    retry: 'never',
    meaning:
      'Spark refuses a statement or a value in it; the message is its own, with the class of the error.',
  },
  TOOL_MISSING: {
    blame: 'user',
    retry: 'never',
    meaning: 'Java, Maven or Python is not on the machine.',
  },
  DBT_FAILED: {
    blame: 'external',
    retry: 'never',
    meaning: 'dbt could not be started; what it says itself while it runs stands above.',
  },
  INSTALL_FAILED: {
    blame: 'external',
    retry: 'backoff',
    meaning:
      'A program of another world (Spark and its jars, dbt) could not be installed; the message ends with what the installer said.',
  },
  SPARK_NOT_INSTALLED: {
    blame: 'user',
    retry: 'never',
    meaning: 'The Spark that Assay starts by itself is not installed.',
  },
  SPARK_NOT_STARTED: {
    blame: 'external',
    retry: 'backoff',
    meaning: 'A Spark Connect server did not start; the message ends with the end of its log.',
  },
  SPARK_JARS_MISSING: {
    blame: 'user',
    retry: 'never',
    meaning: 'The Spark server lacks a jar that Assay needs.',
  },
  // Schema registry
  SCHEMA_REGISTRY_UNREACHABLE: {
    blame: 'external',
    retry: 'wait',
    meaning: 'The schema registry does not answer, and records name a schema that was not met before.',
  },
  SCHEMA_REGISTRY_REFUSED: {
    blame: 'user',
    retry: 'never',
    meaning: 'The schema registry refuses the login or the request, or what answers is no schema registry.',
  },
  // Files as input
  FILE_NOT_FOUND: {
    blame: 'user',
    retry: 'never',
    meaning: 'There is no file or directory to read.',
  },
  FILE_UNREADABLE: {
    blame: 'external',
    retry: 'backoff',
    meaning: 'The operating system refuses to read a file or directory.',
  },
  FILE_CORRUPT: {
    blame: 'user',
    retry: 'never',
    meaning: 'A compressed file is cut off or damaged.',
  },
  FILE_SHRANK: {
    blame: 'user',
    retry: 'never',
    meaning: 'A file is shorter than what was already read of it.',
  },
  FILE_VANISHED: {
    blame: 'user',
    retry: 'never',
    meaning: 'A file is gone although it held unread lines.',
  },
  FILE_NAME_INVALID: {
    blame: 'user',
    retry: 'never',
    meaning: 'The name of a file holds a newline or is not UTF-8.',
  },
  FILE_LINE_TOO_LONG: {
    blame: 'user',
    retry: 'never',
    meaning: 'A line of a file is longer than a record may be.',
  },
  // Synthetic data (assay produce, assay demo)
  GENERATOR_OPTIONS_INVALID: {
    blame: 'user',
    retry: 'never',
    meaning: 'An option of the generator is out of range or contradicts another.',
  },
  PRODUCE_DIRECTORY_UNWRITABLE: {
    blame: 'user',
    retry: 'never',
    meaning: 'The directory for synthetic transactions cannot be created or written.',
  },
} as const satisfies Record<string, ErrorPolicy>

export type ErrorCode = keyof typeof errorCodes

/** A failure that has a name. `message` is for a person; `details` are the facts for a machine. */
/** Directories of this machine that stand for another place, by whose name a person knows it. */
const placeNames = new Map<string, string>()

/** Messages say `name` where they would name what is at or below `directory`. */
export function nameInMessages(directory: string, name: string): void {
  placeNames.set(directory, name)
}

/** The text, with the names of places that directories stand for. */
export function withPlaceNames(text: string): string {
  let named = text
  for (const [directory, name] of placeNames) named = named.replaceAll(directory, name)
  return named
}

export class LakehouseError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(withPlaceNames(message), options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'LakehouseError'
    this.code = code
    this.details = options.details ?? {}
  }

  get policy(): ErrorPolicy {
    return errorCodes[this.code]
  }
}

/** A broken assumption of the code itself: it stops the engine rather than write a wrong row. */
export function assert(condition: unknown, message = 'assertion failed'): asserts condition {
  if (!condition) throw new AssertionError(message)
}

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** The end of every `switch` over a kind: a new kind does not compile until it is handled. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected ${JSON.stringify(value)}`)
}
