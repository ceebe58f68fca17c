// `assay run`: the pipeline from Kafka or from files, continuous or once.

import { existsSync } from 'node:fs'
import { Argument, Command } from 'commander'
import type { OnNotice, SourceNotice } from '../batches/notice.ts'
import type { RecordSource } from '../batches/source.ts'
import type { Config } from '../config/config.ts'
import { variablesHelp } from '../config/reference.ts'
import type { BatchReport, Engine } from '../engines/engine.ts'
import { latencyQuantileMs } from '../engines/latency.ts'
import { counted, unitOf } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { KafkaPositions } from '../kafka/source.ts'
import { type StreamName, streamNames } from '../plan/index.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'
import type { Logger } from './logger.ts'
import { pipelineOptions } from './pipeline-options.ts'
import { createProgressBar } from './progress-bar.ts'
import { openSession } from './session.ts'
import { formatCount, formatElapsed } from './terminal-text.ts'

/** How long `--once` waits for a broker that is away or a topic that is not there. */
const onceWaitMaxMs = 30_000

type RunFlags = {
  readonly once?: true
  readonly finalize?: true
  readonly from?: string
  readonly engine?: 'embedded' | 'spark'
}

export function runCommand(): Command {
  return new Command('run')
    .addArgument(
      new Argument('[streams...]', 'the streams of this process (default: all)').choices(streamNames),
    )
    .option('--once', 'carry what is there now through all tables, then stop')
    .option('--finalize', 'with --once: then close all windows; rows behind them are late from then on')
    .option('--from <file|directory>', 'read NDJSON files in place of Kafka')
    .option('--engine <engine>', 'embedded or spark (default: ENGINE)')
    .addHelpText('after', `\n${variablesHelp()}`)
    .action(runPipeline)
}

async function runPipeline(named: readonly StreamName[], flags: RunFlags): Promise<void> {
  const { config, log } = openSession()
  const streams = named.length === 0 ? streamNames : streamNames.filter((name) => named.includes(name))
  checkFlags(flags, config)
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  // Once: a second Ctrl-C ends the process at once, which loses nothing either.
  process.once('SIGINT', abort).once('SIGTERM', abort)
  const view = flags.once ? onceView() : logView(log)
  const onNotice = (notice: SourceNotice): void => {
    log.warn({ code: notice.code, ...notice.details }, notice.message)
    view.onLost(lostOffsets(notice))
  }
  const source = streams.includes('kafka-to-delta') ? await openSource(flags, config, onNotice) : null
  const engine = await openEngine(flags.engine ?? config.engine, config, source)
  try {
    await engine.run({
      ...pipelineOptions(config),
      streams,
      source,
      once: flags.once ?? false,
      finalize: flags.finalize ?? false,
      signal: stop.signal,
      onBatch: view.onBatch,
      onNotice,
    })
  } finally {
    view.close()
    await source?.close()
    process.off('SIGINT', abort).off('SIGTERM', abort)
  }
}

function checkFlags(flags: RunFlags, config: Config): void {
  if (flags.finalize && !flags.once) {
    throw new LakehouseError(
      'CONFIG_INVALID',
      '--finalize closes a data set that has an end: give --once too.',
    )
  }
  const engine = flags.engine ?? config.engine
  if (engine !== 'embedded' && engine !== 'spark')
    throw new LakehouseError('CONFIG_INVALID', `--engine is embedded or spark, not ${engine}.`)
  if (engine === 'spark' && flags.from !== undefined) {
    throw new LakehouseError(
      'CONFIG_INVALID',
      '--from reads files of this machine, which a cluster does not see: give --engine embedded, or bring the ' +
        'records to Kafka.',
    )
  }
}

async function openEngine(name: Config['engine'], config: Config, source: Source | null): Promise<Engine> {
  if (name === 'embedded') return (await import('../engines/embedded/run.ts')).embeddedEngine
  const { sparkEngine } = await import('../engines/spark/run.ts')
  const { sparkOptions } = await import('./spark-options.ts')
  return sparkEngine(sparkOptions(config, source !== null && 'positions' in source ? source : null))
}

type Source = RecordSource | (RecordSource & KafkaPositions)

