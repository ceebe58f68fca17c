// Streaming queries that run in the cluster: start, find again by name, watch, stop.
import { assert, LakehouseError } from '../../../errors/errors.ts'
import type {
  StreamingQueryCommandResult,
  StreamingQueryInstanceId,
} from './gen/spark/connect/spark_connect_pb.ts'
import type { Relation } from './relations.ts'
import type { CallOptions, SparkSession } from './session.ts'

/** A query that has ended answers at once. */
const failureMsMax = 10_000

export type StreamStart = {
  /** Unique among the active queries of the session. */
  readonly name: string
  readonly input: Relation
  readonly format: string
  readonly path: string
  readonly checkpointLocation: string
  readonly partitionColumns?: readonly string[]
  readonly options?: Readonly<Record<string, string>>
  readonly trigger: { readonly kind: 'availableNow' } | { readonly kind: 'every'; readonly ms: number }
}

export async function startStream(
  session: SparkSession,
  start: StreamStart,
  options: CallOptions,
): Promise<StreamingQuery> {
  const trigger =
    start.trigger.kind === 'availableNow'
      ? ({ case: 'availableNow', value: true } as const)
      : ({ case: 'processingTimeInterval', value: `${start.trigger.ms} milliseconds` } as const)
  const value = {
    input: start.input,
    format: start.format,
    options: { ...start.options, checkpointLocation: start.checkpointLocation },
    partitioningColumnNames: [...(start.partitionColumns ?? [])],
    trigger,
    outputMode: 'append',
    queryName: start.name,
    sinkDestination: { case: 'path' as const, value: start.path },
  }
  const responses = await session.command({ case: 'writeStreamOperationStart', value }, options)
  for (const { responseType } of responses) {
    if (responseType.case === 'writeStreamOperationStartResult') {
      return new StreamingQuery(session, start.name, responseType.value.queryId!)
    }
  }
  throw new LakehouseError('SPARK_UNSUPPORTED', `${options.what}: the server started no query.`)
}

/** The queries of the session that have not ended. */
export async function activeStreams(session: SparkSession, options: CallOptions): Promise<StreamingQuery[]> {
  const responses = await session.command(
    { case: 'streamingQueryManagerCommand', value: { command: { case: 'active', value: true } } },
    options,
  )
  return responses.flatMap(({ responseType }) => {
    if (responseType.case !== 'streamingQueryManagerCommandResult') return []
    const { resultType } = responseType.value
    if (resultType.case !== 'active') return []
    return resultType.value.activeQueries.map(
      ({ id, name }) => new StreamingQuery(session, name ?? null, id!),
    )
  })
}

export class StreamingQuery {
  readonly #session: SparkSession
  readonly name: string | null
  /** `id` stays with the checkpoint; `runId` is new with each start. */
  readonly instance: StreamingQueryInstanceId

  constructor(session: SparkSession, name: string | null, instance: StreamingQueryInstanceId) {
    this.#session = session
    this.name = name
    this.instance = instance
  }

  /** What the last trigger did, as Spark's JSON is parsed; null before the first. */
  async lastProgress(options: CallOptions): Promise<unknown> {
    const result = await this.#ask({ case: 'lastProgress', value: true }, options)
    assert(result.case === 'recentProgress')
    const json = result.value.recentProgressJson.at(-1)
    return json === undefined ? null : JSON.parse(json)
  }

  /** Why it ended; null while it runs and after a stop. */
  async failure(options: CallOptions): Promise<LakehouseError | null> {
    const result = await this.#ask({ case: 'exception', value: true }, options)
    if (result.case !== 'exception' || result.value.exceptionMessage === undefined) return null
    // The answer has only text. Waiting for a query that failed throws the error itself, with its causes.
    const what = `The streaming query ${this.name ?? this.instance.id} failed`
    try {
      await this.awaitEnd(failureMsMax, { ...options, what })
      return null
    } catch (error) {
      if (error instanceof LakehouseError) return error
      throw error
    }
  }

  /** Whether it ended within the time. Throws what it failed with. */
  async awaitEnd(waitMs: number, options: CallOptions): Promise<boolean> {
    const command = { case: 'awaitTermination', value: { timeoutMs: BigInt(waitMs) } } as const
    const result = await this.#ask(command, options)
    assert(result.case === 'awaitTermination')
    return result.value.terminated
  }

  async stop(options: CallOptions): Promise<void> {
    await this.#ask({ case: 'stop', value: true }, options)
  }

  async #ask(
    command: QueryCommand,
    options: CallOptions,
  ): Promise<StreamingQueryCommandResult['resultType']> {
    const value = { queryId: this.instance, command }
    const responses = await this.#session.command({ case: 'streamingQueryCommand', value }, options)
    for (const { responseType } of responses) {
      if (responseType.case === 'streamingQueryCommandResult') return responseType.value.resultType
    }
    return { case: undefined }
  }
}

type QueryCommand =
  | {
      readonly case: 'lastProgress' | 'exception' | 'stop'
      readonly value: true
    }
  | { readonly case: 'awaitTermination'; readonly value: { readonly timeoutMs: bigint } }
