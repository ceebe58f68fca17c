// `assay produce`: synthetic transactions, with what an engineer wants to vary as options.

import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { OnNotice } from '../batches/notice.ts'
import type { Config } from '../config/config.ts'
import { inHome } from '../config/values.ts'
import { unitOf } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { KafkaCompression } from '../kafka/producer.ts'
import {
  type GeneratedRecord,
  generatorDefaults,
  MERCHANTS_MAX,
  USERS_MAX,
  type WorldOptions,
} from '../produce/generator.ts'
import { compressions } from '../produce/kafka-writer.ts'
import { type ProduceSummary, type ProduceTarget, produce } from '../produce/produce.ts'
import { type RecordFormat, recordFormats } from '../produce/record-formats.ts'
import { type ScenarioName, scenarioNames, scenarios } from '../produce/scenarios.ts'
import type { Period } from '../produce/schedule.ts'
import type { Project } from '../project/project.ts'
import { formattedShape } from './formatted-records.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'
import { durationMs, seedNumber, wholeNumberFrom } from './option-values.ts'
import { createProgressBar } from './progress-bar.ts'
import { openSession } from './session.ts'
import { formatCount, formatElapsed } from './terminal-text.ts'

type ProduceFlags = {
  readonly to: string
  readonly rate?: number | 'max'
  readonly count?: number
  readonly seed: number
  readonly period?: Period
  readonly users: number
  readonly merchants: number
  readonly scenario: ScenarioName
  readonly fraud: number | null
  readonly duplicates: number
  readonly disorder: number
  readonly disorderMax: number
  readonly late: number
  readonly lateBy: number
  readonly malformed: number
  readonly labels?: string
  readonly withoutIsFraud?: true
  readonly partitions: number
  readonly compression: KafkaCompression
  readonly format: RecordFormat
  readonly rotateRows: number
  readonly rotateSeconds: number
}

const COUNT_MAX = 1_000_000_000_000
const RATE_MAX = 10_000_000
const RATE_DEFAULT = 1_000

export function produceCommand(project: Project): Command {
  const command = new Command('produce')
    .option(
      '--to <kafka|directory>',
      'send to KAFKA_TOPIC, or write NDJSON files into this directory',
      inHome,
      'kafka',
    )
    .option(
      '--rate <records/s>',
      `records a second, or max (default: ${RATE_DEFAULT}; with --period max)`,
      rate,
    )
    .option(
      '--count <records>',
      'stop after so many (default: go on until Ctrl-C or SIGTERM)',
      wholeNumberFrom(0, COUNT_MAX),
    )
    .option('--seed <number>', 'the same seed makes the same data', seedNumber, generatorDefaults.seed)
    .option(
      '--period <from/to>',
      'spread the event times over a past period, such as 2026-10-01/2026-10-02',
      period,
    )
  return withTarget(withLabels(withDirt(withWorld(command))))
    .addHelpText('after', '\nA share is a percentage or a fraction: 2% and 0.02 are the same.')
    .action((flags: ProduceFlags) => runProduce(project, flags))
}

/** Who buys, where, and what fraud there is. */
function withWorld(command: Command): Command {
  const defaults = generatorDefaults
  return command
    .option('--users <number>', 'how many users there are', wholeNumberFrom(1, USERS_MAX), defaults.users)
    .option(
      '--merchants <number>',
      'how many merchants there are',
      wholeNumberFrom(1, MERCHANTS_MAX),
      defaults.merchants,
    )
    .addOption(
      new Option(
        '--scenario <name>',
        'basic: fraud in episodes of minutes; realistic: six patterns of up to weeks that change over the ' +
          'months, and honest people who look like them',
      )
        .choices(scenarioNames)
        .default(defaults.scenario),
    )
    .addOption(
      new Option('--fraud <share>', 'share of the transactions that are fraud')
        .argParser(share)
        .default(
          null,
          scenarioNames.map((name) => `${scenarios[name].fraudShare * 100}%, ${name}`).join('; '),
        ),
    )
}

/** What can be wrong with the data. */
function withDirt(command: Command): Command {
  const defaults = generatorDefaults
  return command
    .addOption(
      shareOption('--duplicates', 'of the records that repeat an earlier one', defaults.duplicateShare),
    )
    .addOption(shareOption('--disorder', 'of the records that arrive out of order', defaults.disorderShare))
    .addOption(durationOption('--disorder-max', 'how far at most', defaults.disorderMaxMs))
    .addOption(shareOption('--late', 'of the records that arrive too late', defaults.lateShare))
    .addOption(durationOption('--late-by', 'how late at least', defaults.lateByMs))
    .addOption(
      shareOption('--malformed', 'of the records that belong in quarantine', defaults.malformedShare),
    )
}

