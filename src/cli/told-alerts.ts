// The alerts of a run: what they go by is read before it starts, and they are told once it has its tables,
// for as long as it lasts.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AlertTeller, AlertTellerOptions } from '../alerts/alert-teller.ts'
import type { AlertsConfig } from '../alerts/alerts-config.ts'
import type { Sink } from '../alerts/sink.ts'
import type { OnNotice } from '../batches/notice.ts'
import type { Config, Environment } from '../config/config.ts'
import { askStatus } from '../engines/asked-status.ts'
import { listener, type OnEvent } from '../engines/events.ts'
import type { RunStatus } from '../engines/run-status.ts'
import { LakehouseError } from '../errors/errors.ts'
import { inputStream } from '../plan/index.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'

export type ToldAlerts = {
  readonly onEvent: OnEvent
  /** With `waitMaxMs`, what there is to be told is told before, within that time. */
  close(waitMaxMs: number): Promise<void>
}

export type ToldRun = {
  readonly streams: readonly string[]
  readonly environment: Environment
  readonly status: () => Promise<RunStatus>
  readonly tell: OnEvent
  readonly onNotice: OnNotice
}

const openAgainMs = 10_000
/** An attempt to open alerts/log that is under way is waited for so long. */
const openingMaxMs = 5_000

/**
 * null where ALERTS_CONFIG is not set, and in a process that does not write the scored table: one process of
 * a lakehouse tells. Fails where the file has mistakes or a secret is missing.
 */
export async function tellAlerts(config: Config, run: ToldRun): Promise<ToldAlerts | null> {
  const { lakehouse } = config
  const teller = lakehouse.scored?.stream ?? inputStream(lakehouse)
  if (config.alertsFile === null || !run.streams.includes(teller)) return null
  const alerts = await readAlertsFile(config)
  const sinks = await sinksOf(alerts, config, run.environment)
  return new OpenedAlerts(config, alerts, sinks, run)
}

/** Fails with ALERTS_INVALID. */
export async function readAlertsFile({ alertsFile, lakehouse }: Config): Promise<AlertsConfig> {
  if (alertsFile === null) {
    const message = 'ALERTS_CONFIG names the file that says who is told of what, and it is not set.'
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  const { validAlerts } = await import('../alerts/read-alerts.ts')
  return validAlerts(textOf(alertsFile), alertsFile, lakehouse)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new LakehouseError('ALERTS_INVALID', `${file} (ALERTS_CONFIG) cannot be read: ${why}.`, { cause })
  }
}

export async function sinksOf(
  alerts: AlertsConfig,
  config: Config,
  environment: Environment,
): Promise<readonly Sink[]> {
  const { openSinks } = await import('../alerts/sinks.ts')
  const { SinkSecrets } = await import('../alerts/sink-secrets.ts')
  const kafka = () => kafkaConnectionOf(config.kafka)
  return await openSinks(alerts, { secrets: new SinkSecrets(environment), kafka, nowMs: Date.now })
}

class OpenedAlerts implements ToldAlerts {
  readonly #config: Config
  readonly #alerts: AlertsConfig
  readonly #sinks: readonly Sink[]
  readonly #run: ToldRun
  readonly #stop = new AbortController()
  #opening: Promise<AlertTeller | null> | null = null

  constructor(config: Config, alerts: AlertsConfig, sinks: readonly Sink[], run: ToldRun) {
    this.#config = config
    this.#alerts = alerts
    this.#sinks = sinks
    this.#run = run
  }

  readonly onEvent = listener({
    // Who has opened the tables has the locks: before, another process may be the one that tells.
    opened: ({ progress }) => {
      this.#opening ??= this.#open(progress.timeMicros)
    },
  })

  async close(waitMaxMs: number): Promise<void> {
    const untilMs = Date.now() + waitMaxMs
    const teller = await this.#opened(waitMaxMs)
    if (teller !== null) return await teller.close(Math.max(0, untilMs - Date.now()))
    for (const sink of this.#sinks) await sink.close()
  }

  /** null where alerts/log cannot be opened in that time: a run that is over does not wait for its store. */
  async #opened(waitMaxMs: number): Promise<AlertTeller | null> {
    const opening = this.#opening
    if (opening === null) return null
    const ended = new AbortController()
    const after = (ms: number) => sleep(ms, null, { signal: ended.signal }).catch(() => null)
    const givenUp = after(waitMaxMs).then(() => {
      if (!ended.signal.aborted) this.#stop.abort()
      return after(openingMaxMs)
    })
    const teller = await Promise.race([opening, givenUp])
    ended.abort()
    // One that is opened all the same has nothing to tell to.
    if (teller === null) opening.then((late) => late?.close()).catch(() => undefined)
    return teller
  }

  /** The tables of the lakehouse may be away as well. */
  async #open(openedMicros: bigint): Promise<AlertTeller | null> {
    const { AlertTeller } = await import('../alerts/alert-teller.ts')
    const { signal } = this.#stop
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const teller = await AlertTeller.open({ ...this.#options(), openedMicros })
        teller.start()
        return teller
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        const message = `alerts cannot be told yet; batches go on: ${reason}`
        if (attempt === 0) this.#run.onNotice({ code: 'ALERTS_FAILED', message, details: {} })
        await sleep(openAgainMs, undefined, { signal }).catch(() => undefined)
      }
    }
    return null
  }

  #options(): Omit<AlertTellerOptions, 'openedMicros'> {
    const { lakehouse, deltaBasePath } = this.#config
    const { tell, onNotice } = this.#run
    return {
      ...{ lakehouse, deltaBasePath, config: this.#alerts, sinks: this.#sinks, tell, onNotice },
      health: () => this.#health(),
      nowMs: Date.now,
      random: Math.random,
      wait: (ms, signal) => sleep(ms, undefined, { signal }),
    }
  }

  /** Of this process, and of those that carry the other streams. */
  async #health() {
    const { healthFindings } = await import('../alerts/health.ts')
    const { lakehouse, deltaBasePath, metrics } = this.#config
    const { streams, status } = this.#run
    const others = lakehouse.streams.filter((stream) => !streams.includes(stream))
    const asked = others.length === 0 ? [] : await askStatus(lakehouse, deltaBasePath, metrics, Date.now)
    const ofOthers = asked.filter((one) => one.streams.some((stream) => others.includes(stream)))
    return healthFindings([await status(), ...ofOthers])
  }
}
