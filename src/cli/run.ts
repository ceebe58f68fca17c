// `assay run`: the pipeline from Kafka or from files, continuous or once.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Argument, Command } from 'commander'
import type { OnNotice } from '../batches/notice.ts'
import type { RecordSource } from '../batches/source.ts'
import { type Config, sparkNeedsDisk } from '../config/config.ts'
import { variablesHelp } from '../config/reference.ts'
import { inHome } from '../config/values.ts'
import type { Dashboard } from '../dashboard/server.ts'
import type { Engine } from '../engines/engine.ts'
import { listener, noticesTo, type OnEvent, tellAll } from '../engines/events.ts'
import { LakehouseError } from '../errors/errors.ts'
import { inputMissing } from '../files/file-missing.ts'
import { levelNames } from '../fraud/score.ts'
import type { KafkaPositions } from '../kafka/source.ts'
import { inputStream, tablesOf } from '../plan/index.ts'
import { type Project, projectTitle } from '../project/project.ts'
import { sqlName } from '../query/table-name.ts'
import { withStartingRules } from '../versions/configured-rules.ts'
import { type BesideRun, openBeside } from './beside-run.ts'
import { commandActor } from './command-user.ts'
import type { DecisionsBeside } from './decisions-beside.ts'
import { exitCodes } from './failure.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'
import { isInteractive } from './live-painter.ts'
import { liveRunView } from './live-run-view.ts'
import type { Logger } from './logger.ts'
import { type ObservedRun, observeRun } from './observed-run.ts'
import { pipelineOptions } from './pipeline-options.ts'
import { openRunView, type RunFacts, type RunView } from './run-view.ts'
import { rulesInForce } from './running-rules.ts'
import { schemaRegistryOf } from './schema-registry.ts'
import { type ServedDashboard, serveDashboard } from './served-dashboard.ts'
import { openSession, projectDefaults, sinkEnvironment } from './session.ts'

/** The stream that decides transactions as they come; it writes no table. */
const decisionsStream = 'decisions'

const untilStopped =
  'are made of what comes in Kafka, until they are stopped: give neither --once nor --from.'

/** How long `--once` waits for a broker that is away or a topic that is not there. */
const onceWaitMaxMs = 30_000

type RunFlags = {
  readonly once?: true
  readonly finalize?: true
  readonly log?: true
  readonly from?: string
  readonly engine?: 'embedded' | 'spark'
}

export function runCommand(project: Project): Command {
  return new Command('run')
    .addArgument(
      new Argument('[streams...]', 'the streams of this process (default: all)').choices([
        ...project.lakehouse.streams,
        decisionsStream,
      ]),
    )
    .option('--once', 'carry what is there now through all tables, then stop')
    .option('--finalize', 'with --once: then close all windows; rows behind them are late from then on')
    .option('--from <file|directory>', 'read NDJSON files in place of Kafka', inHome)
    .option('--log', 'a line for each batch in place of the live picture')
    .option('--engine <engine>', 'embedded or spark (default: ENGINE)')
    .addHelpText('after', `\n${variablesHelp(project.lakehouse, projectDefaults(project))}`)
    .action((named: readonly string[], flags: RunFlags) =>
      named.length === 1 && named[0] === decisionsStream
        ? runDecisionsAlone(project, flags)
        : runPipeline(project, named, flags),
    )
}

async function runDecisionsAlone(project: Project, flags: RunFlags): Promise<void> {
  if (Object.keys(flags).some((flag) => flag !== 'log'))
    throw new LakehouseError('CONFIG_INVALID', `${decisionsStream} ${untilStopped}`)
  const { runDecisionsLogged } = await import('./run-decisions.ts')
  await runDecisionsLogged(openSession(project))
}

