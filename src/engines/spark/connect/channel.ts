// One session's calls to a Spark Connect server: identity, deadlines, aborts and errors are decided here,
// once.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { LakehouseError } from '../../../errors/errors.ts'
import type { SparkAddress } from './address.ts'
import {
  answersOf,
  type ExecutionOptions,
  type Identity,
  isOfConnection,
  release,
  SILENCE_MS_MAX,
} from './execution.ts'
import { chainOf, factsOfError, failureOfChain, statusCode } from './failures.ts'
import {
  type Command,
  type ExecutePlanResponse,
  InterruptRequest_InterruptType,
  type Relation,
  SparkConnectService,
} from './gen/spark/connect/spark_connect_pb.ts'

// Deadlines are kept here and not sent: a server that keeps one resets the stream, and lets the plan run on.

/** Calls that do not run a plan are answered within this time. */
export const CONTROL_MS_MAX = 60_000
/** Analysis may read the log of a large table first, by jobs that wait for the cluster. */
const analysisMsMax = 10 * 60_000
/** A plan that runs for longer is interrupted. */
export const EXECUTION_MS_MAX = 6 * 3_600_000
/** Saying goodbye (interrupt, release) and asking for the causes of an error is not worth more. */
const courtesyMsMax = 10_000
/** The server's gRPC refuses pings that come more often than every 5 minutes. */
const pingIntervalMs = 6 * 60_000
const pingTimeoutMs = 30_000

export type CallOptions = {
  readonly signal: AbortSignal
  /** What the call is for, as an error message begins: "The batch's silver could not be written". */
  readonly what: string
  readonly timeoutMs?: number
}

/** A call that runs no plan is repeated so often where the connection breaks under it. */
const repeatsMax = 3
const repeatAfterMs = 200

export type ChannelOptions = {
  /** Aborted when the server is gone for good, which no reconnection helps. */
  readonly gone?: AbortSignal
  readonly silenceMsMax?: number
}

export class SparkChannel {
  readonly address: SparkAddress
  readonly sessionId: string
  readonly #gone: AbortSignal
  readonly #silenceMsMax: number
  readonly #client: Client<typeof SparkConnectService>
  readonly #connection: Http2SessionManager
  /** What the server calls the session: another one means that the server, and all views, are new. */
  #serverSideSessionId: string | undefined

  constructor(address: SparkAddress, options: ChannelOptions = {}) {
    this.address = address
    this.#gone = options.gone ?? new AbortController().signal
    this.#silenceMsMax = options.silenceMsMax ?? SILENCE_MS_MAX
    this.sessionId = address.sessionId ?? randomUUID()
    const baseUrl = `${address.tls ? 'https' : 'http'}://${address.host}:${address.port}`
    this.#connection = new Http2SessionManager(baseUrl, { pingIntervalMs, pingTimeoutMs })
    const transport = createGrpcTransport({
      baseUrl,
      sessionManager: this.#connection,
      interceptors: [withHeaders(address)],
    })
    this.#client = createClient(SparkConnectService, transport)
  }

