// A real Prometheus over processes of assay, with the rules of deploy/prometheus: their waits and windows are
// shorter, so that a test sees them fire within seconds.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { stringify } from 'yaml'
import { alertRules, recordingRules } from '../../../docs/alert-rules.ts'
import { lagRecordsMax, stalledMaxSeconds, unseenMaxSeconds } from '../../../src/metrics/objectives.ts'
import { freePorts } from '../free-ports.ts'

export type QueryResult = { readonly metric: Readonly<Record<string, string>>; readonly value: number }

export type PrometheusServer = {
  query(expr: string): Promise<QueryResult[]>
  /** Resolves when the alert fires for the instance; the test's time-out ends the wait. */
  untilFiring(alert: string, instance: string): Promise<void>
  untilSilent(alert: string, instance: string): Promise<void>
  stop(): Promise<void>
}

/** What is shorter here, as it stands in expressions. */
const shorter: readonly (readonly [string, string])[] = [
  [`[${stalledMaxSeconds}s]`, '[10s]'],
  ['[5m]', '[20s]'],
  [`> ${unseenMaxSeconds}`, '> 12'], // The brokers are looked at every five seconds.
  [`> ${lagRecordsMax}`, '> 100'],
]

function shortened(expr: string): string {
  return shorter.reduce((text, [from, to]) => text.replaceAll(from, to), expr)
}

const settled = { timeout: 120_000, interval: 500 }

/** `features` are those of `--enable-feature`. */
export async function startPrometheus(
  targets: readonly string[],
  tokenFile: string,
  features: readonly string[] = [],
): Promise<PrometheusServer> {
  const directory = await mkdtemp(join(tmpdir(), 'assay-prometheus-'))
  const [port] = (await freePorts(1)) as [number]
  const rules = [
    ...recordingRules.map(({ record, expr }) => ({ record, expr: shortened(expr) })),
    ...alertRules.map(({ alert, expr, severity, for: lasting }) => ({
      ...{ alert, expr: shortened(expr), labels: { severity } },
      ...(lasting === null ? {} : { for: '2s' }),
    })),
  ]
  await writeFile(join(directory, 'rules.yml'), stringify({ groups: [{ name: 'assay', rules }] }))
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: [
      { job_name: 'assay', authorization: { credentials_file: tokenFile }, static_configs: [{ targets }] },
    ],
  }
  await writeFile(join(directory, 'prometheus.yml'), stringify(config))
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...features.map((feature) => `--enable-feature=${feature}`),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let log = ''
  child.stderr.on('data', (bytes) => {
    log += String(bytes)
  })
  const get = async (path: string) => await fetch(`http://127.0.0.1:${port}${path}`)
  const isReady = async () => (await get('/-/ready').catch(() => null))?.status === 200
  await vi.waitUntil(isReady, settled).catch((error) => {
    throw new Error(`Prometheus did not start:\n${log}`, { cause: error })
  })
  const query = async (expr: string): Promise<QueryResult[]> => {
    const response = await get(`/api/v1/query?query=${encodeURIComponent(expr)}`)
    const { data } = (await response.json()) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] }
    }
    return data.result.map(({ metric, value }) => ({ metric, value: Number(value?.[1]) }))
  }
  const isFiring = async (alertname: string, instance: string): Promise<boolean> => {
    const labels = `alertname="${alertname}",instance="${instance}",alertstate="firing"`
    return (await query(`ALERTS{${labels}}`)).length > 0
  }
  return {
    query,
    untilFiring: (alert, instance) =>
      expect.poll(() => isFiring(alert, instance), { ...settled, message: alert }).toBe(true),
    untilSilent: (alert, instance) =>
      expect.poll(() => isFiring(alert, instance), { ...settled, message: alert }).toBe(false),
    async stop() {
      if (child.exitCode === null) {
        child.kill('SIGTERM')
        await once(child, 'close')
      }
      await rm(directory, { recursive: true, force: true })
    },
  }
}