/** What is told of fraud. */
function withLabels(command: Command): Command {
  return command
    .option(
      '--labels <file>',
      'leave is_fraud out of the records, and write what becomes known of them into this CSV file, as "assay labels ' +
        'import" reads it; what would become known later than now is left out',
      inHome,
    )
    .option('--without-is-fraud', 'leave is_fraud out of the records, as real ones do')
}

/** How records are written. */
function withTarget(command: Command): Command {
  return command
    .option(
      '--partitions <number>',
      'partitions of the topic, where it has to be created',
      wholeNumberFrom(1, 10_000),
      6,
    )
    .addOption(
      new Option('--compression <codec>', 'of what goes to Kafka').choices(compressions).default('lz4'),
    )
    .addOption(
      new Option('--format <format>', 'of the values; all but json are registered at SCHEMA_REGISTRY_URL')
        .choices(Object.keys(recordFormats))
        .default('json'),
    )
    .option('--rotate-rows <rows>', 'rows of a full file', wholeNumberFrom(1, 100_000_000), 100_000)
    .option('--rotate-seconds <seconds>', 'age of a full file', wholeNumberFrom(1, 86_400), 60)
}

async function runProduce(project: Project, flags: ProduceFlags): Promise<void> {
  const { config, log } = openSession(project)
  const onNotice: OnNotice = ({ code, details, message }) => log.warn({ code, ...details }, message)
  const to = targetOf(flags, config.kafka, onNotice)
  if (to.kind === 'kafka')
    log.info(`sending to topic ${to.topic} at ${config.kafka.bootstrapServers.join(', ')}`)
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  // Once: a second Ctrl-C ends the process at once.
  process.once('SIGINT', abort).once('SIGTERM', abort)
  const bar = createProgressBar('records', process.stderr, process.env)
  const labels = flags.labels === undefined ? null : new LabelsFile(flags.labels, Date.now())
  try {
    const generator = generatorOf(flags)
    const shape = await formattedShape(project, config, flags, generator, stop.signal)
    const summary = await produce({
      generator,
      count: flags.count ?? Number.POSITIVE_INFINITY,
      ratePerSecond: ratePerSecondOf(flags),
      to,
      shape,
      period: flags.period ?? null,
      signal: stop.signal,
      ...(labels === null ? {} : { onWritten: labels.add }),
      onProgress: ({ records }) => bar.update(records, flags.count ?? null),
    })
    bar.update(summary.records, flags.count ?? null)
    bar.close()
    process.stdout.write(`${renderSummary(summary, to)}\n`)
    if (labels !== null) process.stdout.write(`${labels.close()}\n`)
  } finally {
    process.off('SIGINT', abort).off('SIGTERM', abort)
  }
}

function generatorOf(flags: ProduceFlags): WorldOptions {
  return {
    seed: flags.seed,
    users: flags.users,
    merchants: flags.merchants,
    scenario: flags.scenario,
    fraudShare: flags.fraud,
    duplicateShare: flags.duplicates,
    disorderShare: flags.disorder,
    disorderMaxMs: flags.disorderMax,
    lateShare: flags.late,
    lateByMs: flags.lateBy,
    malformedShare: flags.malformed,
    isLabelled: flags.labels === undefined && flags.withoutIsFraud !== true,
  }
}

/** What becomes known of the records, as CSV. Few records are fraud: the file is written at the end. */
class LabelsFile {
  readonly #path: string
  readonly #untilMs: number
  readonly #lines: string[] = []

  constructor(path: string, untilMs: number) {
    this.#path = path
    this.#untilMs = untilMs
  }

