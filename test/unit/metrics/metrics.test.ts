import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RunMetrics } from '../../../src/engines/run-metrics.ts'
import { RunWatch } from '../../../src/engines/run-watch.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { metricCatalog } from '../../../src/metrics/catalog.ts'
import { expositionText } from '../../../src/metrics/exposition-text.ts'
import { serveMetrics } from '../../../src/metrics/http.ts'
import { type MetricFamily, MetricValues } from '../../../src/metrics/metric-values.ts'
import { lines } from '../../generate/lines.ts'
import { prometheusAvailable } from '../../services/tools.ts'
import { newLakehouse, runOnce, testOptions, writeInput } from '../engine/pipeline.ts'

const [values] = fc.sample(lines(200, 200), { seed: 7, numRuns: 1 })

/** What is told of a run over 200 records, with its reports. */
async function metricsOfRun() {
  const lakehouse = await newLakehouse()
  try {
    await writeInput(lakehouse, values!)
    const watch = new RunWatch()
    const run = { ...testOptions, deltaBasePath: lakehouse.base, engine: 'embedded', version: '1.2.3' }
    const metrics = new RunMetrics(run, watch)
    const reports = await runOnce(lakehouse, {
      recordsPerBatchMax: 60,
      onEvent(event) {
        watch.onEvent(event)
        metrics.onEvent(event)
      },
    })
    return { families: await metrics.collect(), reports }
  } finally {
    await lakehouse.remove()
  }
}

const valueIn = (families: readonly MetricFamily[], name: string, labels: Record<string, string> = {}) => {
  const { samples } = families.find((family) => family.name === name)!
  const found = samples.find((sample) => JSON.stringify(sample.labels) === JSON.stringify(labels))
  return found?.value
}

test('a run is told as it was: its counts are those of its reports, and no metric is missing', async () => {
  const { families, reports } = await metricsOfRun()
  expect(families.map(({ name }) => name)).toEqual(Object.keys(metricCatalog))
  const sum = (of: (report: (typeof reports)[number]) => number) =>
    reports.reduce((total, report) => total + of(report), 0)
  expect(valueIn(families, 'assay_records_total')).toBe(sum(({ records }) => records))
  expect(valueIn(families, 'assay_batches_total')).toBe(reports.length)
  expect(valueIn(families, 'assay_quarantined_records_total')).toBe(sum((one) => one.quarantinedRows))
  for (const { path: table } of standardLakehouse.tables) {
    const rows = sum(({ rowsByTable }) => rowsByTable[table] ?? 0)
    expect(valueIn(families, 'assay_rows_total', { table }), table).toBe(rows)
    expect(valueIn(families, 'assay_table_rows', { table }), table).toBe(rows)
  }
  for (const reason of Object.keys(standardLakehouse.reasons)) {
    const count = sum(({ quarantineReasons }) => quarantineReasons[reason] ?? 0)
    expect(valueIn(families, 'assay_refused_records_total', { reason }), reason).toBe(count)
  }
  const levels = families.find(({ name }) => name === 'assay_transactions_total')!.samples
  expect(levels.reduce((total, { value }) => total + Number(value), 0)).toBe(
    valueIn(families, 'assay_rows_total', { table: 'fraud_detection' }),
  )
  // Every rule has its version, and fired as often as reports say.
  const rules = families.find(({ name }) => name === 'assay_rule_firings_total')!.samples
  expect(rules.map(({ labels }) => labels.rule)).toEqual(standardLakehouse.rules.map(({ name }) => name))
  for (const { labels, value } of rules) {
    expect(labels.version).toMatch(/^[0-9a-f]{8}$/)
    expect(value).toBe(sum(({ firings }) => firings[labels.rule!] ?? 0))
  }
  for (const { name, samples } of families) {
    for (const { labels } of samples) expect(Object.keys(labels), name).toEqual(metricCatalog[name].labels)
  }
})

test.skipIf(prometheusAvailable !== null)(
  'promtool finds nothing wrong with what /metrics gives',
  async () => {
    const { families } = await metricsOfRun()
    const input = expositionText(families, 'prometheus')
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input,
      encoding: 'utf8',
    })
    expect(`${stdout}${stderr}`).toBe('')
    expect(status).toBe(0)
  },
)

test('labels and numbers are written so that nothing of them is markup', () => {
  const metrics = new MetricValues()
  metrics.set('assay_lag_records', { topic: 'a"b\\c\nd', partition: '0' }, Number.POSITIVE_INFINITY)
  const text = expositionText(metrics.families(), 'prometheus')
  expect(text).toContain('assay_lag_records{topic="a\\"b\\\\c\\nd",partition="0"} +Inf\n')
  const open = expositionText(metrics.families(), 'openmetrics')
  expect(open).toContain('# TYPE assay_batches counter\n')
  expect(open).toContain('# UNIT assay_lag_seconds seconds\n')
  expect(open.endsWith('# EOF\n')).toBe(true)
})