  /** Runs a plan to its end and hands over its answers one by one, also over connections that break. */
  async execute(
    plan: Relation | Command,
    onResponse: (response: ExecutePlanResponse) => void,
    options: CallOptions,
  ): Promise<void> {
    const { signal, timeoutMs = EXECUTION_MS_MAX } = options
    signal.throwIfAborted()
    const opType =
      plan.$typeName === 'spark.connect.Relation'
        ? ({ case: 'root', value: plan } as const)
        : ({ case: 'command', value: plan } as const)
    const deadline = AbortSignal.timeout(timeoutMs)
    const callSignal = AbortSignal.any([signal, deadline, this.#gone])
    const execution: ExecutionOptions = {
      client: this.#client,
      identity: () => this.#identity(),
      operationId: randomUUID(),
      plan: { opType } as ExecutionOptions['plan'],
      signal: callSignal,
      silenceMsMax: this.#silenceMsMax,
      onSilence: () => this.#connection.abort(),
    }
    let canTell = true
    try {
      for await (const response of answersOf(execution)) {
        this.#observe(response)
        onResponse(response)
      }
    } catch (error) {
      canTell = !this.#gone.aborted && (callSignal.aborted || !isOfConnection(error))
      // Without it the server would go on with a plan that nobody waits for.
      if (canTell && callSignal.aborted) await this.#interrupt(execution.operationId)
      throw await this.#failure(error, options, deadline)
    } finally {
      if (canTell) await release(execution, courtesyMsMax)
    }
  }

  async analyze(analyze: AnalyzeCase, options: CallOptions) {
    const request = { ...this.#identity(), analyze }
    const patient = { timeoutMs: analysisMsMax, ...options }
    const { result } = await this.#call((call) => this.#client.analyzePlan(request, call), patient)
    return result
  }

  async config(opType: ConfigCase, options: CallOptions) {
    const request = { ...this.#identity(), operation: { opType } }
    const { pairs } = await this.#call((call) => this.#client.config(request, call), options)
    return pairs
  }

  /** Ends the session on the server: its views, its settings and its streams are gone. */
  async release(options: CallOptions): Promise<void> {
    const { clientObservedServerSideSessionId: _, ...request } = this.#identity()
    await this.#call((call) => this.#client.releaseSession(request, call), options)
  }

  /** Closes the connection; the session and its streams live on until the server's time-out. */
  close(): void {
    this.#connection.abort()
  }

  async #call<Response extends Observable>(
    call: (options: { signal: AbortSignal }) => Promise<Response>,
    options: CallOptions,
  ): Promise<Response> {
    const { signal, timeoutMs = CONTROL_MS_MAX } = options
    signal.throwIfAborted()
    const deadline = AbortSignal.timeout(timeoutMs)
    const anyEnd = AbortSignal.any([signal, deadline, this.#gone])
    for (let repeats = 0; ; repeats++) {
      try {
        const response = await call({ signal: anyEnd })
        this.#observe(response)
        return response
      } catch (error) {
        const isBroken = isOfConnection(error) && this.#serverSideSessionId !== undefined
        if (!isBroken || anyEnd.aborted || repeats >= repeatsMax)
          throw await this.#failure(error, options, deadline)
      }
      await sleep(repeatAfterMs, undefined, { signal: anyEnd }).catch(() => undefined) // The call says it.
    }
  }

  #identity(): Identity {
    return {
      sessionId: this.sessionId,
      userContext: { userId: this.address.userId, userName: this.address.userId },
      clientType: this.address.userAgent,
      ...(this.#serverSideSessionId === undefined
        ? {}
        : { clientObservedServerSideSessionId: this.#serverSideSessionId }),
    }
  }

  #observe({ serverSideSessionId }: Observable): void {
    if (serverSideSessionId !== '') this.#serverSideSessionId = serverSideSessionId
  }

  async #interrupt(operationId: string): Promise<void> {
    const request = {
      ...this.#identity(),
      interruptType: InterruptRequest_InterruptType.OPERATION_ID,
      interrupt: { case: 'operationId', value: operationId },
    } as const
    // It may be over already.
    await this.#client.interrupt(request, { timeoutMs: courtesyMsMax }).catch(() => {})
  }

  async #failure(error: unknown, { signal, what }: CallOptions, deadline: AbortSignal): Promise<unknown> {
    if (signal.aborted) return signal.reason
    if (this.#gone.aborted) {
      const message = `${what}: the Spark server that Assay started has ended.`
      return new LakehouseError('SPARK_SESSION_LOST', message, { cause: error })
    }
    if (deadline.aborted) {
      const message = `${what}: the Spark Connect server at ${this.#where} did not answer in time.`
      return new LakehouseError('SPARK_TIMEOUT', message, { cause: error })
    }
    if (!(error instanceof ConnectError)) return error
    const { facts, errorId } = factsOfError(error)
    if (isOfConnection(error) && this.#serverSideSessionId !== undefined) {
      const message =
        `${what}: the connection to the Spark Connect server at ${this.#where} broke and did not come back ` +
        `(${error.rawMessage.split('\n')[0]}).`
      return new LakehouseError('SPARK_SESSION_LOST', message, { cause: error })
    }
    const code = facts.errorClass === null ? statusCode(error) : null
    if (code !== null)
      return new LakehouseError(code, `${what}: ${this.#statusMessage(error)}`, { cause: error })
    const chain = errorId === null ? [] : await this.#causes(errorId)
    return failureOfChain(what, [facts, ...chain.slice(1)], error)
  }

  async #causes(errorId: string) {
    const request = { ...this.#identity(), errorId }
    try {
      return chainOf(await this.#client.fetchErrorDetails(request, { timeoutMs: courtesyMsMax }))
    } catch {
      return [] // The error itself is known; only its causes are not.
    }
  }

  get #where(): string {
    return `${this.address.host}:${this.address.port}`
  }

  #statusMessage(error: ConnectError): string {
    const where = this.#where
    const text = error.rawMessage.split('\n')[0] ?? ''
    switch (error.code) {
      case Code.Unavailable:
      case Code.Aborted:
      case Code.Canceled:
        return `no Spark Connect server answers at ${where} (${text}). Check that it runs and that SPARK_MASTER is right.`
      case Code.Unauthenticated:
      case Code.PermissionDenied:
        return `the Spark Connect server at ${where} refuses the token (${text}).`
      default:
        return `the Spark Connect server at ${where} answers ${text}`
    }
  }
}

type Observable = { readonly serverSideSessionId: string }
type RequestOf<Method extends 'analyzePlan' | 'config'> = Parameters<
  Client<typeof SparkConnectService>[Method]
>[0]
type AnalyzeCase = NonNullable<RequestOf<'analyzePlan'>['analyze']>
type ConfigCase = NonNullable<NonNullable<RequestOf<'config'>['operation']>['opType']>

function withHeaders({ token, headers, userAgent }: SparkAddress): Interceptor {
  return (next) => (request) => {
    for (const [name, value] of Object.entries(headers)) request.header.set(name, value)
    request.header.set('user-agent', userAgent)
    if (token !== null) request.header.set('authorization', `Bearer ${token}`)
    return next(request)
  }
}