async function runPipeline(project: Project, named: readonly string[], flags: RunFlags): Promise<void> {
  const session = openSession(project)
  const { log } = session
  const decided = await withStartingRules(session.config, await commandActor(session.config))
  const all = project.lakehouse.streams
  const streams = named.length === 0 ? all : all.filter((name) => named.includes(name))
  checkFlags(flags, decided)
  const decides = isDeciding(named, flags, decided)
  const engineName = flags.engine ?? decided.engine
  const about = runFacts(decided, { project, streams, engine: engineName, from: flags.from ?? null })
  const view = viewOf(flags, decided, about, log)
  const listeners = [listenerOf(view)]
  const tell = tellAll(listeners)
  const inForce = await rulesInForce(session.config, tell)
  const config = { ...decided, lakehouse: inForce.shown(decided.lakehouse) }
  const stop = new AbortController()
  let dashboard: Dashboard | null = null
  let beside: BesideRun | null = null
  const unheard = onFirstSignal((signal) => {
    dashboard?.stopping()
    view.onStop(signal)
    stop.abort()
  })
  const source = streams.includes(inputStream(project.lakehouse))
    ? await openSource(flags, config, noticesTo(tell))
    : null
  const bounds = flags.once ? { giveUpAfterMs: onceWaitMaxMs } : {}
  const asked = { ...bounds, onNotice: noticesTo(tell) }
  const registry = source === null ? null : schemaRegistryOf(config, asked)
  const pipeline = pipelineOptions({ ...config, engine: engineName })
  const of = { streams, engine: engineName, reads: about.input } as const
  let decisions: DecisionsBeside | null = null
  const decidesAt = (): string | null => decisions?.url() ?? null
  const observed = await observeRun({ ...pipeline, ...of, source, metrics: config.metrics })
  listeners.push(observed.onEvent)
  try {
    // A run with an end is over before somebody looks.
    dashboard = flags.once
      ? null
      : await serveDashboard(config, { ...dashboardOf(of, flags, observed), decidesAt }, noticesTo(tell))
    if (dashboard !== null) listeners.push(dashboard.onEvent)
    const told = { streams, environment: sinkEnvironment(project), status: observed.status, tell }
    beside = await openBeside(config, session.config, { ...told, onNotice: noticesTo(tell) })
    listeners.push(...beside.listeners)
    view.onStart({ ...observed, dashboard })
    const engine = await openEngine(engineName, config, source)
    if (decides) {
      decisions = await startDecisions(project, engineName, noticesTo(tell), view)
    }
    decisions?.failed.addEventListener('abort', () => stop.abort(), { once: true })
    await engine.run({
      ...pipeline,
      ...{ streams, source, registry },
      once: flags.once ?? false,
      finalize: flags.finalize ?? false,
      signal: stop.signal,
      tell,
      // A stream behind silver goes by the plans of its batches.
      ...(source === null ? {} : { inForce }),
    })
    await decisions?.close()
    decisions?.failed.throwIfAborted()
    if (view.onEnd() === 'all refused') process.exitCode = exitCodes.failed
  } catch (error) {
    view.onFailure()
    throw error
  } finally {
    await decisions?.close()
    await dashboard?.close()
    await beside?.close(flags.once === true)
    await observed.close()
    await source?.close()
    registry?.close()
    unheard()
  }
}

/** A second Ctrl-C ends the process at once, which loses nothing either. */
function onFirstSignal(hear: (signal: NodeJS.Signals) => void): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    unheard()
    hear(signal)
  }
  const unheard = (): void => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  return unheard
}

/** A run with an end, or of files, decides nothing: DECISIONS_IN_RUN is about what comes. */
function isDeciding(named: readonly string[], { once, from }: RunFlags, config: Config): boolean {
  const isOfKafka = once !== true && from === undefined
  if (!named.includes(decisionsStream)) return named.length === 0 && config.decisions.isInRun && isOfKafka
  if (isOfKafka) return true
  throw new LakehouseError('CONFIG_INVALID', `${decisionsStream} ${untilStopped}`)
}

async function startDecisions(
  project: Project,
  engine: Config['engine'],
  onNotice: OnNotice,
  { onDecides, onShare }: RunView,
): Promise<DecisionsBeside> {
  const { decideBeside } = await import('./decisions-beside.ts')
  return decideBeside(project, { engine, onNotice, onStart: onDecides, onShare })
}

function dashboardOf(
  of: Pick<ServedDashboard, 'streams' | 'engine' | 'reads'>,
  { from }: RunFlags,
  observed: ObservedRun,
): ServedDashboard {
  return { ...of, inputUnit: from === undefined ? 'records' : 'bytes', title: 'Assay', observed }
}

function viewOf(flags: RunFlags, config: Config, about: RunFacts, log: Logger): RunView {
  return isLive(flags, config)
    ? liveRunView(about, log)
    : openRunView(about, log, flags.once ?? false, config.log)
}

/** Lines that scroll and a picture do not share a terminal. */
function isLive({ once, log }: RunFlags, config: Config): boolean {
  const isTerminal = isInteractive(process.stdout, process.env) && process.stderr.isTTY === true
  return isTerminal && once !== true && log !== true && config.log.format !== 'json'
}

function listenerOf({ onBatch, onNotice, onWait }: RunView): OnEvent {
  return listener({
    batch: ({ report }) => onBatch(report),
    notice: onNotice,
    fault: onNotice,
    waiting: onWait,
  })
}

/** What a run says of itself before it does anything. */
function runFacts(
  config: Config,
  {
    project,
    streams,
    engine,
    from,
  }: Pick<RunFacts, 'streams' | 'engine'> & { readonly project: Project; readonly from: string | null },
): RunFacts {
  const { topic, bootstrapServers } = config.kafka
  const input = from ?? `topic ${topic} at ${bootstrapServers.join(', ')}`
  return {
    input: streams.includes(inputStream(config.lakehouse)) ? input : `silver in ${config.deltaBasePath}`,
    reasons: config.lakehouse.reasons,
    levels: levelNames(config.lakehouse),
    refused: sqlName(config.lakehouse.refused),
    deltaBasePath: config.deltaBasePath,
    tables: tablesOf(config.lakehouse, streams).length,
    streams,
    engine,
    project: projectTitle(project),
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
  if (engine === 'spark' && config.store !== null)
    throw new LakehouseError('CONFIG_INVALID', `--engine is spark: ${sparkNeedsDisk}.`)
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
    if (!existsSync(flags.from)) throw inputMissing(flags.from)
    const { openFileSource } = await import('../files/source.ts')
    const { checkpointDirectory } = await import('../engines/lock.ts')
    const checkpoints = checkpointDirectory(config.deltaBasePath, inputStream(config.lakehouse))
    return openFileSource(flags.from, {
      takeUnterminatedTail: flags.finalize ?? false,
      untilNow: flags.once ?? false,
      cachePath: join(checkpoints, 'compressed-files.ndjson'),
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
