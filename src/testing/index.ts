// The test kit of a project: `import { testLakehouse } from 'assay-lakehouse/testing'`. The embedded engine in
// this process carries the records that a test sends, into tables of a temporary directory, by a clock that
// only the test moves.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/config.ts'
import { parseInstantMs } from '../config/values.ts'
import { embeddedEngine } from '../engines/embedded/run.ts'
import { listener } from '../engines/events.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Lakehouse } from '../plan/index.ts'
import { lakehouseFrom, type ProjectLakehouse } from '../project/project.ts'
import { SentRecords, type TestRecord } from './sent-records.ts'
import { TableReader, type TestRow } from './table-reader.ts'

export type { TestRecord } from './sent-records.ts'
export type { TestCell, TestRow } from './table-reader.ts'

export type TestOptions = {
  /** Variables as they would stand in .env; what is in the environment and in a .env does not count. */
  readonly settings?: Readonly<Record<string, string>>
  /** Where the files are that the config names (default: where the process runs). */
  readonly directory?: string
}

export type TestLakehouse = {
  /** Moves the clock: what is sent comes at this time, such as `2026-10-01T10:00:00Z`. */
  readonly at: (time: string) => { readonly send: (records: readonly TestRecord[]) => Promise<void> }
  /**
   * The rows of a table, such as `aggregations/merchant` or `aggregations.merchant`; none where it has none.
   * Decimals and days are text, instants text of the kind `2026-10-01T10:00:00.000Z`, longs numbers where
   * they are safe, bytes text. In the order of their columns.
   */
  readonly rows: (path: string) => Promise<TestRow[]>
  /** Ends the engine and removes the tables. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** Each `send` is one batch, in all tables when it resolves. Fails as a run would. */
export async function testLakehouse(
  config: Lakehouse | ProjectLakehouse,
  { settings = {}, directory = process.cwd() }: TestOptions = {},
): Promise<TestLakehouse> {
  const lakehouse = lakehouseFrom(config, directory)
  const base = await mkdtemp(join(tmpdir(), 'assay-test-'))
  const { watermarkMicros, parameters } = loadConfig(lakehouse, settings, join(base, 'no-env-file'))
  const records = new SentRecords(lakehouse.topic)
  const stop = new AbortController()
  let nowMs = 0
  const running = embeddedEngine.run({
    ...{ lakehouse, deltaBasePath: base, streams: lakehouse.streams, source: records },
    ...{ once: false, finalize: false, delays: watermarkMicros, parameters, signal: stop.signal },
    ...sizes,
    clock: () => BigInt(nowMs) * 1000n,
    tell: listener({ batch: ({ report }) => records.carried(report.records) }),
  })
  // A failure is told to whoever waits for a batch, or closes.
  running.catch((error: unknown) => records.failed(error))
  const reader = await TableReader.open(lakehouse, base)
  const close = async (): Promise<void> => {
    stop.abort()
    try {
      await running
    } finally {
      reader.close()
      await rm(base, { recursive: true, force: true })
    }
  }
  return {
    at: (time) => ({
      async send(sent) {
        const atMs = parseInstantMs(time)
        if (atMs === null || atMs < nowMs) throw wrongTime(time, nowMs)
        nowMs = atMs
        await records.send(sent, atMs)
      },
    }),
    rows: (path) => reader.rows(path),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Everything that is sent at once is one batch, and nothing is put together or cleaned up. */
const sizes = {
  recordsPerBatchMax: 1_000_000,
  bytesPerBatchMax: 2 ** 30,
  stateRowsMax: 1_000_000,
  latencyTargetMs: 0,
  triggerIntervalMs: null,
  tableProperties: {},
  smallFileBytes: null,
  filesBeforeCompaction: 1_000,
  leaseMs: 30_000,
  retryFirstMs: 1,
  duckdb: { memoryLimitBytes: 2 ** 28, threads: 1 },
  alertsMax: 0,
}

function wrongTime(time: string, nowMs: number): LakehouseError {
  const now = new Date(nowMs).toISOString()
  const message = `at(${JSON.stringify(time)}): give a time such as 2026-10-01T10:00:00Z that is not before ${now}`
  return new LakehouseError('CONFIG_INVALID', message)
}
