// A run that can be asked how it is: its metrics and its status over HTTP.
import { statfs } from 'node:fs/promises'
import type { RecordSource } from '../batches/source.ts'
import type { Config } from '../config/config.ts'
import { directoryOf } from '../delta/mounts.ts'
import type { PipelineOptions } from '../engines/engine.ts'
import { listener, type OnEvent, tellAll } from '../engines/events.ts'
import { type RunAddress, removeAddress, writeAddress } from '../engines/run-address.ts'
import { RunMetrics } from '../engines/run-metrics.ts'
import { type RunStatus, runStatus } from '../engines/run-status.ts'
import { RunWatch } from '../engines/run-watch.ts'
import { type MetricsServer, serveMetrics } from '../metrics/http.ts'
import type { MetricsAddress } from '../metrics/token.ts'
import { packageVersion } from './package-version.ts'

export type ObservedRun = {
  readonly onEvent: OnEvent
  readonly watch: RunWatch
  readonly status: () => Promise<RunStatus>
  /** null where METRICS_PORT is 0. */
  readonly url: string | null
  /** The port that was wanted, where another one was taken; null else. */
  readonly movedFrom: number | null
  close(): Promise<void>
}

export type ObservedOptions = Pick<
  PipelineOptions,
  | 'lakehouse'
  | 'deltaBasePath'
  | 'streams'
  | 'delays'
  | 'parameters'
  | 'recordsPerBatchMax'
  | 'smallFileBytes'
> & {
  readonly engine: Config['engine']
  readonly metrics: MetricsAddress
  readonly source: RecordSource | null
  /** What is read, in words. */
  readonly reads: string
}

/** Looks at the run from its events on, and serves what is known of it; `close` ends it. */
export async function observeRun(options: ObservedOptions): Promise<ObservedRun> {
  const { deltaBasePath, source, metrics: wanted } = options
  const watch = new RunWatch()
  const metrics = new RunMetrics({ ...options, version: packageVersion }, watch)
  let server: MetricsServer | null = null
  const status = async () => {
    const facts = { ...options, version: packageVersion, url: server?.url ?? null }
    const diskFreeBytes = await freeBytes(directoryOf(deltaBasePath))
    return runStatus({ ...facts, diskFreeBytes }, watch, metrics.isBehind, Date.now())
  }
  if (wanted.port !== 0) {
    server = await serveMetrics(wanted, {
      metrics: () => metrics.collect(),
      notReady: () => notReady(watch),
      status,
    })
  }
  watch.look(source)
  return {
    onEvent: tellAll([
      watch.onEvent,
      metrics.onEvent,
      ...(server === null ? [] : [addressed(options, server)]),
    ]),
    watch,
    status,
    url: server?.url ?? null,
    movedFrom: server === null || server.port === wanted.port ? null : wanted.port,
    async close() {
      await watch.stop()
      if (server === null) return
      await removeAddress(deltaBasePath, options.streams, addressOf(server))
      await server.close()
    },
  }
}

/** Who has opened the tables has the locks. */
function addressed({ deltaBasePath, streams }: ObservedOptions, server: MetricsServer): OnEvent {
  return listener({
    // Without it `assay status` tells from the tables.
    opened: () => void writeAddress(deltaBasePath, streams, addressOf(server)).catch(() => undefined),
  })
}

function addressOf({ url }: MetricsServer): RunAddress {
  return { pid: process.pid, url }
}

function notReady({ opened, fault, outage }: RunWatch): string | null {
  if (opened === null) return 'the tables are not open yet'
  return outage?.message ?? fault?.message ?? null
}

async function freeBytes(directory: string): Promise<number | null> {
  const found = await statfs(directory).catch(() => null) // Not there yet.
  return found === null ? null : found.bavail * found.bsize
}
