// One execution on the server, whatever happens to the connection meanwhile: the server keeps its answers
// until they are released, and goes on with the work while nobody listens.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, Code, ConnectError } from '@connectrpc/connect'
import { factsOfError, isOfSpark } from './failures.ts'
import type {
  ExecutePlanRequest,
  ExecutePlanResponse,
  SparkConnectService,
  UserContext,
} from './gen/spark/connect/spark_connect_pb.ts'

/**
 * The server ends a stream of answers after two minutes, and the client asks for the rest: a stream that says
 * nothing for longer has no connection any more.
 */
export const SILENCE_MS_MAX = 3 * 60_000
/** The server gives an execution up that nobody has listened to for five minutes. */
export const DETACHED_MS_MAX = 5 * 60_000
const backOffFirstMs = 50
const backOffMostMs = 5_000

export type SparkClient = Client<typeof SparkConnectService>

/** Whose execution it is. */
export type Identity = {
  readonly sessionId: string
  readonly userContext: Pick<UserContext, 'userId' | 'userName'>
  readonly clientType: string
  readonly clientObservedServerSideSessionId?: string
}

export type ExecutionOptions = {
  readonly client: SparkClient
  /** As it is now: the server's name for the session is learned from its first answer. */
  readonly identity: () => Identity
  readonly operationId: string
  readonly plan: NonNullable<Parameters<SparkClient['executePlan']>[0]['plan']>
  readonly signal: AbortSignal
  readonly silenceMsMax: number
  /** Called when a stream says nothing any more: its connection is dead, although nobody has closed it. */
  readonly onSilence: () => void
}

/**
 * The answers of an execution, each once. Throws what it failed with, or what the connection did for too
 * long.
 */
export async function* answersOf(options: ExecutionOptions): AsyncGenerator<ExecutePlanResponse> {
  const { signal } = options
  let lastResponseId: string | undefined
  let hasBegun = false
  const broken = new Break(signal)
  for (;;) {
    const stream = hasBegun ? reattached(options, lastResponseId) : begun(options)
    const watch = new Silence(options)
    try {
      for await (const response of stream(watch.signal)) {
        watch.heard()
        broken.over()
        hasBegun = true
        if (response.responseId !== '') lastResponseId = response.responseId
        if (response.responseType.case === 'resultComplete') return
        yield response
      }
      // The server has ended the stream, not the execution.
      if (watch.count === 0) await broken.wait(new ConnectError('the stream ended', Code.Unavailable))
    } catch (error) {
      if (signal.aborted) throw error
      const meant = meaningOf(error, lastResponseId === undefined)
      if (meant === 'failed' && !watch.isSilent) throw error
      if (watch.isSilent) options.onSilence()
      // It has never reached the server, or it has, although nothing was heard of it.
      hasBegun = meant !== 'not begun'
      await broken.wait(error)
    } finally {
      watch.stop()
    }
  }
}

/** Lets the server forget the execution, and stop it where it still runs. */
export async function release(options: Omit<ExecutionOptions, 'plan'>, timeoutMs: number): Promise<void> {
  const { client, identity, operationId } = options
  const all = { case: 'releaseAll', value: {} } as const
  // Where nobody is heard for some minutes the server does it by itself.
  await client.releaseExecute({ ...identity(), operationId, release: all }, { timeoutMs }).catch(() => {})
}

type Stream = (signal: AbortSignal) => AsyncIterable<ExecutePlanResponse>

function begun({ client, identity, operationId, plan }: ExecutionOptions): Stream {
  const reattach = { case: 'reattachOptions', value: { reattachable: true } } as const
  const request = { ...identity(), operationId, plan, requestOptions: [{ requestOption: reattach }] }
  return (signal) => client.executePlan(request as ExecutePlanRequest, { signal })
}

function reattached({ client, identity, operationId }: ExecutionOptions, lastResponseId?: string): Stream {
  const last = lastResponseId === undefined ? {} : { lastResponseId }
  return (signal) => client.reattachExecute({ ...identity(), operationId, ...last }, { signal })
}

/** What an error says of the execution: that it failed, that it goes on elsewhere, that it never began. */
function meaningOf(error: unknown, isUnheard: boolean): 'failed' | 'goes on' | 'not begun' {
  if (isOfConnection(error)) return 'goes on'
  if (!(error instanceof ConnectError)) return 'failed'
  switch (factsOfError(error).facts.errorClass) {
    case 'INVALID_HANDLE.OPERATION_NOT_FOUND':
      return isUnheard ? 'not begun' : 'failed'
    // A request that was believed lost has arrived after all; another stream took over.
    case 'INVALID_HANDLE.OPERATION_ALREADY_EXISTS':
    case 'INVALID_CURSOR.DISCONNECTED':
      return 'goes on'
    default:
      return 'failed'
  }
}

/** A connection that ends may look like each of these; errors of Spark tell which exception they are. */
const brokenCodes: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Aborted,
  Code.Canceled,
  Code.Internal,
  Code.Unknown,
  Code.DataLoss,
])

export function isOfConnection(error: unknown): boolean {
  if (!(error instanceof ConnectError) || !brokenCodes.has(error.code)) return false
  return !isOfSpark(error)
}

/** The time since the last answer, while the connection breaks again and again. */
class Break {
  readonly #signal: AbortSignal
  #sinceMs: number | null = null
  #attempts = 0

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  over(): void {
    this.#sinceMs = null
    this.#attempts = 0
  }

  /** Waits before the next attempt; throws the error where it has lasted for too long. */
  async wait(error: unknown): Promise<void> {
    const now = performance.now()
    this.#sinceMs ??= now
    if (now - this.#sinceMs > DETACHED_MS_MAX) throw error
    const waitMs = Math.min(backOffMostMs, backOffFirstMs * 2 ** this.#attempts)
    this.#attempts += 1
    await sleep(waitMs, undefined, { signal: this.#signal })
  }
}

/** Ends a stream that says nothing for too long. */
class Silence {
  readonly signal: AbortSignal
  count = 0
  readonly #ended = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor({ signal, silenceMsMax }: ExecutionOptions) {
    this.signal = AbortSignal.any([signal, this.#ended.signal])
    this.#timer = setTimeout(() => this.#ended.abort(), silenceMsMax)
  }

  get isSilent(): boolean {
    return this.#ended.signal.aborted
  }

  heard(): void {
    this.count += 1
    this.#timer.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#ended.abort() // A loop that is left does not end the call.
  }
}
