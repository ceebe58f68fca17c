// What a failed call means. Spark's error class decides, never the text of a message.
import { Code, type ConnectError } from '@connectrpc/connect'
import { type ErrorCode, LakehouseError } from '../../../errors/errors.ts'
import { ErrorInfoSchema } from './gen/google/rpc/error_info_pb.ts'
import type { FetchErrorDetailsResponse } from './gen/spark/connect/spark_connect_pb.ts'

/** What Spark says of one error. */
export type SparkErrorFacts = {
  readonly errorClass: string | null
  readonly sqlState: string | null
  /** Java classes of the exception, the most special one first. */
  readonly exceptions: readonly string[]
  readonly message: string
}

/**
 * An error class ends here or goes on with a point: `INVALID_HANDLE` is also `INVALID_HANDLE.SESSION_CLOSED`.
 */
const codesByClass: readonly (readonly [errorClass: string, code: ErrorCode])[] = [
  ['INVALID_HANDLE.SESSION_CHANGED', 'SPARK_SESSION_LOST'],
  ['INVALID_HANDLE.SESSION_CLOSED', 'SPARK_SESSION_LOST'],
  ['INVALID_HANDLE.SESSION_NOT_FOUND', 'SPARK_SESSION_LOST'],
  ['INVALID_HANDLE', 'SPARK_OPERATION_CANCELED'],
  ['OPERATION_CANCELED', 'SPARK_OPERATION_CANCELED'],
  ['CONNECT_INVALID_PLAN.STREAMING_QUERY_NOT_FOUND', 'SPARK_STREAM_NOT_FOUND'],
  ['CONNECT_INVALID_PLAN.DATAFRAME_NOT_FOUND', 'SPARK_SESSION_LOST'],
  ['CONCURRENT_STREAM_LOG_UPDATE', 'WRITER_FENCED'],
  ['DELTA_CONCURRENT_APPEND', 'DELTA_COMMIT_CONFLICT'],
  ['DELTA_CONCURRENT_DELETE_DELETE', 'DELTA_COMMIT_CONFLICT'],
  ['DELTA_CONCURRENT_DELETE_READ', 'DELTA_COMMIT_CONFLICT'],
  ['DELTA_CONCURRENT_TRANSACTION', 'DELTA_COMMIT_CONFLICT'],
  ['DELTA_CONCURRENT_WRITE', 'DELTA_COMMIT_CONFLICT'],
  ['DELTA_METADATA_CHANGED', 'DELTA_COMMIT_CONFLICT'],
  ['DELTA_PROTOCOL_CHANGED', 'DELTA_COMMIT_CONFLICT'],
  ['DELTA_METADATA_MISMATCH', 'DELTA_SCHEMA_MISMATCH'],
  ['DELTA_FAILED_TO_MERGE_FIELDS', 'DELTA_SCHEMA_MISMATCH'],
  ['DELTA_SCHEMA_CHANGED', 'DELTA_SCHEMA_MISMATCH'],
  ['DELTA_SCHEMA_CHANGED_WITH_STARTING_OPTIONS', 'DELTA_SCHEMA_MISMATCH'],
  ['DELTA_SCHEMA_CHANGED_WITH_VERSION', 'DELTA_SCHEMA_MISMATCH'],
  ['DELTA_MISSING_DELTA_TABLE', 'DELTA_TABLE_NOT_FOUND'],
  ['DELTA_PATH_DOES_NOT_EXIST', 'DELTA_TABLE_NOT_FOUND'],
  ['DELTA_TABLE_NOT_FOUND', 'DELTA_TABLE_NOT_FOUND'],
  ['DELTA_UNSUPPORTED_FEATURES_FOR_READ', 'DELTA_FEATURE_UNSUPPORTED'],
  ['DELTA_UNSUPPORTED_FEATURES_FOR_WRITE', 'DELTA_FEATURE_UNSUPPORTED'],
  ['DELTA_NOT_NULL_CONSTRAINT_VIOLATED', 'DELTA_VALUE_REFUSED'],
  ['DELTA_VIOLATE_CONSTRAINT_WITH_VALUES', 'DELTA_VALUE_REFUSED'],
  ['DELTA_LOG_FILE_NOT_FOUND', 'DELTA_LOG_TRUNCATED'],
  ['DELTA_LOG_FILE_NOT_FOUND_FOR_STREAMING_SOURCE', 'DELTA_LOG_TRUNCATED'],
  ['DELTA_FILE_NOT_FOUND_DETAILED', 'DELTA_LOG_CORRUPT'],
  ['DELTA_TRUNCATED_TRANSACTION_LOG', 'DELTA_LOG_CORRUPT'],
  ['DELTA_STATE_RECOVER_ERROR', 'DELTA_LOG_CORRUPT'],
  // What is lost, and whether it may be, is decided from Kafka itself, where the query is started again.
  ['KAFKA_DATA_LOSS', 'SPARK_EXECUTION_FAILED'],
  ['DATA_SOURCE_NOT_FOUND', 'SPARK_JARS_MISSING'],
]

