// The thread that decides beside the batches of a run.
import { parentPort, workerData } from 'node:worker_threads'
import { assert, LakehouseError } from '../errors/errors.ts'
import { openProject } from '../project/project.ts'
import type { BesideStart, BesideTold, TransferredFailure } from './decisions-beside.ts'
import { mountLakehouse } from './lakehouse-store.ts'
import { runDecisions } from './run-decisions.ts'
import { projectConfig } from './session.ts'

const port = parentPort
assert(port !== null, 'this is a thread of another')
const tell = (told: BesideTold): void => port.postMessage(told)
const stop = new AbortController()
port.once('message', () => stop.abort())

const { projectDirectory, engine } = workerData as BesideStart // As decideBeside started it.
try {
  const project = await openProject(process.cwd(), projectDirectory)
  const config = projectConfig(project, { ENGINE: engine })
  mountLakehouse(config)
  await runDecisions({
    config,
    onNotice: (notice) =>
      tell({ kind: 'notice', notice: { ...notice, details: transferable(notice.details) } }),
    onStart: (facts) => tell({ kind: 'started', facts }),
    onShare: (share) => tell({ kind: 'share', share }),
    onDecided: () => undefined,
    signal: stop.signal,
  })
} catch (error) {
  tell({ kind: 'failed', failure: failureOf(error) })
} finally {
  port.close()
}

function failureOf(error: unknown): TransferredFailure {
  if (error instanceof LakehouseError)
    return { code: error.code, message: error.message, details: transferable(error.details) }
  return { code: null, message: error instanceof Error ? String(error.stack) : String(error), details: {} }
}

/** What has methods cannot leave the thread; it would be text in the log, too. */
function transferable(details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const isPlain = (value: unknown): boolean => value === null || typeof value !== 'object'
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [name, isPlain(value) ? value : String(value)]),
  )
}