  readonly add = (records: readonly GeneratedRecord[]): void => {
    for (const { label, pattern } of records) {
      if (label === null || label.knownAtMs > this.#untilMs) continue
      const knownAt = new Date(label.knownAtMs).toISOString()
      this.#lines.push(`${label.transactionId},${knownAt},true,chargeback,${pattern ?? ''}\n`)
    }
  }

  /** What was written, in words. */
  close(): string {
    try {
      writeFileSync(this.#path, `transaction_id,known_at,is_fraud,source,pattern\n${this.#lines.join('')}`)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new LakehouseError('CONFIG_INVALID', `--labels cannot be written: ${reason}`, { cause })
    }
    const hint =
      this.#lines.length > 0
        ? ''
        : ' What becomes known later than now is left out: give a --period of the past.'
    return `Labels of ${formatCount(this.#lines.length)} of them are in ${this.#path}.${hint}`
  }
}

/** What was sent, at which rate, and what of it is special, in one line. */
function renderSummary(summary: ProduceSummary, to: ProduceTarget): string {
  const { records, bytes, seconds, recordsPerSecond, recordsByKind } = summary
  const place = to.kind === 'kafka' ? `topic ${to.topic}` : to.path
  const special = Object.entries(recordsByKind)
    .filter(([kind, count]) => kind !== 'ordinary' && count > 0)
    .map(([kind, count]) => `${formatCount(count)} ${kind}`)
  const among = special.length === 0 ? '' : `, among them ${special.join(', ')}`
  const size = bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
  return (
    `Sent ${formatCount(records)} ${unitOf(records, 'record')} (${size}) to ${place} ` +
    `in ${formatElapsed(seconds * 1000)}: ${formatCount(recordsPerSecond)} records/s${among}.`
  )
}

/** A stream has a pace; a past period is there to be filled, at once. null is as fast as possible. */
function ratePerSecondOf({ rate, period }: ProduceFlags): number | null {
  const chosen = rate ?? (period === undefined ? RATE_DEFAULT : 'max')
  return chosen === 'max' ? null : chosen
}

function targetOf(flags: ProduceFlags, kafka: Config['kafka'], onNotice: OnNotice): ProduceTarget {
  const { partitions, compression, rotateRows, rotateSeconds } = flags
  if (flags.to === 'kafka') {
    if (kafka.topic.includes(',')) {
      const message = `assay produce sends to one topic, and KAFKA_TOPIC names several: ${kafka.topic}. Start it with KAFKA_TOPIC=<one of them>.`
      throw new LakehouseError('CONFIG_INVALID', message, { details: { topic: kafka.topic } })
    }
    return {
      kind: 'kafka',
      connection: kafkaConnectionOf(kafka),
      topic: kafka.topic,
      partitions,
      compression,
      onNotice,
    }
  }
  return { kind: 'directory', path: flags.to, rotateRows, rotateSeconds }
}

function shareOption(flag: string, meaning: string, standard: number): Option {
  return new Option(`${flag} <share>`, `share ${meaning}`)
    .argParser(share)
    .default(standard, `${standard * 100}%`)
}

function durationOption(flag: string, meaning: string, standardMs: number): Option {
  return new Option(`${flag} <duration>`, meaning)
    .argParser(durationMs('30s, "10 minutes" or 1h'))
    .default(standardMs, formatElapsed(standardMs).replace(' 0 s', ''))
}

function rate(text: string): number | 'max' {
  if (text === 'max') return 'max'
  const value = /^\d{1,8}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN
  if (value > 0 && value <= RATE_MAX) return value
  throw new InvalidArgumentError(`It must be a number above 0 and at most ${RATE_MAX}, or max.`)
}

function share(text: string): number {
  const match = /^(\d{1,3}(?:\.\d{1,9})?)(%?)$/.exec(text)
  const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1)
  if (value >= 0 && value <= 1) return value
  throw new InvalidArgumentError('It must be a share, such as 2% or 0.02.')
}

/** An ISO-8601 interval; a date alone is its midnight in UTC, and so is a time without zone. */
function period(text: string): Period {
  const [from, to, ...more] = text.split('/').map(instantMs)
  const isPeriod = from !== undefined && to !== undefined && more.length === 0 && from < to
  if (isPeriod) return { fromMs: from, toMs: to }
  throw new InvalidArgumentError(
    'It must be two times in order, such as 2026-10-01/2026-10-02 or 2026-10-01T08:00:00Z/2026-10-01T12:00:00Z.',
  )
}

function instantMs(text: string): number {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d(?:\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text)
  if (match === null) return Number.NaN
  const [, date, minutes = '00:00', seconds = ':00', zone = 'Z'] = match
  const midnight = new Date(`${date}T00:00:00Z`)
  // Date moves 30 February to March: such a day is no day.
  if (Number.isNaN(midnight.getTime()) || midnight.toISOString().slice(0, 10) !== date) return Number.NaN
  return Date.parse(`${date}T${minutes}${seconds}${zone}`)
}