/**
 * SQLSTATE classes of statements that no repetition heals: data exceptions, unsupported features, bad SQL.
 */
const refusedStates = ['0A', '22', '42']

export function codeOfFacts({ errorClass, sqlState }: SparkErrorFacts): ErrorCode | null {
  const named = codesByClass.find(([name]) => errorClass === name || errorClass?.startsWith(`${name}.`))
  if (named !== undefined) return named[1]
  // These wrap what went wrong: the cause decides.
  if (errorClass === null || wrapping.has(errorClass)) return null
  if (refusedStates.some((state) => sqlState?.startsWith(state))) return 'SPARK_SQL_REFUSED'
  return null
}

const wrapping: ReadonlySet<string> = new Set(['STREAM_FAILED', 'TASK_WRITE_FAILED', 'FAILED_READ_FILE'])

/** Codes of gRPC that say it all; Spark's own errors come as Internal. */
const codesByStatus: ReadonlyMap<Code, ErrorCode> = new Map([
  [Code.Unavailable, 'SPARK_UNREACHABLE'],
  [Code.Unauthenticated, 'SPARK_AUTHENTICATION_FAILED'],
  [Code.PermissionDenied, 'SPARK_AUTHENTICATION_FAILED'],
  [Code.Unimplemented, 'SPARK_UNSUPPORTED'],
  // The stream was reset: the server went away in the middle of it.
  [Code.Aborted, 'SPARK_UNREACHABLE'],
  [Code.Canceled, 'SPARK_UNREACHABLE'],
])

export function statusCode(error: ConnectError): ErrorCode | null {
  return codesByStatus.get(error.code) ?? null
}

/**
 * True for an error that the server's Spark has thrown; a connection or a proxy gives none of its details.
 */
export function isOfSpark(error: ConnectError): boolean {
  return error.findDetails(ErrorInfoSchema).length > 0
}

/** The id under which Spark keeps the causes of an error, and what came along with it. */
export function factsOfError(error: ConnectError): { facts: SparkErrorFacts; errorId: string | null } {
  const info = error.findDetails(ErrorInfoSchema)[0]
  const metadata = info?.metadata ?? {}
  const facts = {
    errorClass: metadata.errorClass ?? null,
    sqlState: metadata.sqlState ?? null,
    exceptions: namesIn(metadata.classes),
    message: error.rawMessage,
  }
  return { facts, errorId: metadata.errorId ?? null }
}

/** A list of names as JSON; cut short by the server where it is long, and then of no use. */
function namesIn(json: string | undefined): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(json ?? '[]')
    return Array.isArray(parsed) ? parsed.filter((name) => typeof name === 'string') : []
  } catch {
    return []
  }
}

/** The error and its causes, from the outermost to the root. */
export function chainOf(response: FetchErrorDetailsResponse): readonly SparkErrorFacts[] {
  const chain: SparkErrorFacts[] = []
  let index = response.rootErrorIdx
  while (index !== undefined && chain.length < response.errors.length) {
    const error = response.errors[index]
    if (error === undefined) break
    chain.push({
      errorClass: error.sparkThrowable?.errorClass ?? null,
      sqlState: error.sparkThrowable?.sqlState ?? null,
      exceptions: error.errorTypeHierarchy,
      message: error.message,
    })
    index = error.causeIdx
  }
  return chain
}

/** The failure that an error and its causes are: the first of them that has a name decides. */
export function failureOfChain(
  what: string,
  chain: readonly SparkErrorFacts[],
  cause: unknown,
): LakehouseError {
  const telling =
    chain.find((facts) => codeOfFacts(facts) !== null) ??
    chain.findLast((facts) => facts.errorClass !== null) ??
    chain.at(-1)
  const code = (telling && codeOfFacts(telling)) ?? 'SPARK_EXECUTION_FAILED'
  const details = {
    errorClass: telling?.errorClass ?? null,
    sqlState: telling?.sqlState ?? null,
    exception: telling?.exceptions[0] ?? null,
  }
  return new LakehouseError(code, `${what}: ${oneLine(telling, cause)}`, { cause, details })
}

const messageLengthMax = 400

/** Spark's message up to the end of its first line, led by the class of the error. */
function oneLine(facts: SparkErrorFacts | undefined, cause: unknown): string {
  const text = facts?.message || (cause instanceof Error ? cause.message : String(cause))
  const line =
    text
      .split('\n')
      .find((candidate) => candidate.trim() !== '')
      ?.trim() ?? 'no message'
  const cut = line.length > messageLengthMax ? `${line.slice(0, messageLengthMax)} ..` : line
  const name = facts?.errorClass ?? null
  return name === null || cut.startsWith(`[${name}`) ? cut : `[${name}] ${cut}`
}
