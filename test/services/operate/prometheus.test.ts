// A real Prometheus over a process for each stream: what it sees is what the tables have, and alerts fire
// when their causes happen.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { metricCatalog } from '../../../src/metrics/catalog.ts'
import { lines } from '../../generate/lines.ts'
import { type Assay, newDirectory, startAssay } from '../pipeline/assay.ts'
import { prometheusAvailable } from '../tools.ts'
import { type PrometheusServer, startPrometheus } from './prometheus-server.ts'

const waitMax = { timeout: 240_000, interval: 300 }
/** A fifth of these lines is refused. */
const [values] = fc.sample(lines(300, 300), { seed: 7, numRuns: 1 })

type Observed = { readonly assay: Assay; readonly instance: string }

describe.skipIf(prometheusAvailable !== null)('Prometheus', () => {
  let base: string
  let prometheus: PrometheusServer
  let native: PrometheusServer
  let [reader, fraud, aggregations]: Observed[] = []

  beforeAll(async () => {
    base = await newDirectory()
    await mkdir(join(base, 'input'))
    await writeFile(tokenFile(), 'a-token-that-is-long\n')
    await write('a')
    const from = ['--from', join(base, 'input')]
    reader = await observe(['run', 'kafka-to-delta', ...from])
    ;[fraud, aggregations] = await Promise.all([
      observe(['run', 'fraud-detection']),
      observe(['run', 'aggregations']),
    ])
    const targets = [reader, fraud, aggregations].map(({ instance }) => instance)
    ;[prometheus, native] = await Promise.all([
      startPrometheus(targets, tokenFile()),
      startPrometheus([reader.instance], tokenFile(), ['native-histograms']),
    ])
  })
  afterAll(async () => {
    await Promise.all([prometheus?.stop(), native?.stop()])
    const runs = [reader, fraud, aggregations].filter((run) => run !== undefined)
    await Promise.all(runs.map(({ assay }) => assay.end('SIGKILL')))
    await rm(base, { recursive: true, force: true })
  })

  /** As in a container: others can ask, and have to show it. */
  const tokenFile = () => join(base, 'token')

  async function write(name: string): Promise<void> {
    const text = Buffer.concat(values!.flatMap((value) => [value, Buffer.from('\n')]))
    await writeFile(join(base, 'input', `${name}.ndjson`), text)
  }

  /** Starts a run, and waits until it says where it can be asked. */
  async function observe(args: readonly string[]): Promise<Observed> {
    const metrics = { METRICS_PORT: '19464', METRICS_HOST: '0.0.0.0', METRICS_TOKEN_FILE: tokenFile() }
    const settings = { ...metrics, LOG_FORMAT: 'json', DELTA_BASE_PATH: join(base, 'lake') }
    const assay = startAssay(args, settings)
    const instance = () => /"url":"http:\/\/(localhost:\d+)"/.exec(assay.log())?.[1]
    await vi.waitUntil(() => instance() !== undefined || assay.hasEnded(), waitMax)
    expect(assay.hasEnded(), assay.log()).toBe(false)
    return { assay, instance: instance()! }
  }

  /** The sum of a metric of a process; null where it has none. */
  async function valueIn({ instance }: Observed, metric: string, labels = ''): Promise<number | null> {
    const found = await prometheus.query(`sum(${metric}{instance="${instance}"${labels}})`)
    return found[0]?.value ?? null
  }

  test('each stream tells its part of the same work, by names of the catalog alone', async () => {
    const silver = ',table="silver/transactions"'
    await expect.poll(() => valueIn(reader!, 'assay_records_total'), waitMax).toBeGreaterThan(0)
    await expect.poll(() => valueIn(reader!, 'assay_input_lag_bytes'), waitMax).toBe(0)
    const rows = await valueIn(reader!, 'assay_rows_total', silver)
    await expect.poll(() => valueIn(reader!, 'assay_table_rows', silver), waitMax).toBe(rows)
    await expect.poll(() => valueIn(fraud!, 'assay_transactions_total'), waitMax).toBe(rows)
    for (const run of [fraud!, aggregations!])
      await expect.poll(() => valueIn(run, 'assay_silver_batches_behind'), waitMax).toBe(0)
    const known = Object.keys(metricCatalog)
    for (const { instance } of [reader!, fraud!, aggregations!]) {
      const all = `count by (__name__) ({instance="${instance}", __name__=~"(assay|process|nodejs)_.*"})`
      for (const { metric } of await prometheus.query(all)) {
        const name = metric.__name__!
        expect(known).toContain(known.includes(name) ? name : name.replace(/_(bucket|count|sum)$/, ''))
      }
    }
  })

  test('native histograms have what the classic ones have', async () => {
    const count = async () => (await native.query('histogram_count(assay_commit_latency_seconds)'))[0]?.value
    const classic = await valueIn(reader!, 'assay_commit_latency_seconds_count')
    await expect.poll(count, waitMax).toBe(classic)
    const [median] = await native.query('histogram_quantile(0.5, assay_commit_latency_seconds)')
    const sum = await valueIn(reader!, 'assay_commit_latency_seconds_sum')
    expect(median!.value).toBeGreaterThan(0)
    expect(median!.value).toBeLessThan((2 * sum!) / classic! + 10)
  })

  test('records that are refused, and a writer that is paused, fire their alerts; it goes on', async () => {
    await write('b')
    await prometheus.untilFiring('AssayRefusals', reader!.instance)
    process.kill(fraud!.assay.pid, 'SIGSTOP')
    await prometheus.untilFiring('AssayDown', fraud!.instance)
    process.kill(fraud!.assay.pid, 'SIGCONT')
    await prometheus.untilSilent('AssayDown', fraud!.instance)
  })
})
