// What works beside a run and holds up no batch: alerts are told, and days are measured against what the
// model learned from.
import type { Config } from '../config/config.ts'
import type { OnEvent } from '../engines/events.ts'
import { rulesFile } from '../lakehouse/rules.ts'
import { instanceOptions } from '../query/reader.ts'
import type { DriftWriter } from '../training/drift-writer.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import { type ToldRun, tellAlerts } from './told-alerts.ts'

export type BesideRun = {
  readonly listeners: readonly OnEvent[]
  /** A run with an end tells and measures before what there is, within a time. */
  close(hasEnd: boolean): Promise<void>
}

/** A run with an end tells alerts so long; what a sink has not taken by then the next run tells. */
const tellMaxMs = 10_000
/** And measures days so long; the next run measures the others. */
const measureMaxMs = 60_000

/** `config` has the lakehouse as those see it who look at the run, `ofFile` as its file of rules says it. */
export async function openBeside(config: Config, ofFile: Config, run: ToldRun): Promise<BesideRun> {
  const alerts = await tellAlerts(config, run)
  const drift = await measureDrift(ofFile, run)
  return {
    listeners: [alerts, drift].flatMap((one) => (one === null ? [] : [one.onEvent])),
    async close(hasEnd) {
      await drift?.close(hasEnd ? measureMaxMs : 0)
      await alerts?.close(hasEnd ? tellMaxMs : 0)
    },
  }
}

/** null where no rules can have a model, and in a process that does not carry the scored table. */
async function measureDrift(
  config: Config,
  { streams, tell }: Pick<ToldRun, 'streams' | 'tell'>,
): Promise<DriftWriter | null> {
  const { scored, rulesFrom } = config.lakehouse
  const isOfProject = rulesFrom !== undefined && rulesFrom.file !== rulesFile
  if (!isOfProject || scored === null || !streams.includes(scored.stream)) return null
  const { DriftWriter } = await import('../training/drift-writer.ts')
  return new DriftWriter({
    rules: await versionedRules(config),
    maturityMicros: config.labelMaturityMicros,
    duckdb: instanceOptions(config),
    tell,
  })
}