async function openSource(flags: RunFlags, config: Config, onNotice: OnNotice): Promise<Source> {
  if (flags.from !== undefined) {
    if (!existsSync(flags.from)) {
      const what = flags.from === '' ? '--from names nothing' : `there is no file or directory ${flags.from}`
      throw new LakehouseError('FILE_NOT_FOUND', `${what}: give an NDJSON file or a directory of such files.`)
    }
    const { openFileSource } = await import('../files/source.ts')
    return openFileSource(flags.from, {
      takeUnterminatedTail: flags.finalize ?? false,
      untilNow: flags.once ?? false,
      onNotice,
    })
  }
  const { openKafkaSource } = await import('../kafka/source.ts')
  const { topic, groupId, startingOffsets, onDataLoss } = config.kafka
  // A run with an end does not wait for ever for a broker or a topic.
  const bounds = flags.once ? { giveUpAfterMs: onceWaitMaxMs, untilNow: true } : {}
  return openKafkaSource({
    ...bounds,
    ...kafkaConnectionOf(config.kafka),
    topic,
    groupId,
    startingOffsets,
    onDataLoss,
    onNotice,
  })
}

type View = {
  onBatch(report: BatchReport): void
  /** Offsets that Kafka deleted before they were read, where ON_DATA_LOSS lets the run go on. */
  onLost(offsets: bigint): void
  close(): void
}

function lostOffsets({ code, details }: SourceNotice): bigint {
  return code === 'KAFKA_OFFSETS_LOST' && typeof details.lost === 'bigint' ? details.lost : 0n
}

function logView(log: Logger): View {
  let lost = 0n
  return {
    onLost(offsets) {
      lost += offsets
    },
    onBatch({ rowsByTable, quarantineReasons, ...report }) {
      const facts = {
        batch: report.batch,
        records: report.records,
        lag: report.input === null ? null : report.input.lag,
        ...(lost > 0n ? { lost } : {}),
        silver: report.silverRows,
        quarantined: report.quarantinedRows,
        ...(report.quarantinedRows > 0 ? { reasons: quarantineReasons } : {}),
        watermark:
          report.watermarkMicros === null
            ? null
            : new Date(Number(report.watermarkMicros / 1000n)).toISOString(),
        batch_ms: Math.round(report.batchMs),
        latency_ms: roundedMs(report.latencyMs),
        latency_p99_ms: roundedMs(latencyQuantileMs(report.latencies, 0.99)),
        review: report.reviewRows,
      }
      log.info(facts, `batch ${report.batch}: ${counted(report.records, 'record')}`)
    },
    close() {},
  }
}

function roundedMs(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms)
}

/** A progress bar, then what became of the records. */
function onceView(): View {
  const bar = createProgressBar('records', process.stderr, process.env)
  const startedMs = performance.now()
  const rows = new Map<string, number>()
  const reasons = new Map<string, number>()
  let [records, batches, consumed, lost] = [0, 0, 0n, 0n]
  return {
    onLost(offsets) {
      lost += offsets
    },
    onBatch(report) {
      batches += 1
      records += report.records
      add(rows, report.rowsByTable)
      add(reasons, report.quarantineReasons)
      consumed += report.input?.consumed ?? 0n
      bar.update(records, report.input === null ? null : estimatedTotal(records, consumed, report.input.lag))
    },
    close() {
      bar.close()
      const elapsed = formatElapsed(performance.now() - startedMs)
      const inBatches = `${formatCount(batches)} ${unitOf(batches, 'batch', 'batches')}`
      process.stderr.write(
        `${formatCount(records)} ${unitOf(records, 'record')} in ${inBatches}, ${elapsed}\n`,
      )
      if (lost > 0n)
        process.stderr.write(`  ${'lost before they were read'.padEnd(30)} ${formatCount(Number(lost))}\n`)
      for (const [table, count] of rows)
        if (count > 0) process.stderr.write(`  ${table.padEnd(30)} ${formatCount(count)}\n`)
      for (const [reason, count] of reasons)
        process.stderr.write(`    ${reason.padEnd(28)} ${formatCount(count)}\n`)
    },
  }
}

/** All records of the input, from the share of its offsets that has been read. */
function estimatedTotal(records: number, consumed: bigint, lag: bigint): number | null {
  if (lag === 0n) return records
  return consumed === 0n ? null : Math.round(records * (1 + Number(lag) / Number(consumed)))
}

function add(sums: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count)
}
