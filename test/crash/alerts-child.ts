// A process that tells the alerts of a lakehouse and, at a named step, kills itself. Started by
// alerts.test.ts with its plan.
import { setTimeout as sleep } from 'node:timers/promises'
import { AlertTeller } from '../../src/alerts/alert-teller.ts'
import { validAlerts } from '../../src/alerts/read-alerts.ts'
import { SinkSecrets } from '../../src/alerts/sink-secrets.ts'
import { openSinks } from '../../src/alerts/sinks.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import type { StepName } from '../../src/steps/step.ts'
import { killSelfAt } from './kill-self.ts'

export type AlertsPlan = {
  readonly base: string
  readonly yaml: string
  readonly environment: Readonly<Record<string, string>>
  readonly at: { readonly step: StepName; readonly occurrence: number }
}

const endMaxMs = 60_000

async function main({ base, yaml, environment, at }: AlertsPlan): Promise<void> {
  killSelfAt(at)
  const config = validAlerts(yaml, 'alerts.yaml', standardLakehouse)
  const context = {
    secrets: new SinkSecrets(environment),
    nowMs: Date.now,
    kafka: () => ({ bootstrapServers: [] }),
  }
  const teller = await AlertTeller.open({
    ...{ lakehouse: standardLakehouse, deltaBasePath: base, config, openedMicros: 0n },
    sinks: await openSinks(config, context),
    health: async () => [],
    tell: () => undefined,
    onNotice: ({ message }) => console.error(message),
    ...{ nowMs: Date.now, random: Math.random },
    wait: (ms, signal) => sleep(ms, undefined, { signal }),
  })
  teller.start()
  await teller.close(endMaxMs)
}

if (import.meta.main) await main(JSON.parse(process.argv[2]!))