test('a label that grows without end ends as one series', () => {
  const metrics = new MetricValues()
  for (let code = 0; code < 3_000; code++) metrics.add('assay_notices_total', { code: `C${code}` })
  const { samples } = metrics.families().find(({ name }) => name === 'assay_notices_total')!
  expect(samples).toHaveLength(2_001)
  expect(samples.at(-1)).toEqual({ labels: { code: 'other' }, value: 1_000 })
})

const anyPort = 20_000 + (process.pid % 20_000)

test('a process answers on localhost alone; where its port is taken, on the next', async () => {
  let reason: string | null = 'the tables are not open yet'
  const served = {
    metrics: async () => new MetricValues().families(),
    notReady: () => reason,
    status: async () => ({ state: 'live' }),
  }
  // Somebody else has the port.
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  const { port } = other.address() as { port: number }
  const server = await serveMetrics({ host: 'localhost', port, token: { kind: 'none' } }, served)
  try {
    expect(server.port).toBeGreaterThan(port)
    const get = (path: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${server.port}${path}`, init)
    expect((await get('/healthz')).status).toBe(200)
    const away = await get('/readyz')
    expect([away.status, await away.text()]).toEqual([503, 'the tables are not open yet\n'])
    reason = null
    expect((await get('/readyz')).status).toBe(200)
    expect(await (await get('/status')).json()).toEqual({ state: 'live' })
    const text = await get('/metrics')
    expect(text.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const accept = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5'
    const open = await get('/metrics', { headers: { accept } })
    expect(open.headers.get('content-type')).toBe(
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    )
    expect((await get('/metrics', { method: 'POST' })).status).toBe(405)
    expect((await get('/secrets')).status).toBe(404)
  } finally {
    await server.close()
    other.close()
  }
})

test('a page whose name was pointed at this machine gets nothing', async () => {
  const served = { metrics: async () => [], notReady: () => null, status: async () => ({}) }
  const server = await serveMetrics({ host: 'localhost', port: anyPort, token: { kind: 'none' } }, served)
  const { request } = await import('node:http')
  try {
    const code = await new Promise((resolve, reject) => {
      const headers = { host: `evil.example:${server.port}` }
      request({ port: server.port, host: '127.0.0.1', path: '/status', headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .once('error', reject)
        .end()
    })
    expect(code).toBe(403)
  } finally {
    await server.close()
  }
})

test('on another address the token is asked for, and probes are told yes or no alone', async () => {
  const home = mkdtempSync(join(tmpdir(), 'assay-token-'))
  const path = join(home, 'token')
  const token = { kind: 'file', variable: 'METRICS_TOKEN_FILE', path } as const
  let reason: string | null = 'broker kafka-1.example:9092 is away'
  const served = { metrics: async () => [], notReady: () => reason, status: async () => ({ state: 'live' }) }
  const serve = () => serveMetrics({ host: '0.0.0.0', port: anyPort, token }, served)
  await expect(serve()).rejects.toThrow(/METRICS_TOKEN_FILE cannot be read/)
  writeFileSync(path, 'short\n')
  await expect(serve()).rejects.toThrow(/METRICS_TOKEN_FILE: .* has to hold one token of 16/)
  writeFileSync(path, 'the-first-long-token\n')
  const server = await serve()
  try {
    const get = async (at: string, authorization?: string) => {
      // Whoever has the token may ask by any name.
      const headers = { host: 'assay.example', ...(authorization === undefined ? {} : { authorization }) }
      const response = await fetch(`http://127.0.0.1:${server.port}${at}`, { headers })
      return [response.status, await response.text()]
    }
    const refused = [401, 'this needs the token of METRICS_TOKEN\n']
    const wrong = [
      'Bearer the-first-long-toke',
      'Bearer the-first-long-token2',
      'Bearer',
      'Basic dGhlOmZpcnN0',
    ]
    for (const at of ['/metrics', '/status', '/else'])
      for (const shown of [undefined, ...wrong]) expect(await get(at, shown)).toEqual(refused)
    expect(await get('/healthz')).toEqual([200, 'ok\n'])
    expect(await get('/readyz')).toEqual([503, 'not ready\n'])
    expect(await get('/readyz', 'Bearer the-first-long-token')).toEqual([503, `${reason}\n`])
    reason = null
    expect(await get('/readyz')).toEqual([200, 'ok\n'])
    expect((await get('/metrics', 'bearer the-first-long-token'))[0]).toBe(200)
    writeFileSync(path, 'another-long-token-of-ours')
    expect(await get('/status', 'Bearer the-first-long-token')).toEqual(refused)
    expect(await get('/status', 'Bearer another-long-token-of-ours')).toEqual([200, '{"state":"live"}'])
  } finally {
    await server.close()
    rmSync(home, { recursive: true })
  }
})
