// Decides transactions beside the batches of a run, in a thread of its own: while a batch is computed nothing
// else would get its turn. Both end together.
import { Worker } from 'node:worker_threads'
import type { OnNotice } from '../batches/notice.ts'
import type { Config } from '../config/config.ts'
import type { Share } from '../decisions/decision-share.ts'
import { type ErrorCode, LakehouseError } from '../errors/errors.ts'
import type { Project } from '../project/project.ts'
import type { DecisionsRun } from './run-decisions.ts'

/** What the thread is started with. */
export type BesideStart = { readonly projectDirectory: string | null; readonly engine: Config['engine'] }

/** What the thread tells. */
export type BesideTold =
  | { readonly kind: 'notice'; readonly notice: Parameters<OnNotice>[0] }
  | { readonly kind: 'started'; readonly facts: Parameters<DecisionsRun['onStart']>[0] }
  | { readonly kind: 'share'; readonly share: Share }
  | { readonly kind: 'failed'; readonly failure: TransferredFailure }

export type TransferredFailure = {
  /** null for what has no code: a defect. */
  readonly code: ErrorCode | null
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

export type DecisionsBeside = {
  /** Aborted with its failure where it has failed. */
  readonly failed: AbortSignal
  /** Of its requests; null before it answers any. */
  readonly url: () => string | null
  /** What is decided is published, then it ends. */
  close(): Promise<void>
}

export function decideBeside(
  { home }: Project,
  options: {
    readonly engine: Config['engine']
    readonly onNotice: OnNotice
    readonly onStart: DecisionsRun['onStart']
    readonly onShare: DecisionsRun['onShare']
  },
): DecisionsBeside {
  const start: BesideStart = { projectDirectory: home?.directory ?? null, engine: options.engine }
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./decisions-thread.${extension}`, import.meta.url), {
    workerData: start,
  })
  const failed = new AbortController()
  let url: string | null = null
  worker.on('message', (told: BesideTold) => {
    if (told.kind === 'notice') options.onNotice(told.notice)
    else if (told.kind === 'started') {
      url = told.facts.url
      options.onStart(told.facts)
    } else if (told.kind === 'share') options.onShare(told.share)
    else failed.abort(errorOf(told.failure))
  })
  worker.on('error', (error) => failed.abort(error))
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  return {
    failed: failed.signal,
    url: () => url,
    async close() {
      worker.postMessage('stop')
      await ended
    },
  }
}

function errorOf({ code, message, details }: TransferredFailure): Error {
  return code === null ? new Error(message) : new LakehouseError(code, message, { details })
}
